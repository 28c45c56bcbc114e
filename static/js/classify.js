// The question page: shows a question, takes the answer and shows the next question at once, while the outbox sends the
// answer.

import { call } from "./lib/api.js";
import { t } from "./lib/strings.js";
import { drawBox } from "./classify-box.js";
import { listen, swipes } from "./classify-keys.js";
import { Outbox } from "./classify-outbox.js";
import { Supply } from "./classify-supply.js";
import { View } from "./classify-view.js";
import { askWho } from "./classify-who.js";

const LONG_AWAY = 10 * 60_000; // ms in a hidden tab, after which the prefetched questions are fetched again
const byId = (id) => document.getElementById(id);
const boot = JSON.parse(byId("boot").textContent);
const view = new View();
const outbox = new Outbox(boot, onOutboxEvent);
const supply = new Supply(boot.urls.questions, onSupplyEvent);
const undoable = []; // steps {step, question, faces} that can be undone, the newest last
const older = { steps: [], before: null, more: true, loading: null }; // steps from before this page was loaded
let current = null;
let hiddenSince = 0; // when the tab was hidden, in ms since 1970
let busy = false; // whether a dialog or the box editor receives the keys

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
  document.addEventListener("visibilitychange", visibilityChanged);
  globalThis.history.replaceState(null, "", location.pathname); // A face that the URL named is asked about only once.
  loadOlder();
}

/** Fetch new questions if the tab was hidden for so long that those fetched before may be out of date. */
function visibilityChanged() {
  if (document.hidden) hiddenSince = Date.now();
  else if (Date.now() - hiddenSince > LONG_AWAY) supply.refresh();
}

/** Restore an unsent step of an earlier page load: its faces count as answered, and it can be undone. */
function remember(item, kept) {
  if (item.kind === "undo" || kept.some((other) => other.kind === "undo" && other.step === item.step)) return;
  undoable.push({ step: item.step, question: item.question, faces: item.faces ?? [] });
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
    showCurrent();
  }
}

const faceOf = (event) => Number(event.target.closest("[data-face]:not(form)")?.dataset.face ?? 0);

/** Perform the action of a key, a button or a swipe; `digit` is the number of a face for the action "face". */
function act(action, digit) {
  if (busy) return;
  if (action === "undo") return undo();
  if (action === "keys") return byId("keys").showModal();
  if (!current) return;
  if (action !== "skip" && !photoShown()) return say(t("loading"));
  const actions = {
    yes: () => (view.chosen.size ? answerChosen() : answer([target(current.face)], all())),
    no: () => answer((view.group ? all() : [current.face]).map((face) => answerAbout(face, "other"))),
    skip: () => answer([answerAbout(current.face, "skip")]),
    not_face: () => answer([answerAbout(current.face, "not_face")]),
    face: () => chooseNumber(digit),
    else: () => somebodyElse(),
    twice: () => toggleTwice(),
    draw: () => draw(null),
    edit: () => draw(current.faces.find((face) => face.id === current.face)),
  };
  actions[action]();
}

/** Whether the photograph is on the screen; without it a question can only be skipped. */
const photoShown = () => view.photo.complete && view.photo.naturalWidth > 0;
/** The ids of all faces of the current question. */
const all = () => current.faces.map((face) => face.id);
/** An answer about a face, as the server expects it. */
const answerAbout = (face, answer, more = {}) => ({
  page: current.page, face, answer, reason: current.reason || null, sha1: current.sha1, ...more,
});
const target = (face, twice = false) => answerAbout(face, "target", { twice });

/** Choose the face with the number `digit`, if the question has several faces. */
function chooseNumber(digit) {
  const face = current.faces.find((found) => found.n === digit);
  if (face && view.group) choose(face.id);
  else if (!view.group) say(t("one_face"));
}

/** Answer that a face is the person; while several faces may be chosen, only add or remove it. */
function choose(face) {
  if (!photoShown()) return say(t("loading"));
  if (byId("twice").getAttribute("aria-pressed") === "true") view.toggle(face);
  else answer([target(face)], all());
}

/** Answer that all chosen faces are the person. */
function answerChosen() {
  answer([...view.chosen].map((face) => target(face, true)), all());
}

function toggleTwice() {
  if (view.group) view.twice(byId("twice").getAttribute("aria-pressed") !== "true");
  else say(t("one_face"));
}

/** Ask who it is instead, and answer. */
async function somebodyElse() {
  busy = true;
  const item = await askWho(boot.urls.people, current.others.map(({ hint, ...one }) => ({ ...one, description: hint })));
  busy = false;
  if (item !== null) answer([answerAbout(current.face, "other", { other_item: item || null })]);
}

/** Queue the answers of one step and show the next question. `settled`: the faces that these answers settle, which
 *  can be more than they name. */
function answer(answers, settled = answers.map((one) => one.face)) {
  const step = uuid();
  send({ kind: "answers", step, answers: answers.map((one) => ({ client_id: uuid(), ...one })) }, settled);
}

function send(item, settled) {
  const question = current;
  undoable.push({ step: item.step, question, faces: settled });
  if (item.answers?.[0].answer === "skip") supply.skip(settled[0]);
  else supply.settle(settled);
  next();
  outbox.add({ ...item, question, faces: settled });
}

async function draw(face) {
  if (!photoShown()) return;
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
  showCurrent();
}

/** Show the current question, and its photograph as soon as it is loaded. */
function showCurrent() {
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

/** Undo the last step and ask its question again. */
async function undo() {
  const last = undoable.pop() ?? (await olderStep());
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

/** Fetch steps saved before this page was loaded, here or on another device; at most one request at a time. */
function loadOlder() {
  older.loading ??= fetchOlder().finally(() => (older.loading = null));
  return older.loading;
}

async function fetchOlder() {
  try {
    const { steps } = await call(boot.urls.steps + (older.before ? `?before=${older.before}` : ""));
    const known = new Set(undoable.map((one) => one.step));
    for (const { step, question } of steps.filter((one) => !known.has(one.step))) {
      older.steps.push({ step, question: question && reopened(question), faces: faces(question) });
    }
    older.before = steps.at(-1)?.id ?? older.before;
    older.more = steps.length > 0;
  } catch {
    older.more = true; // There is no connection: the next undo tries again.
  }
}

const faces = (question) => (question ? question.faces.map((face) => face.id) : []);

/** Return the question as it was before the answer that is undone. */
function reopened(question) {
  return { ...question, faces: question.faces.map((face) => (face.id === question.face || !face.state ? { ...face, label: null, state: "" } : face)) };
}

function onSupplyEvent(event) {
  if (event.type === "more" && !current) next();
  if (event.type === "none" && !current) view.none(event.html);
  if (event.type === "counts") counts(event);
}

function onOutboxEvent(event) {
  const handlers = {
    state: () => state(event),
    saved: () => saved(event),
    dropped: () => say(event.text || t("unusable")),
    gone: () => say(event.count ? t("project_gone", { num: event.count }) : event.text),
    session: () => counts(event),
  };
  handlers[event.type]();
}

function saved({ item, result }) {
  if (result.differs) say(t("differs", { name: result.differs }));
  if (item.kind === "box" && result.face) followBox(result.face);
}

/** Report when a worker has computed the encoding of the face in a drawn box, which takes seconds. */
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

/** Show the counts of a server response; reload the page if another user has signed in. */
function counts({ counts: now, user, may_stop: stop, note }) {
  if (user !== boot.user) return location.reload(); // Another user signed in; answers must not be saved as theirs.
  if (!now) return;
  byId("stop").hidden = !stop;
  byId("model-note").hidden = !note;
  if (byId("model-note").textContent !== note) byId("model-note").textContent = note;
  byId("counts").textContent = `${t("answered", { num: now.answered })} · ${t("confirmed", { num: now.confirmed })}`;
}

/** Show what is not saved yet, and why. */
function state({ pending, problem, keeps }) {
  const status = byId("status");
  byId("signed-out").hidden = problem !== "signed_out";
  // One or two items in a request under way are not worth a message.
  const text = pending && (problem || pending > 2 || !keeps) ? t("unsaved", { num: pending }) : "";
  const why = { offline: t("offline_kept"), away: t("away"), signed_out: "" }[problem] ?? (keeps ? "" : t("no_storage"));
  const shown = [text, pending ? why : ""].filter(Boolean).join(". ");
  if (!pending && state.late) say(t("all_saved"));
  state.late = pending > 0 && (state.late || Boolean(shown));
  if (status.textContent !== shown) status.textContent = shown;
}

/** Show a message at the edge of the photograph, in place of the one before; screen readers read it out. */
function say(text) {
  if (!text) return;
  const message = byId("message");
  message.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (message.textContent = ""), 2500 + 50 * text.length);
}

/** Return a random UUID, also in insecure contexts, where `crypto.randomUUID` does not exist. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
