// Everything the page does is a request to the server: below /api/auth are the
// library's endpoints, below /api the application's own.

const $ = (id) => document.getElementById(id);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });

// Refusal is an answer that is none: {code, message} from the server, or that
// it could not be reached.
class Refusal extends Error {
  constructor(message, { code = "", retryAfter = 0 } = {}) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter; // seconds
  }
}

async function call(method, path, body) {
  const init = { method };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response, data;
  try {
    response = await fetch(path, init);
    data = await response.json();
  } catch {
    // No connection, or an answer in the way that is not the application's.
  }
  if (response?.ok && data !== undefined) return data;
  throw new Refusal(data?.message ?? "The server cannot be reached. Please try again.", {
    code: data?.code,
    retryAfter: Number(response?.headers.get("Retry-After")) || 0,
  });
}

// Who is here

let current = null; // {user, session}, or null for a guest
let retry;

async function refresh() {
  clearTimeout(retry);
  let greeting;
  try {
    [current, greeting] = await Promise.all([call("GET", "/api/auth/get-session"), call("GET", "/api/hello")]);
  } catch (refusal) {
    // Not being able to tell is not being signed out: what is shown stays.
    explain($("notice"), refusal);
    retry = setTimeout(refresh, Math.max(refusal.retryAfter, 5) * 1000);
    return;
  }
  say($("notice"), "");
  $("greeting").textContent = greeting.message;
  $("guest").hidden = current !== null;
  $("member").hidden = $("sign-out").hidden = current === null;
  if (current === null) return showTab();

  const { user } = current;
  $("user-email").textContent = $("password").elements.username.value = user.email;
  $("user-since").textContent = day.format(new Date(user.createdAt));
  $("profile").elements.name.defaultValue = user.name; // leaves alone what is being typed
  await listSessions();
}

// Another tab, or another device, may have changed it.
document.addEventListener("visibilitychange", () => document.hidden || refresh());

// arrive shows the other view to somebody who signed in or out, and tells
// screen readers where they are now.
async function arrive(notice = "", bad = false) {
  for (const form of document.forms) form.reset();
  for (const message of document.querySelectorAll(".message")) say(message, "");
  $("die").textContent = "?";
  await refresh();
  if (notice !== "") say($("notice"), notice, bad);
  $("greeting").focus();
}

// Saying what happened

function say(message, text, bad = false) {
  message.textContent = text;
  message.classList.toggle("bad", bad);
}

// The field that an error is about gets the focus.
const fields = {
  INVALID_EMAIL: ["email"],
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: ["email"],
  INVALID_EMAIL_OR_PASSWORD: ["password"],
  INVALID_PASSWORD: ["currentPassword"],
  PASSWORD_TOO_SHORT: ["password", "newPassword"],
  PASSWORD_TOO_LONG: ["password", "newPassword"],
};

function explain(message, refusal, form) {
  if (!(refusal instanceof Refusal)) throw refusal;
  if (refusal.code === "UNAUTHORIZED") return arrive("Your session has ended. Please sign in again.", true);
  const stale = refusal.code === "SESSION_NOT_FRESH";
  say(message, stale ? "For your safety this needs a recent sign-in. Please sign out and in again." : refusal.message, true);
  const name = fields[refusal.code]?.find((name) => form?.elements[name]);
  if (name) {
    form.elements[name].setAttribute("aria-invalid", "true");
    form.elements[name].focus();
  }
}

// perform does what a button stands for, once at a time, and shows in the
// nearest message what comes of it.
async function perform(button, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const message = button.closest(".card")?.querySelector(".message") ?? $("notice");
  for (const field of button.form?.elements ?? []) field.removeAttribute("aria-invalid");
  for (const old of document.querySelectorAll(".message:not(.bad)")) say(old, "");
  say(message, "");
  try {
    say(message, (await action()) ?? "");
  } catch (refusal) {
    await explain(message, refusal, button.form);
    if (refusal.retryAfter > 0) {
      await countDown(button, refusal.retryAfter);
      say(message, "");
    }
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

// countDown shows on the button how long it is of no use.
function countDown(button, seconds) {
  const label = button.textContent;
  const end = Date.now() + seconds * 1000;
  return new Promise((done) => {
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.textContent = left > 0 ? `${label} (wait ${left} s)` : label;
      if (left > 0) return;
      clearInterval(timer);
      done();
    };
    const timer = setInterval(tick, 250);
    tick();
  });
}

function onSubmit(id, action) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    perform(form.querySelector("button"), () => action(form.elements, form));
  });
}

function onClick(id, action) {
  $(id).addEventListener("click", (event) => perform(event.currentTarget, action));
}

// Guests

function showTab() {
  const tab = location.hash === "#sign-up" ? "sign-up" : "sign-in";
  for (const link of document.querySelectorAll(".tabs a")) {
    const id = link.hash.slice(1);
    $(id).hidden = id !== tab;
    if (id === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", showTab);

onSubmit("sign-up", async ({ name, email, password }) => {
  await call("POST", "/api/auth/sign-up/email", { name: name.value, email: email.value, password: password.value });
  await arrive();
});

onSubmit("sign-in", async ({ email, password, rememberMe }) => {
  await call("POST", "/api/auth/sign-in/email", { email: email.value, password: password.value, rememberMe: rememberMe.checked });
  await arrive();
});

// Members

onClick("sign-out", async () => {
  await call("POST", "/api/auth/sign-out");
  await arrive();
});

onSubmit("profile", async ({ name }) => {
  await call("POST", "/api/auth/update-user", { name: name.value });
  await refresh();
  return "Name saved.";
});

onClick("export", async () => {
  const data = JSON.stringify(await call("GET", "/api/export"), null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type: "application/json" }));
  link.download = "my-data.json";
  link.click();
  URL.revokeObjectURL(link.href);
  return "Downloaded.";
});

onSubmit("password", async ({ currentPassword, newPassword, revokeOtherSessions }, form) => {
  await call("POST", "/api/auth/change-password", {
    currentPassword: currentPassword.value,
    newPassword: newPassword.value,
    revokeOtherSessions: revokeOtherSessions.checked,
  });
  form.reset();
  await refresh();
  return "Password changed.";
});

onClick("roll", async () => {
  $("die").textContent = (await call("POST", "/api/dice")).dice;
});

// Sessions

async function listSessions() {
  let sessions = [];
  try {
    sessions = await call("GET", "/api/auth/list-sessions");
  } catch (refusal) {
    await explain($("devices").querySelector(".message"), refusal);
  }
  const mine = (session) => session.id === current?.session.id;
  sessions.sort((a, b) => mine(b) - mine(a) || b.createdAt.localeCompare(a.createdAt));
  $("sessions").replaceChildren(...sessions.map((session) => sessionRow(session, mine(session))));
  $("end-others").hidden = sessions.length < 2;
}

function sessionRow(session, mine) {
  const row = $("session").content.cloneNode(true);
  const set = (name, text) => (row.querySelector(name).textContent = text);
  const name = deviceName(session.userAgent);
  set(".device", name);
  set(".address", addressName(session.ipAddress));
  set(".since", dayAndTime.format(new Date(session.createdAt)));
  set(".until", dayAndTime.format(new Date(session.expiresAt)));
  row.querySelector(".badge").hidden = !mine;

  const button = row.querySelector("button");
  button.hidden = mine; // signing out does that
  button.setAttribute("aria-label", `End the session of ${name}`);
  button.addEventListener("click", () => perform(button, async () => {
    await call("POST", "/api/auth/revoke-session", { token: session.token });
    await listSessions();
    $("devices-title").focus();
    return "Session ended.";
  }));
  return row;
}

onClick("end-others", async () => {
  await call("POST", "/api/auth/revoke-other-sessions");
  await listSessions();
  $("devices-title").focus();
  return "All other sessions ended.";
});

// deviceName makes "Firefox on Linux" of a User-Agent header.
function deviceName(userAgent) {
  const first = (marks) => marks.find(([mark]) => userAgent.includes(mark))?.[1];
  const browser = first([
    ["Edg", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["FxiOS/", "Firefox"],
    ["CriOS/", "Chrome"], ["Chrome/", "Chrome"], ["Safari/", "Safari"], ["curl/", "curl"],
  ]);
  const system = first([
    ["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["CrOS", "ChromeOS"],
    ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"],
  ]);
  return [browser, system].filter(Boolean).join(" on ") || userAgent.slice(0, 40) || "Unknown device";
}

// addressName shortens an address. Of IPv6 only the network is kept.
function addressName(ip) {
  if (ip === "") return "Unknown address";
  if (ip === "127.0.0.1" || /^[0:]+$/.test(ip)) return "This computer";
  if (!ip.includes(":")) return ip;
  return ip.split(":").map((group) => parseInt(group, 16).toString(16)).join(":").replace(/(:0)+$/, "::");
}

await refresh();
