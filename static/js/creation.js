// New project: people while one types, and the sum of the subcategories that are ticked.

import { t } from "./lib/strings.js";

const search = document.querySelector("[data-people]");
if (search) typeAhead(search, search.querySelector('[name="q"]'), document.getElementById("people"));

const tree = document.getElementById("tree");
if (tree) tree.addEventListener("change", (event) => tick(event.target));

function typeAhead(form, input, people) {
  let timer = null;
  let asked = null;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });

  async function look() {
    asked?.abort();
    asked = new AbortController();
    const typed = input.value.trim();
    if (typed.length === 1) return;
    try {
      const url = `${form.dataset.people}?q=${encodeURIComponent(typed)}`;
      const response = await fetch(url, { signal: asked.signal });
      if (response.ok && !response.redirected) people.innerHTML = await response.text();
    } catch {
      // The button still searches, and says what is wrong.
    }
  }
}

// What is below a category goes with it, and comes back with it.
function tick(box) {
  const rows = [...tree.querySelectorAll("li")];
  const row = box.closest("li");
  const depth = Number(row.dataset.depth);
  for (const below of rows.slice(rows.indexOf(row) + 1)) {
    if (Number(below.dataset.depth) <= depth) break;
    below.querySelector("input[type=checkbox]").checked = box.checked;
  }
  if (box.checked) tickAbove(rows, row, depth);
  const sum = document.querySelector("[data-sum]");
  if (sum) sum.textContent = t("files", { num: total(rows) });
}

function tickAbove(rows, row, depth) {
  let wanted = depth - 1;
  for (const above of rows.slice(0, rows.indexOf(row)).reverse()) {
    if (Number(above.dataset.depth) !== wanted) continue;
    const box = above.querySelector("input[type=checkbox]");
    if (!box) break;
    box.checked = true;
    wanted -= 1;
  }
}

function total(rows) {
  const kept = rows.filter((row) => row.querySelector("input[type=checkbox]")?.checked ?? true);
  return kept.reduce((sum, row) => sum + Number(row.dataset.files), 0);
}
