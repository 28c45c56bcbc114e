// The page of a batch: polls its state every second while it runs, and reloads the list of edits when a count changes.

import { ApiError, call } from "./lib/api.js";
import { poll } from "./lib/poll.js";
import { number, t } from "./lib/strings.js";
import { toast } from "./lib/toast.js";

const batch = document.getElementById("batch");
const list = document.getElementById("list");
const away = document.getElementById("away");
const TONES = { done: "good", paused: "warn", stopped: "warn" };
/** A string that is the same for the same counts. */
const mark = (found) => JSON.stringify(Object.entries(found).sort());
let listed = mark(JSON.parse(batch.dataset.counts)); // the counts when the list was rendered
let last = listed;

const pollNow = poll(batch.dataset.stateUrl, show, lost, { fastest: 1000, slowest: 15000 });

for (const form of batch.querySelectorAll("form[data-act]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const { text } = await call(form.action, { body: {} });
      if (text) toast(text);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, 8);
    }
    button.disabled = false;
    pollNow();
  });
}

function show(now) {
  away.hidden = true;
  const standing = document.getElementById("standing");
  standing.textContent = now.standing;
  standing.className = `tag ${TONES[now.state] ?? "info"}`;
  const bar = document.getElementById("bar");
  bar.max = now.total || 1;
  bar.value = now.total - now.open;
  document.getElementById("settled").textContent = t("settled", { settled: now.total - now.open, total: now.total });
  setNote("why", now.why);
  setNote("waiting", now.waiting_why);
  document.getElementById("sign-in").hidden = !(now.pause_reason === "sign_in" && now.can.resume);
  for (const figure of document.querySelectorAll("[data-count]")) {
    const count = now.counts[figure.dataset.count] ?? 0;
    figure.hidden = !count;
    figure.querySelector("dd").textContent = number(count);
  }
  for (const item of batch.querySelectorAll("[data-can]")) item.hidden = !now.can[item.dataset.can];
  const current = mark(now.counts);
  const changed = current !== last;
  last = current;
  if (current !== listed && !busy()) reloadList(current);
  return changed || now.state === "running";
}

/** Show a text in an element, or hide the element if the text is empty. */
function setNote(id, text) {
  const note = document.getElementById(id);
  note.hidden = !text;
  if (note.textContent !== text) note.textContent = text;
}

/** Whether the user is selecting edits; the list must not be replaced meanwhile. */
const busy = () => list.querySelector(":checked") || list.contains(document.activeElement);

/** Fetch the list of edits for the counts `current`. */
async function reloadList(current) {
  const found = await call(batch.dataset.listUrl + location.search).catch(() => null);
  if (!found || busy()) return;
  list.innerHTML = found.html;
  listed = current;
}

function lost(error) {
  away.textContent = error.status === 401 ? t("signed_out") : error.passes ? t("away") : error.message;
  away.hidden = false;
}
