// Choosing faces: checkboxes, with Shift for a row of them, by dragging, and by arrow keys. The boxes themselves hold the choice.

const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], Home: [-1e6, 0], End: [1e6, 0] };

export class Selection {
  /** Faces are found in `region`, whose content may be exchanged; `changed(chosen ids)` hears of every change. */
  constructor(region, changed) {
    this.region = region;
    this.changed = changed;
    this.anchor = null;
    this.drag = null;
    this.shift = false;
    this.renew(0);
    region.addEventListener("pointerdown", (event) => this.#begin(event));
    region.addEventListener("pointermove", (event) => this.#move(event));
    addEventListener("pointerup", () => setTimeout(() => (this.drag = null)));
    region.addEventListener("click", (event) => this.#swallow(event), true);
    region.addEventListener("change", (event) => event.target.name === "faces" && this.#toggled(event.target));
    region.addEventListener("focusin", (event) => event.target.name === "faces" && this.#only(event.target));
  }

  /** Boxes of the page that is shown now; `focus`: the place to stand at, if the keyboard was in the grid. */
  renew(place, focus = false) {
    this.boxes = [...this.region.querySelectorAll('input[name="faces"]')];
    this.anchor = null;
    const box = this.boxes[Math.min(place, this.boxes.length - 1)];
    if (box) this.#only(box);
    if (box && focus) box.focus();
    this.#tell();
  }

  get chosen() {
    return this.boxes.filter((box) => box.checked).map((box) => Number(box.value));
  }

  /** Where the keyboard stands, or -1. */
  get place() {
    return this.boxes.indexOf(document.activeElement);
  }

  /** The place of a face. */
  placeOf(face) {
    return this.boxes.findIndex((box) => Number(box.value) === face);
  }

  set(on) {
    for (const box of this.boxes) box.checked = on;
    this.#tell();
  }

  /** Handle a key; returns whether it was one of ours. */
  key(event) {
    const step = KEYS[event.key];
    if (event.key === "Escape" && this.chosen.length) this.set(false);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) this.set(true);
    else if (event.key === " " && event.shiftKey && this.place >= 0) this.#range(this.anchor ?? this.place, this.place);
    else if (step && !event.ctrlKey && !event.metaKey && !event.altKey) this.#go(step, event.shiftKey);
    else return false;
    event.preventDefault();
    return true;
  }

  #go([across, down], extend) {
    const grid = this.boxes[0]?.closest("ul");
    if (!grid) return;
    const style = getComputedStyle(grid);
    const columns = style.gridTemplateColumns.split(" ").length;
    const step = (Math.abs(across) === 1 && style.direction === "rtl" ? -across : across) + down * columns;
    const from = this.place;
    const to = from < 0 ? 0 : Math.max(0, Math.min(this.boxes.length - 1, from + step));
    if (down && from >= 0 && (from + step < 0 || from + step >= this.boxes.length)) return;
    this.boxes[to].focus();
    if (extend) this.#range(this.anchor ?? from, to);
    else this.anchor = null;
  }

  #toggled(box) {
    const place = this.boxes.indexOf(box);
    if (this.shift && this.anchor !== null) this.#range(this.anchor, place);
    else this.anchor = place;
    this.#tell();
  }

  #range(from, to) {
    this.anchor = from < 0 ? to : from;
    const [first, last] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
    for (let place = first; place <= last; place++) this.boxes[place].checked = true;
    this.#tell();
  }

  #begin(event) {
    this.shift = event.shiftKey;
    const box = this.#boxAt(event);
    if (!box || event.button !== 0 || event.pointerType === "touch" || event.target.closest("a")) return;
    if (event.shiftKey) event.preventDefault(); // no text is marked
    this.drag = { from: this.boxes.indexOf(box), on: !box.checked, before: this.boxes.map((one) => one.checked), moved: false };
  }

  #move(event) {
    const drag = this.drag;
    const box = drag && event.buttons & 1 && this.#boxAt(event);
    const place = box ? this.boxes.indexOf(box) : -1;
    if (place < 0 || (!drag.moved && place === drag.from)) return;
    drag.moved = true;
    const [first, last] = [Math.min(drag.from, place), Math.max(drag.from, place)];
    for (const [at, one] of this.boxes.entries()) one.checked = at >= first && at <= last ? drag.on : drag.before[at];
    this.anchor = drag.from;
    this.#tell();
  }

  #swallow(event) {
    if (!this.drag?.moved) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #boxAt(event) {
    return event.target.closest(".face")?.querySelector('input[name="faces"]') ?? null;
  }

  #only(box) {
    for (const other of this.boxes) other.tabIndex = other === box ? 0 : -1;
  }

  #tell() {
    this.changed(this.chosen);
  }
}
