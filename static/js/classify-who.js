// The dialog of the answer "somebody else": the user may name the person, with a search of Wikidata while typing.

import { call } from "./lib/api.js";

const byId = (id) => document.getElementById(id);

/**
 * Ask who it is; resolves to an item, "" if the user names nobody, or null if the user cancels.
 *
 * `url` is the endpoint of the search; `likely` are people {item, label, description} offered before anything is typed.
 */
export function askWho(url, likely) {
  const dialog = byId("who");
  const field = byId("who-name");
  field.value = "";
  showPeople(likely);
  dialog.returnValue = "cancel";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    let timer = null;
    const typed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => searchPeople(url, field, likely), 200);
    };
    // The result is returned at once, because the "close" event comes only after the next key.
    const pressed = (event) => handleKey(event, dialog) && done();
    const done = () => {
      if (dialog.open) return; // The dialog was opened again before this "close" event.
      clearTimeout(timer);
      field.removeEventListener("input", typed);
      field.removeEventListener("keydown", pressed);
      dialog.removeEventListener("close", done);
      resolve(dialog.returnValue === "save" ? chosenItem(field.value) : null);
    };
    field.addEventListener("input", typed);
    field.addEventListener("keydown", pressed);
    dialog.addEventListener("close", done);
  });
}

/** Return the item chosen from the list or typed as an id, or ""; any other text does not identify a person. */
function chosenItem(value) {
  const chosen = byId("who-found").querySelector('[aria-selected="true"]');
  const typed = value.trim().toUpperCase();
  return chosen?.dataset.item ?? (/^Q[1-9]\d*$/.test(typed) ? typed : "");
}

/** List the people found by the typed name, or the likely ones if nothing is typed. */
async function searchPeople(url, field, likely) {
  const typed = field.value.trim();
  if (!typed) return showPeople(likely);
  try {
    const { people } = await call(`${url}?q=${encodeURIComponent(typed)}`);
    if (field.value.trim() === typed) showPeople(people);
  } catch {
    showPeople([]); // The name is optional, so a failed search must not prevent the answer.
  }
}

/** Show people as the options of the list. */
function showPeople(people) {
  const rows = people.map((found, place) => {
    const row = byId("t-hit").content.firstElementChild.cloneNode(true);
    row.id = `hit-${place}`;
    row.dataset.item = found.item;
    row.querySelector("strong").textContent = found.label || found.item;
    row.querySelector("span").textContent = `${found.item} ${found.description}`;
    row.addEventListener("click", () => {
      select(row);
      byId("who").close("save");
    });
    return row;
  });
  byId("who-found").replaceChildren(...rows);
  byId("who-name").setAttribute("aria-expanded", String(rows.length > 0));
  byId("who-name").removeAttribute("aria-activedescendant");
}

/** Handle the arrow keys, which move through the list, and Enter and Escape, which close the dialog. Returns whether it
 *  was closed. */
function handleKey(event, dialog) {
  const rows = [...byId("who-found").children];
  const now = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const result = { Enter: "save", Escape: "cancel" }[event.key]; // By default Escape would only clear the search field.
  if (step && rows.length) select(rows[(now + step + rows.length) % rows.length]);
  if (result) dialog.close(result);
  if (result || (step && rows.length)) event.preventDefault();
  return Boolean(result);
}

function select(chosen) {
  for (const row of byId("who-found").children) row.setAttribute("aria-selected", String(row === chosen));
  byId("who-name").setAttribute("aria-activedescendant", chosen.id);
  chosen.scrollIntoView({ block: "nearest" });
}
