import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { getSessionCookie } from "better-auth/cookies";
import { allCleared, assertCookies, day, ok, password, refused, sessionCookie, wireDate } from "../lib/app.js";

export function session(app) {
  describe("get-session", () => {
    test("answers null when nobody is signed in", async () => {
      const browser = app.browser();
      const result = await browser.client.getSession();
      assert.equal(result.error, null);
      assert.equal(result.data, null);
      assert.equal(browser.last.status, 200);
      assert.equal(browser.last.text, "null");
      assertCookies(browser, {});
    });

    test("answers null for a cookie that is not ours and leaves it", async () => {
      const signedIn = await app.signedUp();
      const value = signedIn.cookies.get(sessionCookie);
      for (const forged of ["x", signedIn.token, value.replace(/^./, (c) => (c === "a" ? "b" : "a")), value.slice(0, -4), value + "x"]) {
        const browser = app.browser();
        browser.cookies.set(sessionCookie, forged);
        assert.equal(ok(await browser.client.getSession()).data, null, forged);
        assertCookies(browser, {});
      }
    });

    test("has dates that the client reads as dates", async () => {
      const browser = await app.signedUp();
      const { data } = ok(await browser.client.getSession());
      assert.deepEqual(Object.keys(data), ["session", "user"]);
      assert.deepEqual(Object.keys(data.session), [
        "expiresAt", "token", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId", "id",
      ]);
      for (const at of [data.session.expiresAt, data.session.createdAt, data.session.updatedAt, data.user.createdAt, data.user.updatedAt]) {
        assert.ok(at instanceof Date, `${at} is no Date`);
      }
      const raw = JSON.parse(browser.last.text);
      for (const at of [raw.session.expiresAt, raw.session.createdAt, raw.session.updatedAt, raw.user.createdAt, raw.user.updatedAt]) {
        assert.match(at, wireDate);
      }
      assert.equal(data.session.expiresAt - data.session.createdAt, 7 * day * 1000);
      assert.equal(data.session.userId, data.user.id);
      assert.equal(data.session.ipAddress, "127.0.0.1");
      assert.equal(data.session.userAgent, "conformance");
      assert.equal(browser.last.headers["cache-control"], "no-store");
      assert.equal(browser.last.headers["pragma"], "no-cache");
      assertCookies(browser, {});
    });

    test("by POST is for servers that put off refreshing", async () => {
      const browser = await app.signedUp();
      for (const body of [undefined, {}]) {
        refused(
          await browser.post("/get-session", body), 405, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED",
          "POST method requires deferSessionRefresh to be enabled in session config",
        );
      }
    });

    test("sets a cookie that better-auth's middleware finds", async () => {
      const browser = await app.signedUp();
      const value = browser.cookies.get(sessionCookie);
      const request = new Request(app.server.url, { headers: { cookie: `a=b; ${sessionCookie}=${value}` } });
      assert.equal(getSessionCookie(request), decodeURIComponent(value));
      assert.equal(getSessionCookie(new Request(app.server.url)), null);
    });

    test("is what the client's session atom follows", async () => {
      const browser = app.browser();
      const email = app.email();
      const seen = [];
      let check = () => {};
      const stop = browser.client.useSession.subscribe((state) => {
        seen.push(state);
        check();
      });
      const until = (wanted) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`the atom is ${JSON.stringify(seen.at(-1))}`)), 5000);
          check = () => {
            const state = seen.at(-1);
            if (state.isPending || state.isRefetching || !wanted(state)) return;
            clearTimeout(timer);
            resolve(state);
          };
          check();
        });
      try {
        ok(await browser.client.signUp.email({ name: "Al", email, password }));
        const { data } = await until((state) => state.data?.user.email === email);
        assert.ok(data.session.expiresAt instanceof Date);
        ok(await browser.client.updateUser({ name: "Bo" }));
        await until((state) => state.data?.user.name === "Bo");
        ok(await browser.client.signOut());
        await until((state) => state.data === null && state.error === null);
      } finally {
        stop();
      }
    });
  });

  describe("sessions of a user", () => {
    /** Two browsers of one user, and the one's list. */
    async function two() {
      const mine = await app.signedUp();
      const other = await app.signedIn(mine.user.email);
      const { data } = ok(await mine.client.listSessions());
      return { mine, other, list: data };
    }
    const isSignedIn = async (browser) => ok(await browser.client.getSession()).data !== null;

    test("are listed", async () => {
      const { mine, other, list } = await two();
      assert.equal(list.length, 2);
      assert.ok(list.some((s) => s.token === mine.token), "the caller's own is not among them");
      assert.ok(list.every((s) => s.token !== other.token), "the token of another browser is given away");
      for (const s of list) {
        assert.equal(s.userId, mine.user.id);
        assert.ok(s.expiresAt instanceof Date && s.createdAt instanceof Date);
      }
      for (const s of JSON.parse(mine.last.text)) assert.match(s.expiresAt, wireDate);
    });

    test("are listed for nobody else", async () => {
      refused(await app.browser().client.listSessions(), 401, "UNAUTHORIZED", "Unauthorized");
      const { list } = await two();
      const stranger = await app.signedUp();
      const own = ok(await stranger.client.listSessions()).data;
      assert.equal(own.length, 1);
      assert.ok(!list.some((s) => s.id === own[0].id));
    });

    test("end one by one, named as the list names them", async () => {
      const { mine, other, list } = await two();
      const { token } = list.find((s) => s.token !== mine.token);
      assert.deepEqual(ok(await mine.client.revokeSession({ token })).data, { status: true });
      assertCookies(mine, {});
      assert.equal(await isSignedIn(other), false);
      assert.equal(await isSignedIn(mine), true);
      assert.equal(ok(await mine.client.listSessions()).data.length, 1);
    });

    test("end by their token", async () => {
      const { mine, other } = await two();
      ok(await mine.client.revokeSession({ token: other.token }));
      assert.equal(await isSignedIn(other), false);
    });

    test("end with their cookies, when it is the caller's own", async () => {
      const { mine, other } = await two();
      ok(await mine.client.revokeSession({ token: mine.token }));
      assertCookies(mine, allCleared);
      assert.equal(await isSignedIn(mine), false);
      assert.equal(await isSignedIn(other), true);
    });

    test("are not ended by anybody else, who does not learn of them", async () => {
      const { mine, list } = await two();
      const stranger = await app.signedUp();
      for (const token of [mine.token, ...list.map((s) => s.token), "unknown"]) {
        assert.deepEqual(ok(await stranger.client.revokeSession({ token })).data, { status: true });
      }
      assert.equal(ok(await mine.client.listSessions()).data.length, 2);
      refused(await app.browser().client.revokeSession({ token: mine.token }), 401, "UNAUTHORIZED");
    });

    test("end all but the caller's", async () => {
      const { mine, other } = await two();
      assert.deepEqual(ok(await mine.client.revokeOtherSessions()).data, { status: true });
      assertCookies(mine, {});
      assert.equal(await isSignedIn(other), false);
      assert.equal(await isSignedIn(mine), true);
    });

    test("end all together", async () => {
      const { mine, other } = await two();
      assert.deepEqual(ok(await mine.client.revokeSessions()).data, { status: true });
      assertCookies(mine, allCleared);
      assert.equal(await isSignedIn(other), false);
      assert.equal(await isSignedIn(mine), false);
      refused(await mine.client.revokeSessions(), 401, "UNAUTHORIZED");
      refused(await mine.client.revokeOtherSessions(), 401, "UNAUTHORIZED");
    });
  });
}
