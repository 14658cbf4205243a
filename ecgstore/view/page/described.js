// What is on the paper, in words: for who cannot see it, and for files.

import { measuredText } from "./calipers.js";
import { samplesOf } from "./layout.js";
import { clock } from "./paper.js";

/** Return what is said of the signals of a layout that are drawn, or are not there yet. */
export function loadedText({ record, stored, raw }, layout) {
  const isThere = (signal) => signal.has(...samplesOf(layout, record));
  return [
    isThere(stored) ? "" : "parts of the signal are not loaded yet",
    raw && (isThere(raw) ? "raw signal behind the filtered one" : "the raw signal is not loaded yet"),
  ].filter(Boolean).join("; ");
}

/** Return what is on the paper of a panel in a layout, in words. */
export function described(panel, layout) {
  const { record, view, calipers, cut } = panel;
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
    loadedText(panel, layout),
    absent.length ? `not recorded: ${absent.join(", ")}` : "",
    cut.length ? `cut off at the edge of the row: ${cut.join(", ")}` : "",
    record.n_real_samples < record.n_samples ? `padding from ${(record.n_real_samples / record.fs).toFixed(1)} s on` : "",
    calipers.points ? `calipers ${measuredText(calipers.points)}` : "",
  ].filter(Boolean).join("; ");
}
