// Drives the test server, in every configuration that matters, with
// better-auth's own client.
//
// PostgreSQL and Redis are taken from OSTIARY_TEST_POSTGRES and
// OSTIARY_TEST_REDIS; without them what needs them is skipped, and fails where
// CI is set.

import { availableParallelism } from "node:os";
import { after, before, describe, test } from "node:test";
import { App } from "./lib/app.js";
import { build, freshDatabase, startServer } from "./lib/server.js";
import { application } from "./suite/application.js";
import { limits } from "./suite/limits.js";
import { processes } from "./suite/process.js";
import { session } from "./suite/session.js";
import { signIn } from "./suite/sign-in.js";
import { signUp } from "./suite/sign-up.js";
import { time } from "./suite/time.js";
import { user } from "./suite/user.js";
import { wire } from "./suite/wire.js";

const { OSTIARY_TEST_POSTGRES: postgres, OSTIARY_TEST_REDIS: redis, CI } = process.env;

let programs;
before(async () => {
  programs = await build();
});
after(() => programs?.remove());

/**
 * Runs the whole suite against one server, test after test: they move its clock.
 * `settings` may make what it needs.
 */
function against(name, settings, options) {
  describe(name, { ...options, concurrency: 1 }, () => {
    const app = new App();
    const cleanups = [];
    before(async () => {
      app.server = await startServer(programs, await settings((f) => cleanups.push(f)));
    });
    for (const suite of [signUp, signIn, session, user, wire, limits, application, time]) suite(app);
    after(async () => {
      await app.server?.stop();
      for (const cleanup of cleanups) await cleanup();
    });
  });
}

const adapters = ["echo", "gin", "nethttp"];

// Most of the time goes into hashing passwords.
describe("better-auth's client", { concurrency: availableParallelism() }, () => {
  for (const ADAPTER of adapters) {
    against(`${ADAPTER}, SQLite`, () => ({ ADAPTER, STORE: "sqlite::memory:", SECONDARY: "none" }));
  }
  against("nethttp, memory", () => ({ ADAPTER: "nethttp", STORE: "memory", SECONDARY: "memory" }));

  if (CI && !(postgres && redis)) {
    test("PostgreSQL and Redis are there", () => {
      throw new Error("OSTIARY_TEST_POSTGRES and OSTIARY_TEST_REDIS are not set");
    });
  }
  for (const ADAPTER of adapters) {
    const skip = postgres && redis ? false : "OSTIARY_TEST_POSTGRES or OSTIARY_TEST_REDIS is not set";
    against(`${ADAPTER}, PostgreSQL and Redis`, async (cleanup) => {
      const database = await freshDatabase(programs, postgres);
      cleanup(() => database.drop());
      return { ADAPTER, STORE: database.url, SECONDARY: redis };
    }, { skip });
  }
});

processes(() => programs);
