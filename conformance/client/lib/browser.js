// A browser as far as cookies and the headers that it adds by itself go, with
// better-auth's client in it.

import { request } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthClient } from "better-auth/client";

/** Takes a Set-Cookie header apart; attributes keep their spelling. */
export function parseSetCookie(line) {
  const [pair, ...attributes] = line.split("; ");
  const at = pair.indexOf("=");
  return {
    name: pair.slice(0, at),
    value: pair.slice(at + 1),
    attributes: Object.fromEntries(
      attributes.map((text) => {
        const [name, value = true] = text.split("=");
        return [name, value];
      }),
    ),
  };
}

export class Browser {
  /** Cookies by name. They stay until the server clears them, whatever the time. */
  cookies = new Map();
  /** The last answer: status, headers, text, and setCookies as parsed. */
  last;

  /**
   * @param {string} server where it listens
   * @param {{path?: string, origin?: string}} [options] the base path of the
   *   instance, and the origin of the page that sends the requests
   */
  constructor(server, { path = "/api/auth", origin = server } = {}) {
    this.server = server;
    this.path = path;
    this.origin = origin;
    this.client = createAuthClient({
      baseURL: server,
      basePath: path,
      fetchOptions: { customFetchImpl: (url, init) => this.fetch(new URL(url), init) },
    });
  }

  /** Is fetch. A path is sent as it is; headers that are null are left out. */
  async fetch(url, { method = "GET", headers: given = {}, body, signal } = {}) {
    const headers = {
      origin: this.origin,
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "cors",
      "user-agent": "conformance",
    };
    if (this.cookies.size > 0) {
      headers.cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    }
    for (const [name, value] of given instanceof Headers ? given : Object.entries(given)) {
      if (value === null) delete headers[name];
      else headers[name] = value;
    }
    if (body) headers["content-length"] = Buffer.byteLength(body);
    const path = typeof url === "string" ? url : url.pathname + url.search;
    let answer = await send(this.server, { method, path, headers, signal }, body);
    // A busy machine has too many passwords to hash at once, and says when to
    // come back.
    for (let tries = 0; answer.status === 503 && answer.headers["retry-after"] && tries < 10; tries++) {
      await sleep(answer.headers["retry-after"] * 1000);
      answer = await send(this.server, { method, path, headers, signal }, body);
    }

    const setCookies = (answer.headers["set-cookie"] ?? []).map(parseSetCookie);
    for (const { name, value, attributes } of setCookies) {
      if (attributes["Max-Age"] === "0") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    this.last = { ...answer, setCookies };
    return new Response(answer.text || null, { status: answer.status, headers: answer.headers });
  }

  /** Sends JSON, or text as it is, to a path below the base path. */
  call(method, path, body, headers) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const type = body === undefined ? {} : { "content-type": "application/json" };
    return this.app(this.path + path, { method, headers: { ...type, ...headers }, body: text });
  }

  get = (path, headers) => this.call("GET", path, undefined, headers);
  post = (path, body, headers) => this.call("POST", path, body, headers);

  /** Asks a route of the application; returns `last` with the body parsed. */
  async app(path, init) {
    await this.fetch(path, init);
    return { ...this.last, body: parse(this.last.text) };
  }
}

/** Sends one request with these headers and no others, which fetch cannot. */
function send(server, options, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request(server, options, async (incoming) => {
      try {
        const text = (await buffer(incoming)).toString();
        resolve({ status: incoming.statusCode, headers: incoming.headers, text });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
