// The record panel: the paper, its controls, and what is known of the record.

import { Calipers, drawCalipers, measuredText, readPoints, writtenPoints } from "./calipers.js";
import { build, offerLeads, showControls, STEP } from "./controls.js";
import { described } from "./described.js";
import { aboutPanel, featuresPanel } from "./features.js";
import { clamp, CSS_PX_PER_MM, LEFT, layOut, panelAt, samplesOf, secondAt, secondsShown } from "./layout.js";
import { medianPanel } from "./median.js";
import { clock, coloursOf, drawGrid, drawRecord } from "./paper.js";
import { listen } from "./pointers.js";
import { prefetch, signalOf } from "./prefetch.js";
import { Saving } from "./saving.js";
import { orderOf } from "./state.js";
import { CanvasSurface } from "./surfaces.js";

const [LEAST_ZOOM, MOST_ZOOM] = [0.25, 10];
const RHYTHM = { mean_hr: ["heart rate", "/min"], median_rr_ms: ["RR", "ms"], sdnn_ms: ["SDNN", "ms"], rmssd_ms: ["RMSSD", "ms"] };
const FIT = { mm: 272.5, least: 0.6 };
const TEXT_PX = 11;
const COMMIT_MS = 250;
const OVERSCAN = 150;
const NAMES = ["layout", "speed", "gain", "zoom", "t", "leads", "raw", "marks", "cal"];

/** The panel of the open record. */
class RecordPanel {
  view = { layout: "3x4", speed: 25, gain: 10, zoom: 0, start: 0, leads: [], raw: false, marks: true };
  /** Functions (surface, layout, panel, lead, scene) that draw behind every curve. */
  overlays = [];
  /** Resolves when no overlay is being computed. */
  overlaid = Promise.resolve();
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
    this.saving = new Saving(this);
    build(this, element);
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
    addEventListener("beforeprint", () => this.saving.drawPrint());
    addEventListener("afterprint", () => this.printed.replaceChildren());
    this.#keys();
    listen(this);
  }

  /** Return the mV of a lead on its zero line. */
  zeroOf = (lead) => this.stored?.zeros?.[this.record.leads.indexOf(lead)] ?? 0;

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
      zeroOf: panel.zeroOf,
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
    if (kept.join() !== record.leads.join()) offerLeads(this);
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
    try {
      const found = await this.app.api("/api/place", { ...orderOf(this.app.state), row: record.row });
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
    showControls(this);
    this.redraw();
  }

  /** Turn "marks", "raw" or the calipers ("cal") on or off. */
  toggle(name) {
    const { state } = this.app;
    if (name === "marks") state.set({ marks: this.view.marks ? "0" : null });
    if (name === "raw" && this.record?.has_raw) state.set({ raw: this.view.raw ? null : "1" });
    if (name === "cal") {
      const isOn = Boolean(this.calipers.points);
      state.set({ cal: isOn ? null : "1" });
      if (isOn) this.say("Calipers off");
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

  moveTo(start) {
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
    this.moveTo(second - part * shown);
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

  /** Wait until all that is seen is there; false if another record is opened before. */
  async complete() {
    const { record, stored, raw } = this;
    if (!record) return false;
    try {
      await Promise.all([stored.all(0, 1), raw?.all(0, 1)]); // which have the zero lines
      let overlaid = null;
      while (this.record === record) {
        this.draw(); // which lays out what is seen now
        if (!this.layout) return false;
        const [from, to] = samplesOf(this.layout, record);
        const signals = [this.stored, this.raw].filter(Boolean);
        if (overlaid === this.overlaid && signals.every((signal) => signal.has(from, to))) return true;
        overlaid = this.overlaid;
        await Promise.all([overlaid, ...signals.map((signal) => signal.all(from, to))]);
      }
    } catch (error) {
      if (this.record === record) throw error;
    }
    return false;
  }

  /** Draw in the next frame. */
  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  /** Return the reach of a lead's curve about its zero line in mV. */
  reach = (lead) => {
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
    this.layout = layOut(record, view, width / scale, this.reach, { text });
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
    const scene = { ...this.scene(), visible: [skipped / scale, (skipped + shown) / scale] };
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
      drawCalipers(surface, layout, calipers.points, this.zeroOf, colours, 1 / scale);
    }
    calipers.show();
    const text = hasPoints ? measuredText(calipers.points) : "";
    if (this.readout.textContent !== text) this.readout.textContent = text;
    if (!isAlone) this.zoomed.textContent = `${Math.round((100 * scale) / CSS_PX_PER_MM)} %`;
    clearTimeout(this.describing);
    this.describing = setTimeout(() => this.#describe(), COMMIT_MS);
  }

  scene() {
    const { record, stored, raw, view, colours, overlays } = this;
    return { record, stored, raw: raw?.first ? raw : null, showsMarks: view.marks, marks: this.app.store.marks, colours, pixel: 1 / this.scale, overlays };
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
    const { record, layout, view, calipers, stored } = this;
    if (!record || !layout || !stored) return;
    const text = described(this, layout);
    if (this.curves.ariaLabel !== text) this.curves.ariaLabel = text;
    if (calipers.points) this.say(`Calipers: ${measuredText(calipers.points)}`);
    this.sheet.ariaLabel = `ECG paper, ${clock(view.start, 1)} to ${clock(layout.start + layout.seconds, 1)} s`;
  }

  say(text) {
    if (this.live.textContent !== text) this.live.textContent = text;
  }

  // -- keys

  #keys() {
    const { state, keys } = this.app;
    const add = (names, text, act) => keys.add(names, text, () => this.record && act());
    add(["j"], "next record", () => this.step("after"));
    add(["k"], "previous record", () => this.step("before"));
    add(["+", "="], "zoom in; also Ctrl and wheel, or two fingers", () => this.zoom(STEP));
    add(["-"], "zoom out", () => this.zoom(1 / STEP));
    add(["0"], "zoom to the width", () => state.set({ zoom: null }));
    add(["l"], "3 × 4 or 12 × 1", () => state.set({ layout: this.view.layout === "3x4" ? "12x1" : null }));
    add(["m"], "marks on, off", () => this.toggle("marks"));
    add(["r"], "raw signal on, off", () => this.toggle("raw"));
    add(["c"], "calipers on, off", () => this.toggle("cal"));
    keys.note("← →", "earlier, later (on the paper)");
    keys.note("Tab, then ← → ↑ ↓", "move a caliper by a sample or 0.01 mV, with Shift by ten");
    keys.note("[ ] Enter", "caliper to the mark before, behind; onto the curve");
    keys.note("Page up, down", "caliper to the lead above, below");
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
