import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertCookies, day, dontRememberCookie, ok, password, randomText, refused, sessionCookie, wireDate } from "../lib/app.js";

export function signUp(app) {
  describe("sign-up", () => {
    test("makes a user and signs it in", async () => {
      const browser = app.browser();
      const email = app.email("New.User");
      const { data } = ok(await browser.client.signUp.email({ name: "Al <b>&é", email, password, unknown: 1 }));

      assert.match(data.token, randomText);
      assert.deepEqual(Object.keys(data), ["token", "user"]);
      assert.deepEqual(Object.keys(data.user), [
        "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "nickname", "tier", "id",
      ]);
      const { id, createdAt, updatedAt, ...rest } = data.user;
      assert.deepEqual(rest, {
        name: "Al <b>&é", email: email.toLowerCase(), emailVerified: false, image: null, nickname: null, tier: "free",
      });
      assert.match(id, randomText);
      assert.ok(createdAt instanceof Date && updatedAt instanceof Date);

      assertCookies(browser, { [sessionCookie]: { value: data.token, "Max-Age": String(7 * day) } });
      const raw = JSON.parse(browser.last.text);
      assert.match(raw.user.createdAt, wireDate);
      assert.match(raw.user.updatedAt, wireDate);
      assert.equal(browser.last.headers["content-type"], "application/json");
      assert.equal(browser.last.headers["cache-control"], "no-store");

      const session = ok(await browser.client.getSession()).data;
      assert.equal(session.session.token, data.token);
      assert.deepEqual(session.user, data.user);
    });

    test("takes additional fields, and not those that clients may not set", async () => {
      const { user } = await app.signedUp({ nickname: "ally", tier: "gold", emailVerified: true, id: "1" });
      assert.equal(user.nickname, "ally");
      assert.equal(user.tier, "free");
      assert.equal(user.emailVerified, false);
      assert.match(user.id, randomText);
    });

    test("without rememberMe lasts as long as the browser", async () => {
      const browser = await app.signedUp({ rememberMe: false });
      assertCookies(browser, { [sessionCookie]: { value: browser.token }, [dontRememberCookie]: { value: "true" } });
    });

    test("refuses a taken e-mail, however it is spelled", async () => {
      const email = app.email();
      await app.signedUp({ email });
      for (const taken of [email, email.toUpperCase()]) {
        const browser = app.browser();
        refused(
          await browser.client.signUp.email({ name: "Al", email: taken, password }),
          422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.",
        );
        assertCookies(browser, {});
      }
    });

    test("refuses passwords of the wrong length", async () => {
      const attempt = (password) => app.browser().client.signUp.email({ name: "Al", email: app.email(), password });
      refused(await attempt("1234567"), 400, "PASSWORD_TOO_SHORT", "Password too short");
      refused(await attempt("x".repeat(129)), 400, "PASSWORD_TOO_LONG", "Password too long");
      // Four characters, eight UTF-16 code units.
      ok(await attempt("😀😀😀😀"));
    });

    test("names everything that is wrong with the input", async () => {
      const { client } = app.browser();
      refused(
        await client.signUp.email({ name: 1, email: "nobody", password: "" }), 400, "VALIDATION_ERROR",
        "[body.name] Invalid input: expected string, received number; [body.email] Invalid email address; " +
          "[body.password] Too small: expected string to have >=1 characters",
      );
      refused(
        await client.signUp.email({ name: "Al", email: app.email(), password, image: null }), 400, "VALIDATION_ERROR",
        "[body.image] Invalid input: expected string, received null",
      );
      refused(
        await client.signUp.email({ name: "Al", email: app.email(), password, rememberMe: "yes" }), 400, "VALIDATION_ERROR",
        "[body.rememberMe] Invalid input: expected boolean, received string",
      );
      refused(await client.signUp.email({ name: "Al", email: app.email(), password, nickname: 1 }), 400, "VALIDATION_ERROR");
    });

    test("where e-mails must be verified hides who has an account", async () => {
      const body = { name: "Al", email: app.email(), password, nickname: "ally" };
      const answers = [];
      for (let i = 0; i < 2; i++) {
        const browser = app.at("/verify");
        const { data } = ok(await browser.client.signUp.email(body));
        assert.equal(data.token, null);
        assertCookies(browser, {});
        const { id, createdAt, updatedAt, ...rest } = data.user;
        assert.match(id, randomText);
        answers.push({ keys: Object.keys(data.user), rest });
      }
      assert.deepEqual(answers[0], answers[1]);
    });
  });
}
