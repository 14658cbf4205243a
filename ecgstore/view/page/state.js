// The state of the page, kept in the hash of its address.

/** @typedef {Record<string, string | null>} Changes */

/** Return filter and order of the table, as the server takes them. */
export const orderOf = (state) => Object.fromEntries(["filter", "sort", "descending"].map((name) => [name, state.get(name)]));

/** What is shown, as texts by name; a name that is absent has its default. */
export class State {
  /** @param {(names: Set<string>) => void} changed is told which values changed */
  constructor(changed) {
    this.changed = changed;
    this.values = this.read();
    addEventListener("hashchange", () => this.take(this.read()));
  }

  /** @returns {Map<string, string>} */
  read() {
    return new Map(new URLSearchParams(location.hash.slice(1)));
  }

  /** @param {string} name @param {string} [initially] */
  get(name, initially = "") {
    return this.values.get(name) ?? initially;
  }

  /**
   * Change values; null or "" removes one.
   * @param {Changes} changes
   * @param {boolean} [replace] without a step in the history
   */
  set(changes, replace = false) {
    const values = new Map(this.values);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") values.delete(name);
      else values.set(name, String(value));
    }
    const hash = "#" + new URLSearchParams([...values]);
    if (hash === (location.hash || "#")) return;
    if (replace) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    this.take(values);
  }

  /** @param {Map<string, string>} values */
  take(values) {
    const before = this.values;
    this.values = values;
    const names = new Set([...before.keys(), ...values.keys()]);
    for (const name of names) if (before.get(name) === values.get(name)) names.delete(name);
    if (names.size) this.changed(names);
  }
}
