// Two pointers on the paper that measure time and voltage.

import { panelAt, secondAt, xOf } from "./layout.js";

/** Largest distance between a drawn caliper and the pointer's target, in CSS pixels. */
const HANDLE = 28;

/** @typedef {{lead: string, second: number, mv: number}} Point */

/** Return the points in a text such as "II@1.2@0.5;II@2@0.1"; null if it is none. */
export function readPoints(text, leads) {
  const points = text.split(";").map((one) => {
    const [lead, second, mv] = one.split("@");
    return { lead, second: Number(second), mv: Number(mv) };
  });
  const isRight = ({ lead, second, mv }) => leads.includes(lead) && Number.isFinite(second) && Number.isFinite(mv);
  return points.length === 2 && points.every(isRight) ? points : null;
}

export const writtenPoints = (points) =>
  points.map(({ lead, second, mv }) => `${lead}@${second.toFixed(4)}@${mv.toFixed(4)}`).join(";");

/** Return what two points measure: ms, beats per minute, mV (null between leads). */
export function measured([a, b]) {
  const ms = Math.abs(b.second - a.second) * 1000;
  return { ms, bpm: ms > 0 ? 60000 / ms : null, mv: a.lead === b.lead ? b.mv - a.mv : null };
}

/** Return a measurement in words. */
export function measuredText(points) {
  const { ms, bpm, mv } = measured(points);
  const rate = bpm === null ? "" : `, ${bpm.toFixed(bpm < 100 ? 1 : 0)} bpm`;
  const [a, b] = points;
  const voltage = mv === null ? `voltages of ${a.lead} and ${b.lead} are not compared` : `${mv.toFixed(2)} mV in ${a.lead}`;
  return `${ms.toFixed(0)} ms${rate}, ${voltage}`;
}

/** Return where a point is on the paper, or null. */
function placeOf(layout, point, zeroOf) {
  const panel = layout.panels.find(
    ({ name, start, end }) => name === point.lead && point.second >= start && point.second <= end,
  );
  if (!panel) return null;
  return {
    panel,
    x: xOf(layout, panel, point.second),
    y: panel.zero - (point.mv - zeroOf(point.lead)) * layout.gain,
  };
}

/** Draw the points: a line through all leads at that time, one across the point's lead. */
export function drawCalipers(surface, layout, points, zeroOf, colours, pixel) {
  const path = surface.newPath();
  points.forEach((point, which) => {
    for (const panel of layout.panels) {
      if (point.second < panel.start || point.second > panel.end) continue;
      const x = xOf(layout, panel, point.second);
      path.moveTo(x, panel.top);
      path.lineTo(x, panel.bottom);
    }
    const place = placeOf(layout, point, zeroOf);
    if (!place) return;
    const { panel, x, y } = place;
    path.moveTo(panel.left, y);
    path.lineTo(panel.left + panel.width, y);
    path.dot(x, y, 0.8);
    surface.text(x + 1, panel.bottom - 1, "AB"[which], { size: layout.text, weight: "bold", fill: colours.caliper, backing: colours.paper });
  });
  surface.path(path, 0, 0, { stroke: colours.caliper, width: Math.max(0.2, 1.2 * pixel) });
}

/** The two handles over the paper, which are dragged or moved by keys. */
export class Calipers {
  /**
   * @param {HTMLElement} sheet they lie on
   * @param {object} paper layout, record, scale (CSS pixels per mm), zeroOf(lead),
   *   valueAt(lead, second), marksOf(lead): sorted seconds, moved(): draw again
   */
  constructor(sheet, paper) {
    this.paper = paper;
    this.points = null;
    this.handles = ["A", "B"].map((name, which) => {
      const handle = document.createElement("div");
      handle.className = "rec-handle";
      handle.tabIndex = 0;
      handle.setAttribute("role", "slider");
      handle.setAttribute("aria-label", `Caliper ${name}`);
      handle.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight ArrowUp ArrowDown PageUp PageDown [ ] Enter");
      handle.hidden = true;
      handle.addEventListener("pointerdown", (event) => this.#drag(event, which));
      handle.addEventListener("keydown", (event) => this.#key(event, which));
      sheet.append(handle);
      return handle;
    });
  }

  /** Put both points at successive beats in view, or at a third and two thirds of it. */
  place() {
    const { layout, record } = this.paper;
    const panel = layout.panels.at(-1);
    const inside = record.r_peaks.map((sample) => sample / record.fs).filter((second) => second >= panel.start && second <= panel.end);
    const third = (panel.end - panel.start) / 3;
    const seconds = inside.length > 1 ? inside.slice(0, 2) : [panel.start + third, panel.start + 2 * third];
    this.points = seconds.map((second) => ({ lead: panel.name, second, mv: this.#curveAt(panel.name, second, 0) }));
  }

  /** Move the handles to where the points are on the paper. */
  show() {
    const { layout, record, scale, zeroOf } = this.paper;
    this.handles.forEach((handle, which) => {
      const place = this.points && placeOf(layout, this.points[which], zeroOf);
      handle.hidden = !place;
      if (!place) return;
      handle.style.transform = `translate(${place.x * scale - HANDLE / 2}px, ${place.y * scale - HANDLE / 2}px)`;
      const { lead, second, mv } = this.points[which];
      const range = { valuemin: 0, valuemax: record.n_samples / record.fs, valuenow: second.toFixed(3) };
      for (const [name, value] of Object.entries(range)) handle.setAttribute(`aria-${name}`, value);
      handle.setAttribute("aria-valuetext", `lead ${lead}, ${second.toFixed(3)} s, ${mv.toFixed(2)} mV`);
    });
  }

  #move(which, point) {
    const { record, moved } = this.paper;
    const last = (record.n_samples - 1) / record.fs;
    this.points[which] = { ...point, second: Math.min(Math.max(point.second, 0), last) };
    moved();
  }

  #drag(event, which) {
    event.preventDefault();
    event.stopPropagation();
    const handle = this.handles[which];
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    const sheet = handle.parentElement;
    // The handle is held where it was taken, not at its middle.
    const place = placeOf(this.paper.layout, this.points[which], this.paper.zeroOf);
    const at = ({ clientX, clientY }) => {
      const { left, top } = sheet.getBoundingClientRect();
      return [(clientX - left) / this.paper.scale, (clientY - top) / this.paper.scale];
    };
    const held = at(event);
    const [aside, below] = [place.x - held[0], place.y - held[1]];
    const move = (moved) => {
      const { layout, record, zeroOf } = this.paper;
      const pointer = at(moved);
      const [x, y] = [pointer[0] + aside, pointer[1] + below];
      const panel = panelAt(layout, x, y);
      if (!panel) return;
      const second = Math.round(secondAt(layout, panel, x) * record.fs) / record.fs;
      this.#move(which, { lead: panel.name, second, mv: zeroOf(panel.name) + (panel.zero - y) / layout.gain });
    };
    handle.addEventListener("pointermove", move);
    const end = () => handle.removeEventListener("pointermove", move);
    handle.addEventListener("pointerup", end, { once: true });
    handle.addEventListener("pointercancel", end, { once: true });
  }

  /** Return the voltage of a curve at a time, or another one where there is no curve. */
  #curveAt(lead, second, otherwise) {
    const mv = this.paper.valueAt(lead, second);
    return Number.isFinite(mv) ? mv : otherwise;
  }

  #key(event, which) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { record, marksOf, layout } = this.paper;
    const point = this.points[which];
    const times = event.shiftKey ? 10 : 1;
    const change = { ...point };
    const shown = [...new Set(layout.panels.map((panel) => panel.name))];
    switch (event.key) {
      case "ArrowLeft":
        change.second -= times / record.fs;
        break;
      case "ArrowRight":
        change.second += times / record.fs;
        break;
      case "ArrowUp":
        change.mv += 0.01 * times;
        break;
      case "ArrowDown":
        change.mv -= 0.01 * times;
        break;
      case "PageUp":
      case "PageDown": {
        const next = shown.indexOf(point.lead) + (event.key === "PageUp" ? -1 : 1);
        change.lead = shown[(next + shown.length) % shown.length];
        change.mv = this.#curveAt(change.lead, change.second, 0);
        break;
      }
      case "[":
        change.second = marksOf(point.lead).findLast((second) => second < point.second - 1e-6) ?? point.second;
        change.mv = this.#curveAt(point.lead, change.second, point.mv);
        break;
      case "]":
        change.second = marksOf(point.lead).find((second) => second > point.second + 1e-6) ?? point.second;
        change.mv = this.#curveAt(point.lead, change.second, point.mv);
        break;
      case "Enter":
        change.mv = this.#curveAt(point.lead, change.second, point.mv);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.#move(which, change);
  }
}
