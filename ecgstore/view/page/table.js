// The table of records: rows by index, under a scroll bar that stands for all of them.

import { el } from "./elements.js";
import { numberText } from "./filter.js";
import { orderOf } from "./state.js";

const BLOCK = 100;
/** Browsers limit the height of an element: beyond this, the scroll bar is scaled. */
const MOST_PX = 6_000_000;
const COLUMNS = "age,sex,source,fold";
const [HEAD, SETTLED_MS, WAIT_MS] = [1, 150, 40];
const WIDTHS = { record_id: "8.5rem", class: "minmax(7rem, 1fr)", age: "4.3rem", sex: "5.4rem", fold: "4rem", source: "7.5rem" };

/** Rows of the server, in blocks, for one filter and order. */
class Rows {
  constructor(app, query, arrived, changed) {
    Object.assign(this, { app, query, arrived, changed });
    this.blocks = new Map();
    this.n = null;
    this.order = null; // its number: with another one, the server has other rows
    this.stopped = new AbortController();
  }

  /** @param {number} index @returns {object | null} */
  at(index) {
    const block = this.blocks.get(Math.floor(index / BLOCK));
    return block?.[index % BLOCK] ?? null;
  }

  /** Ask for the rows of a range, where they are not there. */
  async need(first, last) {
    for (let block = Math.floor(first / BLOCK); block <= Math.floor(last / BLOCK); block++) {
      if (this.blocks.has(block)) continue;
      this.blocks.set(block, []);
      const range = { from: block * BLOCK, to: (block + 1) * BLOCK };
      this.app
        .api("/api/rows", { ...this.query, ...range }, { signal: this.stopped.signal })
        .then((answer) => {
          if (!this.is(answer.order)) return;
          this.blocks.set(block, answer.rows);
          this.n = answer.n_selected;
          this.arrived(null);
        })
        .catch((error) => {
          this.blocks.delete(block);
          if (error.name !== "AbortError") this.arrived(error);
        });
    }
  }

  /** Whether rows still have the order of an answer; else they are to be loaded again. */
  is(order) {
    this.order ??= order;
    if (this.order !== order && !this.stopped.signal.aborted) this.changed();
    return this.order === order;
  }

  stop() {
    this.stopped.abort();
  }
}

class Table {
  position = 0; // the first row that is seen, with a fraction
  active = 0; // the row that the keyboard is at
  isFirst = true;
  top = 0; // of the scroll bar, as it was last set or read
  rows = null;
  cells = [];

  constructor(element, app) {
    this.app = app;
    this.count = el("output.tab-count", { "aria-live": "polite" });
    this.order = el("select", { "aria-label": "Order", onchange: () => this.#sort(this.order.value, false) });
    this.direction = el("button.icon", { type: "button", onclick: () => this.#sort(app.state.get("sort"), !this.#isDescending()) });
    const columns = el("button", { type: "button", title: "Choose the columns of the table", onclick: () => this.#chooseColumns() }, "Columns…");
    this.headRow = el("div.tab-row", { role: "row", ariaRowIndex: String(HEAD) });
    this.head = el("div.tab-head", { role: "rowgroup" }, this.headRow);
    this.body = el("div.tab-rows", { role: "rowgroup" });
    this.stage = el("div.tab-stage", { role: "presentation" }, this.head, this.body);
    this.spacer = el("div", { role: "presentation" });
    this.grid = el("div.tab-grid", { role: "grid", tabIndex: 0, "aria-label": "Records", "aria-readonly": "true" }, this.stage, this.spacer);
    this.nothing = el("p.tab-nothing", { hidden: true }, "No record fulfils these conditions.");
    element.append(
      el("div.bar", { role: "group", "aria-label": "Table" }, this.count, el("span.space"), this.order, this.direction, columns),
      this.grid,
      this.nothing,
    );
    this.dialog = null;
    this.element = element;
    this.grid.addEventListener("scroll", () => this.#scrolled());
    this.grid.addEventListener("keydown", (event) => this.#key(event));
    this.grid.addEventListener("focus", () => this.draw());
    this.grid.addEventListener("blur", () => this.draw());
    this.body.addEventListener("click", (event) => this.#clicked(event));
    new ResizeObserver(() => this.#resized()).observe(this.grid);
    app.on("filter", () => this.load());
    app.on("state", (names) => {
      if (names.has("columns")) this.load(true);
      if (names.has("row")) this.show(Number(app.state.get("row")));
    });
    app.on("review", () => this.load(true));
    app.on("predictions", () => {
      if (app.state.get("sort") === "disagreement") this.#changed();
    });
    this.load();
  }

  // -- what is asked

  get columns() {
    const known = new Set(this.app.store.columns.map((column) => column.name));
    return this.app.state.get("columns", COLUMNS).split(",").filter((name) => known.has(name));
  }

  #isDescending() {
    return this.app.state.get("descending") === "1";
  }

  get query() {
    return orderOf(this.app.state);
  }

  load(stays = false) {
    this.rows?.stop();
    this.rows = new Rows(this.app, { ...this.query, columns: this.columns.join(",") }, (error) => this.#arrived(error), () => this.#changed());
    if (!stays) [this.position, this.active] = [0, 0];
    this.isNew = true;
    this.#drawHead();
    const first = Math.max(0, Math.floor(this.position));
    this.rows.need(first, first + 1);
  }

  /** The server has other rows than those that are shown. */
  #changed() {
    this.load(true);
    this.app.emit("order");
  }

  #arrived(error) {
    if (error) {
      this.app.emit("filtererror", error);
      this.count.textContent = "–";
      this.rows.n = 0;
      this.#measure();
      this.draw();
      return;
    }
    if (this.isNew) {
      this.isNew = false;
      this.app.emit("filtererror", null);
      const { n } = this.rows;
      const all = this.app.store.n_records;
      this.count.textContent = n === all ? `${numberText(all)} records` : `${numberText(n)} of ${numberText(all)} records`;
      this.nothing.hidden = n > 0;
      this.#measure();
      this.#go(this.position);
      this.app.emit("rows", this.rows);
      // A link leads to its record; who filters or sorts sees the first ones.
      const row = this.app.state.get("row");
      if (this.isFirst && row !== "") this.show(Number(row));
      this.isFirst = false;
    }
    this.draw();
  }

  #sort(name, descending) {
    this.app.state.set({ sort: name || null, descending: descending ? "1" : null });
  }

  // -- the scroll bar

  #measure() {
    const style = getComputedStyle(this.element);
    this.rowPx = parseFloat(style.getPropertyValue("--row-px")) || 28;
    this.height = Math.max(this.grid.clientHeight - this.head.offsetHeight, this.rowPx);
    const total = (this.rows.n ?? 0) * this.rowPx;
    this.isScaled = total > MOST_PX;
    const full = Math.min(total, MOST_PX);
    this.spacer.style.height = `${Math.max(full - this.height, 0)}px`;
    this.stage.style.height = `${this.grid.clientHeight}px`;
    this.mostTop = Math.max(full - this.height, 0);
    this.mostPosition = Math.max((this.rows.n ?? 0) - this.height / this.rowPx, 0);
    this.grid.ariaRowCount = String((this.rows.n ?? 0) + HEAD);
  }

  #resized() {
    if (!this.rows) return;
    this.#measure();
    this.#go(this.position);
  }

  /** Show rows from a position on, and move the scroll bar there. */
  #go(position) {
    this.position = Math.min(Math.max(position, 0), this.mostPosition);
    this.#setTop();
    this.draw();
  }

  #setTop() {
    const part = this.mostPosition ? this.position / this.mostPosition : 0;
    this.grid.scrollTop = this.isScaled ? part * this.mostTop : this.position * this.rowPx;
    this.top = this.grid.scrollTop;
  }

  #scrolled() {
    const top = this.grid.scrollTop;
    const moved = top - this.top;
    if (!moved) return;
    this.top = top;
    if (!this.isScaled) this.position = top / this.rowPx;
    else if (top <= 0) this.position = 0;
    else if (top >= this.mostTop - 1) this.position = this.mostPosition;
    // A wheel moves by rows, as in short tables; the bar itself by its part of all rows.
    else if (Math.abs(moved) < this.height) {
      this.position += moved / this.rowPx;
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.#go(this.position), SETTLED_MS);
    } else this.position = (top / this.mostTop) * this.mostPosition;
    this.position = Math.min(Math.max(this.position, 0), this.mostPosition);
    this.draw();
  }

  // -- drawing

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#draw());
  }

  #drawHead() {
    const names = ["record_id", "class", ...this.columns];
    const sort = this.app.state.get("sort");
    const byName = new Map(this.app.store.columns.map((column) => [column.name, column]));
    this.isNumber = names.map((name) => byName.get(name)?.kind === "number");
    this.names = names;
    this.stage.style.setProperty("--columns", names.map((name) => WIDTHS[name] ?? (byName.get(name)?.kind === "number" ? "6.5rem" : "8rem")).join(" "));
    this.grid.ariaColCount = String(names.length);
    this.headRow.replaceChildren(
      ...names.map((name, k) => {
        const unit = byName.get(name)?.unit;
        const title = { record_id: "Record", class: "Classes" }[name] ?? name;
        const text = unit && !name.endsWith(`_${unit.toLowerCase()}`) && name !== "age" ? `${title} (${unit})` : title;
        const isSorted = name === sort;
        const sorted = isSorted ? (this.#isDescending() ? "descending" : "ascending") : "none";
        const cell = el(this.isNumber[k] ? "div.tab-number" : "div", { role: "columnheader", ariaColIndex: String(k + 1) });
        if (name === "class") cell.append(text);
        else {
          cell.ariaSort = sorted;
          cell.append(el("button.tab-sort", { type: "button", tabIndex: -1, title: `Sort by ${name}`, onclick: () => this.#next(name) }, text));
        }
        return cell;
      }),
    );
    const orders = [["", "As stored"], ["worst", "Worst quality first"]];
    if (this.app.store.model) orders.push(["disagreement", "Disagreements first"]);
    for (const name of new Set(["record_id", ...this.columns, ...(sort ? [sort] : [])])) {
      if (!orders.some(([known]) => known === name)) orders.push([name, `By ${name}`]);
    }
    this.order.replaceChildren(...orders.map(([value, text]) => el("option", { value, selected: value === sort }, text)));
    const label = this.#isDescending() ? "Descending; change to ascending" : "Ascending; change to descending";
    Object.assign(this.direction, { textContent: this.#isDescending() ? "↓" : "↑", title: label, ariaLabel: label });
  }

  /** Sort by a column: ascending, descending, as in the store. */
  #next(name) {
    if (this.app.state.get("sort") !== name) this.#sort(name, false);
    else if (!this.#isDescending()) this.#sort(name, true);
    else this.#sort("", false);
  }

  #draw() {
    const { rows } = this;
    if (!rows || rows.n === null) return;
    const first = Math.floor(this.position);
    const n = Math.min(Math.ceil(this.height / this.rowPx) + 1, rows.n - first);
    while (this.cells.length < n) {
      const row = el("div.tab-row", { role: "row", id: `tab-${this.cells.length}` });
      this.cells.push(row);
    }
    const open = this.app.state.get("row");
    const isFocused = document.activeElement === this.grid;
    const names = this.names;
    for (let k = 0; k < n; k++) {
      const [element, index] = [this.cells[k], first + k];
      const data = rows.at(index);
      element.ariaRowIndex = String(index + 1 + HEAD);
      element.dataset.index = index;
      element.ariaSelected = String(data !== null && String(data.row) === open);
      element.classList.toggle("is-active", isFocused && index === this.active);
      element.classList.toggle("is-odd", index % 2 === 1);
      while (element.childElementCount < names.length) element.append(el("div", { role: "gridcell" }));
      while (element.childElementCount > names.length) element.lastChild.remove();
      names.forEach((name, column) => {
        const cell = element.children[column];
        const value = data === null ? "" : name === "class" ? data.classes.join(" ") : data[name];
        const text = data === null ? (column ? "" : "…") : this.#text(value);
        if (cell.textContent !== text) cell.textContent = text;
        if (cell.title !== text) cell.title = text;
        cell.className = this.isNumber[column] ? "tab-number" : "";
        cell.ariaColIndex = String(column + 1);
      });
    }
    const shown = this.cells.slice(0, n);
    if (this.body.childElementCount !== n) this.body.replaceChildren(...shown);
    this.body.style.transform = `translateY(${-(this.position - first) * this.rowPx}px)`;
    const isSeen = this.active >= first && this.active < first + n;
    if (isSeen) this.grid.setAttribute("aria-activedescendant", this.cells[this.active - first].id);
    else this.grid.removeAttribute("aria-activedescendant");
    clearTimeout(this.asking);
    const last = first + n - 1;
    if (n > 0 && (!rows.at(first) || !rows.at(last))) this.asking = setTimeout(() => rows.need(first, last), WAIT_MS);
  }

  #text(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return numberText(value);
    if (typeof value === "boolean") return value ? "yes" : "no";
    return String(value);
  }

  // -- rows

  #clicked(event) {
    const element = event.target.closest("[role=row]");
    if (!element) return;
    this.active = Number(element.dataset.index);
    this.#open();
  }

  #open() {
    const data = this.rows.at(this.active);
    if (!data) return;
    this.app.open(data.row);
    this.app.showPanel("record");
    this.draw();
  }

  #key(event) {
    if (event.target !== this.grid || event.altKey || event.metaKey) return;
    const page = Math.max(Math.floor(this.height / this.rowPx) - 1, 1);
    const last = (this.rows.n ?? 0) - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && last >= 0) {
      event.preventDefault();
      event.stopPropagation();
      this.active = Math.min(Math.max(this.active + steps[event.key], 0), last);
      this.#reveal(this.active);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#open();
    }
  }

  /** Scroll no more than needed to see a row. */
  #reveal(index) {
    const whole = Math.floor(this.height / this.rowPx);
    if (index < this.position) this.#go(index);
    else if (index > this.position + whole - 1) this.#go(index - this.height / this.rowPx + 1);
    else this.draw();
  }

  /** Show where the row of the open record is. */
  async show(row) {
    const { rows } = this;
    this.draw();
    if (!Number.isInteger(row) || rows?.n === null) return;
    const known = Math.floor(this.position);
    for (let index = known; index < Math.min(known + this.cells.length, rows.n); index++) {
      if (rows.at(index)?.row === row) {
        this.active = index;
        this.#reveal(index);
        return;
      }
    }
    try {
      const { place, order } = await this.app.api("/api/place", { ...rows.query, row });
      if (rows !== this.rows || this.app.state.get("row") !== String(row)) return;
      rows.is(order);
      if (place === null) return;
      this.active = place;
      const isSeen = place >= this.position && place < this.position + this.height / this.rowPx - 1;
      if (isSeen) this.draw();
      else this.#go(place - Math.floor(this.height / this.rowPx / 2));
    } catch (error) {
      this.app.report(error);
    }
  }

  // -- columns

  #chooseColumns() {
    this.dialog?.remove();
    const chosen = new Set(this.columns);
    const list = el("ul.choices");
    const part = el("input", { type: "search", placeholder: "Part of a name", "aria-label": "Part of a column's name" });
    const draw = () => {
      const wanted = part.value.trim().toLowerCase();
      const found = this.app.store.columns.filter(({ name, group }) => name !== "record_id" && `${name} ${group}`.toLowerCase().includes(wanted));
      found.sort((one, other) => chosen.has(other.name) - chosen.has(one.name));
      const shown = found.slice(0, 200);
      list.replaceChildren(
        ...shown.map(({ name, group, unit }) => {
          const box = el("input", { type: "checkbox", checked: chosen.has(name), onchange: () => (box.checked ? chosen.add(name) : chosen.delete(name)) });
          return el("li", {}, el("label", {}, box, ` ${name}`, el("small", {}, unit ? ` ${group}, ${unit}` : ` ${group}`)));
        }),
        found.length > shown.length ? el("li.muted", {}, `and ${found.length - shown.length} more: give a part of the name`) : "",
      );
    };
    part.addEventListener("input", draw);
    const close = (isChosen) => {
      this.dialog.close();
      const names = [...chosen].slice(0, 40).join(",");
      if (isChosen) this.app.state.set({ columns: names === COLUMNS ? null : names || "-" });
    };
    this.dialog = el(
      "dialog.choose",
      { "aria-label": "Columns of the table" },
      el("h2", {}, "Columns"),
      part,
      list,
      el(
        "div.bar",
        {},
        el("button", { type: "button", onclick: () => { chosen.clear(); COLUMNS.split(",").forEach((name) => chosen.add(name)); draw(); } }, "Default"),
        el("span.space"),
        el("button", { type: "button", onclick: () => close(false) }, "Cancel"),
        el("button.primary", { type: "button", onclick: () => close(true) }, "Show"),
      ),
    );
    draw();
    document.body.append(this.dialog);
    this.dialog.showModal();
  }
}

/** Make the table of records. */
export function mount(element, app) {
  app.table = new Table(element, app);
}
