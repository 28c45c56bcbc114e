// Single-key shortcuts and swipes. The keys can be switched off, for users whose speech input or hands trigger them by
// accident.

const STORAGE_KEY = "wikivisage:keys";
const ACTIONS = {
  y: "yes", arrowright: "yes", n: "no", arrowleft: "no", s: "skip", arrowup: "skip", z: "undo", u: "undo", d: "draw",
  e: "edit", i: "not_face", o: "else", t: "twice", "?": "keys",
};

/** Call `act(action, digit)` for every key that has an action, unless it was pressed in a field or a dialog. */
export function listen(act) {
  const box = document.getElementById("keys-on");
  box.checked = readSetting() !== "off";
  box.addEventListener("change", () => writeSetting(box.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (belongsElsewhere(event.target)) return;
    const key = event.key.toLowerCase();
    if (key !== "?" && !box.checked) return;
    const digit = /^[1-9]$/.test(key) ? Number(key) : 0;
    const action = digit ? "face" : ACTIONS[key];
    if (!action) return;
    event.preventDefault();
    act(action, digit);
  });
}

/** Return whether a key belongs to a field or an open dialog; a closed dialog keeps the focus until the next frame. */
function belongsElsewhere(target) {
  if (target.closest("dialog:not([open])")) return false;
  return target.closest("input, textarea, select, dialog, details[open], [role=application]") !== null;
}

/**
 * Call `act(action, 0)` for swipes across `element`: right for yes, left for no, up for skip.
 *
 * `busy()` returns whether touches currently serve another purpose, such as drawing a box.
 */
export function swipes(element, act, busy) {
  let start = null;
  element.addEventListener("pointerdown", (event) => {
    start = event.pointerType === "touch" && event.isPrimary && !busy() ? event : null;
  });
  element.addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    element.style.setProperty("--drag", `${event.clientX - start.clientX}px`);
    element.dataset.swipe = swipeAction(start, event) ?? "";
  });
  const end = (event) => {
    element.style.removeProperty("--drag");
    delete element.dataset.swipe;
    const found = start && event.type === "pointerup" && swipeAction(start, event);
    start = null;
    if (found) act(found, 0);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}

/** Return the action of a swipe from `start` to `event`, or null if it is too short or too diagonal. */
function swipeAction(start, event) {
  const across = event.clientX - start.clientX;
  const up = start.clientY - event.clientY;
  if (Math.abs(across) > 60 && Math.abs(across) > 1.5 * Math.abs(up)) return across > 0 ? "yes" : "no";
  return up > 70 && up > 1.5 * Math.abs(across) ? "skip" : null;
}

function readSetting() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

function writeSetting(value) {
  try {
    localStorage.setItem(STORAGE_KEY, value);
  } catch {
    // Without storage the setting lasts until the page is left.
  }
}
