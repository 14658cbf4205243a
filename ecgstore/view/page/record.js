// The record panel: the paper, its controls, and what is known of the record.

import { Calipers, drawCalipers, measuredText, readPoints, writtenPoints } from "./calipers.js";
import { el } from "./elements.js";
import { csvOf, margins, pngOf, save, svgOf } from "./exports.js";
import { aboutPanel, featuresPanel } from "./features.js";
import { CSS_PX_PER_MM, LEFT, layOut, panelAt, secondAt, secondsShown } from "./layout.js";
import { medianPanel } from "./median.js";
import { clock, coloursOf, drawGrid, drawRecord, WAVES } from "./paper.js";
import { prefetch, signalOf } from "./prefetch.js";
import { CanvasSurface, svgElement } from "./surfaces.js";

const [LEAST_ZOOM, MOST_ZOOM, STEP] = [0.25, 10, 1.25];
const FIT = { mm: 272.5, least: 0.6 };
const TEXT_PX = 11;
const PRINT = { width: 277, height: 188 };
const COMMIT_MS = 250;
const OVERSCAN = 150;
const NAMES = ["layout", "speed", "gain", "zoom", "t", "leads", "raw", "marks", "cal"];
const RHYTHM = { mean_hr: ["heart rate", "/min"], median_rr_ms: ["RR", "ms"], sdnn_ms: ["SDNN", "ms"], rmssd_ms: ["RMSSD", "ms"] };
const KEYS = [
  ["j, k", "next, previous record"],
  ["← →", "earlier, later (on the paper)"],
  ["+ − 0", "zoom in, out, to the width; also Ctrl and wheel, or two fingers"],
  ["l", "3 × 4 or 12 × 1"],
  ["m", "marks on, off"],
  ["r", "raw signal on, off"],
  ["c", "calipers on, off"],
  ["Tab, then ← → ↑ ↓", "move a caliper by a sample or 0.01 mV, with Shift by ten"],
  ["[ ] Enter", "caliper to the mark before, behind; onto the curve"],
  ["Page up, down", "caliper to the lead above, below"],
  ["?", "this help"],
];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** The panel of the open record. */
class RecordPanel {
  view = { layout: "3x4", speed: 25, gain: 10, zoom: 0, start: 0, leads: [], raw: false, marks: true };
  /** Functions (surface, layout, panel, lead, scene) that draw behind every curve. */
  overlays = [];
  record = null;
  stored = null;
  raw = null;
  layout = null;
  #frame = 0;
  #commit = 0;
  #gridOf = "";
  #box = { width: 0 };
  #height = 0;
  #window = null;

  constructor(element, app) {
    this.app = app;
    this.#build(element);
    this.calipers = new Calipers(this.sheet, this.#paper());
    app.paper = this;
    app.on("record", (record) => this.#open(record));
    app.on("state", (names) => {
      if (NAMES.some((name) => names.has(name))) this.#read();
    });
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.#box.width) return;
      this.#box = { width };
      this.redraw();
    }).observe(this.sheet);
    addEventListener("scroll", () => this.redraw(), { capture: true, passive: true });
    addEventListener("resize", () => this.redraw());
    const repaint = () => {
      this.#gridOf = "";
      this.colours = coloursOf(element);
      this.#showMedian();
      this.redraw();
    };
    this.colours = coloursOf(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    new MutationObserver(repaint).observe(document.documentElement, { attributes: true });
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => this.printed.replaceChildren());
    this.#keys();
    this.#pointers();
  }

  // -- elements

  #build(element) {
    const button = (label, title, onclick, more = {}) => el("button", { type: "button", title, onclick, ...more }, label);
    const choice = (label, name, options) => {
      const select = el(
        "select",
        { onchange: () => this.app.state.set({ [name]: select.value }) },
        ...options.map(([value, text]) => el("option", { value }, text)),
      );
      this.controls[name] = select;
      return el("label", {}, `${label} `, select);
    };
    const check = (label, name, onchange) => {
      const box = el("input", { type: "checkbox", onchange });
      this.controls[name] = box;
      return el("label", {}, box, ` ${label}`);
    };
    this.controls = {};
    this.title = el("h2", { tabIndex: -1 });
    this.subtitle = el("p.rec-subtitle");
    this.place = el("span.rec-place");
    this.before = button("← Previous", "Previous record (k)", () => this.step("before"));
    this.after = button("Next →", "Next record (j)", () => this.step("after"));
    this.leadsMenu = el("div.rec-menu");
    this.zoomed = el("output", { "aria-label": "Zoom" });
    this.tools = el(
      "div.rec-tools",
      { role: "group", "aria-label": "View of the record" },
      choice("Layout", "layout", [["3x4", "3 × 4"], ["12x1", "12 × 1"]]),
      choice("Speed", "speed", [["25", "25 mm/s"], ["50", "50 mm/s"]]),
      choice("Gain", "gain", [["5", "5 mm/mV"], ["10", "10 mm/mV"], ["20", "20 mm/mV"]]),
      el("details.rec-leads", {}, el("summary", {}, "Leads"), this.leadsMenu),
      el(
        "span.rec-zoom",
        { role: "group", "aria-label": "Zoom" },
        button("−", "Zoom out (−)", () => this.zoom(1 / STEP), { ariaLabel: "Zoom out" }),
        this.zoomed,
        button("+", "Zoom in (+)", () => this.zoom(STEP), { ariaLabel: "Zoom in" }),
        button("Fit", "Fit to the width (0)", () => this.app.state.set({ zoom: null })),
        button("1:1", "True size, by the millimetres of this screen", () => this.app.state.set({ zoom: "1" }), { ariaLabel: "True size" }),
      ),
      check("Marks", "marks", () => this.toggle("marks")),
      check("Raw", "raw", () => this.toggle("raw")),
      check("Calipers", "cal", () => this.toggle("cal")),
      el(
        "span.rec-exports",
        { role: "group", "aria-label": "Take along what is seen" },
        button("PNG", "Save as a picture", () => this.#export("png")),
        button("SVG", "Save as a drawing", () => this.#export("svg")),
        button("CSV", "Save the samples in view", () => this.#export("csv")),
        button("Copy link", "Copy a link to exactly this view", () => this.#copyLink()),
        button("Print", "Print at true scale, 1 mm is 1 mm", () => print()),
        button("?", "Keys (?)", () => this.help.showModal(), { ariaLabel: "Keys" }),
      ),
    );
    this.grid = el("canvas", { "aria-hidden": "true" });
    this.curves = el("canvas", { role: "img", "aria-label": "No record" });
    this.over = el("canvas", { "aria-hidden": "true" });
    this.sheet = el("div.rec-sheet", { tabIndex: 0, role: "group", "aria-label": "ECG paper" }, this.grid, this.curves, this.over);
    this.time = el("input.rec-time", {
      type: "range",
      min: "0",
      step: "0.1",
      "aria-label": "First second shown",
      oninput: () => this.#moveTo(Number(this.time.value)),
    });
    this.readout = el("output.rec-readout", { "aria-live": "off" });
    this.live = el("p.rec-spoken.spoken", { "aria-live": "polite" });
    this.legend = el("p.rec-legend");
    this.about = el("div.rec-panels");
    this.printed = el("div.rec-print", { "aria-hidden": "true" });
    this.help = el(
      "dialog.rec-help",
      { "aria-label": "Keys" },
      el("h2", {}, "Keys"),
      el("dl.rec-terms", {}, ...KEYS.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)])),
      button("Close", "Close", () => this.help.close(), { autofocus: true }),
    );
    this.whole = el(
      "div.rec",
      { hidden: true },
      el("header.rec-head", {}, this.before, this.after, el("div", {}, this.title, this.subtitle), this.place),
      this.tools,
      this.sheet,
      this.time,
      el("div.rec-below", {}, this.readout, this.legend),
      this.live,
      this.about,
    );
    element.append(this.whole, this.printed, this.help);
  }

  /** What the calipers need to know of the paper. */
  #paper() {
    const panel = this;
    return {
      get layout() {
        return panel.layout;
      },
      get record() {
        return panel.record;
      },
      get scale() {
        return panel.scale;
      },
      zeroOf: (lead) => panel.stored?.zeros?.[panel.record.leads.indexOf(lead)] ?? 0,
      valueAt: (lead, second) => panel.stored.at(panel.record.leads.indexOf(lead), Math.round(second * panel.record.fs)),
      marksOf: (lead) => panel.#marksOf(lead),
      moved: () => {
        panel.#draw(true);
        panel.#later();
      },
    };
  }

  /** Return the seconds of all marks of a lead in view, in order. */
  #marksOf(lead) {
    const { fs, leads } = this.record;
    const { start, seconds } = this.layout;
    const parts = this.stored.parts(Math.floor(start * fs), Math.ceil((start + seconds) * fs) + 1);
    const samples = parts.flatMap((part) => part.marks?.[leads.indexOf(lead)]?.flat() ?? []).filter((sample) => sample >= 0);
    return [...new Set(samples)].sort((a, b) => a - b).map((sample) => sample / fs);
  }

  // -- the record

  async #open(record) {
    this.stored?.close();
    this.raw?.close();
    this.stored = this.raw = null;
    this.record = record;
    this.whole.hidden = !record;
    this.about.replaceChildren();
    this.median = null;
    if (!record) return;
    this.stored = this.#load(record, "stored");
    this.title.textContent = record.record_id;
    const person = [record.sex === "unknown" ? null : record.sex, record.age === null ? null : `${record.age} years`];
    const rhythm = record.rhythm.filter(({ value }) => value !== null).map(({ name, text }) => `${RHYTHM[name][0]} ${text} ${RHYTHM[name][1]}`);
    const classes = record.classes.map(({ name }) => name).join(", ") || "in no class";
    this.subtitle.textContent = [...person, record.source, classes, ...rhythm].filter(Boolean).join("; ");
    this.controls.raw.parentElement.hidden = !record.has_raw;
    this.#read();
    const kept = [...this.leadsMenu.children].map((label) => label.textContent.trim());
    if (kept.join() !== record.leads.join()) this.#offerLeads();
    // First the curves; the rest when they are drawn.
    await this.stored.load(0);
    this.app.emit("drawn");
    if (this.record !== record) return;
    this.about.replaceChildren(aboutPanel(this.app, record), featuresPanel(record));
    this.#findPlace(record);
    try {
      const median = await this.app.api(`/api/median/${record.row}`);
      if (this.record === record) {
        this.median = median;
        this.#showMedian();
      }
    } catch (error) {
      this.app.report(error);
    }
  }

  #load(record, form) {
    const arrived = () => this.redraw();
    const signal = signalOf(this.app, record, form, arrived, (error) => this.app.report(error));
    signal.load(0); // also if the view is elsewhere: it has the zero lines
    return signal;
  }

  #showMedian() {
    if (!this.median) return;
    this.about.querySelector(".rec-median")?.remove();
    this.about.firstElementChild.after(medianPanel(this.median, this.colours));
  }

  /** Learn what is before and after the record in the table, and fetch what is after. */
  async #findPlace(record) {
    const { state } = this.app;
    const parameters = { filter: state.get("filter"), sort: state.get("sort"), descending: state.get("descending"), row: record.row };
    try {
      const found = await this.app.api("/api/place", parameters);
      if (this.record !== record) return;
      this.neighbours = found;
      this.before.disabled = found.before === null;
      this.after.disabled = found.after === null;
      this.place.textContent = found.place === null ? "" : `no. ${(found.place + 1).toLocaleString("en")}`;
      prefetch(this.app, found.after);
    } catch (error) {
      this.app.report(error);
    }
  }

  /** Open the record "before" or "after" in the table. */
  step(where) {
    const row = this.neighbours?.[where] ?? null;
    if (row !== null) this.app.open(row);
  }

  #offerLeads() {
    const boxes = this.record.leads.map((lead) => {
      const box = el("input", { type: "checkbox", value: lead, onchange: () => this.#chooseLeads() });
      return el("label", {}, box, ` ${lead}`);
    });
    this.leadsMenu.replaceChildren(...boxes);
    this.#showControls();
  }

  #chooseLeads() {
    const chosen = [...this.leadsMenu.querySelectorAll("input:checked")].map((box) => box.value);
    const all = chosen.length === this.record.leads.length || !chosen.length;
    this.app.state.set({ leads: all ? null : chosen.join() });
  }

  // -- the view

  /** Take the view from the address. */
  #read() {
    const { state } = this.app;
    const one = (name, allowed, initially) => (allowed.includes(state.get(name)) ? state.get(name) : initially);
    const { view, record } = this;
    view.layout = one("layout", ["3x4", "12x1"], "3x4");
    view.speed = Number(one("speed", ["25", "50"], "25"));
    view.gain = Number(one("gain", ["5", "10", "20"], "10"));
    const zoom = Number(state.get("zoom"));
    view.zoom = zoom > 0 ? clamp(zoom, LEAST_ZOOM, MOST_ZOOM) : 0;
    view.start = Number(state.get("t")) || 0;
    view.marks = state.get("marks") !== "0";
    view.raw = state.get("raw") === "1";
    if (!record) return;
    const leads = state.get("leads").split(",");
    view.leads = record.leads.filter((lead) => leads.includes(lead));
    if (!view.leads.length) view.leads = record.leads;
    if (view.raw && record.has_raw) this.raw ??= this.#load(record, "raw");
    else {
      this.raw?.close();
      this.raw = null;
    }
    const text = state.get("cal");
    this.calipers.points = readPoints(text, record.leads);
    this.wantsCalipers = text === "1";
    this.#showControls();
    this.redraw();
  }

  #showControls() {
    const { controls, view } = this;
    for (const name of ["layout", "speed", "gain"]) controls[name].value = String(view[name]);
    controls.marks.checked = view.marks;
    controls.raw.checked = view.raw;
    controls.cal.checked = Boolean(this.calipers.points) || this.wantsCalipers;
    for (const box of this.leadsMenu.querySelectorAll("input")) box.checked = view.leads.includes(box.value);
    const waves = WAVES.map(({ name, colour }) => el(`span.rec-${colour}`, {}, `[•] ${name}`));
    const parts = view.marks ? [...waves, el("span", {}, "▼ beat")] : [];
    if (this.raw) parts.push(el("span.rec-raw", {}, "— raw"), el("span", {}, "— filtered"));
    const { record } = this;
    if (record?.n_real_samples < record?.n_samples) parts.push(el("span", {}, "/// padding"));
    this.legend.replaceChildren(...parts);
  }

  /** Turn "marks", "raw" or the calipers ("cal") on or off. */
  toggle(name) {
    const { state } = this.app;
    if (name === "marks") state.set({ marks: this.view.marks ? "0" : null });
    if (name === "raw" && this.record?.has_raw) state.set({ raw: this.view.raw ? null : "1" });
    if (name === "cal") {
      const isOn = Boolean(this.calipers.points);
      state.set({ cal: isOn ? null : "1" });
      if (isOn) this.#say("Calipers off");
    }
  }

  get fitZoom() {
    return clamp(this.#box.width / (FIT.mm * CSS_PX_PER_MM), FIT.least, MOST_ZOOM);
  }

  /** CSS pixels per mm of paper. */
  get scale() {
    return CSS_PX_PER_MM * (this.view.zoom || this.fitZoom);
  }

  /** Seconds by which the view can begin at most. */
  get #latest() {
    const { record, view } = this;
    return Math.max(record.n_samples / record.fs - secondsShown(record, view, this.#box.width / this.scale), 0);
  }

  #moveTo(start) {
    this.view.start = clamp(start, 0, this.#latest);
    this.redraw();
    this.#later();
  }

  /** Zoom by a factor; what is at `x` (CSS pixels) stays there. */
  zoom(factor, x = this.#box.width / 2) {
    if (!this.layout) return;
    const { view } = this;
    const panelOf = () => panelAt(this.layout, x / this.scale, this.layout.axis - 1) ?? this.layout.panels.at(-1);
    const second = secondAt(this.layout, panelOf(), x / this.scale);
    view.zoom = clamp((view.zoom || this.fitZoom) * factor, LEAST_ZOOM, MOST_ZOOM);
    const width = this.#box.width / this.scale;
    const shown = secondsShown(this.record, view, width);
    const part = clamp((x / this.scale - LEFT) / (shown * view.speed), 0, 1);
    this.#moveTo(second - part * shown);
  }

  /** Put the view into the address, when it stays. */
  #later() {
    clearTimeout(this.#commit);
    this.#commit = setTimeout(() => {
      const { view, calipers } = this;
      const changes = {
        t: view.start > 0 ? view.start.toFixed(3) : null,
        zoom: view.zoom ? view.zoom.toFixed(3) : null,
        cal: calipers.points ? writtenPoints(calipers.points) : this.app.state.get("cal"),
      };
      this.app.state.set(changes, true);
      this.#describe();
    }, COMMIT_MS);
  }

  // -- drawing

  /** Draw in the next frame. */
  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  /** Return the reach of a lead's curve about its zero line in mV. */
  #reach = (lead) => {
    const number = this.record.leads.indexOf(lead);
    let [high, low] = [0, 0];
    for (const signal of [this.stored, this.raw]) {
      if (!signal?.first) continue;
      high = Math.max(high, signal.first.high[number] - signal.zeros[number]);
      low = Math.min(low, signal.first.low[number] - signal.zeros[number]);
    }
    return Number.isFinite(high) && Number.isFinite(low) ? { high, low } : { high: 0, low: 0 };
  };

  /** Draw what is seen, now. */
  draw() {
    const { record, view, stored } = this;
    const { width } = this.#box;
    if (!record || !width || !stored?.first) return;
    view.start = clamp(view.start, 0, this.#latest);
    const { scale } = this;
    const text = Math.max(2.8, TEXT_PX / scale);
    this.layout = layOut(record, view, width / scale, this.#reach, { text });
    const height = Math.ceil(this.layout.height * scale);
    // The canvases are as large as the window, whatever the paper is: nothing is
    // allocated while one zooms.
    const ratio = devicePixelRatio;
    const { top } = this.sheet.getBoundingClientRect();
    const shown = innerHeight + 2 * OVERSCAN;
    const skipped = Math.round(clamp(-top - OVERSCAN, 0, Math.max(height - shown, 0)));
    this.#window = { height: shown, skipped, ratio };
    if (this.#height !== height) this.sheet.style.height = `${height}px`;
    this.#height = height;
    this.#drawGrid();
    const scene = { ...this.#scene(), visible: [skipped / scale, (skipped + shown) / scale] };
    this.cut = drawRecord(this.#surface(this.curves, width), this.layout, scene);
    this.#draw(false);
    this.#showTime();
  }

  /** Return a cleared surface that shows the part of the paper in the window. */
  #surface(canvas, width) {
    const { height, skipped, ratio } = this.#window;
    const context = sized(canvas, width, height, ratio);
    canvas.style.transform = `translateY(${skipped}px)`;
    return new CanvasSurface(context, this.scale * ratio, skipped * ratio);
  }

  #drawGrid() {
    const { layout, scale, colours } = this;
    const { height, skipped, ratio } = this.#window;
    const { width } = this.#box;
    const key = [width, height, skipped, ratio, scale, layout.gridBottom].join();
    if (key !== this.#gridOf) {
      this.#gridOf = key;
      const surface = this.#surface(this.grid, width + Math.ceil(5 * CSS_PX_PER_MM * MOST_ZOOM));
      const paper = { width: width / scale + 5, gridTop: 0, gridBottom: layout.gridBottom };
      drawGrid(surface, paper, colours, 1 / (scale * ratio));
    }
    // The grid moves with the time, so that seconds stay on its lines.
    const offset = ((layout.start * layout.speed) % 5) * scale;
    this.grid.style.transform = `translate(${-Math.round(offset * ratio) / ratio}px, ${skipped}px)`;
  }

  /** Draw the calipers; `isAlone` if the rest stays as it is. */
  #draw(isAlone) {
    const { calipers, layout, scale, colours } = this;
    if (this.wantsCalipers && !calipers.points) {
      calipers.place();
      this.wantsCalipers = false;
      this.#later();
    }
    const hasPoints = Boolean(calipers.points);
    this.over.hidden = !hasPoints;
    if (hasPoints) {
      const surface = this.#surface(this.over, this.#box.width);
      drawCalipers(surface, layout, calipers.points, this.#paper().zeroOf, colours, 1 / scale);
    }
    calipers.show();
    const text = hasPoints ? measuredText(calipers.points) : "";
    if (this.readout.textContent !== text) this.readout.textContent = text;
    if (!isAlone) this.zoomed.textContent = `${Math.round((100 * scale) / CSS_PX_PER_MM)} %`;
    clearTimeout(this.describing);
    this.describing = setTimeout(() => this.#describe(), COMMIT_MS);
  }

  #scene() {
    const { record, stored, raw, view, colours, overlays } = this;
    return { record, stored, raw: raw?.first ? raw : null, showsMarks: view.marks, colours, pixel: 1 / this.scale, overlays };
  }

  #showTime() {
    const latest = this.#latest;
    this.time.hidden = latest <= 0;
    this.time.max = String(latest);
    this.time.value = String(this.view.start);
    this.time.setAttribute("aria-valuetext", `${clock(this.view.start, 1)} s`);
    this.sheet.classList.toggle("rec-pans", latest > 0);
  }

  /** Say what is on the paper, for who cannot see it. */
  #describe() {
    const { record, layout, view, calipers } = this;
    if (!record || !layout) return;
    const text = this.#description();
    if (this.curves.ariaLabel !== text) this.curves.ariaLabel = text;
    if (calipers.points) this.#say(`Calipers: ${measuredText(calipers.points)}`);
    this.sheet.ariaLabel = `ECG paper, ${clock(view.start, 1)} to ${clock(layout.start + layout.seconds, 1)} s`;
  }

  #description() {
    const { record, layout, view, calipers } = this;
    const rate = record.rhythm.find(({ name }) => name === "mean_hr");
    const inView = record.r_peaks.filter((sample) => sample >= layout.start * record.fs && sample <= (layout.start + layout.seconds) * record.fs).length;
    const shown = [...new Set(layout.panels.map((panel) => panel.name))];
    const absent = record.missing_leads.filter((lead) => shown.includes(lead));
    return [
      `ECG ${record.record_id}, leads ${shown.join(", ")}`,
      `${clock(layout.start, 1)} to ${clock(layout.start + layout.seconds, 1)} s of ${clock(record.n_real_samples / record.fs, 1)} s, ${view.speed} mm/s, ${view.gain} mm/mV`,
      rate?.value == null ? "heart rate unknown" : `heart rate ${rate.text} per minute`,
      `${inView} of ${record.r_peaks.length} beats in view`,
      view.marks ? "P, QRS and T waves marked" : "marks hidden",
      this.raw ? "raw signal behind the filtered one" : "",
      absent.length ? `not recorded: ${absent.join(", ")}` : "",
      this.cut.length ? `cut off at the edge of the row: ${this.cut.join(", ")}` : "",
      record.n_real_samples < record.n_samples ? `padding from ${(record.n_real_samples / record.fs).toFixed(1)} s on` : "",
      calipers.points ? `calipers ${measuredText(calipers.points)}` : "",
    ].filter(Boolean).join("; ");
  }

  #say(text) {
    if (this.live.textContent !== text) this.live.textContent = text;
  }

  // -- pointers and keys

  #pointers() {
    const { sheet } = this;
    const held = new Map();
    let pinch = null;
    const distance = () => {
      const [a, b] = [...held.values()];
      return Math.hypot(a.x - b.x, a.y - b.y);
    };
    sheet.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      sheet.setPointerCapture(event.pointerId);
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (held.size === 2) pinch = distance();
      sheet.classList.add("rec-held");
    });
    sheet.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last || !this.layout) return;
      const across = event.clientX - last.x;
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (held.size === 2) {
        const now = distance();
        const middle = [...held.values()].reduce((sum, { x }) => sum + x / 2, 0);
        if (pinch > 0) this.zoom(now / pinch, middle - sheet.getBoundingClientRect().left);
        pinch = now;
      } else if (across) this.#moveTo(this.view.start - across / (this.scale * this.view.speed));
    });
    const release = (event) => {
      held.delete(event.pointerId);
      if (!held.size) sheet.classList.remove("rec-held");
    };
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) sheet.addEventListener(name, release);
    sheet.addEventListener(
      "wheel",
      (event) => {
        if (!this.layout) return;
        if (event.ctrlKey) {
          event.preventDefault();
          this.zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 300), event.clientX - sheet.getBoundingClientRect().left);
          return;
        }
        const across = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
        if (!across || Math.abs(across) < Math.abs(event.deltaY) && !event.shiftKey) return;
        event.preventDefault();
        this.#moveTo(this.view.start + across / (this.scale * this.view.speed));
      },
      { passive: false },
    );
    sheet.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.1, ArrowRight: 0.1, Home: -Infinity, End: Infinity }[event.key];
      if (steps === undefined || event.target !== sheet || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#moveTo(this.view.start + steps * (this.layout?.seconds ?? 0) * (event.shiftKey ? 5 : 1));
    });
  }

  #keys() {
    const { state, keys } = this.app;
    const actions = {
      j: () => this.step("after"),
      k: () => this.step("before"),
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => state.set({ zoom: null }),
      l: () => state.set({ layout: this.view.layout === "3x4" ? "12x1" : null }),
      m: () => this.toggle("marks"),
      r: () => this.toggle("raw"),
      c: () => this.toggle("cal"),
      "?": () => this.help.showModal(),
    };
    for (const [key, act] of Object.entries(actions)) keys.set(key, () => this.record && act());
  }

  // -- exports

  /** Return layout and scene of a sheet with title and settings. */
  #sheet(width, text, most) {
    const { record, view, calipers } = this;
    const layout = layOut(record, view, width, this.#reach, { ...margins(text), text, most });
    const settings = [
      `${view.speed} mm/s, ${view.gain} mm/mV`,
      `${this.app.store.band.map((hz) => `${hz}`).join("-")} Hz`,
      `${record.fs} Hz`,
      `${clock(layout.start, 1)} to ${clock(layout.start + layout.seconds, 1)} s of ${clock(record.n_real_samples / record.fs, 1)} s`,
      this.raw ? "raw signal behind the filtered one" : "",
      calipers.points ? measuredText(calipers.points) : "",
      this.app.store.name,
    ];
    return [
      layout,
      {
        ...this.#scene(),
        title: `${record.record_id} (${record.source})`,
        subtitle: this.subtitle.textContent,
        settings: settings.filter(Boolean).join(";  "),
        description: this.#description(),
        points: calipers.points,
        zeroOf: this.#paper().zeroOf,
      },
    ];
  }

  async #export(kind) {
    const { layout, record, scale } = this;
    if (!layout) return;
    const name = `${record.record_id}-${layout.start.toFixed(1)}s.${kind}`;
    try {
      if (kind === "csv") save(name, csvOf(layout, this), "text/csv");
      else {
        const [sheet, scene] = this.#sheet(layout.width, layout.text);
        if (kind === "svg") save(name, svgOf(sheet, scene), "image/svg+xml");
        else save(name, await pngOf(sheet, scene, scale), "image/png");
      }
      this.#say(`${name} saved`);
    } catch (error) {
      this.app.report(error);
    }
  }

  async #copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.#say("Link copied");
    } catch {
      this.app.report(new Error(`the browser does not let the page copy; the link is ${location.href}`));
    }
  }

  #print() {
    const { record, stored, colours } = this;
    if (!record || !stored?.first) return;
    this.printed.classList.add("rec-light");
    this.colours = coloursOf(this.printed); // paper is white
    const [layout, scene] = this.#sheet(PRINT.width, 2.8, PRINT.height);
    this.printed.replaceChildren(svgElement(svgOf(layout, { ...scene, pixel: 0.1 })));
    this.colours = colours;
  }
}

/** Return the context of a canvas, cleared, of a size in CSS pixels. */
function sized(canvas, width, height, ratio) {
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, wide, high);
  return context;
}

export function mount(element, app) {
  new RecordPanel(element, app);
}
