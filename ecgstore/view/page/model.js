// What a model says about the open record, and why.

import { el } from "./elements.js";
import { highlighter } from "./highlight.js";

const POLL_MS = 1000;
const SEEN = {
  training: "The model was trained on this patient: that it agrees with the label says nothing.",
  validation: "This patient helped to choose the model: that it agrees with the label says little.",
  unseen: "The model has not seen this patient in its training.",
  unknown: "It is not known whether the model has seen this patient in its training.",
};

const percent = (value) => `${(100 * value).toFixed(value > 0.0995 && value < 0.9995 ? 0 : 1)} %`;
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

class ModelPanel {
  record = null;
  #overlay = null;
  #asked = null;

  constructor(element, app) {
    this.app = app;
    this.model = app.store.model;
    element.hidden = !this.model;
    if (!this.model) return;
    this.progress = el("span.model-note", { role: "status" });
    this.seen = el("p.model-seen");
    this.table = el("div.model-wide");
    this.why = el("div.model-why");
    element.append(el("div.model-head", {}, el("h3", {}, `Model ${this.model.name}`), this.progress), this.seen, this.table, this.why);
    app.on("record", (record) => this.#delay(this.#open(record)));
    app.on("state", (names) => {
      if (names.has("why")) this.#delay(this.#explain());
    });
    this.#poll();
  }

  /** Let exports of the paper wait for what is highlighted on it. */
  #delay(work) {
    const { paper } = this.app;
    if (paper) paper.overlaid = Promise.allSettled([paper.overlaid, work]);
  }

  async #poll() {
    try {
      const { state, done, total, message } = await this.app.api("/api/model");
      const count = `${done.toLocaleString("en")} of ${total.toLocaleString("en")} records predicted`;
      this.progress.textContent = state === "failed" ? message : state === "ready" ? "" : count;
      if (state === "running") setTimeout(() => this.#poll(), POLL_MS);
      else this.app.emit("predictions");
    } catch (error) {
      this.app.report(error);
    }
  }

  async #open(record) {
    this.record = record;
    this.#asked?.abort();
    this.#highlight(null);
    this.why.replaceChildren();
    if (!record) return;
    try {
      const found = await this.app.api(`/api/model/${record.row}`);
      if (this.record !== record) return;
      this.#show(found);
      await this.#explain();
    } catch (error) {
      if (this.record === record) this.table.replaceChildren(el("p", { role: "alert" }, error.message));
    }
  }

  #show({ classes, seen }) {
    this.seen.textContent = SEEN[seen];
    this.seen.dataset.seen = seen;
    const rows = classes.map((one) => {
      const fill = el("div.model-fill");
      fill.style.width = `${100 * one.probability}%`;
      const mark = el("div.model-threshold");
      mark.style.left = `${100 * one.threshold}%`;
      const why = el("button", { type: "button", ariaLabel: `Why ${one.name}?`, onclick: () => this.#toggle(one.name) }, "Why?");
      why.dataset.name = one.name;
      const words = one.disagrees ? `≠ ${one.predicted ? "predicted, not labelled" : "labelled, not predicted"}` : "agrees";
      return el(
        one.disagrees ? "tr.model-disagrees" : "tr",
        {},
        el("th", { scope: "row" }, one.name),
        el("td.model-bar", { "aria-hidden": "true" }, el("div.model-track", {}, fill, mark)),
        el("td.model-number", {}, percent(one.probability)),
        el("td.model-number.model-more", {}, percent(one.threshold)),
        el("td.model-more", {}, one.predicted ? "yes" : "no"),
        el("td.model-more", {}, one.label ? "yes" : "no"),
        el("td.model-words", {}, words),
        el("td", {}, why),
      );
    });
    const more = ["Threshold", "Predicted", "Label"];
    const head = ["Class", "", "Probability", ...more, "", ""].map((name) => el(more.includes(name) ? "th.model-more" : "th", { scope: "col" }, name));
    const caption = this.model.thresholds ? "" : "No thresholds were chosen for this model: 50 % is taken.";
    this.table.replaceChildren(
      el("table.model-classes", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
    );
    this.#showWhich();
  }

  #showWhich() {
    const name = this.app.state.get("why");
    for (const button of this.table.querySelectorAll("button")) button.ariaPressed = String(button.dataset.name === name);
  }

  #toggle(name) {
    this.app.state.set({ why: this.app.state.get("why") === name ? null : name });
  }

  /** Show why the class of the address was predicted, or not. */
  async #explain() {
    const { app, record } = this;
    const name = app.state.get("why");
    this.#asked?.abort();
    this.#highlight(null);
    this.#showWhich();
    this.why.replaceChildren();
    if (!record || !this.model.classes.includes(name)) return;
    this.#asked = new AbortController();
    const options = { signal: this.#asked.signal };
    this.why.replaceChildren(el("p.model-note", { role: "status" }, `${name}: computing what speaks for it …`));
    try {
      const response = await app.api(`/api/saliency/${record.row}`, { class: name }, options);
      const strengths = new Float32Array(await response.arrayBuffer());
      const found = await app.api(`/api/explanation/${record.row}`, { class: name }, options);
      if (this.record !== record || app.state.get("why") !== name) return;
      this.#highlight(highlighter(strengths, Number(response.headers.get("X-Fs")), record.leads.length));
      this.#showWhy(found);
    } catch (error) {
      if (error.name !== "AbortError") this.why.replaceChildren(el("p", { role: "alert" }, error.message));
    }
  }

  #highlight(overlay) {
    const { paper } = this.app;
    if (!paper || (!overlay && !this.#overlay)) return;
    paper.overlays = paper.overlays.filter((one) => one !== this.#overlay);
    if (overlay) paper.overlays = [...paper.overlays, overlay];
    this.#overlay = overlay;
    paper.redraw();
  }

  #showWhy(found) {
    const parts = [["signal, all leads", "", found.from_signal]];
    if (found.from_features !== null) parts.push(["all features", "", found.from_features]);
    const features = found.features.map(({ name, text, unit, normal, contribution }) => [name, `${text} ${unit}${normal ? ` (normal ${normal})` : ""}`, contribution]);
    if (found.n_others) features.push([`${found.n_others} others`, "", found.of_others]);
    const largest = Math.max(...[...parts, ...features].map(([, , value]) => Math.abs(value)), 1e-9);
    const item = ([name, value, added]) => {
      const bar = el(added < 0 ? "div.model-against" : "div.model-for");
      bar.style.width = `${(50 * Math.abs(added)) / largest}%`;
      return el("li", {}, el("span", {}, value ? `${name}: ${value}` : name), el("div.model-part", { "aria-hidden": "true" }, bar), el("span.model-number", {}, signed(added)));
    };
    const list = (title, items) => (items.length ? [el("h4", {}, title), el("ul", {}, ...items.map(item))] : []);
    this.why.replaceChildren(
      el("h3", {}, `Why ${found.class}: ${percent(found.probability)}`),
      el(
        "p.model-note",
        {},
        el("span.model-swatch.model-for"),
        "speaks for it  ",
        el("span.model-swatch.model-against"),
        `speaks against it, on the paper, too. Log-odds ${signed(found.logit)} = base ${signed(found.base)} and what is added:`,
      ),
      ...list("Parts", parts.map((part) => part)),
      ...list("Features", features),
      el("p.model-note", {}, "This says what the model looked at; not that it is right, nor what a disease changes."),
    );
  }
}

export function mount(element, app) {
  new ModelPanel(element, app);
}
