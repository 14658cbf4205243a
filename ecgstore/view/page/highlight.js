// A highlighter along the curves: what speaks for a class, and what against it.

import { xOf } from "./layout.js";

const LEVELS = 6;
const FAINTEST = 0.08;
const WIDTH = 3;
const FOR = [230, 159, 0];
const AGAINST = [86, 180, 233];

/** Return a colour between that of the paper and an ink, as "rgb(...)". */
function mixed(paper, ink, share) {
  const base = paper.match(/[\d.]+/g)?.map(Number) ?? [255, 255, 255];
  const parts = ink.map((value, k) => Math.round(share * value + (1 - share) * base[k]));
  return `rgb(${parts.join(", ")})`;
}

let number = 0;

/**
 * Return what draws bands behind the curves of a panel; see `overlays` of the record.
 *
 * @param {Float32Array} strengths of n_leads x n samples, from -1 to 1
 * @param {number} fs their sampling rate in Hz
 */
export function highlighter(strengths, fs, nLeads) {
  const n = strengths.length / nLeads;
  const name = `highlight ${number++}`;
  return (surface, layout, panel, lead, { record, stored, colours }) => {
    const step = layout.speed / record.fs;
    const zero = stored.zeros?.[lead] ?? 0;
    const [from, to] = [Math.floor(panel.start * record.fs) - 1, Math.ceil(panel.end * record.fs) + 2];
    for (const part of stored.parts(from, to)) {
      const values = part.leads[lead];
      const make = (first, last) => {
        const paths = Array.from({ length: 2 * LEVELS }, () => null);
        let [open, at] = [null, -1];
        for (let i = Math.max(first, 0); i < Math.min(last, part.length - 1); i++) {
          const strength = strengths[lead * n + Math.min(Math.floor(((part.start + i) * fs) / record.fs), n - 1)];
          if (!(Math.abs(strength) >= FAINTEST) || values[i] !== values[i] || values[i + 1] !== values[i + 1]) continue;
          const level = Math.min(Math.floor(Math.abs(strength) * LEVELS), LEVELS - 1);
          const path = (paths[2 * level + (strength > 0 ? 1 : 0)] ??= surface.newPath());
          if (path !== open || at !== i) path.moveTo(i * step, (zero - values[i]) * layout.gain);
          path.lineTo((i + 1) * step, (zero - values[i + 1]) * layout.gain);
          [open, at] = [path, i + 1];
        }
        return paths;
      };
      const paths = surface.isExact
        ? make(from - part.start, to - part.start)
        : part.prepared(`${layout.speed} ${layout.gain} ${name}`, `${lead}`, () => make(0, part.length));
      paths.forEach((path, k) => {
        if (!path) return;
        const share = (Math.floor(k / 2) + 1) / LEVELS;
        const stroke = mixed(colours.paper, k % 2 ? FOR : AGAINST, share);
        surface.path(path, xOf(layout, panel, part.start / record.fs), panel.zero, { stroke, width: WIDTH });
      });
    }
  };
}
