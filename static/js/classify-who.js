// "Somebody else": optionally who, found on Wikidata while typing.

import { call } from "./lib/api.js";

const byId = (id) => document.getElementById(id);

/** Ask who it is; resolves to an item, "" for nobody in particular, or null when the person changed their mind.
 *  `likely`: people {item, label, description} to choose from before anything is typed. */
export function askWho(url, likely) {
  const dialog = byId("who");
  const field = byId("who-name");
  field.value = "";
  list(likely);
  dialog.returnValue = "cancel";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    let timer = null;
    const typed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(url, field, likely), 200);
    };
    const pressed = (event) => choose(event, dialog) && done(); // at once: the event of its closing comes after the next key
    const done = () => {
      if (dialog.open) return; // opened again before the event of its closing came
      clearTimeout(timer);
      field.removeEventListener("input", typed);
      field.removeEventListener("keydown", pressed);
      dialog.removeEventListener("close", done);
      resolve(dialog.returnValue === "save" ? item(field.value) : null);
    };
    field.addEventListener("input", typed);
    field.addEventListener("keydown", pressed);
    dialog.addEventListener("close", done);
  });
}

/** The item chosen or typed; a name that was not chosen from the list says nothing. */
function item(value) {
  const chosen = byId("who-found").querySelector('[aria-selected="true"]');
  const typed = value.trim().toUpperCase();
  return chosen?.dataset.item ?? (/^Q[1-9]\d*$/.test(typed) ? typed : "");
}

async function look(url, field, likely) {
  const typed = field.value.trim();
  if (!typed) return list(likely);
  try {
    const { people } = await call(`${url}?q=${encodeURIComponent(typed)}`);
    if (field.value.trim() === typed) list(people);
  } catch {
    list([]); // who it is may be left out: the answer itself does not wait for the search
  }
}

function list(people) {
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

/** Up and down the list; Enter and Escape close the dialog. Returns whether it was closed. */
function choose(event, dialog) {
  const rows = [...byId("who-found").children];
  const now = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const result = { Enter: "save", Escape: "cancel" }[event.key]; // a search field would only be emptied by Escape
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
