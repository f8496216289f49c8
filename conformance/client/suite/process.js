import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { join } from "node:path";
import { getSessionCookie } from "better-auth/cookies";
import { App, assertCookies, ok, password, refused, secret, sessionCookie, signedValue } from "../lib/app.js";
import { startRefused, startServer } from "../lib/server.js";

/** What takes a server of its own to see. */
export function processes(programs) {
  /** Starts a server for the rest of the test. */
  async function start(t, settings) {
    const app = new App();
    app.server = await startServer(programs(), settings);
    t.after(() => app.server.stop());
    return app;
  }

  describe("the process", () => {
    test("finds its sessions again after a restart, and rotates its secret", async (t) => {
      const settings = { ADAPTER: "gin", STORE: `sqlite:${join(programs().dir, "rotate.db")}`, NAMING: "better-auth", AUTH_PATH: "/auth" };
      const first = new App();
      first.server = await startServer(programs(), settings);
      const { cookies, token } = await first.signedUp({ browser: first.browser({ path: "/auth" }) });
      await first.server.stop();

      const fresh = "conformance-9876543210-abcdefghijklmnop-secret";
      const second = await start(t, { ...settings, AUTH_SECRET: `${fresh},${secret}` });
      const browser = second.browser({ path: "/auth" });
      browser.cookies = cookies;
      assert.equal(ok(await browser.client.getSession()).data.session.token, token);
      const [cookie] = browser.last.setCookies;
      assert.equal(cookie.name, sessionCookie);
      assert.equal(signedValue(cookie, fresh), token, "the cookie is signed anew");
    });

    test("is what its environment says", async (t) => {
      const app = await start(t, {
        RL: "1", REQUIRE_VERIFICATION: "1", DISABLED_PATHS: "/ok,/sign-out", TRUSTED_PROXIES: "127.0.0.0/8", LOG_LEVEL: "error",
      });
      const browser = app.browser();
      for (const path of ["/ok", "/ok?x=1"]) {
        const disabled = await browser.get(path);
        assert.equal(disabled.status, 404, path);
      }
      const email = app.email();
      assert.equal(ok(await browser.client.signUp.email({ name: "Al", email, password })).data.token, null);
      refused(await browser.client.signIn.email({ email, password }), 403, "EMAIL_NOT_VERIFIED");

      const from = (address) => browser.post("/sign-in/email", {}, { "x-forwarded-for": address });
      for (let i = 0; i < 3; i++) assert.equal((await from("198.51.100.1")).status, 400);
      assert.equal((await from("198.51.100.1")).status, 429);
      assert.equal((await from("198.51.100.2")).status, 400, "another client behind the proxy");
      assert.equal((await from("198.51.100.3, 198.51.100.1")).status, 429, "the proxy's word counts, not the client's");
    });

    test("behind https sets secure cookies", async (t) => {
      const app = await start(t, { BASE_URL: "https://app.example.com" });
      const browser = await app.signedUp({ browser: app.browser({ origin: "https://app.example.com" }) });
      const name = "__Secure-" + sessionCookie;
      assertCookies(browser, { [name]: { value: browser.token, Secure: true, "Max-Age": "604800" } });
      const value = browser.cookies.get(name);
      assert.equal(getSessionCookie(new Headers({ cookie: `${name}=${value}` })), decodeURIComponent(value));
      refused(await app.browser().client.signIn.email({ email: browser.user.email, password }), 403, "INVALID_ORIGIN");
    });

    test("refuses what it cannot serve", async () => {
      const { code, said } = await startRefused(programs(), { STORE: "mongodb://u:hidden@h/d", SECONDARY: "database", INTEROP: "1" });
      assert.equal(code, 1);
      for (const name of ["STORE", "SECONDARY", "INTEROP"]) assert.ok(said.includes(name), said);
      assert.ok(!said.includes("hidden"), said);
    });
  });
}
