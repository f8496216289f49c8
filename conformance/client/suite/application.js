import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertCookies, dontRememberCookie, refused, sessionCookie, wireDate } from "../lib/app.js";

export function application(app) {
  describe("the application", () => {
    test("knows who is signed in", async () => {
      const browser = await app.signedUp({ nickname: "ally" });
      const { session, user } = (await browser.get("/get-session")).body;
      assert.deepEqual((await browser.app("/me")).body, { user, session });
      assert.match(user.createdAt, wireDate);
      assert.equal(browser.last.headers["content-type"], "application/json");
      assert.deepEqual((await browser.app("/maybe")).body, { user });
      assert.deepEqual((await browser.app("/fresh")).body, { ok: true });
    });

    test("lets nobody in who is not", async () => {
      const browser = app.browser();
      for (const path of ["/me", "/fresh"]) {
        refused(await browser.app(path), 401, "UNAUTHORIZED", "Unauthorized");
        assert.equal(browser.last.headers["content-type"], "application/json");
      }
      refused(await browser.app("/note", { method: "POST" }), 401, "UNAUTHORIZED", "Unauthorized");
      const answer = await browser.app("/maybe");
      assert.deepEqual([answer.status, answer.text], [200, '{"user":null}']);
      assertCookies(browser, {});
    });

    test("clears the cookies of a session that is gone", async () => {
      const browser = await app.signedUp();
      const other = await app.signedIn(browser.user.email);
      await other.client.revokeOtherSessions();
      assert.deepEqual((await browser.app("/maybe")).body, { user: null });
      assertCookies(browser, {
        [sessionCookie]: { value: "", "Max-Age": "0" },
        [dontRememberCookie]: { value: "", "Max-Age": "0" },
      });
    });

    test("takes changes from trusted pages only", async () => {
      const browser = await app.signedUp();
      const from = (origin) => browser.app("/note", { method: "POST", headers: { origin } });
      for (const origin of [browser.server, "http://app.example.test"]) {
        const answer = await from(origin);
        assert.deepEqual([answer.status, answer.body], [200, { ok: true }]);
      }
      refused(await from("http://evil.example"), 403, "INVALID_ORIGIN", "Invalid origin");
      refused(await from(null), 403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin");
    });

    test("survives a panic and tells nothing about it", async () => {
      const browser = await app.signedUp();
      const answer = await browser.app("/panic");
      assert.equal(answer.status, 500);
      assert.deepEqual(answer.body, { code: "INTERNAL_SERVER_ERROR", message: "Internal Server Error" });
      assert.ok(answer.headers["x-request-id"]);
      await app.server.logged(answer.headers["x-request-id"]);
      assert.equal((await browser.app("/me")).status, 200);
    });

    test("answers 404 for what it has not", async () => {
      const browser = await app.signedUp();
      for (const [method, path] of [
        ["GET", "/"], ["GET", "/unknown"], ["POST", "/me"], ["HEAD", "/me"], ["OPTIONS", "/me"], ["GET", "/note"],
        ["GET", "/me/"], ["GET", "//me"], ["GET", "/limited/"], ["GET", "/limited/1/2"], ["GET", "/%6de"],
      ]) {
        const { status, text, headers } = await browser.app(path, { method });
        assert.deepEqual(
          [status, text, headers["content-type"], headers["allow"], headers["location"]],
          [404, method === "HEAD" ? "" : '{"code":"NOT_FOUND","message":"Not found"}', "application/json", undefined, undefined], `${method} ${path}`,
        );
      }
    });

    test("can be profiled", async () => {
      assert.match((await app.browser().app("/debug/pprof/goroutine?debug=1")).text, /goroutine profile/);
    });
  });

  describe("the test endpoints", () => {
    test("tell of the server", async () => {
      const before = await app.server.test("metrics");
      assert.deepEqual(Object.keys(before), ["goroutines", "passwordHashes", "mailsSent"]);
      assert.ok(before.goroutines > 0);
      await app.signedUp();
      const after = await app.server.test("metrics");
      assert.equal(after.passwordHashes.total, before.passwordHashes.total + 1);
      assert.equal(after.passwordHashes.running, 0);
      assert.deepEqual(await app.server.test("ready"), {});
      assert.deepEqual(await app.server.test("outbox"), []);
    });

    test("write users", async () => {
      const browser = await app.signedUp();
      await app.server.test("user", { email: browser.user.email, emailVerified: true });
      assert.equal((await browser.app("/me")).body.user.emailVerified, true);
      await assert.rejects(app.server.test("user", { email: app.email("nobody"), emailVerified: true }), /404/);
      await assert.rejects(app.server.test("user", { email: browser.user.email, role: "admin" }), /400/);
    });
  });
}
