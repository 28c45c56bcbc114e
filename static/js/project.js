// The project page: updates the progress without a reload, and shows the effect of a threshold before it is saved.

import { poll } from "./lib/poll.js";
import { t } from "./lib/strings.js";

const region = document.getElementById("progress");
const said = document.getElementById("said");
const away = document.getElementById("away");
let mark = null;
let text = null;

poll(
  region.dataset.url,
  (now) => {
    away.hidden = true;
    const changed = mark !== null && now.mark !== mark;
    if (now.mark !== mark && !region.contains(document.activeElement)) {
      const open = region.querySelector("details")?.open;
      region.innerHTML = now.html;
      if (open) region.querySelector("details")?.setAttribute("open", "");
      mark = now.mark;
    }
    if (text !== null && now.said !== text) said.textContent = now.said;
    text = now.said;
    return changed || now.busy;
  },
  (error) => {
    away.textContent = error.status === 401 ? t("signed_out") : error.passes ? t("away") : error.message;
    away.hidden = false;
  },
);

const plot = document.querySelector(".plot");
if (plot) enableThreshold(plot);

/** Let the user set the threshold by dragging in the histogram or with the slider. */
function enableThreshold(form) {
  const input = form.querySelector('input[type="range"]');
  const bars = form.querySelector(".bars");
  const line = form.querySelector(".threshold");
  const save = form.querySelector("[data-save]");
  const effect = form.querySelector("#effect");
  const open = JSON.parse(form.dataset.open);
  const width = Number(form.dataset.width);
  const now = Number(form.dataset.now);
  const [low, high] = [Number(input.min), Number(input.max)];
  const two = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  /** The number of unanswered faces within a threshold; `open` counts them in steps of `width` from 0. */
  const within = (threshold) => open.slice(0, Math.round(threshold / width)).reduce((sum, count) => sum + count, 0);

  function show() {
    const threshold = Number(input.value);
    line.setAttribute("transform", `translate(${(bars.viewBox.baseVal.width * (threshold - low)) / (high - low)} 0)`);
    const count = within(threshold);
    const difference = count - within(now);
    let sentence = t("within", { threshold: two.format(threshold), num: count });
    if (difference) sentence += ` ${t(difference > 0 ? "more" : "fewer", { num: Math.abs(difference) })}`;
    effect.textContent = sentence;
    if (save) save.disabled = threshold === now;
  }

  function drag(event) {
    if (input.disabled || (event.type === "pointermove" && !bars.hasPointerCapture(event.pointerId))) return;
    if (event.type === "pointerdown") bars.setPointerCapture(event.pointerId);
    const box = bars.getBoundingClientRect();
    input.value = low + ((event.clientX - box.left) / box.width) * (high - low);
    show();
  }

  input.addEventListener("input", show);
  bars.addEventListener("pointerdown", drag);
  bars.addEventListener("pointermove", drag);
  if (save) save.disabled = true;
}
