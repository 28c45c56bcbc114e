// The grid of files without a face: answers by key or button, sent in the background by the outbox.

import { call } from "./lib/api.js";
import { t } from "./lib/strings.js";
import { toast } from "./lib/toast.js";
import { Outbox } from "./classify-outbox.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const grid = document.getElementById("grid");
const cells = grid ? [...grid.children] : [];
const outbox = new Outbox(boot, onOutboxEvent);
const history = []; // steps {step, cell, before} that can be undone; `before` is the answer shown before
const KEYS = { y: "shown", n: "not_shown", d: "draw", z: "undo", u: "undo" };

document.querySelector(".keys-hint")?.removeAttribute("hidden");
document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
if (cells.length) cells[0].tabIndex = 0;
outbox.kick();

function clicked(event) {
  const button = event.target.closest("[data-act]");
  if (!button || button.dataset.act === "draw") return;
  event.preventDefault();
  act(button.dataset.act, button.closest(".cell"));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, dialog, details[open]")) return;
  const cell = document.activeElement.closest(".cell");
  const offset = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
  const action = KEYS[event.key.toLowerCase()];
  if (offset && cells.length) {
    event.preventDefault();
    focus(cell ? cells[cells.indexOf(cell) + offset * (Math.abs(offset) === 1 && getComputedStyle(grid).direction === "rtl" ? -1 : 1)] : cells[0]);
  } else if (event.key === "Enter" && document.activeElement === cell) {
    act("draw", cell);
  } else if (action && (cell || action === "undo")) {
    event.preventDefault();
    act(action, cell);
  }
}

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;

/** Move the focus to a cell, and make it the only one that the Tab key reaches. */
function focus(cell) {
  if (!cell) return;
  for (const other of cells) other.tabIndex = other === cell ? 0 : -1;
  cell.focus();
}

/** Perform the action of a key or a button on a cell. */
function act(action, cell) {
  if (action === "undo") return undo();
  if (action === "draw") return cell.querySelector('[data-act="draw"]').click();
  const step = crypto.randomUUID();
  const { page, sha1, answer } = cell.dataset;
  history.push({ step, cell, before: answer ?? "" });
  show(cell, action);
  const saved = { client_id: crypto.randomUUID(), page: Number(page), face: null, answer: action, sha1: sha1 || null };
  outbox.add({ kind: "answers", step, answers: [saved] });
  if (document.activeElement === cell) focus(cells[cells.indexOf(cell) + 1] ?? cell);
}

/** Show an answer in a cell; "" removes it. */
function show(cell, answer) {
  cell.toggleAttribute("data-answer", Boolean(answer));
  if (answer) cell.dataset.answer = answer;
  cell.querySelector(".said .tag").textContent = answer ? t(answer) : "";
  for (const button of cell.querySelectorAll("[aria-pressed]")) {
    button.setAttribute("aria-pressed", String(button.dataset.act === answer));
  }
}

/** Undo the last step of this page, or the last one that the server has. */
async function undo() {
  const last = history.pop();
  if (last) {
    show(last.cell, last.before);
    outbox.undo(last.step);
    return focus(last.cell);
  }
  const { withdrawn } = await call(boot.urls.undo, { body: {} }).catch((error) => toast(error.message) ?? { withdrawn: 1 });
  if (withdrawn) location.reload();
  else toast(t("nothing_undo"));
}

function onOutboxEvent(event) {
  const status = document.getElementById("status");
  if (event.type === "dropped") toast(event.text || t("unusable"));
  if (event.type === "gone") toast(t("project_gone", { num: event.count }));
  if (event.type === "session" && event.user !== boot.user) location.reload();
  if (event.type !== "state") return;
  const late = event.pending && (event.problem || event.pending > 2);
  const text = late ? `${t("unsaved", { num: event.pending })}. ${event.problem === "signed_out" ? t("signed_out") : ""}` : "";
  if (status.textContent !== text) status.textContent = text;
}
