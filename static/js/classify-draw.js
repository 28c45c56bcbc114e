// The page that draws one box: the editor fills the form's numbers, the form does the rest.

import { drawBox } from "./classify-box.js";
import { scale } from "./classify-view.js";
import { toast } from "./lib/toast.js";

const form = document.getElementById("draw");
const names = ["left", "top", "width", "height"];

async function run() {
  const box = await drawBox(toast, names.map((name) => Number(form.elements[name].value) / 100), show);
  if (box) form.requestSubmit();
  else location.assign(form.dataset.back);
}

function show(box) {
  names.forEach((name, place) => (form.elements[name].value = (box[place] * 100).toFixed(2)));
}

new ResizeObserver(scale).observe(document.getElementById("photo"));
run();
