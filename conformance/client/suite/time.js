import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { allCleared, assertCookies, cleared, day, dontRememberCookie, ok, refused, sessionCookie } from "../lib/app.js";

// The clock only goes forward, for all tests of a server.
export function time(app) {
  describe("in time", () => {
    const session = async (browser, options) => ok(await browser.client.getSession(options)).data?.session;

    test("a session ends", async () => {
      const browser = await app.signedUp();
      await app.advance(7 * day);
      assert.equal(await session(browser), undefined);
      assertCookies(browser, allCleared);
      refused(await browser.client.listSessions(), 401, "UNAUTHORIZED");
    });

    test("a session that is used is extended, once a day", async () => {
      const browser = await app.signedUp();
      const first = await session(browser);
      await app.advance(day - 60);
      assert.deepEqual(await session(browser), first);
      assertCookies(browser, {});

      await app.advance(60);
      const second = await session(browser);
      assertCookies(browser, { [sessionCookie]: { value: browser.token, "Max-Age": String(7 * day) } });
      assert.ok(second.expiresAt - first.expiresAt >= day * 1000, `extended by ${second.expiresAt - first.expiresAt} ms`);
      assert.ok(second.updatedAt > first.updatedAt);
      assert.deepEqual(second.createdAt, first.createdAt);

      assert.deepEqual(await session(browser), second);
      assertCookies(browser, {});
      await app.advance(6 * day + day / 2);
      assert.ok(await session(browser), "it has ended when it would have without the extension");
    });

    test("every guarded route extends a session", async () => {
      const browser = await app.signedUp();
      const first = await session(browser);
      await app.advance(2 * day);
      assert.equal((await browser.app("/me")).status, 200);
      assertCookies(browser, { [sessionCookie]: { value: browser.token, "Max-Age": String(7 * day) } });
      assert.ok((await session(browser)).expiresAt > first.expiresAt);
    });

    test("a session is left alone when the client asks for that", async () => {
      const browser = await app.signedUp();
      const first = await session(browser);
      await app.advance(2 * day);
      // Any text is true, as in JavaScript.
      for (const disableRefresh of [true, "false", "0"]) {
        assert.deepEqual(await session(browser, { query: { disableRefresh } }), first);
        assertCookies(browser, {});
      }
      assert.ok((await session(browser, { query: { disableRefresh: "" } })).expiresAt > first.expiresAt);
    });

    test("a session that is not remembered is never extended and ends after a day", async () => {
      const browser = await app.signedUp({ rememberMe: false });
      const first = await session(browser);
      await app.advance(day - 60);
      assert.deepEqual(await session(browser), first);
      assertCookies(browser, {});
      await app.advance(60);
      assert.equal(await session(browser), undefined);
      assertCookies(browser, { [sessionCookie]: cleared, [dontRememberCookie]: cleared });
    });

    test("a session stops being fresh, however much it is used", async () => {
      const browser = await app.signedUp();
      assert.equal((await browser.app("/fresh")).status, 200);
      await app.advance(day);
      assert.ok(await session(browser));
      refused(await browser.client.listSessions(), 403, "SESSION_NOT_FRESH", "Session is not fresh");
      refused(await browser.app("/fresh"), 403, "SESSION_NOT_FRESH", "Session is not fresh");
      assert.equal((await browser.app("/me")).status, 200);

      await app.signedIn(browser.user.email, { browser });
      assert.equal((await browser.app("/fresh")).status, 200);
    });

    test("what each instance says is kept to", async () => {
      const browser = await app.signedUp({ browser: app.at("/short") });
      assertCookies(browser, { [sessionCookie]: { value: browser.token, "Max-Age": "4" } });
      const first = await session(browser);
      assert.equal(first.expiresAt - first.createdAt, 4000);
      await app.advance(1.5);
      const second = await session(browser);
      assertCookies(browser, { [sessionCookie]: { value: browser.token, "Max-Age": "4" } });
      assert.ok(second.expiresAt - first.expiresAt >= 1500);
      ok(await browser.client.listSessions());
      await app.advance(1);
      refused(await browser.client.listSessions(), 403, "SESSION_NOT_FRESH");
      await app.advance(4);
      assert.equal(await session(browser), undefined);
    });
  });
}
