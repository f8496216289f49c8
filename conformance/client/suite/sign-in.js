import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { allCleared, assertCookies, cleared, day, dontRememberCookie, ok, password, refused, sessionCookie } from "../lib/app.js";

export function signIn(app) {
  describe("sign-in", () => {
    test("by e-mail and password", async () => {
      const { user } = await app.signedUp();
      const browser = app.browser();
      const { data } = ok(await browser.client.signIn.email({ email: user.email.toUpperCase(), password }));
      // An absent callbackURL makes no url, not one of null.
      assert.deepEqual(Object.keys(data), ["redirect", "token", "user"]);
      assert.equal(data.redirect, false);
      assert.deepEqual(data.user, user);
      assertCookies(browser, { [sessionCookie]: { value: data.token, "Max-Age": String(7 * day) } });
      assert.equal(ok(await browser.client.getSession()).data.session.token, data.token);
    });

    test("gives the token of no other session", async () => {
      const first = await app.signedUp();
      const second = await app.signedIn(first.user.email);
      assert.notEqual(second.token, first.token);
      assert.ok(ok(await first.client.getSession()).data, "the first session goes on");
    });

    test("answers an unknown user as it does a wrong password", async () => {
      const { user } = await app.signedUp();
      const bodies = [];
      for (const email of [user.email, app.email("nobody")]) {
        const browser = app.browser();
        refused(
          await browser.client.signIn.email({ email, password: "wrong-password" }),
          401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password",
        );
        assertCookies(browser, {});
        bodies.push(browser.last.text);
      }
      assert.equal(bodies[0], bodies[1]);
    });

    test("refuses what is no e-mail", async () => {
      refused(await app.browser().client.signIn.email({ email: "nobody", password }), 400, "INVALID_EMAIL", "Invalid email");
    });

    test("without rememberMe lasts a day and as long as the browser", async () => {
      const { user } = await app.signedUp();
      const browser = await app.signedIn(user.email, { rememberMe: false });
      assertCookies(browser, { [sessionCookie]: { value: browser.token }, [dontRememberCookie]: { value: "true" } });
      const { session } = ok(await browser.client.getSession()).data;
      assert.equal(session.expiresAt - session.createdAt, day * 1000);

      // Signed in again and remembered, nothing is left of the mark.
      await app.signedIn(user.email, { browser });
      assertCookies(browser, {
        [sessionCookie]: { value: browser.token, "Max-Age": String(7 * day) },
        [dontRememberCookie]: cleared,
      });
    });

    test("leads on to a trusted callbackURL", async () => {
      const { user } = await app.signedUp();
      for (const callbackURL of ["/dashboard?tab=1", "http://app.example.test/in", "https://a.trusted.example.test/", "myapp://cb"]) {
        const browser = app.browser();
        const { data } = ok(await browser.client.signIn.email({ email: user.email, password, callbackURL }));
        assert.equal(data.redirect, true);
        assert.equal(data.url, callbackURL);
        assert.equal(browser.last.status, 200);
        assert.equal(browser.last.headers["location"], callbackURL);
      }
      for (const callbackURL of ["https://evil.example", "//evil.example", "/\\evil.example", "/%2fevil.example", "otherapp://cb", "javascript:alert(1)"]) {
        const browser = app.browser();
        refused(await browser.client.signIn.email({ email: user.email, password, callbackURL }), 403, "INVALID_CALLBACK_URL", "Invalid callbackURL");
        assertCookies(browser, {});
      }
    });

    test("of an unverified user is refused where that is required", async () => {
      const email = app.email();
      const browser = app.at("/verify");
      ok(await browser.client.signUp.email({ name: "Al", email, password }));
      refused(await browser.client.signIn.email({ email, password }), 403, "EMAIL_NOT_VERIFIED", "Email not verified");
      refused(await browser.client.signIn.email({ email, password: "wrong-password" }), 401, "INVALID_EMAIL_OR_PASSWORD");
      assertCookies(browser, {});

      await app.server.test("user", { email, emailVerified: true });
      const { data } = ok(await browser.client.signIn.email({ email, password }));
      assert.equal(data.user.emailVerified, true);
    });

    test("takes a form", async () => {
      const { user } = await app.signedUp();
      const form = { "content-type": "application/x-www-form-urlencoded" };
      const browser = app.browser();
      const answer = await browser.post("/sign-in/email", new URLSearchParams({ email: user.email, password }).toString(), form);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.user.id, user.id);
      refused(
        await app.browser().post("/sign-in/email", new URLSearchParams({ email: user.email, password, rememberMe: "false" }).toString(), form),
        400, "VALIDATION_ERROR", "[body.rememberMe] Invalid input: expected boolean, received string",
      );
    });
  });

  describe("sign-out", () => {
    test("ends the session for good", async () => {
      const browser = await app.signedUp();
      const cookie = browser.cookies.get(sessionCookie);
      const { data } = ok(await browser.client.signOut());
      assert.deepEqual(data, { success: true });
      assertCookies(browser, allCleared);
      assert.equal(ok(await browser.client.getSession()).data, null);

      browser.cookies.set(sessionCookie, cookie);
      assert.equal(ok(await browser.client.getSession()).data, null);
    });

    test("never fails", async () => {
      const browser = app.browser();
      for (const cookie of [undefined, "x", "token.c2lnbmF0dXJl"]) {
        if (cookie) browser.cookies.set(sessionCookie, cookie);
        assert.deepEqual(ok(await browser.client.signOut()).data, { success: true });
        assertCookies(browser, allCleared);
      }
    });
  });
}
