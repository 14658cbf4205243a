// Filters: search, query, what is chosen, and counts of which every bar is a filter.

import { el } from "./elements.js";
import { conditions, numberText, readFilter, setFilter, setRange, toggleValue } from "./filter.js";

const FACETS = "class,source,sex,age,fold,quality,review";
const SPECIAL = { class: "Class", diagnosis: "Diagnosis", quality: "Quality" };
const SHORT = 10;
const [WAIT_MS, MOST_MS] = [250, 1500];

class Facets {
  titles = { ...SPECIAL };
  texts = new Map();
  sections = new Map();
  asked = null;

  constructor(element, app) {
    this.app = app;
    this.search = el("input", { type: "search", id: "search", placeholder: "Name of record or patient", "aria-keyshortcuts": "/", oninput: () => this.#typed() });
    this.query = el("input", { type: "text", id: "query", placeholder: "age < 40 and sex == 'male'", spellcheck: false, autocomplete: "off", autocapitalize: "off", "aria-describedby": "query-error" });
    this.problem = el("p.problem", { id: "query-error", role: "alert" });
    this.chips = el("ul.chips", { "aria-label": "Conditions" });
    this.list = el("div.facet-list");
    this.more = el("select", { "aria-label": "Add a count by a column", onchange: () => this.#add(this.more.value) });
    element.append(
      el(
        "form.asking",
        { role: "search", onsubmit: (event) => { event.preventDefault(); this.#ask(); } },
        el("label", { htmlFor: "search" }, "Search"),
        this.search,
        el("span.with-button", {}, el("label", { htmlFor: "query" }, "Query"), el("span.space"), el("button.link", { type: "submit" }, "Apply")),
        this.query,
        this.problem,
      ),
      this.chips,
      this.list,
      el("div.bar", {}, this.more),
    );
    this.query.addEventListener("change", () => this.#ask());
    app.keys.add(["/"], "search", () => {
      app.showPanel("facets");
      this.search.focus();
    });
    app.on("filter", () => this.load());
    app.on("state", (names) => names.has("facets") && this.load());
    app.on("review", () => this.load());
    app.on("filtererror", (error) => this.#failed(error));
    this.#offer();
    // Counting is the most work: the first record is seen before.
    const begin = () => {
      clearTimeout(waiting);
      if (!this.asked) this.load();
    };
    const waiting = setTimeout(begin, MOST_MS);
    app.on("drawn", begin);
  }

  get names() {
    return this.app.state.get("facets", FACETS).split(",").filter(Boolean);
  }

  // -- boxes

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => setFilter(this.app, { search: this.search.value.trim() }, true), WAIT_MS);
  }

  /** Apply the query, if the server understands it. */
  async #ask() {
    const query = this.query.value.trim();
    if (query === readFilter(this.app).query) {
      this.#say("");
      return;
    }
    try {
      if (query) await this.app.api("/api/rows", { filter: JSON.stringify({ query }), to: 0 });
      this.#say("");
      setFilter(this.app, { query });
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(text) {
    this.problem.textContent = text;
    this.query.ariaInvalid = String(text !== "");
  }

  #failed(error) {
    if (!error) this.#say("");
    else if (readFilter(this.app).query) this.#say(error.message);
    else this.app.report(error);
  }

  // -- counts

  async load() {
    const filter = readFilter(this.app);
    if (document.activeElement !== this.search) this.search.value = filter.search;
    if (this.query.value.trim() !== filter.query) this.query.value = filter.query;
    this.#drawChips();
    this.#press(filter);
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    try {
      const answer = await this.app.api("/api/facets", { filter: this.app.state.get("filter"), facets: this.names.join(",") }, { signal: asked.signal });
      this.#draw(answer.facets);
    } catch (error) {
      if (error.name !== "AbortError") this.#failed(error);
    }
  }

  #drawChips() {
    const chips = conditions(this.app, (name) => this.titles[name] ?? name, (name, value) => this.texts.get(`${name}\n${value}`) ?? (value || "none"));
    this.chips.replaceChildren(
      ...chips.map(({ text, remove }) =>
        el("li", {}, el("button.chip", { type: "button", onclick: () => this.#remove(remove), ariaLabel: `Remove ${text}`, title: `Remove ${text}` }, el("span", {}, text), el("span", { "aria-hidden": "true" }, "×"))),
      ),
      ...(chips.length > 1 ? [el("li", {}, el("button.link", { type: "button", onclick: () => this.#remove(() => this.app.state.set({ filter: null })) }, "Clear all"))] : []),
    );
  }

  /** Show at once which values are chosen; their counts follow. */
  #press(filter) {
    for (const [name, { list, bars }] of this.sections) {
      if (!list) continue;
      const chosen = new Set(filter.in[name] ?? []);
      for (const { button } of bars) button.ariaPressed = String(chosen.has(button.dataset.value));
    }
  }

  /** Remove a condition, and keep the focus near it. */
  #remove(remove) {
    remove();
    (this.chips.querySelector("button") ?? this.search).focus();
  }

  #draw(facets) {
    const filter = readFilter(this.app);
    for (const facet of facets) {
      this.titles[facet.name] = facet.title;
      for (const bar of facet.bars) this.texts.set(`${facet.name}\n${bar.value}`, bar.text);
    }
    const kept = new Set(facets.map(({ name }) => name));
    for (const [name, section] of this.sections) {
      if (kept.has(name)) continue;
      section.element.remove();
      this.sections.delete(name);
    }
    facets.forEach((facet, k) => {
      let section = this.sections.get(facet.name);
      if (!section) this.sections.set(facet.name, (section = this.#section(facet)));
      if (this.list.children[k] !== section.element) this.list.insertBefore(section.element, this.list.children[k] ?? null);
      if (facet.kind === "categories") this.#drawCategories(section, facet, new Set(filter.in[facet.name] ?? []));
      else this.#drawNumbers(section, facet, filter.between[facet.name] ?? [null, null]);
    });
    this.#drawChips();
    this.#offer();
  }

  #section(facet) {
    const content = el("div.facet-content");
    const head = el("button.facet-head", { type: "button", ariaExpanded: "true" }, facet.title);
    head.addEventListener("click", () => {
      content.hidden = !content.hidden;
      head.ariaExpanded = String(!content.hidden);
    });
    const unit = facet.unit ? el("small.muted.unit", {}, facet.unit) : null;
    const remove = el("button.icon", { type: "button", title: `Hide ${facet.title}`, ariaLabel: `Hide ${facet.title}`, onclick: () => this.#hide(facet.name) }, "×");
    const element = el("section.facet", { "aria-label": facet.title }, el("h3", {}, head, unit, el("span.space"), remove), content);
    return { element, content, bars: [], isLong: false };
  }

  // -- values

  #drawCategories(section, facet, chosen) {
    const most = Math.max(1, ...facet.bars.map(({ n }) => n));
    const n = section.isLong ? facet.bars.length : SHORT;
    const shown = facet.bars.filter((bar, k) => k < n || chosen.has(bar.value));
    while (section.bars.length < shown.length) section.bars.push(this.#bar(facet.name));
    section.list ??= el("ul.bars");
    shown.forEach((bar, k) => {
      const { button, fill, text, count } = section.bars[k];
      button.dataset.value = bar.value;
      button.ariaPressed = String(chosen.has(bar.value));
      button.title = `${bar.text}: ${numberText(bar.n)} of ${numberText(bar.n_all)}`;
      button.classList.toggle("is-empty", !bar.n);
      fill.style.width = `${(100 * bar.n) / most}%`;
      text.textContent = bar.text;
      count.textContent = numberText(bar.n);
    });
    const focused = section.content.contains(document.activeElement) ? document.activeElement : null;
    section.list.replaceChildren(...section.bars.slice(0, shown.length).map(({ item }) => item));
    const hidden = facet.bars.length - shown.length;
    const parts = [section.list];
    if (hidden > 0 || section.isLong) {
      const change = () => {
        section.isLong = !section.isLong;
        this.#drawCategories(section, facet, chosen);
      };
      parts.push(el("button.link", { type: "button", onclick: change }, section.isLong ? "Fewer" : `${hidden} more`));
    }
    if (section.isLong && facet.n_others > 0) parts.push(el("small.muted", {}, `and ${numberText(facet.n_others)} less frequent values`));
    section.content.replaceChildren(...parts);
    focused?.focus({ preventScroll: true });
  }

  #bar(name) {
    const [fill, text, count] = [el("span.bar-fill"), el("span.bar-text"), el("span.bar-n")];
    const button = el("button.bar-button", { type: "button", onclick: () => toggleValue(this.app, name, button.dataset.value) }, fill, text, count);
    return { item: el("li", {}, button), button, fill, text, count };
  }

  // -- numbers

  #drawNumbers(section, facet, [low, high]) {
    const { bars } = facet;
    const most = Math.max(1, ...bars.map(({ n }) => n));
    const signature = bars.map((bar) => bar.low).join();
    if (section.signature !== signature) {
      section.signature = signature;
      this.#buildNumbers(section, facet);
    }
    section.facet = facet;
    bars.forEach((bar, k) => {
      const button = section.bars[k];
      const text = this.#rangeText(bar);
      const isIn = (low !== null || high !== null) && (low === null || (bar.low ?? -Infinity) >= low) && (high === null || (bar.high ?? Infinity) <= high);
      button.ariaPressed = String(isIn);
      button.ariaLabel = `${text}: ${numberText(bar.n)} records`;
      button.title = `${text}: ${numberText(bar.n)} of ${numberText(bar.n_all)}`;
      button.firstChild.style.height = bar.n ? `max(2px, ${(100 * bar.n) / most}%)` : "0";
    });
    section.low.value = low ?? "";
    section.high.value = high ?? "";
    section.missing.textContent = facet.n_missing ? `${numberText(facet.n_missing)} without a value` : "";
  }

  #rangeText({ low, high }) {
    if (low === null && high === null) return "all";
    if (low === null) return `below ${numberText(high)}`;
    if (high === null) return `${numberText(low)} or more`;
    return `${numberText(low)} to ${numberText(high)}`;
  }

  #buildNumbers(section, facet) {
    const { name, bars } = facet;
    const limit = (text) => el("input", { type: "number", step: "any", ariaLabel: `${facet.title}: ${text}`, placeholder: text, onchange: () => this.#limits(name, section) });
    section.low = limit("from");
    section.high = limit("below");
    section.missing = el("small.muted");
    section.bars = bars.map((bar, k) => el("button.column", { type: "button", tabIndex: k ? -1 : 0 }, el("span")));
    section.plot = el("div.histogram", { role: "group", ariaLabel: `${facet.title}: arrows move, Enter chooses, Shift extends` }, ...section.bars);
    section.plot.addEventListener("click", (event) => this.#choose(section, section.bars.indexOf(event.target.closest("button")), event.shiftKey));
    section.plot.addEventListener("keydown", (event) => this.#key(section, event));
    section.plot.addEventListener("pointerdown", (event) => this.#drag(section, event));
    const [first, last] = [bars.find((bar) => bar.low !== null)?.low, bars.findLast((bar) => bar.high !== null)?.high];
    const axis = el("div.axis", { "aria-hidden": "true" }, el("span", {}, numberText(first)), el("span", {}, numberText(last)));
    section.content.replaceChildren(section.plot, axis, el("div.limits", {}, section.low, el("span", {}, "to below"), section.high), section.missing);
  }

  #limits(name, section) {
    const value = (input) => (input.value.trim() === "" || !Number.isFinite(input.valueAsNumber) ? null : input.valueAsNumber);
    setRange(this.app, name, value(section.low), value(section.high));
  }

  /** Choose a bar, or the bars up to it from those that are chosen; again: none. */
  #choose(section, k, extends_, from = null) {
    if (k < 0) return;
    const { name, bars } = section.facet;
    const pressed = section.bars.flatMap((button, j) => (button.ariaPressed === "true" ? [j] : []));
    let [first, last] = [k, k];
    if (from !== null) [first, last] = [Math.min(from, k), Math.max(from, k)];
    else if (extends_ && pressed.length) [first, last] = [Math.min(k, ...pressed), Math.max(k, ...pressed)];
    else if (pressed.length === 1 && pressed[0] === k) return setRange(this.app, name, null, null);
    setRange(this.app, name, bars[first].low, bars[last].high);
  }

  #key(section, event) {
    const k = section.bars.indexOf(event.target);
    const to = { ArrowLeft: k - 1, ArrowRight: k + 1, Home: 0, End: section.bars.length - 1 }[event.key];
    if (to === undefined || !section.bars[to]) return;
    event.preventDefault();
    event.stopPropagation();
    section.bars[k].tabIndex = -1;
    section.bars[to].tabIndex = 0;
    section.bars[to].focus();
    if (event.shiftKey) this.#choose(section, to, true);
  }

  /** Choose bars by drawing over them. */
  #drag(section, event) {
    const from = section.bars.indexOf(event.target.closest("button"));
    if (from < 0 || event.button !== 0) return;
    const box = section.plot.getBoundingClientRect();
    const at = ({ clientX }) => Math.min(Math.max(Math.floor(((clientX - box.left) / box.width) * section.bars.length), 0), section.bars.length - 1);
    const ended = (end) => {
      removeEventListener("pointerup", ended);
      if (at(end) !== from) this.#choose(section, at(end), false, from);
    };
    addEventListener("pointerup", ended);
  }

  // -- which facets

  #offer() {
    const shown = new Set(this.names);
    const names = [...Object.keys(SPECIAL), ...this.app.store.columns.map(({ name }) => name)];
    const offered = names.filter((name) => !shown.has(name) && !["record_id", "path", "sha256"].includes(name));
    this.more.replaceChildren(el("option", { value: "" }, "Count by…"), ...offered.map((name) => el("option", { value: name }, SPECIAL[name] ?? name)));
  }

  #add(name) {
    if (name) this.app.state.set({ facets: [...this.names, name].join(",") });
  }

  #hide(name) {
    const names = this.names.filter((one) => one !== name).join(",");
    this.app.state.set({ facets: names === FACETS ? null : names || "," });
  }
}

/** Make the filters. */
export function mount(element, app) {
  new Facets(element, app);
}
