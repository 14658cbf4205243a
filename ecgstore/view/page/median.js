// The median beat of each lead, on paper.

import { el } from "./elements.js";
import { drawGrid, WAVES } from "./paper.js";
import { SvgSurface, svgElement } from "./surfaces.js";

const [MM_PER_S, MM_PER_MV] = [25, 10];
const TEXT = 2.6;

/** Return the drawing of one lead's median beat. */
function drawn(median, lead, { zero, height }, colours) {
  const curve = median.curves[lead];
  const name = median.leads[lead];
  const width = Math.ceil((curve.length / median.fs) * MM_PER_S / 5) * 5;
  const known = curve.filter((mv) => mv !== null);
  const surface = new SvgSurface();
  drawGrid(surface, { width, gridTop: 0, gridBottom: height }, colours, 0.1);
  const x = (ms) => ((ms + median.before_ms) / 1000) * MM_PER_S;
  const spoken = [];
  WAVES.forEach(({ name: wave, colour, marks }) => {
    const path = surface.newPath();
    const [on, peak, off] = marks.map((mark) => median.marks[lead][mark]);
    for (const ms of [on, off]) {
      if (ms === null) continue;
      path.moveTo(x(ms), zero - 4);
      path.lineTo(x(ms), zero + 4);
    }
    if (on !== null && off !== null) spoken.push(`${wave} ${Math.round(on)} to ${Math.round(off)} ms`);
    surface.path(path, 0, 0, { stroke: colours[colour], width: 0.25 });
    if (peak !== null) {
      const mv = curve[Math.round(((peak + median.before_ms) / 1000) * median.fs)] ?? null;
      const dot = surface.newPath();
      if (mv !== null) dot.dot(x(peak), zero - mv * MM_PER_MV, 0.6);
      surface.path(dot, 0, 0, { fill: colours[colour] });
    }
  });
  const path = surface.newPath();
  let isDown = false;
  curve.forEach((mv, sample) => {
    if (mv === null) isDown = false;
    else {
      path[isDown ? "lineTo" : "moveTo"]((sample / median.fs) * MM_PER_S, zero - mv * MM_PER_MV);
      isDown = true;
    }
  });
  surface.path(path, 0, 0, { stroke: colours.ink, width: 0.3 });
  surface.text(1, 3.2, name, { size: TEXT, weight: "bold", fill: colours.ink });
  if (!known.length) surface.text(width / 2, zero, "not recorded", { size: TEXT, fill: colours.muted, align: "center" });
  const about = spoken.length ? `${spoken.join(", ")}, after the R-peak` : "no marks";
  return svgElement(surface.toString(width, height, `Median beat of lead ${name}`, about));
}

/** Return the zero line and the height, in mm, that hold the curves of all leads. */
function heightOf(curves) {
  const known = curves.flat().filter((mv) => mv !== null);
  const high = known.reduce((most, mv) => Math.max(most, mv), 0.5) * MM_PER_MV;
  const low = known.reduce((most, mv) => Math.max(most, -mv), 0.3) * MM_PER_MV;
  const zero = Math.ceil((high + 4) / 5) * 5;
  return { zero, height: zero + Math.ceil((low + 1) / 5) * 5 };
}

/** Return the median beats of all leads. */
export function medianPanel(median, colours) {
  const panel = el("section.rec-median", { "aria-label": "Median beats" }, el("h3", {}, "Median beat"));
  if (!median.curves.length) {
    const why = median.n_beats ? "No beat is whole." : "The record has no beats.";
    panel.append(el("p", {}, why));
    return panel;
  }
  const heights = heightOf(median.curves);
  panel.append(
    el("p.rec-note", {}, `Median of ${median.n_used} of ${median.n_beats} beats, aligned at their R-peaks; lines where waves begin and end in the median. 25 mm/s, 10 mm/mV.`),
    el("div.rec-medians", {}, ...median.leads.map((_, lead) => drawn(median, lead, heights, colours))),
  );
  return panel;
}
