// Queue of answers that are not known to be saved, kept in localStorage and sent in order, by one tab at a time.
//
// Every item has its own key in localStorage, so that two tabs never overwrite each other's queue. A step has an id by
// which the server recognises it, so that sending it twice is harmless. An undo of a step never sent removes both.

import { ApiError, call } from "./lib/api.js";

const MOST_STEPS = 20; // steps in one request
const FAILURES_BEFORE_ASIDE = 4; // failures in a row, after which one step is assumed to be their cause
const PROJECT_LOST = [403, 404, 410]; // The project is deleted, or the user lost access: nothing can be saved any more.
const TEMPORARY = [0, 429, 502, 503, 504]; // The network or the server is the cause, not a step.
const LONGEST_WAIT = 30_000; // ms

/**
 * Queue of the items of one user and project. An item is {kind: "answers" | "box" | "undo", step, ...}.
 *
 * Constructor arguments: {user, project, urls: {save, undo, box, session}}, and a function that is called with events
 * {type, ...}: "saved" (item, result), "dropped" (item, text), "gone" (count, text), "state" (pending, problem, keeps),
 * "session" (user).
 */
export class Outbox {
  constructor({ user, project, urls }, notify) {
    this.prefix = `wikivisage:${user}:${project}:`;
    this.user = user;
    this.urls = urls;
    this.notify = notify;
    this.memory = new Map(); // items that the browser could not store
    this.storage = storage();
    this.keeps = this.storage !== null;
    this.problem = null; // null, "offline", "away", "signed_out"
    this.failures = 0;
    this.sending = false;
    this.last = 0;
    this.timer = null;
    addEventListener("online", () => this.kick());
    addEventListener("storage", () => this.notifyState());
    document.addEventListener("visibilitychange", () => document.hidden || this.kick());
    addEventListener("beforeunload", (event) => this.pending && event.preventDefault());
  }

  /** Store an item and send it soon. */
  add(item) {
    this.store({ ...item, key: this.key(item) });
    this.notifyState();
    if (!this.problem) queueMicrotask(() => this.kick()); // Otherwise a retry is scheduled.
  }

  /** Return a new key for an item; keys sort in the order in which the items were added. */
  key({ step, kind }) {
    this.last = Math.max(Date.now(), this.last + 1);
    return `${this.prefix}${String(this.last).padStart(15, "0")}-${step}-${kind}`;
  }

  /** Undo a step, whether it has been sent or not. */
  undo(step) {
    this.add({ kind: "undo", step });
  }

  /** Store an item in localStorage, or in memory if that fails. */
  store(item) {
    try {
      this.storage.setItem(item.key, JSON.stringify(item));
    } catch {
      this.keeps = false;
      this.memory.set(item.key, item);
    }
  }

  /** Remove items from the queue. */
  remove(items) {
    if (!items.length) return;
    for (const item of items) {
      this.memory.delete(item.key);
      this.storage?.removeItem(item.key);
    }
    this.notifyState();
  }

  /** Return all items, oldest first. */
  items() {
    const keys = Object.keys(this.storage ?? {}).filter((key) => key.startsWith(this.prefix));
    const kept = keys.map((key) => JSON.parse(this.storage.getItem(key)));
    return [...kept, ...this.memory.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** The number of unsaved items, without steps that were undone before they were sent. */
  get pending() {
    const items = this.items();
    return items.length - this.undoneUnsent(items).length;
  }

  /** Emit a "state" event. */
  notifyState() {
    this.notify({ type: "state", pending: this.pending, problem: this.problem, keeps: this.keeps });
  }

  /** Send now, unless sending is already in progress. */
  kick() {
    clearTimeout(this.timer);
    if (!this.sending) this.send();
  }

  async send() {
    this.sending = true;
    let more = true;
    while (more) {
      try {
        more = await this.withLock(() => this.sendNext());
        this.failures = 0;
        this.problem = null;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        more = await this.handleFailure(error);
      }
      this.notifyState();
    }
    this.sending = false;
  }

  /** Run `work` under a lock, so that one tab sends at a time and does not repeat what another has just sent. */
  withLock(work) {
    return navigator.locks ? navigator.locks.request(`${this.prefix}send`, work) : work();
  }

  /** Send one request with the oldest items; return false if there are none. */
  async sendNext() {
    this.remove(this.undoneUnsent(this.items()));
    const items = this.items();
    if (!items.length) return false;
    if (!navigator.onLine) throw new ApiError(0, "offline", "");
    if (items[0].kind === "answers") await this.sendAnswers(items);
    else await this.sendOne(items[0]);
    return true;
  }

  /** Return the answers that were undone before they were sent, and their undo items; both can be removed. */
  undoneUnsent(items) {
    const undone = new Map(items.filter((item) => item.kind === "undo").map((item) => [item.step, item]));
    const answers = items.filter((item) => item.kind !== "undo" && !item.sent && undone.has(item.step));
    return answers.flatMap((item) => [item, undone.get(item.step)]);
  }

  /** Send the leading answers in one request. */
  async sendAnswers(items) {
    const end = items.findIndex((item) => item.kind !== "answers");
    const batch = items.slice(0, Math.min(this.single ? 1 : MOST_STEPS, end < 0 ? MOST_STEPS : end));
    for (const item of batch) this.store({ ...item, sent: true }); // It may be saved even if no response arrives.
    const steps = batch.map(({ step, answers }) => ({ step, answers }));
    const { results } = await this.post(this.urls.save, { steps }, batch);
    if (results) for (const result of results) this.finish(batch.find((item) => item.step === result.step), result);
  }

  /** Send an undo or a box. */
  async sendOne(item) {
    this.store({ ...item, sent: true });
    const { kind, key, sent, question, ...body } = item;
    const result = await this.post(kind === "undo" ? this.urls.undo : this.urls.box, body, [item]);
    if (!result.refused) this.finish(item, kind === "undo" ? { status: "saved" } : result);
  }

  /** Remove an item to which the server has answered, and emit the result. */
  finish(item, result) {
    this.remove([item]);
    if (result.status === "saved" || result.status === "repeated") this.notify({ type: "saved", item, result });
    else this.notify({ type: "dropped", item, text: result.text });
  }

  /**
   * Post `body` and return the response, or {refused: true} if the server considers it invalid.
   *
   * A single invalid item is dropped. If the request held several, they are sent one by one from now on, so that no
   * valid item is dropped with an invalid one. Throws ApiError.
   */
  async post(url, body, items) {
    try {
      const answer = await call(url, { body });
      this.single = false;
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError) || ![400, 413].includes(error.status) || error.error === "csrf") throw error;
      if (items.length > 1) this.single = true;
      else this.finish(items[0], { status: "unusable", text: error.text ?? error.message });
      return { refused: true };
    }
  }

  /** Handle a failed request: return true to send again at once; otherwise a retry is scheduled, or none is useful. */
  async handleFailure(error) {
    this.failures += 1;
    if (error.error === "csrf" && (await this.renewToken())) return this.failures < 3 || this.wait(5000);
    if (error.status === 401 || error.error === "csrf") {
      this.problem = "signed_out";
      return this.wait(5000);
    }
    if (PROJECT_LOST.includes(error.status)) {
      const lost = this.items();
      this.remove(lost);
      this.notify({ type: "gone", count: lost.filter((item) => item.kind !== "undo").length, text: error.message });
      return false;
    }
    if (!TEMPORARY.includes(error.status) && this.failures % FAILURES_BEFORE_ASIDE === 0) this.setAside();
    this.problem = error.status === 0 ? "offline" : "away";
    const backoff = Math.min(500 * 2 ** this.failures, LONGEST_WAIT) * (0.5 + Math.random() / 2);
    return this.wait(Math.max(backoff, (error.retryAfter ?? 0) * 1000));
  }

  /** Move the first step, on which the server keeps failing, to the end of the queue, so that the others are sent. */
  setAside() {
    this.single = true;
    const items = this.items();
    const moved = items.filter((item) => item.step === items[0].step); // Its undo stays behind it.
    this.remove(moved);
    for (const item of moved) this.store({ ...item, key: this.key(item) });
  }

  /** Schedule a retry; return false, for `handleFailure` to return. */
  wait(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), ms);
    return false;
  }

  async retry() {
    if (this.problem === "signed_out" && !(await this.renewToken())) return void this.wait(5000);
    this.kick();
  }

  /**
   * Fetch a new CSRF token, which is needed after the user signed in again in another tab.
   *
   * Returns false if nobody is signed in, or another user is: answers must not be sent under another account.
   */
  async renewToken() {
    try {
      const { csrf, user } = await call(this.urls.session);
      this.notify({ type: "session", user });
      if (user !== this.user) return false;
      document.querySelector('meta[name="csrf-token"]').content = csrf;
      return true;
    } catch {
      return false;
    }
  }
}

/** Return localStorage, or null if the browser has it switched off. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
