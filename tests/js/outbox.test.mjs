// The outbox with every kind of response: which items are kept, sent again, or dropped with a message.
// Run by tests/web/site/test_javascript.py; manually: node --test tests/js/

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

/** Replacement for localStorage: stored items are own enumerable properties, as in browsers. */
class Storage {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  setItem(key, value) {
    this[key] = String(value);
  }
  removeItem(key) {
    delete this[key];
  }
}

/** Replacement for navigator.locks: one holder per name at a time, shared by all tabs. */
class Locks {
  #last = Promise.resolve();
  request(_name, work) {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

const meta = { content: "token-1" };
let requests;
let answer;

function define(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

define("addEventListener", () => {});
define("document", {
  documentElement: { lang: "en" },
  getElementById: () => null,
  querySelector: () => meta,
  addEventListener: () => {},
  hidden: false,
});
define("window", globalThis);
define("navigator", { onLine: true });
const { Outbox } = await import("../../static/js/classify-outbox.js");

const json = (status, body, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const saved = ({ steps }) => json(200, { results: steps.map(({ step }) => ({ step, status: "saved" })) });
const failing = (status, error = "failed", headers = {}) => () => json(status, { error, text: `answer ${status}` }, headers);

beforeEach(() => {
  define("localStorage", new Storage());
  define("navigator", { onLine: true, locks: new Locks() });
  mock.timers.enable({ apis: ["setTimeout"] });
  requests = [];
  answer = saved;
  define("fetch", async (url, options) => {
    const body = options.body && JSON.parse(options.body);
    requests.push({ url, body, token: options.headers["X-CSRFToken"] });
    return answer(body, url);
  });
});

afterEach(() => mock.timers.reset());

function open() {
  const events = [];
  const urls = { save: "/save", undo: "/undo", box: "/box", session: "/session" };
  const outbox = new Outbox({ user: 7, project: 3, urls }, (event) => events.push(event));
  return { outbox, events, told: (type) => events.filter((event) => event.type === type) };
}

/** Run all pending work that does not wait for a timer. */
async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function later(ms) {
  mock.timers.tick(ms);
  await settled();
}

const item = (step) => ({ kind: "answers", step, answers: [{ face: 1, answer: "target" }] });
const steps = () => requests.filter(({ url }) => url === "/save").flatMap(({ body }) => body.steps.map(({ step }) => step));

test("an answer is sent once and deleted after the server saved it", async () => {
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  assert.deepEqual(steps(), ["a"]);
  assert.equal(tab.outbox.pending, 0);
  assert.equal(tab.told("saved").length, 1);
});

for (const status of [403, 404, 410]) {
  test(`${status} closes the project for this user: all items are dropped with a message`, async () => {
    answer = failing(status);
    const tab = open();
    tab.outbox.add(item("a"));
    tab.outbox.add(item("b"));
    await settled();
    assert.equal(tab.outbox.pending, 0);
    assert.deepEqual(tab.told("gone").map(({ count }) => count), [2]);
  });
}

for (const status of [405, 409, 418, 422, 429, 500, 502, 503]) {
  test(`${status} drops no item, and the same items are sent again`, async () => {
    answer = failing(status);
    const tab = open();
    tab.outbox.add(item("a"));
    await settled();
    assert.equal(tab.outbox.pending, 1);
    assert.equal(tab.told("gone").length, 0);
    answer = saved;
    await later(60_000);
    assert.equal(tab.outbox.pending, 0);
    assert.deepEqual(new Set(steps()), new Set(["a"]));
    assert.equal(tab.told("saved").length, 1);
  });
}

test("an answer that the server always refuses does not block the others", async () => {
  answer = (body) => (body.steps.some(({ step }) => step === "a") ? failing(409)() : saved(body));
  const tab = open();
  tab.outbox.add(item("a"));
  tab.outbox.add(item("b"));
  await settled();
  for (let tries = 0; tries < 12; tries += 1) await later(60_000);
  assert.deepEqual(tab.told("saved").map(({ item: { step } }) => step), ["b"]);
  assert.deepEqual(tab.outbox.items().map(({ step }) => step), ["a"]);
});

test("the outbox waits for the time of Retry-After", async () => {
  answer = failing(429, "too_many", { "Retry-After": "40" });
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  answer = saved;
  await later(39_000);
  assert.equal(requests.length, 1);
  await later(2_000);
  assert.equal(tab.outbox.pending, 0);
});

test("an answer is kept while offline and sent when the network is back", async () => {
  navigator.onLine = false;
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  assert.deepEqual(requests, []);
  assert.equal(tab.events.at(-1).problem, "offline");
  navigator.onLine = true;
  await later(60_000);
  assert.equal(tab.outbox.pending, 0);
});

test("an aborted request is repeated", async () => {
  answer = () => {
    throw new TypeError("network");
  };
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  assert.equal(tab.outbox.pending, 1);
  answer = saved;
  await later(60_000);
  assert.equal(tab.outbox.pending, 0);
});

test("only the invalid answer is dropped, with its reason", async () => {
  answer = (body) => (body.steps.some(({ step }) => step === "b") ? failing(400)() : saved(body));
  const tab = open();
  for (const step of ["a", "b", "c"]) tab.outbox.add(item(step));
  await settled();
  assert.deepEqual(tab.told("dropped").map((event) => [event.item.step, event.text]), [["b", "answer 400"]]);
  assert.deepEqual(tab.told("saved").map((event) => event.item.step), ["a", "c"]);
});

test("items are sent with the new token after signing in again", async () => {
  answer = (body, url) => {
    if (url === "/session") return json(200, { csrf: "token-2", user: 7 });
    return requests.at(-1).token === "token-2" ? saved(body) : failing(400, "csrf")();
  };
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  await later(60_000);
  assert.equal(tab.outbox.pending, 0);
  meta.content = "token-1";
});

test("items are not sent after another user signed in", async () => {
  answer = (body, url) => (url === "/session" ? json(200, { csrf: "token-3", user: 8 }) : failing(401, "signed_out")());
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  for (let tries = 0; tries < 5; tries += 1) await later(60_000);
  assert.equal(steps().length, 1);
  assert.equal(tab.outbox.pending, 1);
});

test("two tabs send each answer once", async () => {
  const [one, two] = [open(), open()];
  for (const step of ["a", "b", "c"]) one.outbox.add(item(step));
  for (const step of ["d", "e"]) two.outbox.add(item(step));
  one.outbox.kick();
  two.outbox.kick();
  await settled();
  assert.deepEqual(steps().sort(), ["a", "b", "c", "d", "e"]);
  assert.equal(one.outbox.pending + two.outbox.pending, 0);
});

test("an item that is undone before it was sent is never sent", async () => {
  navigator.onLine = false;
  const tab = open();
  tab.outbox.add(item("a"));
  tab.outbox.undo("a");
  assert.equal(tab.outbox.pending, 0);
  navigator.onLine = true;
  await later(60_000);
  assert.deepEqual(requests, []);
});

test("an item that is undone after it was sent is followed by an undo request", async () => {
  answer = (body, url) => (url === "/undo" ? json(200, {}) : failing(503)());
  const tab = open();
  tab.outbox.add(item("a"));
  await settled();
  tab.outbox.undo("a");
  answer = (body, url) => (url === "/undo" ? json(200, {}) : saved(body));
  await later(60_000);
  await later(60_000);
  assert.deepEqual(requests.slice(-2).map(({ url }) => url), ["/save", "/undo"]);
  assert.equal(tab.outbox.pending, 0);
});
