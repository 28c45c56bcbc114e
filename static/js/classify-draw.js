// The page for drawing one box: the editor writes the box into the form's fields, and the form submits it.

import { drawBox } from "./classify-box.js";
import { scale } from "./classify-view.js";
import { toast } from "./lib/toast.js";

const form = document.getElementById("draw");
const names = ["left", "top", "width", "height"];

async function run() {
  const box = await drawBox(toast, names.map((name) => Number(form.elements[name].value) / 100), fillForm);
  if (box) form.requestSubmit();
  else location.assign(form.dataset.back);
}

function fillForm(box) {
  names.forEach((name, place) => (form.elements[name].value = (box[place] * 100).toFixed(2)));
}

new ResizeObserver(scale).observe(document.getElementById("photo"));
run();
