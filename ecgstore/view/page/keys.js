// What keys do, and the list of them.

import { el } from "./elements.js";

/** Modes of the page, by the name of their value in the address, and their titles. */
const MODES = { round: "in the label round" };

/** Keys of the page: those of a mode come before the others while it is on. */
export class Keys {
  #entries = [];
  constructor(state) {
    this.state = state;
    addEventListener("keydown", (event) => this.#press(event));
  }

  /**
   * Add what is done when one of some keys is pressed outside of text boxes.
   *
   * @param {string[]} keys as events name them
   * @param {string} text what they do, for the list
   * @param {(key: string) => void} act
   * @param {{mode: string, shown: string}} more mode in which they do so; how the list writes them
   */
  add(keys, text, act, { mode = "", shown = keys.join(" ") } = {}) {
    this.#entries.push({ keys, text, act, mode, shown });
  }

  /** Add keys to the list that a part of the page acts on itself. */
  note(shown, text) {
    this.add([], text, null, { shown });
  }

  get mode() {
    return Object.keys(MODES).find((name) => this.state.get(name) === "1") ?? "";
  }

  /** Return what a key does now. */
  #of(key) {
    const found = this.#entries.filter((entry) => entry.keys.includes(key));
    return found.find((entry) => entry.mode && entry.mode === this.mode) ?? found.find((entry) => !entry.mode);
  }

  /** Return the keys that do something now: those of the mode first. */
  list() {
    const { mode } = this;
    const isNow = (entry) => !entry.keys.length || entry.keys.some((key) => this.#of(key) === entry);
    const now = this.#entries.filter(isNow);
    return [...now.filter((entry) => entry.mode && entry.mode === mode), ...now.filter((entry) => !entry.mode)];
  }

  /** Show the list. */
  help() {
    const terms = this.list().flatMap(({ shown, text }) => [el("dt", {}, shown), el("dd", {}, text)]);
    const dialog = el(
      "dialog.rec-help",
      { "aria-label": "Keys", onclose: () => dialog.remove() },
      el("h2", {}, ["Keys", MODES[this.mode]].filter(Boolean).join(" ")),
      el("dl.rec-terms", {}, ...terms),
      el("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Close"),
    );
    document.body.append(dialog);
    dialog.showModal();
  }

  #press(event) {
    const isTyped = event.target.closest?.("input:not([type=checkbox], [type=range]), select, textarea, dialog");
    if (isTyped || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const entry = this.#of(event.key);
    // A decision is not made again and again by a key that is held.
    if (!entry || (entry.mode && event.repeat)) return;
    event.preventDefault();
    entry.act(event.key);
  }
}
