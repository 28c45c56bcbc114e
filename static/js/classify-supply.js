// Prefetching of questions and of their pictures, which are decoded before they are needed.

import { ApiError, call } from "./lib/api.js";

const LOW = 6; // fetch more when fewer questions are left
const REMEMBERED = 300; // answered faces named to the server, whose ranking may not include the latest answers yet
const WAITS = [1000, 1500, 2000, 3000, 5000, 10_000]; // ms between requests while there is no question

/**
 * The queue of prefetched questions.
 *
 * Constructor arguments: the URL of the questions, and a function that is called with events {type, ...}: "more" when
 * questions arrived, "none" (html), "counts" (the response's counts), "lost" (error).
 */
export class Supply {
  constructor(url, notify) {
    this.url = url;
    this.notify = notify;
    this.ahead = [];
    this.answered = new Map(); // face id -> true, the newest last
    this.ready = new WeakMap(); // question -> its pictures
    this.skips = new Set(); // skipped faces, asked about once more when no other question is left
    this.tries = 0;
  }

  /** Remove and return the next question, or null. */
  next() {
    const question = this.ahead.shift() ?? null;
    if (this.ahead.length < LOW) this.fill();
    return question;
  }

  /** Discard the prefetched questions and fetch new ones, because many may have been answered elsewhere. */
  refresh() {
    this.ahead = [];
    this.fill();
  }

  /** Put a question at the front, because its answer was undone or it was postponed. */
  back(question) {
    this.ahead.unshift(question);
    this.preload(question);
  }

  /** Mark faces as answered: they are not asked about again, even if the next response still contains them. */
  settle(faces) {
    for (const face of faces) {
      this.answered.delete(face);
      this.answered.set(face, true);
    }
    while (this.answered.size > REMEMBERED) this.answered.delete(this.answered.keys().next().value);
    const known = new Set(faces);
    this.ahead = this.ahead.filter((question) => !known.has(question.face));
  }

  /** Postpone a face; when it is skipped a second time, it is not asked about again. */
  skip(face) {
    if (!this.skips.delete(face)) this.skips.add(face);
    this.settle([face]);
  }

  /** Allow faces to be asked about again. */
  unsettle(faces) {
    for (const face of faces) this.answered.delete(face);
  }

  /** Fetch questions, unless a request is under way. */
  async fill() {
    if (this.filling) return;
    clearTimeout(this.timer);
    this.filling = true;
    try {
      const have = [...this.ahead.map((question) => question.face), this.current, ...[...this.answered.keys()].reverse()];
      const answer = await call(`${this.url}?have=${have.filter(Boolean).join(",")}`);
      this.notify({ type: "counts", ...answer });
      this.received(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.schedule(error.passes || error.status === 401);
      this.notify({ type: "lost", error });
    } finally {
      this.filling = false;
    }
  }

  /** Take the questions of a response; if there are none, try skipped faces again or wait. */
  received(answer) {
    const before = this.ahead.length;
    this.take(answer.questions);
    if (this.ahead.length > before) {
      this.tries = 0;
      this.notify({ type: "more" });
    } else if (!this.ahead.length && [...this.skips].some((face) => this.answered.delete(face))) {
      for (const face of this.skips) this.answered.delete(face);
      this.schedule(true);
    } else if (!this.ahead.length) {
      this.notify({ type: "none", html: answer.none ?? "" });
      this.schedule(true, answer.passes || !answer.none);
    }
  }

  /** Schedule the next request: after the next of WAITS if `soon`, else after 15 s. Hidden tabs only wait. */
  schedule(useful, soon = true) {
    if (!useful) return;
    const wait = soon ? WAITS[Math.min(this.tries++, WAITS.length - 1)] : 15_000;
    this.timer = setTimeout(() => (document.hidden ? this.schedule(true, false) : this.fill()), wait);
  }

  /** Add questions that are neither queued nor answered, and load their pictures. */
  take(questions) {
    const have = new Set([this.current, ...this.ahead.map((question) => question.face)]);
    for (const question of questions) {
      if (have.has(question.face) || this.answered.has(question.face)) continue;
      this.ahead.push(question);
      this.preload(question);
    }
  }

  /**
   * Load a question's pictures, unless they are loaded or loading.
   *
   * Returns {photo, chips, failed, picture}. `photo` and each of `chips` is a promise of a decoded <img>, rejected if
   * the picture cannot be loaded; `picture` is the photograph's <img> once it is there.
   */
  preload(question) {
    const known = this.ready.get(question);
    if (known && !known.failed) return known;
    const photo = load(question.photo);
    const pictures = { photo, chips: question.similar.map(load), failed: false, picture: null };
    photo.then(
      (picture) => (pictures.picture = picture),
      () => (pictures.failed = true),
    );
    for (const chip of pictures.chips) chip.catch(() => {});
    this.ready.set(question, pictures);
    return pictures;
  }
}

/** Return a decoded <img>; rejects if it cannot be loaded. */
async function load(url) {
  const picture = new Image();
  picture.decoding = "sync"; // It is decoded before it is shown, and so appears in the same frame as everything else.
  picture.src = url ?? "";
  await picture.decode();
  return picture;
}
