import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertCookies, day, dontRememberCookie, ok, password, refused, sessionCookie } from "../lib/app.js";

export function user(app) {
  const current = async (browser) => ok(await browser.client.getSession()).data?.user;

  describe("update-user", () => {
    test("changes what was sent, in every session", async () => {
      const browser = await app.signedUp({ nickname: "ally" });
      const other = await app.signedIn(browser.user.email);
      const { data } = ok(await browser.client.updateUser({ name: "Bo", image: "https://img.example/1.png" }));
      assert.deepEqual(data, { status: true });
      assertCookies(browser, { [sessionCookie]: { value: browser.token, "Max-Age": String(7 * day) } });
      for (const b of [browser, other]) {
        const { name, image, nickname, email } = await current(b);
        assert.deepEqual({ name, image, nickname, email }, {
          name: "Bo", image: "https://img.example/1.png", nickname: "ally", email: browser.user.email,
        });
      }

      ok(await browser.client.updateUser({ image: null, nickname: "bobby" }));
      const { name, image, nickname } = await current(browser);
      assert.deepEqual({ name, image, nickname }, { name: "Bo", image: null, nickname: "bobby" });
    });

    test("keeps a session that is not remembered so", async () => {
      const browser = await app.signedUp({ rememberMe: false });
      ok(await browser.client.updateUser({ name: "Bo" }));
      assertCookies(browser, { [sessionCookie]: { value: browser.token }, [dontRememberCookie]: { value: "true" } });
    });

    test("refuses what it does not change", async () => {
      const browser = await app.signedUp();
      refused(await browser.client.updateUser({ email: "new@example.test" }), 400, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated");
      refused(await browser.client.updateUser({ tier: "gold" }), 400, "FIELD_NOT_ALLOWED", "tier is not allowed to be set");
      refused(await browser.client.updateUser({ nickname: 1 }), 400, "VALIDATION_ERROR");
      const nothing = await browser.post("/update-user", {});
      assert.deepEqual([nothing.status, nothing.body.message], [400, "No fields to update"]);
      const unknown = await browser.client.updateUser({ unknown: 1 });
      assert.deepEqual([unknown.error?.status, unknown.error?.message], [400, "No fields to update"]);
      assert.deepEqual(await current(browser), browser.user);
    });

    test("needs a session", async () => {
      refused(await app.browser().client.updateUser({ name: "Bo" }), 401, "UNAUTHORIZED");
    });
  });

  describe("change-password", () => {
    const newPassword = "another-password";
    const change = (browser, more) => browser.client.changePassword({ newPassword, currentPassword: password, ...more });

    test("keeps the sessions unless asked to end them", async () => {
      const browser = await app.signedUp();
      const other = await app.signedIn(browser.user.email);
      const { data } = ok(await change(browser));
      assert.deepEqual(Object.keys(data), ["token", "user"]);
      assert.equal(data.token, null);
      assert.equal(data.user.id, browser.user.id);
      assert.ok(await current(other));

      const { email } = browser.user;
      refused(await app.browser().client.signIn.email({ email, password }), 401, "INVALID_EMAIL_OR_PASSWORD");
      ok(await app.browser().client.signIn.email({ email, password: newPassword }));
    });

    test("ends all sessions and issues a new one when asked to", async () => {
      const browser = await app.signedUp();
      const other = await app.signedIn(browser.user.email);
      const { data } = ok(await change(browser, { revokeOtherSessions: true }));
      assert.notEqual(data.token, browser.token);
      assertCookies(browser, { [sessionCookie]: { value: data.token, "Max-Age": String(7 * day) } });
      assert.equal(await current(other), undefined);
      assert.equal((await current(browser)).id, browser.user.id);
      assert.equal(ok(await browser.client.listSessions()).data.length, 1);
    });

    test("needs the current password and a good new one", async () => {
      const browser = await app.signedUp();
      refused(await change(browser, { currentPassword: "wrong-password" }), 400, "INVALID_PASSWORD", "Invalid password");
      refused(await change(browser, { newPassword: "short" }), 400, "PASSWORD_TOO_SHORT");
      refused(await change(browser, { newPassword: "x".repeat(129) }), 400, "PASSWORD_TOO_LONG");
      refused(await change(app.browser()), 401, "UNAUTHORIZED");
      ok(await app.browser().client.signIn.email({ email: browser.user.email, password }));
    });
  });
}
