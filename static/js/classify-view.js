// The question on the screen. Everything is drawn from the question; nothing here knows what is done with it.

import { number, t } from "./lib/strings.js";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

export class View {
  constructor() {
    this.form = byId("ask");
    this.photo = byId("photo-img");
    this.overlay = byId("overlay");
    this.chosen = new Set();
    new ResizeObserver(scale).observe(byId("photo"));
  }

  /** Show a question; `picture`: its decoded photograph, or null while it loads. */
  show(question, picture) {
    this.question = question;
    this.group = question.faces.length > 1;
    this.chosen.clear();
    byId("none").hidden = true;
    this.form.hidden = false;
    this.form.dataset.face = question.face ?? "";
    this.words();
    this.outline();
    this.numbers();
    this.similar();
    this.picture(picture);
  }

  /** The photograph once it is there; null: not yet, undefined: it cannot be had. */
  picture(picture) {
    byId("broken").hidden = picture !== undefined;
    const { question } = this;
    const crop = byId("crop").querySelector("image");
    if (!picture) {
      if (this.photo.getAttribute("src") === question.photo) return; // the page came with it
      const empty = this.photo.cloneNode(); // the element itself may be wanted again, with its picture
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

  words() {
    const { question } = this;
    byId("question").textContent = t(this.group ? "group" : "single");
    byId("why").textContent = [this.askedText(), question.why].filter(Boolean).join(" ");
    this.told();
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

  /** The caption, and the description after it, which then has a direction of its own. */
  told() {
    const { caption, caption_lang: language, description } = this.question;
    const [first, second] = byId("description").children;
    first.textContent = caption;
    second.textContent = description;
    if (language) first.lang = language;
    else first.removeAttribute("lang"); // an empty one would say "unknown"
    second.dir = caption ? "auto" : "";
    byId("description").title = [caption, description].filter(Boolean).join("\n");
  }

  outline() {
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

  /** Several faces may be chosen, where the picture holds the person more than once. */
  twice(on) {
    byId("twice").setAttribute("aria-pressed", String(on));
    this.chosen.clear();
    this.mark();
  }

  toggle(face) {
    if (!this.chosen.delete(face)) this.chosen.add(face);
    this.mark();
  }

  mark() {
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

  /** Which of several faces is asked about, in words. */
  askedText() {
    const asked = this.question.faces.find((face) => face.id === this.question.face);
    return this.group && asked ? t("asked_n", { n: asked.n }) : "";
  }

  /** Light up a face while its number is pointed at. */
  point(face) {
    for (const shape of byId("outlines").children) shape.classList.toggle("pointed", Number(shape.dataset.face) === face);
  }

  none(html) {
    this.question = null;
    this.form.hidden = true;
    byId("none").hidden = false;
    byId("none").innerHTML = html; // rendered by our own server
  }
}

/** What is written in the overlay keeps its size on the screen at every zoom. */
export function scale() {
  const overlay = byId("overlay");
  const { width, height } = overlay.viewBox.baseVal;
  const unit = Math.max(width / (overlay.clientWidth || 1), height / (overlay.clientHeight || 1));
  overlay.style.setProperty("--unit", unit);
}

function person({ item, label, url, hint }) {
  const link = byId("t-other").content.firstElementChild.cloneNode(true);
  link.href = url;
  link.title = `${item}, ${hint}`;
  link.firstElementChild.textContent = label;
  return link;
}

/** A new element of an SVG drawing. */
export function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
