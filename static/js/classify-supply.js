// Questions ahead of time, each with its pictures loaded and decoded before it is needed.

import { ApiError, call } from "./lib/api.js";

const LOW = 6; // fetch when fewer are ahead
const REMEMBERED = 300; // answered faces named to the server, which ranks a moment behind
const PATIENCE = [1000, 1500, 2000, 3000, 5000, 10_000]; // ms between looks when there is no question

/** `heard(event)`: {type: "more"} when questions came, "none" (html), "counts" (counts), "lost" (error). */
export class Supply {
  constructor(url, heard) {
    this.url = url;
    this.heard = heard;
    this.ahead = [];
    this.answered = new Map(); // face -> true, the newest last
    this.ready = new WeakMap(); // question -> its pictures
    this.skips = new Set(); // asked again once, when nothing else is left
    this.tries = 0;
  }

  /** The next question, or null. */
  next() {
    const question = this.ahead.shift() ?? null;
    if (this.ahead.length < LOW) this.fill();
    return question;
  }

  /** Forget what is ahead and ask anew: much may have been answered meanwhile, here or elsewhere. */
  refresh() {
    this.ahead = [];
    this.fill();
  }

  /** Ask this one next: it was undone, or put off. */
  back(question) {
    this.ahead.unshift(question);
    this.preload(question);
  }

  /** These faces are answered: they are not asked again, whatever the server says a moment later. */
  settle(faces) {
    for (const face of faces) {
      this.answered.delete(face);
      this.answered.set(face, true);
    }
    while (this.answered.size > REMEMBERED) this.answered.delete(this.answered.keys().next().value);
    const known = new Set(faces);
    this.ahead = this.ahead.filter((question) => !known.has(question.face));
  }

  skip(face) {
    if (!this.skips.delete(face)) this.skips.add(face);
    this.settle([face]);
  }

  /** They may be asked again. */
  unsettle(faces) {
    for (const face of faces) this.answered.delete(face);
  }

  async fill() {
    if (this.filling) return;
    clearTimeout(this.timer);
    this.filling = true;
    try {
      const have = [...this.ahead.map((question) => question.face), this.current, ...[...this.answered.keys()].reverse()];
      const answer = await call(`${this.url}?have=${have.filter(Boolean).join(",")}`);
      this.heard({ type: "counts", ...answer });
      this.came(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.again(error.passes || error.status === 401);
      this.heard({ type: "lost", error });
    } finally {
      this.filling = false;
    }
  }

  came(answer) {
    const before = this.ahead.length;
    this.take(answer.questions);
    if (this.ahead.length > before) {
      this.tries = 0;
      this.heard({ type: "more" });
    } else if (!this.ahead.length && [...this.skips].some((face) => this.answered.delete(face))) {
      for (const face of this.skips) this.answered.delete(face);
      this.again(true);
    } else if (!this.ahead.length) {
      this.heard({ type: "none", html: answer.none ?? "" });
      this.again(true, answer.passes || !answer.none);
    }
  }

  again(useful, soon = true) {
    if (!useful) return;
    const wait = soon ? PATIENCE[Math.min(this.tries++, PATIENCE.length - 1)] : 15_000;
    this.timer = setTimeout(() => (document.hidden ? this.again(true, false) : this.fill()), wait);
  }

  take(questions) {
    const have = new Set([this.current, ...this.ahead.map((question) => question.face)]);
    for (const question of questions) {
      if (have.has(question.face) || this.answered.has(question.face)) continue;
      this.ahead.push(question);
      this.preload(question);
    }
  }

  /** The photograph as a decoded <img> (a promise; rejected where it cannot be had), and chips in the browser's memory. */
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

async function load(url) {
  const picture = new Image();
  picture.decoding = "sync"; // it is in memory by then: shown in the same frame as everything else
  picture.src = url ?? "";
  await picture.decode();
  return picture;
}
