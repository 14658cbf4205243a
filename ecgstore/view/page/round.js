// The label round: accept, reject, comment and correct labels, one record after the other.

import { el } from "./elements.js";
import { orderOf } from "./state.js";

const QUEUE = 500;
const ORDERS = [
  ["", "as in the table"],
  ["worst", "worst signals first"],
  ["disagreement", "model and labels disagree first"],
];
const STATES = [
  ["all", "all records"],
  ["", "not reviewed yet"],
  ["accepted", "accepted"],
  ["rejected", "rejected"],
];
const WORDS = { accepted: "Accepted", rejected: "Rejected", "": "Not reviewed" };

/** What a decision is without its time. */
const said = ({ decision, comment, labels }) => ({ decision, comment, labels });
const isSame = (one, other) => JSON.stringify(said(one)) === JSON.stringify(said(other));

/** Return the filter of the address with other states of review; null leaves it alone. */
function filterWith(text, states) {
  let filter = {};
  try {
    filter = JSON.parse(text || "{}");
  } catch {
    // the table says what is wrong with it
  }
  const { review: _, ...rest } = filter.in ?? {};
  const within = states === null ? rest : { ...rest, review: states };
  const { in: __, ...others } = filter;
  const whole = Object.keys(within).length ? { ...others, in: within } : others;
  return Object.keys(whole).length ? JSON.stringify(whole) : "";
}

/** Return the states of review that the filter of the address asks for; null for all. */
function statesOf(text) {
  try {
    return JSON.parse(text || "{}").in?.review ?? null;
  } catch {
    return null;
  }
}

class LabelRound {
  record = null;
  /** What is on the disk about the open record, and what the page has made of it. */
  stored = null;
  draft = null;
  /** Decisions that could not be saved, by row: they stay here until they are. */
  unsaved = new Map();
  /** Why not. */
  failed = new Map();
  history = [];
  queue = [];
  saving = Promise.resolve();

  constructor(element, app) {
    this.app = app;
    this.#build(element);
    app.on("record", (record) => this.#open(record));
    app.on("filter", () => {
      this.queue = [];
      this.#showOrder();
    });
    app.on("order", () => (this.queue = []));
    app.on("state", (names) => {
      if (names.has("round")) this.#showRound();
    });
    this.#keys();
    addEventListener("beforeunload", (event) => {
      if (this.unsaved.size || this.#isDirty()) event.preventDefault();
    });
    this.#showRound();
    this.#showOrder();
    this.#showRecord();
    this.#progress();
  }

  get isOn() {
    return this.app.state.get("round") === "1";
  }

  // -- elements

  #build(element) {
    const button = (label, key, onclick) =>
      el("button", { type: "button", onclick, ariaKeyShortcuts: key }, `${label} `, el("kbd", {}, key));
    const choice = (label, options, onchange) => {
      const select = el("select", { onchange: () => onchange(select.value) }, ...options.map(([value, text]) => el("option", { value }, text)));
      return [el("label", {}, `${label} `, select), select];
    };
    const { app } = this;
    this.begin = el("button", { type: "button", onclick: () => this.toggle(), ariaKeyShortcuts: "e" });
    this.bar = el("progress", { max: app.store.n_records, value: 0, "aria-label": "Reviewed records" });
    this.counts = el("span.round-counts");
    const orders = ORDERS.filter(([value]) => value !== "disagreement" || app.store.model);
    const [order, orderSelect] = choice("Order", orders, (value) => app.state.set({ sort: value, descending: null }));
    const [which, whichSelect] = choice("Show", STATES, (value) =>
      app.state.set({ filter: filterWith(app.state.get("filter"), value === "all" ? null : [value]) }),
    );
    Object.assign(this, { orderSelect, whichSelect });
    this.state = el("strong.round-state");
    this.accept = button("Accept", "a", () => this.decide("accepted"));
    this.reject = button("Reject", "r", () => this.decide("rejected"));
    this.undoing = button("Undo", "u", () => this.undo());
    this.next = button("Next not reviewed", "n", () => this.goOn());
    this.goesOn = el("input", { type: "checkbox", checked: true });
    this.comment = el("textarea", {
      rows: 1,
      maxLength: 10000,
      oninput: () => (this.draft.comment = this.comment.value),
      onchange: () => this.#keepComment(),
      onkeydown: (event) => this.#commentKey(event),
    });
    this.labels = el("div.round-labels", { role: "group", "aria-label": "Labels: press to correct" });
    this.status = el("p.round-status", { role: "status" });
    this.problem = el("p.round-problem", { role: "alert" });
    this.body = el(
      "div.round-body",
      {},
      el(
        "div.round-row",
        { role: "group", "aria-label": "Decision" },
        ...[this.state, this.accept, this.reject, this.undoing, this.next],
        el("label", {}, this.goesOn, " go on by itself"),
      ),
      el("div.round-row", {}, this.labels, el("label.round-comment", {}, el("span", {}, "Comment", el("kbd", {}, "c")), this.comment)),
      el("p.round-note", {}, `Press ? for all keys. Enter saves a comment. Decisions are kept in ${app.store.review}.`),
    );
    this.choices = el("div.round-row", {}, order, which);
    element.append(el("div.round-row", {}, this.begin, this.bar, this.counts, this.choices), this.body, this.status, this.problem);
    element.hidden = !app.store.n_records;
  }

  #showRound() {
    this.body.hidden = this.choices.hidden = !this.isOn;
    this.begin.replaceChildren(this.isOn ? "End the label round " : "Label round ", el("kbd", {}, "e"));
    this.begin.ariaPressed = String(this.isOn);
  }

  #showOrder() {
    const { state } = this.app;
    const sort = state.get("sort");
    this.orderSelect.value = ORDERS.some(([value]) => value === sort) ? sort : "";
    const states = statesOf(state.get("filter"));
    this.whichSelect.value = states?.length === 1 ? states[0] : "all";
  }

  #showRecord() {
    const { draft, record } = this;
    const isThere = Boolean(record && draft);
    for (const one of [this.accept, this.reject, this.comment]) one.disabled = !isThere;
    this.undoing.disabled = !this.history.length;
    if (!isThere) return;
    this.state.textContent = WORDS[draft.decision];
    this.state.dataset.decision = draft.decision;
    this.accept.ariaPressed = String(draft.decision === "accepted");
    this.reject.ariaPressed = String(draft.decision === "rejected");
    if (document.activeElement !== this.comment || this.comment.value !== draft.comment) this.comment.value = draft.comment;
    const inClasses = new Set(record.classes.map(({ name }) => name));
    const focused = this.labels.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    this.labels.replaceChildren(
      ...this.app.store.classes.map(({ name, description }, number) => {
        const corrected = draft.labels[name];
        const isIn = corrected ?? inClasses.has(name);
        const key = number < 9 ? String(number + 1) : "";
        const children = [`${isIn ? "✓" : "–"} ${name}`, corrected === undefined ? null : el("span.round-corrected", {}, " corrected"), key && el("kbd", {}, key)];
        const one = el("button.round-label", { type: "button", title: description, ariaPressed: String(isIn), onclick: () => this.correct(name) }, ...children);
        one.dataset.name = name;
        return one;
      }),
    );
    if (focused) [...this.labels.children].find((one) => one.dataset.name === focused)?.focus();
  }

  // -- the record

  async #open(record) {
    const before = this.record;
    if (before && this.#isDirty() && before !== record) this.#save(before.row, this.draft);
    this.record = record;
    this.stored = this.draft = null;
    this.comment.value = "";
    this.#showRecord();
    if (!record) return;
    try {
      await this.saving;
      const stored = await this.app.api(`/api/review/${record.row}`);
      if (this.record !== record) return;
      this.stored = stored;
      this.draft = structuredClone(this.unsaved.get(record.row) ?? stored);
      this.#showRecord();
      this.#showUnsaved();
    } catch (error) {
      if (this.record === record) this.problem.textContent = `The decision about this record cannot be read: ${error.message}`;
    }
  }

  #isDirty() {
    return Boolean(this.draft && this.stored && !isSame(this.draft, this.stored));
  }

  /** Save what the page has made of a record; true when it is on the disk. */
  #save(row, draft) {
    const sent = { ...said(draft), comment: draft.comment.trim() };
    const name = this.record?.row === row ? this.record.record_id : `row ${row}`;
    this.unsaved.set(row, sent);
    this.status.textContent = `${name}: saving …`;
    const saving = this.saving.then(async () => {
      try {
        const stored = await this.app.api(`/api/review/${row}`, {}, { body: sent });
        if (this.unsaved.get(row) === sent) this.unsaved.delete(row);
        this.failed.delete(row);
        if (this.record?.row === row) {
          this.stored = stored;
          this.#showRecord();
        }
        this.status.textContent = `${name}: saved${sent.decision ? ` as ${sent.decision}` : ""}, ${new Date().toLocaleTimeString()}`;
        this.app.emit("review", { row, ...stored });
        this.#progress();
        return true;
      } catch (error) {
        this.status.textContent = "";
        this.failed.set(row, error.message);
        return false;
      } finally {
        this.#showUnsaved();
      }
    });
    this.saving = saving;
    return saving;
  }

  #showUnsaved() {
    const messages = [...this.failed.values()];
    if (!messages.length) {
      this.problem.replaceChildren();
      return;
    }
    const again = el("button", { type: "button", onclick: () => this.#again() }, "Try again");
    const what = messages.length === 1 ? "1 decision is not saved" : `${messages.length} decisions are not saved`;
    this.problem.replaceChildren(`${what}: ${messages.at(-1)}. Keep this page open. `, again);
  }

  async #again() {
    for (const [row, draft] of [...this.unsaved]) await this.#save(row, draft);
  }

  /** Change the decision about the open record, and save it. */
  async #change(changes) {
    const { record, draft, stored } = this;
    if (!record || !draft) return false;
    const before = said(structuredClone(stored));
    Object.assign(draft, changes);
    this.#showRecord();
    if (isSame(draft, stored) && !this.unsaved.has(record.row)) return true;
    const isSaved = await this.#save(record.row, draft);
    if (isSaved) {
      this.history.push({ row: record.row, before });
      this.#showRecord();
    }
    return isSaved;
  }

  // -- what a reader does

  toggle() {
    this.app.state.set({ round: this.isOn ? null : "1" });
  }

  /** Accept or reject the open record, and go on. */
  async decide(decision) {
    const { record } = this;
    if ((await this.#change({ decision })) && this.goesOn.checked && this.record === record) await this.goOn();
  }

  /** Turn the label of a class of the open record; back to the stored one is no correction. */
  correct(name) {
    const { record, draft, stored } = this;
    if (!draft) return;
    const isIn = record.classes.some((one) => one.name === name);
    const { [name]: corrected, ...others } = draft.labels;
    const wanted = !(corrected ?? isIn);
    // A correction that was on the disk stays one: the labels may have it already.
    const isNone = wanted === isIn && !(name in stored.labels && stored.labels[name] === isIn);
    this.#change({ labels: isNone ? others : { ...others, [name]: wanted } });
  }

  #keepComment() {
    if (this.draft && this.draft.comment.trim() !== this.stored.comment) this.#change({ comment: this.comment.value.trim() });
  }

  #commentKey(event) {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.comment.blur(); // saves it
      this.accept.focus();
    }
    if (event.key === "Escape") {
      this.draft.comment = this.comment.value = this.stored.comment;
      this.comment.blur();
      this.accept.focus();
    }
  }

  /** Take back the last decision that this page has saved. */
  async undo() {
    const last = this.history.pop();
    if (!last) return;
    if (this.record?.row !== last.row) this.app.open(last.row);
    const isSaved = await this.#save(last.row, last.before);
    if (!isSaved) {
      this.history.push(last);
      return;
    }
    if (this.record?.row === last.row) {
      this.draft = structuredClone(this.stored);
      this.#showRecord();
    }
    this.status.textContent = `undone: ${WORDS[last.before.decision].toLowerCase()}`;
  }

  /** Open the next record of the order that is not reviewed. */
  async goOn() {
    const { app, record } = this;
    try {
      const place = this.queue.indexOf(record?.row);
      let rest = place < 0 ? this.queue : this.queue.slice(place + 1);
      if (!rest.length) {
        const { state } = app;
        const filter = statesOf(state.get("filter")) ? state.get("filter") : filterWith(state.get("filter"), [""]);
        const parameters = { ...orderOf(state), filter, from: 0, to: QUEUE };
        const { rows } = await app.api("/api/rows", parameters);
        rest = rows.map(({ row }) => row).filter((row) => row !== record?.row);
      }
      this.queue = rest;
      if (rest.length) app.open(rest[0]);
      else this.status.textContent += " No other record is left to review.";
    } catch (error) {
      app.report(error);
    }
  }

  async #progress() {
    try {
      const { n_reviewed: done, n_total: all, n_accepted, n_rejected } = await this.app.api("/api/review");
      this.bar.value = done;
      this.counts.textContent = `${done.toLocaleString("en")} of ${all.toLocaleString("en")} reviewed (${n_accepted} accepted, ${n_rejected} rejected)`;
    } catch (error) {
      this.app.report(error);
    }
  }

  #keys() {
    const { keys, store } = this.app;
    const add = (key, text, act) => keys.add([key], text, act, { mode: "round" });
    add("a", "accept", () => this.decide("accepted"));
    add("r", "reject", () => this.decide("rejected"));
    add("c", "comment", () => this.comment.focus());
    add("u", "undo", () => this.undo());
    add("n", "next not reviewed", () => this.goOn());
    const numbers = [..."123456789"].slice(0, store.classes.length);
    const correct = (key) => this.correct(store.classes[Number(key) - 1].name);
    if (numbers.length) keys.add(numbers, "correct the label of a class", correct, { mode: "round", shown: `1 to ${numbers.length}` });
    keys.add(["e"], "label round on, off", () => this.toggle());
  }
}

export function mount(element, app) {
  new LabelRound(element, app);
}
