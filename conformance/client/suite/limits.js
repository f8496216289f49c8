import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ok, refused } from "../lib/app.js";

export function limits(app) {
  describe("rate limits", () => {
    beforeEach(() => app.server.test("reset", {}));

    const attempt = (browser) => browser.client.signIn.email({ email: "nobody@example.test", password: "wrong-password" });

    /** Three attempts that are counted. */
    async function exhaust(browser) {
      for (let i = 0; i < 3; i++) refused(await attempt(browser), 401, "INVALID_EMAIL_OR_PASSWORD");
    }

    /** Asserts a refusal for at most so many seconds and returns when to come again. */
    function limited(browser, error, window) {
      assert.equal(error.status, 429);
      assert.equal(error.message, "Too many requests. Please try again later.");
      const { headers } = browser.last;
      const after = Number(headers["x-retry-after"]);
      assert.ok(Number.isInteger(after) && after >= 1 && after <= window, `X-Retry-After: ${headers["x-retry-after"]}`);
      assert.equal(headers["retry-after"], headers["x-retry-after"]);
      assert.equal(headers["content-type"], "application/json");
      return after;
    }

    test("refuse the fourth sign-in within ten seconds and tell when to come again", async () => {
      const browser = app.at("/limit");
      await exhaust(browser);
      let seen;
      const { error } = await browser.client.signIn.email(
        { email: "nobody@example.test", password: "wrong-password" },
        { onError: (context) => (seen = context.response.headers.get("X-Retry-After")) },
      );
      const after = limited(browser, error, 10);
      assert.equal(seen, String(after), "what the client's onError sees");

      await app.advance(after);
      refused(await attempt(browser), 401, "INVALID_EMAIL_OR_PASSWORD");
    });

    test("come before the input and the origin", async () => {
      const browser = app.at("/limit");
      for (let i = 0; i < 3; i++) refused(await browser.post("/sign-in/email", "{"), 400, "BAD_REQUEST");
      limited(browser, { status: (await browser.post("/sign-in/email", {}, { origin: "http://evil.example" })).status, message: JSON.parse(browser.last.text).message }, 10);
    });

    test("cannot be evaded by another spelling of the path or another header", async () => {
      const browser = app.at("/limit");
      await exhaust(browser);
      for (const [path, headers] of [["/sign-in/email?x=1", {}], ["/sign-in/email", { "x-forwarded-for": "10.1.2.3" }]]) {
        assert.equal((await browser.post(path, { email: "nobody@example.test", password: "x" }, headers)).status, 429, path);
      }
    });

    test("leave /get-session out and allow a hundred of the rest a minute", async () => {
      const browser = app.at("/limit");
      for (let i = 0; i < 100; i++) ok(await browser.client.ok());
      limited(browser, (await browser.client.ok()).error, 60);
      for (let i = 0; i < 110; i++) ok(await browser.client.getSession());
    });

    test("are each instance's own, and off in the main one", async () => {
      await exhaust(app.at("/limit"));
      for (let i = 0; i < 4; i++) refused(await attempt(app.browser()), 401, "INVALID_EMAIL_OR_PASSWORD");
    });

    test("are forgotten by a reset", async () => {
      const browser = app.at("/limit");
      await exhaust(browser);
      await app.server.test("reset", {});
      refused(await attempt(browser), 401, "INVALID_EMAIL_OR_PASSWORD");
    });

    test("hold for routes of the application, by pattern", async () => {
      const browser = app.browser();
      for (const id of [1, 2, 3]) assert.equal((await browser.app(`/limited/${id}`)).status, 200);
      const { body } = await browser.app("/limited/4");
      assert.equal(body.code, "TOO_MANY_REQUESTS");
      const after = limited(browser, { status: browser.last.status, message: body.message }, 10);
      await app.advance(after - 1);
      assert.equal((await browser.app("/limited/5")).status, 429, "a second early");
      await app.advance(1);
      assert.equal((await browser.app("/limited/5")).status, 200);
    });
  });
}
