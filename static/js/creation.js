// The form for a new project: finds people while the user types, and sums the files of the selected subcategories.

import { t } from "./lib/strings.js";

const search = document.querySelector("[data-people]");
if (search) typeAhead(search, search.querySelector('[name="q"]'), document.getElementById("people"));

const tree = document.getElementById("tree");
if (tree) tree.addEventListener("change", (event) => tick(event.target));

/** Search for people 250 ms after the last change of the input, aborting the request before. */
function typeAhead(form, input, people) {
  let timer = null;
  let controller = null;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(findPeople, 250);
  });

  async function findPeople() {
    controller?.abort();
    controller = new AbortController();
    const typed = input.value.trim();
    if (typed.length === 1) return;
    try {
      const url = `${form.dataset.people}?q=${encodeURIComponent(typed)}`;
      const response = await fetch(url, { signal: controller.signal });
      if (response.ok && !response.redirected) people.innerHTML = await response.text();
    } catch {
      // The search button still works, and its page reports the error.
    }
  }
}

/** Select or deselect the subcategories of a category with it, and update the number of files. */
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

/** Select the parents of a selected category, up to the root. */
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

/** Return the number of files in the selected categories. */
function total(rows) {
  const kept = rows.filter((row) => row.querySelector("input[type=checkbox]")?.checked ?? true);
  return kept.reduce((sum, row) => sum + Number(row.dataset.files), 0);
}
