// Draws an ECG on clinical paper, on a canvas or as SVG, by the same functions.

import { xOf } from "./layout.js";
import { trace } from "./signal.js";

/** The waves: names of their beginning, peak and end, half their brackets in mm. */
export const WAVES = [
  { name: "P", marks: ["p_on", "p_peak", "p_off"], half: 1, colour: "p" },
  { name: "QRS", marks: ["qrs_on", "r_peak", "qrs_off"], half: 1.8, colour: "qrs" },
  { name: "T", marks: ["t_on", "t_peak", "t_off"], half: 1, colour: "t" },
];
const TRACE = 0.28;
const FOOT = 0.7;
const DOT = 0.5;

const COLOURS = ["paper", "thin", "thick", "ink", "muted", "raw", "p", "qrs", "t", "caliper", "padding", "cut"];

/** Return the colours of the paper, as the style sheet has them for light or dark. */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--ecg-${name}`).trim()]));
}

/** The multiples of `step` from `first` up to `last`. */
function* steps(first, last, step) {
  for (let k = Math.ceil(first / step - 1e-6); k * step <= last + 1e-6; k++) yield k * step;
}

/** Draw the grid, moved by `offset` mm to the left: it moves with the time. */
export function drawGrid(surface, { width, gridTop, gridBottom }, colours, pixel, offset = 0) {
  surface.rect(0, gridTop, width, gridBottom - gridTop, colours.paper);
  // Lines of 1 mm that are closer than two pixels would only darken the paper.
  const spacings = pixel > 1 / 2 ? [5] : [1, 5];
  for (const spacing of spacings) {
    const path = surface.newPath();
    for (const x of steps(offset, width + offset, spacing)) {
      path.moveTo(x - offset, gridTop);
      path.lineTo(x - offset, gridBottom);
    }
    for (const y of steps(0, gridBottom - gridTop, spacing)) {
      path.moveTo(0, gridTop + y);
      path.lineTo(width, gridTop + y);
    }
    const line = spacing === 1 ? 0.1 : 0.2;
    surface.path(path, 0, 0, { stroke: spacing === 1 ? colours.thin : colours.thick, width: Math.max(line, pixel) });
  }
}

/** Return a time in words of a clock: "7.2 s", or "1:07" from a minute on. */
export function clock(second, digits = 0) {
  if (second < 60) return second.toFixed(digits);
  const minutes = Math.floor(second / 60);
  const rest = (second - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** Draw the pulse of 1 mV and 0.2 s at the beginning of every row. */
function drawCalibration(surface, layout, colours, width) {
  const path = surface.newPath();
  const [gain, long] = [layout.gain, 0.2 * layout.speed];
  const at = 12.5 - long;
  for (const { zero } of layout.overlap ? layout.rows.slice(-1) : layout.rows) {
    path.moveTo(at - 1.5, zero);
    path.lineTo(at, zero);
    path.lineTo(at, zero - gain);
    path.lineTo(at + long, zero - gain);
    path.lineTo(at + long, zero);
    path.lineTo(at + long + 1.5, zero);
  }
  surface.path(path, 0, 0, { stroke: colours.ink, width });
}

/** Draw the seconds below the last row. */
function drawAxis(surface, layout, colours, pixel) {
  const { text, speed, axis, panels, isStripped } = layout;
  const panel = isStripped ? panels.at(-1) : panels[0];
  if (!panel) return;
  const room = 6 * text;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((seconds) => seconds * speed >= room) ?? 10;
  const path = surface.newPath();
  for (const second of steps(panel.start, panel.end, step)) {
    const x = xOf(layout, panel, second);
    path.moveTo(x, axis);
    path.lineTo(x, axis + 1.2);
    const label = clock(second, step < 1 ? 1 : 0);
    surface.text(x, axis + 1.6 + text, second < 60 ? `${label} s` : label, { size: text, fill: colours.muted, align: "center" });
  }
  surface.path(path, 0, 0, { stroke: colours.muted, width: Math.max(0.15, pixel) });
}

/** Shade the part of a panel that is padding, or behind the end, and name it. */
function drawPadding(surface, layout, panel, record, colours) {
  const from = Math.max(xOf(layout, panel, record.n_real_samples / record.fs), panel.left);
  const to = Math.min(xOf(layout, panel, record.n_samples / record.fs), panel.left + panel.width);
  if (to - from < 0.1) return;
  const { top, bottom } = panel;
  surface.clip(from, top, to - from, bottom - top, () => {
    const path = surface.newPath();
    for (const x of steps(from - (bottom - top), to, 2.5)) {
      path.moveTo(x, bottom);
      path.lineTo(x + bottom - top, top);
    }
    surface.path(path, 0, 0, { stroke: colours.padding, width: 0.3 });
  });
  if (to - from > 5 * layout.text) {
    const style = { size: layout.text, fill: colours.muted, align: "center", backing: null };
    surface.text((from + to) / 2, panel.zero - 1, "padding", style);
  }
}

/** Draw a curve of a panel; return whether it leaves its row. */
function drawCurve(surface, layout, panel, signal, lead, stroke, width) {
  const { fs } = signal.record;
  const [from, to] = [Math.floor(panel.start * fs) - 1, Math.ceil(panel.end * fs) + 2];
  const step = layout.speed / fs;
  const zero = signal.zeros?.[lead] ?? 0;
  let isCut = false;
  for (const part of signal.parts(from, to)) {
    const values = part.leads[lead];
    const x = xOf(layout, panel, part.start / fs);
    let path;
    if (surface.isExact) {
      path = surface.newPath();
      const last = Math.min(to - part.start, part.length);
      trace(path, values, Math.max(from - part.start, 0), last, step, 1, zero, layout.gain);
    } else {
      // Buckets between a half and a whole pixel wide, so that few zooms make new paths.
      const perBucket = Math.floor(2 ** -Math.ceil(Math.log2(surface.scale)) / step);
      const scale = `${perBucket > 2 ? perBucket : 1} ${layout.speed} ${layout.gain}`;
      path = part.prepared(scale, `${signal.form} ${lead}`, () => {
        const made = surface.newPath();
        trace(made, values, 0, part.length, step, perBucket, zero, layout.gain);
        return made;
      });
    }
    surface.path(path, x, panel.zero, { stroke, width });
    const [high, low] = [(part.high[lead] - zero) * layout.gain, (part.low[lead] - zero) * layout.gain];
    isCut ||= high > panel.zero - panel.top || low < panel.zero - panel.bottom;
  }
  return isCut;
}

/** Point to where a curve leaves its row; return whether it does. */
function drawCut(surface, layout, panel, signal, lead, colours) {
  const { fs } = signal.record;
  const path = surface.newPath();
  const zero = signal.zeros[lead];
  const size = 0.4 * layout.text;
  let wasBeyond = 0;
  let isCut = false;
  for (let sample = Math.ceil(panel.start * fs); sample <= panel.end * fs; sample++) {
    const y = panel.zero - (signal.at(lead, sample) - zero) * layout.gain;
    const beyond = y < panel.top ? -1 : y > panel.bottom ? 1 : 0;
    if (beyond && beyond !== wasBeyond) {
      isCut = true;
      const x = xOf(layout, panel, sample / fs);
      const tip = beyond < 0 ? panel.top + 0.3 : panel.bottom - 0.3;
      path.moveTo(x, tip);
      path.lineTo(x - size, tip - 1.6 * beyond * size);
      path.lineTo(x + size, tip - 1.6 * beyond * size);
      path.lineTo(x, tip);
    }
    wasBeyond = beyond;
  }
  surface.path(path, 0, 0, { fill: colours.cut });
  return isCut;
}

/** Draw brackets around the waves of a panel, and dots on their peaks. */
function drawMarks(surface, layout, panel, signal, lead, { colours, pixel, marks }) {
  const { fs } = signal.record;
  const step = layout.speed / fs;
  const zero = signal.zeros?.[lead] ?? 0;
  const from = Math.floor(panel.start * fs);
  const to = Math.ceil(panel.end * fs);
  for (const part of signal.parts(from, to + 1)) {
    if (!part.marks) continue;
    const x = xOf(layout, panel, part.start / fs);
    const make = (wave, first, last) => {
      const [brackets, dots] = [surface.newPath(), surface.newPath()];
      for (const beat of part.marks[lead]) {
        wave.marks.forEach((mark, which) => {
          const sample = beat[marks.indexOf(mark)] - part.start;
          const mv = part.leads[lead][sample];
          if (sample < first || sample > last || mv === undefined || Number.isNaN(mv)) return;
          const [x, y] = [sample * step, (zero - mv) * layout.gain];
          if (which === 1) dots.dot(x, y, DOT);
          else {
            const foot = which ? -FOOT : FOOT;
            brackets.moveTo(x + foot, y - wave.half);
            brackets.lineTo(x, y - wave.half);
            brackets.lineTo(x, y + wave.half);
            brackets.lineTo(x + foot, y + wave.half);
          }
        });
      }
      return { brackets, dots };
    };
    for (const wave of WAVES) {
      const paths = surface.isExact
        ? make(wave, from - part.start, to - part.start)
        : part.prepared(`${layout.speed} ${layout.gain}`, `${wave.name} ${lead}`, () => make(wave, 0, part.length - 1));
      const colour = colours[wave.colour];
      surface.path(paths.brackets, x, panel.zero, { stroke: colour, width: Math.max(0.24, 1.2 * pixel) });
      surface.path(paths.dots, x, panel.zero, { fill: colour });
    }
  }
}

/** Mark the beats of the record above the last row. */
function drawBeats(surface, layout, record, colours) {
  const panel = layout.panels.at(-1);
  if (!panel) return;
  const path = surface.newPath();
  const size = 0.35 * layout.text;
  for (const sample of beatsWithin(record.r_peaks, panel.start * record.fs, panel.end * record.fs)) {
    const x = xOf(layout, panel, sample / record.fs);
    path.moveTo(x - size, panel.top + 1);
    path.lineTo(x + size, panel.top + 1);
    path.lineTo(x, panel.top + 1 + 1.6 * size);
    path.lineTo(x - size, panel.top + 1);
  }
  surface.path(path, 0, 0, { fill: colours.muted });
}

/** Return the sorted samples within [first, last]. */
export function beatsWithin(samples, first, last) {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle] < first) low = middle + 1;
    else high = middle;
  }
  const found = [];
  while (low < samples.length && samples[low] <= last) found.push(samples[low++]);
  return found;
}

/** Write a lead's name and what is special about it. */
function drawName(surface, layout, panel, record, colours) {
  const notes = [];
  if (record.derived_leads.includes(panel.name)) notes.push("derived");
  if (panel.isShifted) notes.push(`${clock(panel.start, 1)}-${clock(panel.end, 1)} s`);
  const { text } = layout;
  const y = panel.top + 0.6 + text;
  const tick = surface.newPath();
  tick.moveTo(panel.left, y - text);
  tick.lineTo(panel.left, y + 0.4);
  surface.path(tick, 0, 0, { stroke: colours.ink, width: 0.2 });
  surface.text(panel.left + 0.8, y, panel.name, { size: 1.1 * text, weight: "bold", fill: colours.ink, backing: colours.paper });
  if (notes.length) {
    const x = panel.left + 0.8 + 1.1 * text * (0.75 * panel.name.length + 0.5);
    surface.text(x, y, notes.join(", "), { size: 0.85 * text, fill: colours.muted, backing: colours.paper });
  }
}

/**
 * Draw curves, names, marks and the axis of a layout.
 *
 * @param surface to draw on
 * @param layout of layOut
 * @param scene record, stored (Signal), raw (Signal or null), showsMarks, marks (their names,
 *   in the order of the store), colours, pixel (mm), visible: first and last mm that are drawn, overlays: functions (surface, layout, panel, lead, scene) that draw behind the
 *   curve of a panel
 * @returns {string[]} names of the leads whose curves are cut off
 */
export function drawRecord(surface, layout, scene) {
  const { record, stored, raw, colours, pixel } = scene;
  const width = Math.max(TRACE, 1.2 * pixel);
  const cut = new Set();
  drawCalibration(surface, layout, colours, width);
  const [from, to] = scene.visible ?? [-Infinity, Infinity];
  for (const panel of layout.panels) {
    const lead = record.leads.indexOf(panel.name);
    const { left, top, width: wide, bottom } = panel;
    if (bottom < from || top > to) continue;
    if (record.missing_leads.includes(panel.name)) {
      const style = { size: layout.text, fill: colours.muted, align: "center" };
      surface.text(left + wide / 2, panel.zero, "not recorded", style);
      drawName(surface, layout, panel, record, colours);
      continue;
    }
    drawPadding(surface, layout, panel, record, colours);
    let isCut = false;
    const [high, low] = layout.overlap ? [layout.gridTop, layout.gridBottom] : [top, bottom];
    surface.clip(left, high, wide, low - high, () => {
      for (const overlay of scene.overlays) overlay(surface, layout, panel, lead, scene);
      if (raw) isCut = drawCurve(surface, layout, panel, raw, lead, colours.raw, width);
      isCut = drawCurve(surface, layout, panel, stored, lead, colours.ink, width) || isCut;
      if (scene.showsMarks) drawMarks(surface, layout, panel, stored, lead, scene);
      isCut &&= !layout.overlap;
      if (isCut) isCut = drawCut(surface, layout, panel, stored, lead, colours);
    });
    if (isCut) cut.add(panel.name);
    drawName(surface, layout, panel, record, colours);
  }
  if (scene.showsMarks) drawBeats(surface, layout, record, colours);
  drawAxis(surface, layout, colours, pixel);
  return [...cut];
}
