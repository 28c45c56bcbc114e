// Rendering of a question on the page, from the question's data alone; answers are handled elsewhere.

import { number, t } from "./lib/strings.js";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** The elements that show the current question. `chosen`: ids of the faces chosen while several may be. */
export class View {
  constructor() {
    this.form = byId("ask");
    this.photo = byId("photo-img");
    this.overlay = byId("overlay");
    this.chosen = new Set();
    new ResizeObserver(scale).observe(byId("photo"));
  }

  /** Show a question; `picture` is its decoded photograph, or null while it loads. */
  show(question, picture) {
    this.question = question;
    this.group = question.faces.length > 1;
    this.chosen.clear();
    byId("none").hidden = true;
    this.form.hidden = false;
    this.form.dataset.face = question.face ?? "";
    this.showTexts();
    this.showOutlines();
    this.numbers();
    this.similar();
    this.picture(picture);
  }

  /** Show the photograph; null: it is still loading, undefined: it cannot be loaded. */
  picture(picture) {
    byId("broken").hidden = picture !== undefined;
    const { question } = this;
    const crop = byId("crop").querySelector("image");
    if (!picture) {
      if (this.photo.getAttribute("src") === question.photo) return; // The server has rendered the page with it.
      const empty = this.photo.cloneNode(); // The element itself, with its picture, may be shown again.
      empty.removeAttribute("src");
      crop.removeAttribute("href");
      this.photo.replaceWith(empty);
      this.photo = empty;
      return;
    }
    picture.id = this.photo.id;
    picture.alt = question.title;
    this.photo.replaceWith(picture);
    this.photo = picture;
    crop.setAttribute("href", picture.src);
  }

  /** Show all texts about the question, the file and its other people. */
  showTexts() {
    const { question } = this;
    byId("question").textContent = t(this.group ? "group" : "single");
    byId("why").textContent = [this.askedText(), question.why].filter(Boolean).join(" ");
    this.showDescription();
    byId("taken").textContent = question.taken;
    byId("age").textContent = question.age;
    byId("stated").textContent = question.stated;
    byId("stated").hidden = !question.stated;
    byId("others-box").hidden = !question.others.length;
    byId("others").replaceChildren(...question.others.map(person));
    byId("file").textContent = question.title;
    byId("file").href = question.file_url;
    byId("draw-link").href = byId("draw-link").href.replace(/\d+(?=\/draw)/, question.page);
    byId("no-text").textContent = t(this.group ? "none" : "no");
    byId("twice").hidden = !this.group;
    this.yes();
  }

  /** Show the caption, and after it the description, which then gets its own text direction. */
  showDescription() {
    const { caption, caption_lang: language, description } = this.question;
    const [first, second] = byId("description").children;
    first.textContent = caption;
    second.textContent = description;
    if (language) first.lang = language;
    else first.removeAttribute("lang"); // An empty attribute would mean "unknown language".
    second.dir = caption ? "auto" : "";
    byId("description").title = [caption, description].filter(Boolean).join("\n");
  }

  /** Outline all faces, and show the crop around the one that is asked about. */
  showOutlines() {
    const { question } = this;
    const { width, height } = question;
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    byId("outlines").setAttribute("class", this.group ? "group" : "");
    byId("outlines").replaceChildren(...question.faces.map((face) => this.face(face)));
    const crop = byId("crop");
    crop.setAttribute("viewBox", question.crop);
    crop.firstElementChild.setAttribute("width", width);
    crop.firstElementChild.setAttribute("height", height);
    scale();
  }

  /** Return the outline of a face with its number, as an SVG group. */
  face(face) {
    const shape = byId("t-outline").content.querySelector("g").cloneNode(true);
    const { width, height } = this.question;
    const [left, top, across, down] = face.box;
    for (const part of shape.children) {
      part.setAttribute("x", left * width);
      part.setAttribute("y", top * height);
      if (part.tagName === "text") continue;
      part.setAttribute("width", across * width);
      part.setAttribute("height", down * height);
    }
    shape.dataset.face = face.id;
    shape.classList.toggle("asked", face.id === this.question.face);
    shape.classList.toggle("settled", Boolean(face.label));
    shape.lastElementChild.textContent = number(face.n);
    return shape;
  }

  /** Show a numbered button for each face, if there are several. */
  numbers() {
    byId("numbers").hidden = !this.group;
    if (!this.group) return byId("numbers").replaceChildren();
    const buttons = this.question.faces.map((face) => {
      const button = byId("t-number").content.firstElementChild.cloneNode(true);
      button.value = `face:${face.id}`;
      button.dataset.face = face.id;
      button.title = face.state;
      button.setAttribute("aria-label", t("face", { n: face.n }) + (face.state ? `, ${face.state}` : ""));
      button.firstElementChild.textContent = number(face.n);
      button.classList.toggle("asked", face.id === this.question.face);
      return button;
    });
    byId("numbers").replaceChildren(...buttons);
  }

  /** Show the confirmed faces that are most similar. */
  similar() {
    const urls = this.question.similar;
    byId("similar-box").hidden = !urls.length;
    const pictures = urls.map((url) => {
      const picture = byId("t-similar").content.firstElementChild.cloneNode(true);
      picture.src = url;
      return picture;
    });
    byId("similar").replaceChildren(...pictures);
  }

  /** Switch whether several faces may be chosen, for a picture that shows the person more than once. */
  twice(on) {
    byId("twice").setAttribute("aria-pressed", String(on));
    this.chosen.clear();
    this.markChosen();
  }

  /** Add a face to the chosen ones, or remove it. */
  toggle(face) {
    if (!this.chosen.delete(face)) this.chosen.add(face);
    this.markChosen();
  }

  markChosen() {
    for (const part of document.querySelectorAll("#outlines .face, #numbers .number")) {
      part.classList.toggle("chosen", this.chosen.has(Number(part.dataset.face)));
    }
    this.yes();
  }

  yes() {
    const asked = this.question.faces.find((face) => face.id === this.question.face);
    const text = this.chosen.size
      ? t("yes_these", { num: this.chosen.size })
      : this.group && asked
        ? t("yes_n", { n: asked.n })
        : t("yes");
    byId("yes-text").textContent = text;
  }

  /** Return a sentence that names which of several faces is asked about, or "". */
  askedText() {
    const asked = this.question.faces.find((face) => face.id === this.question.face);
    return this.group && asked ? t("asked_n", { n: asked.n }) : "";
  }

  /** Highlight a face while the pointer or the focus is on its number; 0 highlights none. */
  point(face) {
    for (const shape of byId("outlines").children) shape.classList.toggle("pointed", Number(shape.dataset.face) === face);
  }

  /** Show that there is no question, with an explanation rendered by the server. */
  none(html) {
    this.question = null;
    this.form.hidden = true;
    byId("none").hidden = false;
    byId("none").innerHTML = html; // The HTML comes from our own server.
  }
}

/** Set the CSS variable by which texts and lines in the overlay keep their size on the screen at every zoom. */
export function scale() {
  const overlay = byId("overlay");
  const { width, height } = overlay.viewBox.baseVal;
  const unit = Math.max(width / (overlay.clientWidth || 1), height / (overlay.clientHeight || 1));
  overlay.style.setProperty("--unit", unit);
}

/** Return a link to another person stated in the file. */
function person({ item, label, url, hint }) {
  const link = byId("t-other").content.firstElementChild.cloneNode(true);
  link.href = url;
  link.title = `${item}, ${hint}`;
  link.firstElementChild.textContent = label;
  return link;
}

/** Return a new SVG element. */
export function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
