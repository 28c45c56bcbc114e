// The review page: selects faces and acts on them without leaving the page. The server renders all of its HTML.

import { ApiError, call } from "./lib/api.js";
import { t } from "./lib/strings.js";
import { toast } from "./lib/toast.js";
import { Selection } from "./review-select.js";
import { Whole } from "./review-whole.js";

const urls = JSON.parse(document.getElementById("boot").textContent);
const region = document.getElementById("grid");
const undoRequests = []; // requests {name, body} that undo the actions of this page, the newest last
let work = Promise.resolve(); // ends when the last queued job has ended, so that jobs run one after the other
let pendingJobs = 0; // jobs that have not ended

const selection = new Selection(region, (chosen) => {
  const count = region.querySelector("#chosen");
  if (count) count.textContent = chosen.length ? t("chosen", { num: chosen.length }) : count.dataset.hint;
  region.querySelector(".choice")?.toggleAttribute("data-any", chosen.length > 0);
});
const whole = new Whole(document.getElementById("whole"), (name, face) => act(name, [face]), neighbour);

region.addEventListener("click", clicked);
region.addEventListener("change", (event) => event.target.id === "sort" && event.target.form.requestSubmit());
region.addEventListener("submit", submitted);
document.addEventListener("keydown", pressed);
addEventListener("popstate", () => load(location.href));

function clicked(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.button) return;
  const button = event.target.closest("button[data-act]");
  const link = event.target.closest("a");
  if (button) act(button.dataset.act, selection.chosen, Number(button.value));
  else if (event.target.closest("[data-undo]")) undo();
  else if (link?.classList.contains("look")) whole.show(link.href, Number(link.closest(".face").dataset.face));
  else if (link && new URL(link.href).pathname === location.pathname) load(link.href, { push: true });
  else return;
  event.preventDefault();
}

function submitted(event) {
  if ("every" in event.target.dataset) {
    event.preventDefault();
    return approveAll(Object.fromEntries(new FormData(event.target)));
  }
  if (event.target.method !== "get") return;
  event.preventDefault();
  load(`${location.pathname}?${new URLSearchParams(new FormData(event.target))}`, { push: true });
}

function pressed(event) {
  if (whole.open || event.target.closest("select, textarea, details[open], .menu, input:not([name='faces'])")) return;
  const inGrid = event.target.closest("#faces") || event.target === document.body || event.target.id === "main";
  if (inGrid && selection.key(event)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const button = region.querySelector(`.choice [data-key="${CSS.escape(key)}"]`);
  if (button) act(button.dataset.act, selection.chosen, Number(button.value));
  else if (key === "z" || key === "u") undo();
  else if (event.key === "Enter" && selection.place >= 0) openFace(selection.place);
  else return;
  event.preventDefault();
}

/** Open the face at an index of the selection in the dialog. */
function openFace(place) {
  const face = selection.boxes[place].closest(".face");
  whole.show(face.querySelector(".look").href, Number(face.dataset.face));
}

/** Return {url, face} of the face `by` places after `face` in the grid, or null. */
function neighbour(face, by) {
  const cells = [...region.querySelectorAll(".face:not([data-leaving])")];
  const cell = cells[cells.findIndex((one) => Number(one.dataset.face) === face) + by];
  return cell ? { url: cell.querySelector(".look").href, face: Number(cell.dataset.face) } : null;
}

/** Perform an action on faces, at once on the screen and then on the server; the last job reloads the grid. */
function act(name, faces, on = 1) {
  if (!faces.length) return toast(t("none_chosen"));
  const seen = region.querySelector("#chosen-faces")?.dataset.seen;
  const step = crypto.randomUUID();
  markLeaving(faces, true);
  return queue(async () => {
    const answer = await call(urls[name], { body: { faces, seen, step, on } });
    undoRequests.push(inverse(name, faces, step, on));
    announce(answer.text);
  }, () => markLeaving(faces, false));
}

/** Approve all matches, also those of other pages, in one step that one undo withdraws. */
function approveAll({ all, show, count, run, seen }) {
  const step = crypto.randomUUID();
  return queue(async () => {
    const answer = await call(urls.approve, { body: { all, show, count, run, seen, step } });
    undoRequests.push(inverse("approve", [], step));
    announce(answer.text);
  });
}

/** Return the request {name, body} that undoes an action. */
function inverse(name, faces, step, on) {
  if (name === "approve") return { name: "withdraw", body: { step } };
  if (name === "withdraw") return { name: "approve", body: { faces } };
  if (name === "prominent") return { name, body: { faces, on: on ? 0 : 1 } };
  return { name: "undo", body: { step } };
}

/** Undo the last action of this page, or the last one that the server has. */
function undo() {
  queue(async () => {
    const last = undoRequests.pop() ?? { name: "undo", body: {} };
    const answer = await call(urls[last.name], { body: last.body });
    announce(answer.withdrawn === 0 ? t("nothing_undo") : t("undone"));
  });
}

/** Run a job after those queued before; call `failed` if the server refuses it. */
function queue(job, failed = () => {}) {
  pendingJobs += 1;
  work = work.then(async () => {
    try {
      await job();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failed();
      toast(error.message, 8);
    } finally {
      pendingJobs -= 1;
    }
    if (!pendingJobs) await load(location.href);
  });
  return work;
}

/** Mark faces as leaving the grid and deselect them, or restore them. */
function markLeaving(faces, leaving) {
  for (const face of faces) {
    const box = selection.boxes[selection.placeOf(face)];
    if (!box) continue;
    box.checked = !leaving && box.checked;
    box.closest(".face").toggleAttribute("data-leaving", leaving);
  }
  selection.changed(selection.chosen);
}

/** Show a message, and announce it to screen readers. */
function announce(text) {
  document.getElementById("said").textContent = text;
  toast(text, 4);
}

/** Replace the grid of faces, keeping the focus; the selection is kept unless `push` adds a page to the history. */
async function load(url, { push = false } = {}) {
  const address = new URL(urls.grid, location.href);
  address.search = new URL(url, location.href).search;
  try {
    const found = await call(address);
    const place = selection.place;
    const chosen = new Set(push ? [] : selection.chosen);
    region.innerHTML = found.html;
    if (push) history.pushState(null, "", found.url);
    else if (new URL(found.url, location.href).search !== location.search && location.search) history.replaceState(null, "", found.url);
    for (const button of region.querySelectorAll(".empty [data-undo]")) button.hidden = !undoRequests.length;
    for (const box of region.querySelectorAll('input[name="faces"]')) box.checked = chosen.has(Number(box.value));
    selection.renew(Math.max(0, place), place >= 0);
    if (push) region.querySelector(".filters [aria-current]")?.focus({ preventScroll: true });
    if (push) region.querySelector(".filters").scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, 8);
  }
}
