// What the tests of one configuration share.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Browser } from "./browser.js";

export const password = "password-1234";
export const sessionCookie = "better-auth.session_token";
export const dontRememberCookie = "better-auth.dont_remember";
export const secret = "conformance-0123456789-abcdefghijklmnop-secret";

export const day = 24 * 60 * 60;
/** How dates travel. */
export const wireDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const randomText = /^[A-Za-z0-9]{32}$/;

let count = 0;

/** A running server and what tests do with it. */
export class App {
  /** Set before the first test. */
  server;

  email(name = "user") {
    return `${name}-${++count}@example.test`;
  }

  browser(options) {
    return new Browser(this.server.url, options);
  }

  /** A browser of an instance: "/limit". */
  at(instance) {
    return this.browser({ path: instance + "/api/auth" });
  }

  /** Signs a new user up; returns the browser, with the answer in `user`. */
  async signedUp({ email = this.email(), browser = this.browser(), ...fields } = {}) {
    const { data } = ok(await browser.client.signUp.email({ name: "Al", email, password, ...fields }));
    return Object.assign(browser, { user: data.user, token: data.token });
  }

  /** Signs a user in with another browser. */
  async signedIn(email, { browser = this.browser(), ...fields } = {}) {
    const { data } = ok(await browser.client.signIn.email({ email, password, ...fields }));
    return Object.assign(browser, { user: data.user, token: data.token });
  }

  advance(seconds) {
    return this.server.test("clock", { advance: seconds });
  }
}

/** Asserts that a call of the client succeeded and returns it. */
export function ok(result) {
  assert.equal(result.error, null, `refused: ${JSON.stringify(result.error)}`);
  return result;
}

/** Asserts that a call of the client, or a raw answer, is refused so. */
export function refused(result, status, code, message) {
  const error = "error" in result ? result.error : { status: result.status, ...result.body };
  assert.ok(error, "not refused");
  assert.deepEqual([error.status, error.code], [status, code], `got ${JSON.stringify(error)}`);
  if (message instanceof RegExp) assert.match(error.message, message);
  else if (message !== undefined) assert.equal(error.message, message);
  else assert.ok(error.message, "no message");
}

/** The value of a signed cookie, which must be signed with the secret. */
export function signedValue(cookie, key = secret) {
  const text = decodeURIComponent(cookie.value);
  const dot = text.lastIndexOf(".");
  const value = text.slice(0, dot);
  const signature = createHmac("sha256", key).update(value).digest("base64");
  assert.equal(text.slice(dot + 1), signature, `signature of ${cookie.name}`);
  assert.equal(cookie.value, encodeURIComponent(text), `encoding of ${cookie.name}`);
  return value;
}

/** Asserts that the last answer sets exactly these cookies, and no others. */
export function assertCookies(browser, expected) {
  const base = { Path: "/", HttpOnly: true, SameSite: "Lax" };
  const got = browser.last.setCookies.map(({ name, value, attributes }) => [
    name,
    { value: value === "" ? "" : signedValue({ name, value }), ...attributes },
  ]);
  const want = Object.entries(expected).map(([name, cookie]) => [name, { ...base, ...cookie }]);
  assert.deepEqual(Object.fromEntries(got), Object.fromEntries(want));
  assert.equal(got.length, want.length, "a cookie is set twice");
}

export const cleared = { value: "", "Max-Age": "0" };
export const allCleared = { [sessionCookie]: cleared, [dontRememberCookie]: cleared };
