// What was answered and is not yet known to be saved: kept in the browser, sent in order, one tab at a time.
//
// Every item has a key of its own in localStorage, so that two tabs never overwrite each other's list; the server knows each
// step by its id, so that sending one twice is harmless. An undo of what was never sent takes both out.

import { ApiError, call } from "./lib/api.js";

const MOST = 20; // steps in one request
const BEFORE_ASIDE = 4; // failures that may be the fault of one step
const ENDED = [403, 404, 410]; // the project is gone, or no longer this person's: nothing of it can ever be saved
const AWAY = [0, 429, 502, 503, 504]; // no step is at fault: the network, or a server that is busy or away
const LONGEST_WAIT = 30_000; // ms

/** `boot`: {user, project, urls: {save, undo, box, session}}. `heard(event)` gets {type, ...}: "saved" (item,
 *  result), "dropped" (item, text), "gone" (count), "state" (pending, problem), "session" (user). */
export class Outbox {
  constructor({ user, project, urls }, heard) {
    this.prefix = `wikivisage:${user}:${project}:`;
    this.user = user;
    this.urls = urls;
    this.heard = heard;
    this.memory = new Map(); // where the browser keeps nothing, or no more
    this.storage = storage();
    this.keeps = this.storage !== null;
    this.problem = null; // null, "offline", "away", "signed_out"
    this.failures = 0;
    this.sending = false;
    this.last = 0;
    this.timer = null;
    addEventListener("online", () => this.kick());
    addEventListener("storage", () => this.tell());
    document.addEventListener("visibilitychange", () => document.hidden || this.kick());
    addEventListener("beforeunload", (event) => this.pending && event.preventDefault());
  }

  /** Keep an item ({kind: "answers" | "box" | "undo", step, ...}) and send it soon. */
  add(item) {
    this.keep({ ...item, key: this.key(item) });
    this.tell();
    if (!this.problem) queueMicrotask(() => this.kick()); // else the next try is on the clock
  }

  /** Keys sort in the order of answering. */
  key({ step, kind }) {
    this.last = Math.max(Date.now(), this.last + 1);
    return `${this.prefix}${String(this.last).padStart(15, "0")}-${step}-${kind}`;
  }

  undo(step) {
    this.add({ kind: "undo", step });
  }

  keep(item) {
    try {
      this.storage.setItem(item.key, JSON.stringify(item));
    } catch {
      this.keeps = false;
      this.memory.set(item.key, item);
    }
  }

  drop(items) {
    if (!items.length) return;
    for (const item of items) {
      this.memory.delete(item.key);
      this.storage?.removeItem(item.key);
    }
    this.tell();
  }

  /** All items, oldest first. */
  items() {
    const keys = Object.keys(this.storage ?? {}).filter((key) => key.startsWith(this.prefix));
    const kept = keys.map((key) => JSON.parse(this.storage.getItem(key)));
    return [...kept, ...this.memory.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** How many are not saved, but for those that were taken back before they were ever sent. */
  get pending() {
    const items = this.items();
    return items.length - this.never(items).length;
  }

  tell() {
    this.heard({ type: "state", pending: this.pending, problem: this.problem, keeps: this.keeps });
  }

  /** Send now. */
  kick() {
    clearTimeout(this.timer);
    if (!this.sending) this.send();
  }

  async send() {
    this.sending = true;
    let more = true;
    while (more) {
      try {
        more = await this.alone(() => this.sendSome());
        this.failures = 0;
        this.problem = null;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        more = await this.failed(error);
      }
      this.tell();
    }
    this.sending = false;
  }

  /** One tab sends at a time: what another has just sent is gone from the list when our turn comes. */
  alone(work) {
    return navigator.locks ? navigator.locks.request(`${this.prefix}send`, work) : work();
  }

  async sendSome() {
    this.drop(this.never(this.items()));
    const items = this.items();
    if (!items.length) return false;
    if (!navigator.onLine) throw new ApiError(0, "offline", "");
    if (items[0].kind === "answers") await this.sendAnswers(items);
    else await this.sendOne(items[0]);
    return true;
  }

  /** Answers never sent, with the undo of each: they take each other out. */
  never(items) {
    const undone = new Map(items.filter((item) => item.kind === "undo").map((item) => [item.step, item]));
    const answers = items.filter((item) => item.kind !== "undo" && !item.sent && undone.has(item.step));
    return answers.flatMap((item) => [item, undone.get(item.step)]);
  }

  async sendAnswers(items) {
    const end = items.findIndex((item) => item.kind !== "answers");
    const batch = items.slice(0, Math.min(this.single ? 1 : MOST, end < 0 ? MOST : end));
    for (const item of batch) this.keep({ ...item, sent: true }); // it may arrive although no answer comes back
    const steps = batch.map(({ step, answers }) => ({ step, answers }));
    const { results } = await this.post(this.urls.save, { steps }, batch);
    if (results) for (const result of results) this.settle(batch.find((item) => item.step === result.step), result);
  }

  async sendOne(item) {
    this.keep({ ...item, sent: true });
    const { kind, key, sent, question, ...body } = item;
    const result = await this.post(kind === "undo" ? this.urls.undo : this.urls.box, body, [item]);
    if (!result.refused) this.settle(item, kind === "undo" ? { status: "saved" } : result);
  }

  settle(item, result) {
    this.drop([item]);
    if (result.status === "saved" || result.status === "repeated") this.heard({ type: "saved", item, result });
    else this.heard({ type: "dropped", item, text: result.text });
  }

  /** The server's answer; what it can never use is dropped, one at a time, so that nothing good goes with it. */
  async post(url, body, items) {
    try {
      const answer = await call(url, { body });
      this.single = false;
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError) || ![400, 413].includes(error.status) || error.error === "csrf") throw error;
      if (items.length > 1) this.single = true;
      else this.settle(items[0], { status: "unusable", text: error.text ?? error.message });
      return { refused: true };
    }
  }

  /** Whether to go on at once after a failure; otherwise the next try is on the clock. */
  async failed(error) {
    this.failures += 1;
    if (error.error === "csrf" && (await this.renew())) return this.failures < 3 || this.wait(5000);
    if (error.status === 401 || error.error === "csrf") {
      this.problem = "signed_out";
      return this.wait(5000);
    }
    if (ENDED.includes(error.status)) {
      const lost = this.items();
      this.drop(lost);
      this.heard({ type: "gone", count: lost.filter((item) => item.kind !== "undo").length, text: error.message });
      return false;
    }
    if (!AWAY.includes(error.status) && this.failures % BEFORE_ASIDE === 0) this.setAside();
    this.problem = error.status === 0 ? "offline" : "away";
    const backoff = Math.min(500 * 2 ** this.failures, LONGEST_WAIT) * (0.5 + Math.random() / 2);
    return this.wait(Math.max(backoff, (error.retryAfter ?? 0) * 1000));
  }

  /** One step that the server fails on again and again lets the others pass; it is tried again after them. */
  setAside() {
    this.single = true;
    const items = this.items();
    const again = items.filter((item) => item.step === items[0].step); // an undo stays behind its answer
    this.drop(again);
    for (const item of again) this.keep({ ...item, key: this.key(item) });
  }

  wait(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), ms);
    return false;
  }

  async retry() {
    if (this.problem === "signed_out" && !(await this.renew())) return void this.wait(5000);
    this.kick();
  }

  /** A new CSRF token after signing in elsewhere; false where there is none, or where somebody else has signed in:
   *  nothing is sent in their name. */
  async renew() {
    try {
      const { csrf, user } = await call(this.urls.session);
      this.heard({ type: "session", user });
      if (user !== this.user) return false;
      document.querySelector('meta[name="csrf-token"]').content = csrf;
      return true;
    } catch {
      return false;
    }
  }
}

/** The browser's storage, or null where it is switched off. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
