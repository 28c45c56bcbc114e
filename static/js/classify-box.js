// Editor for a bounding box on a photograph, by mouse, finger or keyboard. Units are fractions of the picture, so that
// the box does not depend on the zoom.

import { t } from "./lib/strings.js";
import { svg } from "./classify-view.js";

const SMALLEST = 0.01; // width and height of a box, as fractions of the picture's sides
const byId = (id) => document.getElementById(id);
const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];

/**
 * Let the user draw a box; resolves to [left, top, width, height], or null if the user cancels.
 *
 * `start` is the box to correct, or undefined. `say(text)` is called with error messages, `changed(box)` after every
 * change of the box.
 */
export function drawBox(say, start, changed = () => {}) {
  return new Promise((resolve) => new Editor(say, start, changed, resolve));
}

/** The editor; pointer and keyboard events change `box` until it is saved or cancelled. */
class Editor {
  constructor(say, start, changed, resolve) {
    this.changed = changed;
    this.overlay = byId("overlay");
    this.layer = byId("editor");
    this.field = byId("drawing");
    this.bar = byId("draw-bar");
    this.say = say;
    this.resolve = resolve;
    this.box = start ?? [0.4, 0.3, 0.2, 0.2];
    this.previousFocus = document.activeElement;
    this.listenersEnd = new AbortController();
    this.open();
  }

  open() {
    const { signal } = this.listenersEnd;
    this.field.hidden = this.bar.hidden = false;
    byId("photo").classList.add("drawn-on");
    this.field.addEventListener("pointerdown", (event) => this.down(event), { signal });
    this.field.addEventListener("pointermove", (event) => this.move(event), { signal });
    for (const name of ["pointerup", "pointercancel"]) this.field.addEventListener(name, () => this.up(), { signal });
    this.field.addEventListener("keydown", (event) => this.key(event), { signal });
    this.bar.addEventListener("click", (event) => this.press(event), { signal });
    this.bar.addEventListener("keydown", (event) => event.key === "Escape" && this.end(null), { signal });
    this.paint();
    this.field.focus({ preventScroll: true });
    this.announce();
  }

  /** Return the position of a pointer event, in fractions of the picture. */
  positionOf(event) {
    const { width, height } = this.overlay.viewBox.baseVal;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.overlay.getScreenCTM().inverse());
    return [clamp(point.x / width), clamp(point.y / height)];
  }

  /** Convert screen pixels to fractions of the picture, horizontally and vertically. */
  toFractions(pixels) {
    const { width, height } = this.overlay.viewBox.baseVal;
    const { a, d } = this.overlay.getScreenCTM();
    return [pixels / a / width, pixels / d / height];
  }

  /** Start to resize at a corner, to move inside the box, or to draw a new box elsewhere. */
  down(event) {
    event.preventDefault();
    this.field.setPointerCapture(event.pointerId);
    this.field.focus({ preventScroll: true });
    const [x, y] = this.positionOf(event);
    const [left, top, width, height] = this.box;
    const near = this.toFractions(event.pointerType === "touch" ? 24 : 12);
    const corner = CORNERS.find(
      ([cx, cy]) => Math.abs(left + cx * width - x) < near[0] && Math.abs(top + cy * height - y) < near[1],
    );
    if (corner) this.anchor = [left + (1 - corner[0]) * width, top + (1 - corner[1]) * height];
    else if (x > left && x < left + width && y > top && y < top + height) this.grip = [x - left, y - top];
    else this.anchor = [x, y];
  }

  move(event) {
    if (!this.anchor && !this.grip) return;
    const [x, y] = this.positionOf(event);
    if (this.grip) {
      this.place(x - this.grip[0], y - this.grip[1]);
    } else {
      const [ax, ay] = this.anchor;
      this.box = [Math.min(x, ax), Math.min(y, ay), Math.abs(x - ax), Math.abs(y - ay)];
    }
    this.paint();
  }

  up() {
    if (this.anchor || this.grip) this.announce();
    this.anchor = this.grip = null;
  }

  /** Move the box, but not beyond the edges of the picture. */
  place(left, top) {
    const [, , width, height] = this.box;
    this.box = [Math.min(clamp(left), 1 - width), Math.min(clamp(top), 1 - height), width, height];
  }

  key(event) {
    if (event.key === "Enter") this.save();
    else if (event.key === "Escape") this.end(null);
    else if (event.key.startsWith("Arrow")) this.arrow(event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Move the box by an arrow key, or resize it with Shift; Ctrl or Alt makes the steps smaller. */
  arrow({ key, shiftKey, ctrlKey, altKey }) {
    const step = ctrlKey || altKey ? 0.002 : 0.01;
    const across = { ArrowLeft: -step, ArrowRight: step }[key] ?? 0;
    const down = { ArrowUp: -step, ArrowDown: step }[key] ?? 0;
    const [left, top, width, height] = this.box;
    if (shiftKey) {
      this.box = [left, top, between(width + across, SMALLEST, 1 - left), between(height + down, SMALLEST, 1 - top)];
    } else {
      this.place(left + across, top + down);
    }
    this.paint();
    this.announce();
  }

  press(event) {
    const what = event.target.closest("[data-draw]")?.dataset.draw;
    if (what === "save") this.save();
    if (what === "cancel") this.end(null);
  }

  save() {
    if (this.box[2] < SMALLEST || this.box[3] < SMALLEST) return this.say(t("box_small"));
    this.end(this.box);
  }

  end(box) {
    this.listenersEnd.abort();
    this.layer.replaceChildren();
    this.field.hidden = this.bar.hidden = true;
    byId("photo").classList.remove("drawn-on");
    this.previousFocus?.focus({ preventScroll: true });
    this.resolve(box);
  }

  /** Announce position and size of the box, in percent, to screen readers. */
  announce() {
    const [left, top, width, height] = this.box.map((value) => Math.round(value * 100));
    this.field.setAttribute("aria-description", t("box_at", { left, top, width, height }));
    byId("spoken").textContent = t("box_at", { left, top, width, height });
  }

  paint() {
    const { width, height } = this.overlay.viewBox.baseVal;
    const [left, top, across, down] = this.box;
    const shape = { x: left * width, y: top * height, width: across * width, height: down * height };
    const handles = CORNERS.map(([cx, cy]) => svg("circle", { cx: shape.x + cx * shape.width, cy: shape.y + cy * shape.height }));
    this.changed(this.box);
    this.layer.replaceChildren(svg("rect", { ...shape, class: "halo" }), svg("rect", { ...shape, class: "line" }), ...handles);
  }
}

const between = (value, low, high) => Math.min(Math.max(value, low), high);
const clamp = (value) => between(value, 0, 1);
