// Builds the test server and runs it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

// The server promises to stop within this time of SIGTERM.
const stopWithin = 10_000;
const startWithin = 30_000;

/** Compiles the programs into a directory of their own. */
export async function build() {
  const dir = await mkdtemp(join(tmpdir(), "ostiary-conformance-"));
  const go = spawn("go", ["build", "-o", dir + "/", "./conformance/server", "./conformance/client/freshdb"], {
    cwd: root,
    stdio: "inherit",
  });
  const [code] = await once(go, "exit");
  if (code !== 0) throw new Error(`go build ended with ${code}`);
  return {
    dir,
    server: join(dir, "server"),
    freshdb: join(dir, "freshdb"),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The environment of the server is what is given, and nothing of ours that configures it. */
function environment(settings) {
  return { PATH: process.env.PATH, HOME: process.env.HOME, PORT: "0", ...settings };
}

/** Starts a program and returns the first line that it prints. */
async function start(program, env) {
  const child = spawn(program, { env, stdio: ["pipe", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => child.kill("SIGKILL"), startWithin);
  const line = await Promise.race([once(lines, "line").then(([text]) => text), exited.then(() => undefined)]);
  clearTimeout(timer);
  if (line === undefined) throw new Error(`${program} did not start:\n${log}`);
  return { child, exited, line, log: () => log };
}

/** Starts the server. `url` is where it listens. */
export async function startServer(programs, settings) {
  const { child, exited, line, log } = await start(programs.server, environment(settings));
  const url = /^listening on (http:\S+)$/.exec(line)?.[1];
  if (!url) throw new Error(`the server's first line is ${JSON.stringify(line)}`);

  return {
    url,
    /** Waits until the log holds the text. */
    async logged(text) {
      const deadline = AbortSignal.timeout(5000);
      while (!log().includes(text)) await once(child.stderr, "data", { signal: deadline });
    },
    /** Calls a test endpoint and returns its answer; it must succeed. */
    async test(name, body) {
      const response = await fetch(`${url}/__test/${name}`, {
        method: body === undefined ? "GET" : "POST",
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`/__test/${name}: ${response.status} ${text}`);
      return JSON.parse(text);
    },
    /** Stops it as an operator does and fails where it does not obey. */
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopWithin);
      const [code, signal] = await exited;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`the server ended with ${signal ?? code} after SIGTERM:\n${log()}`);
    },
  };
}

/** Runs a server that must not start, and returns its exit code and what it said. */
export async function startRefused(programs, settings) {
  const child = spawn(programs.server, { env: environment(settings), stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), startWithin);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  return { code, said };
}

/** Makes an empty PostgreSQL database. */
export async function freshDatabase(programs, admin) {
  const { child, exited, line, log } = await start(programs.freshdb, { OSTIARY_TEST_POSTGRES: admin });
  return {
    url: line,
    async drop() {
      child.stdin.end();
      const [code] = await exited;
      if (code !== 0) throw new Error(`freshdb ended with ${code}:\n${log()}`);
    },
  };
}
