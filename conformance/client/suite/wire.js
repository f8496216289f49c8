import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertCookies, ok, password, refused, sessionCookie } from "../lib/app.js";

export function wire(app) {
  describe("the wire", () => {
    test("says ok", async () => {
      const browser = app.browser();
      assert.deepEqual(ok(await browser.client.ok()).data, { ok: true });
      assert.equal(browser.last.text, '{"ok":true}');
    });

    test("has a page for errors", async () => {
      const page = await app.browser().get("/error?error=state_mismatch&error_description=%3Cb%3E");
      assert.equal(page.status, 200);
      assert.match(page.headers["content-type"], /^text\/html/);
      assert.match(page.text, /state_mismatch/);
      assert.doesNotMatch(page.text, /<b>/);
      assert.match((await app.browser().get("/error?error=%3Cscript%3E")).text, /UNKNOWN/);
    });

    test("answers 404 for what is no endpoint", async () => {
      const browser = app.browser();
      for (const [method, path] of [
        ["GET", "/unknown"], ["POST", "/unknown"], ["GET", ""], ["GET", "/"], ["GET", "/ok/"], ["POST", "/ok"],
        ["DELETE", "/get-session"], ["GET", "/sign-in/email"], ["OPTIONS", "/sign-in/email"], ["HEAD", "/get-session"],
        ["GET", "/sign-in//email"], ["POST", "/sign-in/%65mail"], ["POST", "/SIGN-IN/email"], ["POST", "/set-password"],
      ]) {
        const answer = await browser.call(method, path);
        assert.deepEqual([answer.status, answer.text, answer.headers["content-type"]], [404, method === "HEAD" ? "" : '{"code":"NOT_FOUND","message":"Not found"}', "application/json"], `${method} ${path}`);
      }
      for (const path of ["/api/authx/ok", "/api", "/cache/api/auth/ok", "/limit/ok"]) {
        assert.equal((await browser.app(path)).status, 404, path);
      }
      const { error } = await browser.client.$fetch("/unknown");
      assert.equal(error.status, 404);
    });

    test("takes JSON only", async () => {
      const browser = app.browser();
      const types = "application/x-www-form-urlencoded, application/json";
      const post = (body, headers) => browser.post("/sign-in/email", body, headers);
      refused(
        await post("{}", { "content-type": "text/plain" }), 415, "UNSUPPORTED_MEDIA_TYPE",
        `Content-Type "text/plain" is not allowed. Allowed types: ${types}`,
      );
      refused(
        await post("{}", { "content-type": null }), 415, "UNSUPPORTED_MEDIA_TYPE",
        `Content-Type is required. Allowed types: ${types}`,
      );
      refused(
        await browser.post("/sign-out", "a=b", { "content-type": "application/x-www-form-urlencoded" }), 415, "UNSUPPORTED_MEDIA_TYPE",
        'Content-Type "application/x-www-form-urlencoded" is not allowed. Allowed types: application/json',
      );
      refused(await post("{", {}), 400, "BAD_REQUEST", "Invalid JSON in request body");
      refused(
        await browser.post("/sign-in/email"), 400, "VALIDATION_ERROR",
        "[body] Invalid input: expected object, received undefined",
      );
      refused(await post("[]", { "content-type": "application/json; charset=utf-8" }), 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received array");
    });

    test("judges the input before the session", async () => {
      const { client } = app.browser();
      refused(await client.revokeSession({ token: 1 }), 400, "VALIDATION_ERROR", "[body.token] Invalid input: expected string, received number");
      refused(await client.revokeSession({ other: "x" }), 400, "VALIDATION_ERROR", "[body.token] Invalid input: expected string, received undefined");
    });

    test("lets only trusted origins send cookies", async () => {
      const browser = await app.signedUp();
      const from = (origin, more) => browser.post("/update-user", { name: "Bo" }, { origin, ...more });
      for (const origin of [browser.server, "http://app.example.test", "https://a.trusted.example.test", "https://a.b.trusted.example.test"]) {
        assert.equal((await from(origin)).status, 200, origin);
      }
      for (const origin of [
        "http://evil.example", "https://app.example.test", "http://app.example.test.evil.example", "https://trusted.example.test",
        "https://a.trusted.example.test:8443", "http://a.trusted.example.test", "http://192.168.1.1",
      ]) {
        refused(await from(origin), 403, "INVALID_ORIGIN", "Invalid origin");
      }
      const elsewhere = { "sec-fetch-site": "cross-site" };
      for (const origin of [null, "null"]) {
        refused(await from(origin, elsewhere), 403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin");
      }
      assert.equal((await from(null, { referer: browser.server + "/page" })).status, 200);
      refused(await from(null, { referer: "http://evil.example/" + browser.server }), 403, "INVALID_ORIGIN");
      assert.equal((await from("null")).status, 200, "a page of ours that hides its origin");
      // Reading is harmless: other sites do not get to see the answer.
      assert.equal((await browser.get("/get-session", { origin: "http://evil.example" })).body.user.id, browser.user.id);
    });

    test("trusts what each instance trusts", async () => {
      const browser = await app.signedUp({ browser: app.at("/single") });
      const from = (origin) => browser.post("/update-user", { name: "Bo" }, { origin });
      assert.equal((await from("http://192.168.1.1")).status, 200);
      refused(await from("http://192.168.1.1.evil.example"), 403, "INVALID_ORIGIN");
      refused(await from("http://192.168.x.evil.example"), 403, "INVALID_ORIGIN");
      const tenant = { origin: "https://tenant.example", "x-test-trusted-origin": "https://tenant.example" };
      assert.equal((await browser.post("/update-user", { name: "Bo" }, tenant)).status, 200);
      refused(await from("https://tenant.example"), 403, "INVALID_ORIGIN");
    });

    test("signs nobody in from another site", async () => {
      const { user } = await app.signedUp();
      const from = (headers) => app.browser().post("/sign-in/email", { email: user.email, password }, { origin: null, "sec-fetch-site": null, "sec-fetch-mode": null, ...headers });
      assert.equal((await from({})).status, 200, "a program without cookies");
      refused(await from({ origin: "http://evil.example" }), 403, "INVALID_ORIGIN");
      refused(
        await from({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" }),
        403, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
      );
      refused(await from({ "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" }), 403, "MISSING_OR_NULL_ORIGIN");
    });

    test("refuses redirects to strangers, of the right type", async () => {
      const browser = app.browser();
      refused(await browser.post("/sign-out", { callbackURL: "https://evil.example" }), 403, "INVALID_CALLBACK_URL");
      refused(await browser.post("/sign-out", { redirectTo: "https://evil.example" }), 403, "INVALID_REDIRECT_URL");
      refused(await browser.post("/sign-out", { errorCallbackURL: "https://evil.example" }), 403, "INVALID_ERROR_CALLBACK_URL");
      refused(await browser.post("/sign-out", { newUserCallbackURL: "https://evil.example" }), 403, "INVALID_NEW_USER_CALLBACK_URL");
      const number = await browser.post("/sign-out", { callbackURL: 1 });
      assert.deepEqual([number.status, number.body.message], [400, "Invalid callbackURL: expected a string"]);
    });

    test("reads the first of two cookies of one name", async () => {
      const browser = await app.signedUp();
      const value = browser.cookies.get(sessionCookie);
      const read = async (cookie) => (await app.browser().get("/get-session", { cookie })).body;
      assert.ok(await read(`${sessionCookie}=${value}; ${sessionCookie}=x`));
      assert.equal(await read(`${sessionCookie}=x; ${sessionCookie}=${value}`), null);
      assert.ok(await read(`a=1; ${sessionCookie}="${value}"; b=2`));
      assert.ok(await read(`${sessionCookie}=${decodeURIComponent(value)}`));
    });

    test("carries no cookies with a refusal", async () => {
      const browser = await app.signedUp();
      await browser.client.changePassword({ newPassword: "another-password", currentPassword: "wrong-password", revokeOtherSessions: true });
      assertCookies(browser, {});
    });
  });
}
