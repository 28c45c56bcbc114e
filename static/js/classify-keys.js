// Single keys and swipes. Keys can be switched off, for those whose voice or hands press them by accident.

const SWITCH = "wikivisage:keys";
const ACTIONS = {
  y: "yes", arrowright: "yes", n: "no", arrowleft: "no", s: "skip", arrowup: "skip", z: "undo", u: "undo", d: "draw",
  e: "edit", i: "not_face", o: "else", t: "twice", "?": "keys",
};

/** Call `act(action, digit)` for every key that means something and was not meant for a field or a dialog. */
export function listen(act) {
  const box = document.getElementById("keys-on");
  box.checked = read() !== "off";
  box.addEventListener("change", () => write(box.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (elsewhere(event.target)) return;
    const key = event.key.toLowerCase();
    if (key !== "?" && !box.checked) return;
    const digit = /^[1-9]$/.test(key) ? Number(key) : 0;
    const action = digit ? "face" : ACTIONS[key];
    if (!action) return;
    event.preventDefault();
    act(action, digit);
  });
}

/** Whether a key was meant for a field or a dialog; one that was just closed holds the focus until the next frame. */
function elsewhere(target) {
  if (target.closest("dialog:not([open])")) return false;
  return target.closest("input, textarea, select, dialog, details[open], [role=application]") !== null;
}

/** Call `act` for swipes across `element`: right yes, left no, up skip. `busy()`: whether the finger does something else. */
export function swipes(element, act, busy) {
  let start = null;
  element.addEventListener("pointerdown", (event) => {
    start = event.pointerType === "touch" && event.isPrimary && !busy() ? event : null;
  });
  element.addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    element.style.setProperty("--drag", `${event.clientX - start.clientX}px`);
    element.dataset.swipe = meaning(start, event) ?? "";
  });
  const end = (event) => {
    element.style.removeProperty("--drag");
    delete element.dataset.swipe;
    const found = start && event.type === "pointerup" && meaning(start, event);
    start = null;
    if (found) act(found, 0);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}

function meaning(start, event) {
  const across = event.clientX - start.clientX;
  const up = start.clientY - event.clientY;
  if (Math.abs(across) > 60 && Math.abs(across) > 1.5 * Math.abs(up)) return across > 0 ? "yes" : "no";
  return up > 70 && up > 1.5 * Math.abs(across) ? "skip" : null;
}

function read() {
  try {
    return localStorage.getItem(SWITCH);
  } catch {
    return null;
  }
}

function write(value) {
  try {
    localStorage.setItem(SWITCH, value);
  } catch {
    // the choice lasts as long as the page
  }
}
