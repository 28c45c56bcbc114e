// Classify: shows a question, takes the answer, shows the next at once. What is sent, and when, is the outbox's business.

import { call } from "./lib/api.js";
import { t } from "./lib/strings.js";
import { drawBox } from "./classify-box.js";
import { listen, swipes } from "./classify-keys.js";
import { Outbox } from "./classify-outbox.js";
import { Supply } from "./classify-supply.js";
import { View } from "./classify-view.js";
import { askWho } from "./classify-who.js";

const LONG_AWAY = 10 * 60_000; // ms
const byId = (id) => document.getElementById(id);
const boot = JSON.parse(byId("boot").textContent);
const view = new View();
const outbox = new Outbox(boot, heardFromOutbox);
const supply = new Supply(boot.urls.questions, heardFromSupply);
const taken = []; // {step, question} that can be undone, the newest last
const older = { steps: [], before: null, more: true, loading: null }; // taken before this page was loaded
let current = null;
let hidden = 0; // since when, while the page is
let busy = false; // a dialog or the box editor has the keys

start();

function start() {
  for (const button of document.querySelectorAll(".js")) button.hidden = false;
  const kept = outbox.items();
  for (const item of kept) remember(item, kept);
  supply.take(boot.questions);
  if (supply.ahead.length) next();
  else supply.fill();
  outbox.kick();
  listen(act);
  swipes(byId("photo"), act, () => busy);
  document.addEventListener("click", clicked);
  byId("ask").addEventListener("submit", (event) => event.preventDefault());
  byId("numbers").addEventListener("pointerover", (event) => view.point(faceOf(event)));
  byId("numbers").addEventListener("focusin", (event) => view.point(faceOf(event)));
  byId("numbers").addEventListener("focusout", () => view.point(0));
  document.addEventListener("visibilitychange", awake);
  globalThis.history.replaceState(null, "", location.pathname); // a face that the address asked for is asked once
  loadOlder();
}

/** After a while away the questions ahead are old. */
function awake() {
  if (document.hidden) hidden = Date.now();
  else if (Date.now() - hidden > LONG_AWAY) supply.refresh();
}

/** Steps of an earlier load that are still unsent: they are answered, and can be undone. */
function remember(item, kept) {
  if (item.kind === "undo" || kept.some((other) => other.kind === "undo" && other.step === item.step)) return;
  taken.push({ step: item.step, question: item.question, faces: item.faces ?? [] });
  supply.settle(item.faces ?? []);
}

function clicked(event) {
  const button = event.target.closest("[data-act]");
  const face = faceOf(event);
  if (button) {
    event.preventDefault();
    act(button.dataset.act, 0);
  } else if (face && !busy && view.group) {
    event.preventDefault();
    choose(face);
  } else if (event.target.closest("#reload")) {
    event.preventDefault();
    present();
  }
}

const faceOf = (event) => Number(event.target.closest("[data-face]:not(form)")?.dataset.face ?? 0);

/** Do what a key, a button or a swipe means. */
function act(action, digit) {
  if (busy) return;
  if (action === "undo") return undo();
  if (action === "keys") return byId("keys").showModal();
  if (!current) return;
  if (action !== "skip" && !seen()) return say(t("loading"));
  const actions = {
    yes: () => (view.chosen.size ? several() : answer([target(current.face)], all())),
    no: () => answer((view.group ? all() : [current.face]).map((face) => said(face, "other"))),
    skip: () => answer([said(current.face, "skip")]),
    not_face: () => answer([said(current.face, "not_face")]),
    face: () => nth(digit),
    else: () => somebodyElse(),
    twice: () => toggleTwice(),
    draw: () => draw(null),
    edit: () => draw(current.faces.find((face) => face.id === current.face)),
  };
  actions[action]();
}

/** Nobody answers about a picture that is not on the screen. */
const seen = () => view.photo.complete && view.photo.naturalWidth > 0;
const all = () => current.faces.map((face) => face.id);
const said = (face, answer, more = {}) => ({ page: current.page, face, answer, reason: current.reason || null, sha1: current.sha1, ...more });
const target = (face, twice = false) => said(face, "target", { twice });

function nth(digit) {
  const face = current.faces.find((found) => found.n === digit);
  if (face && view.group) choose(face.id);
  else if (!view.group) say(t("one_face"));
}

function choose(face) {
  if (!seen()) return say(t("loading"));
  if (byId("twice").getAttribute("aria-pressed") === "true") view.toggle(face);
  else answer([target(face)], all());
}

function several() {
  answer([...view.chosen].map((face) => target(face, true)), all());
}

function toggleTwice() {
  if (view.group) view.twice(byId("twice").getAttribute("aria-pressed") !== "true");
  else say(t("one_face"));
}

async function somebodyElse() {
  busy = true;
  const item = await askWho(boot.urls.people, current.others.map(({ hint, ...one }) => ({ ...one, description: hint })));
  busy = false;
  if (item !== null) answer([said(current.face, "other", { other_item: item || null })]);
}

/** Keep the answers of one step and go on. `settled`: the faces that they answer, where that is more than they name. */
function answer(answers, settled = answers.map((one) => one.face)) {
  const step = uuid();
  send({ kind: "answers", step, answers: answers.map((one) => ({ client_id: uuid(), ...one })) }, settled);
}

function send(item, settled) {
  const question = current;
  taken.push({ step: item.step, question, faces: settled });
  if (item.answers?.[0].answer === "skip") supply.skip(settled[0]);
  else supply.settle(settled);
  next();
  outbox.add({ ...item, question, faces: settled });
}

async function draw(face) {
  if (!seen()) return;
  const question = current;
  busy = true;
  const box = await drawBox(say, face?.box);
  busy = false;
  if (!box || current !== question) return;
  const drawing = { page: question.page, box, replaces: face?.id ?? null, sha1: question.sha1 };
  send({ kind: "box", step: uuid(), client_id: uuid(), ...drawing }, all());
}

function next() {
  current = supply.current = null;
  const question = supply.next();
  if (!question) {
    supply.fill();
    return view.none("");
  }
  current = question;
  supply.current = question.face;
  present();
}

/** Show the current question, its photograph as soon as it is there. */
function present() {
  const question = current;
  const pictures = supply.preload(question);
  view.show(question, pictures.picture);
  byId("spoken").textContent = [byId("question").textContent, view.askedText(), question.why, question.caption, question.description, question.age].join(" ");
  if (pictures.picture) return;
  pictures.photo.then(
    (picture) => current === question && view.picture(picture),
    () => current === question && view.picture(undefined),
  );
}

async function undo() {
  const last = taken.pop() ?? (await olderStep());
  if (!last) return say(t("nothing_undo"));
  outbox.undo(last.step);
  supply.unsettle(last.faces);
  say(t("undone"));
  if (!last.question) return;
  if (current) supply.back(current);
  supply.back(last.question);
  next();
}

async function olderStep() {
  if (!older.steps.length && older.more) await loadOlder();
  return older.steps.shift() ?? null;
}

/** What stands from before this page was loaded, here or on another device; one look at a time. */
function loadOlder() {
  older.loading ??= lookBack().finally(() => (older.loading = null));
  return older.loading;
}

async function lookBack() {
  try {
    const { steps } = await call(boot.urls.steps + (older.before ? `?before=${older.before}` : ""));
    const known = new Set(taken.map((one) => one.step));
    for (const { step, question } of steps.filter((one) => !known.has(one.step))) {
      older.steps.push({ step, question: question && open(question), faces: faces(question) });
    }
    older.before = steps.at(-1)?.id ?? older.before;
    older.more = steps.length > 0;
  } catch {
    older.more = true; // no connection: asked again when somebody wants to undo
  }
}

const faces = (question) => (question ? question.faces.map((face) => face.id) : []);

/** The question as it was before the answer that is taken back. */
function open(question) {
  return { ...question, faces: question.faces.map((face) => (face.id === question.face || !face.state ? { ...face, label: null, state: "" } : face)) };
}

function heardFromSupply(event) {
  if (event.type === "more" && !current) next();
  if (event.type === "none" && !current) view.none(event.html);
  if (event.type === "counts") counts(event);
}

function heardFromOutbox(event) {
  const heard = {
    state: () => state(event),
    saved: () => saved(event),
    dropped: () => say(event.text || t("unusable")),
    gone: () => say(event.count ? t("project_gone", { num: event.count }) : event.text),
    session: () => counts(event),
  };
  heard[event.type]();
}

function saved({ item, result }) {
  if (result.differs) say(t("differs", { name: result.differs }));
  if (item.kind === "box" && result.face) followBox(result.face);
}

/** Say when a worker has read the face in a drawn box; it takes seconds. */
async function followBox(face) {
  say(t("drawn_waiting"));
  const url = boot.urls.face.replace("/0.json", `/${face}.json`);
  for (const wait of [700, 1000, 1500, 2000, 3000, 4000, 8000]) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    const { state: now } = await call(url).catch(() => ({ state: "waiting" }));
    if (now === "encoded") return say(t("drawn_encoded"));
    if (now === "failed") return say(t("drawn_failed"));
    if (now === "gone") return;
  }
  say(t("drawn_slow"));
}

function counts({ counts: now, user, may_stop: stop }) {
  if (user !== boot.user) return location.reload(); // somebody else signed in: nobody answers in their name
  if (!now) return;
  byId("stop").hidden = !stop;
  byId("counts").textContent = `${t("answered", { num: now.answered })} · ${t("confirmed", { num: now.confirmed })}`;
}

function state({ pending, problem, keeps }) {
  const status = byId("status");
  byId("signed-out").hidden = problem !== "signed_out";
  // A request on its way is no news: only what waits for longer is.
  const text = pending && (problem || pending > 2 || !keeps) ? t("unsaved", { num: pending }) : "";
  const why = { offline: t("offline_kept"), away: t("away"), signed_out: "" }[problem] ?? (keeps ? "" : t("no_storage"));
  const shown = [text, pending ? why : ""].filter(Boolean).join(". ");
  if (!pending && state.late) say(t("all_saved"));
  state.late = pending > 0 && (state.late || Boolean(shown));
  if (status.textContent !== shown) status.textContent = shown;
}

/** One line at a time, over the photograph's edge, read out by screen readers. */
function say(text) {
  if (!text) return;
  const message = byId("message");
  message.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (message.textContent = ""), 2500 + 50 * text.length);
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
