// Files of exactly what is seen.

import { CanvasSurface, SvgSurface } from "./surfaces.js";
import { drawGrid, drawRecord } from "./paper.js";
import { drawCalipers } from "./calipers.js";

const PNG_SCALE = 2;

/** Draw a whole sheet: grid, title, record, calipers, settings. */
export function drawSheet(surface, layout, scene) {
  const { colours, pixel, title, subtitle, settings, points, zeroOf } = scene;
  surface.rect(0, 0, layout.width, layout.height, colours.paper);
  drawGrid(surface, layout, colours, pixel, (layout.start * layout.speed) % 5);
  const { text } = layout;
  surface.text(2, 1.6 * text, title, { size: 1.4 * text, weight: "bold", fill: colours.ink });
  surface.text(2, 3.2 * text, subtitle, { size: text, fill: colours.ink });
  drawRecord(surface, layout, scene);
  if (points) drawCalipers(surface, layout, points, zeroOf, colours, pixel);
  surface.text(2, layout.height - 0.6 * text, settings, { size: text, fill: colours.muted });
}

/** Room for title and settings, in mm, of letters of a size. */
export const margins = (text) => ({ header: Math.ceil((4 * text) / 5) * 5, footer: 2 * text });

/** Return a sheet as SVG text. */
export function svgOf(layout, scene) {
  const surface = new SvgSurface();
  drawSheet(surface, layout, scene);
  return surface.toString(layout.width, layout.height, scene.title, scene.description);
}

/** Return a sheet as a PNG, of twice as many pixels as on the page. */
export function pngOf(layout, scene, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(layout.width * scale * PNG_SCALE);
  canvas.height = Math.round(layout.height * scale * PNG_SCALE);
  drawSheet(new CanvasSurface(canvas.getContext("2d"), scale * PNG_SCALE), layout, scene);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser cannot make a PNG of this size; zoom out"))), "image/png");
  });
}

/** Return the shortest number that is this float32, as text. */
export function float32Text(value) {
  if (Number.isNaN(value)) return "";
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

/** Return the samples in view as a table: time in s, and the leads shown in mV. */
export function csvOf(layout, { record, stored, raw }) {
  const leads = [...new Set(layout.panels.map((panel) => panel.name))].sort(
    (a, b) => record.leads.indexOf(a) - record.leads.indexOf(b),
  );
  const from = Math.ceil(layout.start * record.fs - 1e-6);
  const to = Math.min(Math.floor((layout.start + layout.seconds) * record.fs + 1e-6) + 1, record.n_samples);
  const signals = [[stored, ""], ...(raw ? [[raw, "_raw"]] : [])];
  const columns = signals.flatMap(([signal, suffix]) =>
    leads.map((name) => ({ signal, lead: record.leads.indexOf(name), name: `${name}${suffix}_mv` })),
  );
  const lines = [["time_s", ...columns.map((column) => column.name)].join(",")];
  for (let sample = from; sample < to; sample++) {
    const values = columns.map(({ signal, lead }) => float32Text(signal.at(lead, sample)));
    lines.push([sample / record.fs, ...values].join(","));
  }
  return lines.join("\n") + "\n";
}

/** Let the browser save a file. */
export function save(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\p{L}\p{N}._ -]+/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
