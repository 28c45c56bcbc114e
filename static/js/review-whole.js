// Dialog that shows one face in its whole picture. Its content is a part of the page about the face, which the server
// also renders for browsers without scripts.

/** The dialog; `face` is the id of the face it shows. */
export class Whole {
  /**
   * `act(name, face)` performs an action on a face. `step(face, by)` returns {url, face} of the face that is `by`
   * places after it in the grid, or null.
   */
  constructor(dialog, act, step) {
    this.dialog = dialog;
    this.act = act;
    this.step = step;
    this.face = null;
    dialog.addEventListener("click", (event) => this.#clicked(event));
    dialog.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get open() {
    return this.dialog.open;
  }

  /** Show the face at `url`; if it cannot be fetched, navigate there. */
  async show(url, face) {
    this.face = face;
    const address = new URL(url, location.href);
    address.searchParams.set("part", "1");
    const response = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!response?.ok) return location.assign(url);
    this.dialog.innerHTML = await response.text();
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector("[data-act]")?.focus();
  }

  #clicked(event) {
    const button = event.target.closest("[data-act]");
    if (event.target === this.dialog || event.target.closest("[data-close]")) this.dialog.close();
    if (!button) return;
    event.preventDefault();
    this.#actAndContinue(button.dataset.act);
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const button = this.dialog.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (button) this.#actAndContinue(button.dataset.act);
    else if (by) this.#showNeighbour(by);
    else return;
    event.preventDefault();
  }

  #showNeighbour(by) {
    const next = this.step(this.face, by);
    if (next) this.show(next.url, next.face);
  }

  /** Perform an action on the face, and show the next one or close the dialog. */
  #actAndContinue(name) {
    const face = this.face;
    const next = this.step(face, 1);
    this.act(name, face);
    if (next) this.show(next.url, next.face);
    else this.dialog.close();
  }
}
