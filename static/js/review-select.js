// Selection of faces by checkboxes: by click, with Shift for a range, by dragging, and by arrow keys. The state of the
// checkboxes is the selection; it is stored nowhere else.

const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], Home: [-1e6, 0], End: [1e6, 0] };

/** The selection among the faces of the review grid. */
export class Selection {
  /** `region` contains the faces, and its content may be replaced; `changed(ids)` is called after every change. */
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
    region.addEventListener("click", (event) => this.#suppressClick(event), true);
    region.addEventListener("change", (event) => event.target.name === "faces" && this.#toggled(event.target));
    region.addEventListener("focusin", (event) => event.target.name === "faces" && this.#setTabStop(event.target));
  }

  /**
   * Read the checkboxes again after the content of the region was replaced.
   *
   * The checkbox at index `place` becomes the one that the Tab key reaches; `focus` also moves the focus to it.
   */
  renew(place, focus = false) {
    this.boxes = [...this.region.querySelectorAll('input[name="faces"]')];
    this.anchor = null;
    const box = this.boxes[Math.min(place, this.boxes.length - 1)];
    if (box) this.#setTabStop(box);
    if (box && focus) box.focus();
    this.#notify();
  }

  /** The ids of the selected faces. */
  get chosen() {
    return this.boxes.filter((box) => box.checked).map((box) => Number(box.value));
  }

  /** The index of the focused checkbox, or -1. */
  get place() {
    return this.boxes.indexOf(document.activeElement);
  }

  /** Return the index of a face's checkbox, or -1. */
  placeOf(face) {
    return this.boxes.findIndex((box) => Number(box.value) === face);
  }

  /** Select all faces, or none. */
  set(on) {
    for (const box of this.boxes) box.checked = on;
    this.#notify();
  }

  /** Handle a key; returns whether it has a meaning here. */
  key(event) {
    const step = KEYS[event.key];
    if (event.key === "Escape" && this.chosen.length) this.set(false);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) this.set(true);
    else if (event.key === " " && event.shiftKey && this.place >= 0) this.#range(this.anchor ?? this.place, this.place);
    else if (step && !event.ctrlKey && !event.metaKey && !event.altKey) this.#moveFocus(step, event.shiftKey);
    else return false;
    event.preventDefault();
    return true;
  }

  /** Move the focus in the grid; `extend` also selects the faces from the anchor to the new position. */
  #moveFocus([across, down], extend) {
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

  /** Select the range from the anchor if Shift is pressed; otherwise make the clicked box the anchor. */
  #toggled(box) {
    const place = this.boxes.indexOf(box);
    if (this.shift && this.anchor !== null) this.#range(this.anchor, place);
    else this.anchor = place;
    this.#notify();
  }

  /** Select all faces between two indexes; the first becomes the anchor. */
  #range(from, to) {
    this.anchor = from < 0 ? to : from;
    const [first, last] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
    for (let place = first; place <= last; place++) this.boxes[place].checked = true;
    this.#notify();
  }

  /** Start a drag, which selects or deselects as a click on the first box would. */
  #begin(event) {
    this.shift = event.shiftKey;
    const box = this.#boxAt(event);
    if (!box || event.button !== 0 || event.pointerType === "touch" || event.target.closest("a")) return;
    if (event.shiftKey) event.preventDefault(); // The browser would select text.
    this.drag = { from: this.boxes.indexOf(box), on: !box.checked, before: this.boxes.map((one) => one.checked), moved: false };
  }

  /** Apply the drag to the boxes between its start and the pointer; the others get back their former state. */
  #move(event) {
    const drag = this.drag;
    const box = drag && event.buttons & 1 && this.#boxAt(event);
    const place = box ? this.boxes.indexOf(box) : -1;
    if (place < 0 || (!drag.moved && place === drag.from)) return;
    drag.moved = true;
    const [first, last] = [Math.min(drag.from, place), Math.max(drag.from, place)];
    for (const [at, one] of this.boxes.entries()) one.checked = at >= first && at <= last ? drag.on : drag.before[at];
    this.anchor = drag.from;
    this.#notify();
  }

  /** Suppress the click that ends a drag, which would toggle one more box. */
  #suppressClick(event) {
    if (!this.drag?.moved) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #boxAt(event) {
    return event.target.closest(".face")?.querySelector('input[name="faces"]') ?? null;
  }

  /** Make `box` the only one that the Tab key reaches. */
  #setTabStop(box) {
    for (const other of this.boxes) other.tabIndex = other === box ? 0 : -1;
  }

  #notify() {
    this.changed(this.chosen);
  }
}
