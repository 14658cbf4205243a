// Where everything is on the paper, in mm from its upper left corner.

export const CSS_PX_PER_MM = 96 / 25.4;
const SQUARE = 5;
export const LEFT = 17.5; // the calibration pulse is left of the curves
const RIGHT = 5;
const COLUMN_S = 2.5;
const MOST_S = 60;

/** Least and most height above and below the zero line, and room for the name. */
const HEIGHTS = {
  columns: { above: 15, below: 10, most: 45, mostBelow: 35, name: 5 },
  rows: { above: 10, below: 5, most: 30, mostBelow: 25, name: 3 },
};

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const squares = (mm, least, most) => clamp(Math.ceil(mm / SQUARE) * SQUARE, least, most);

/** Return leads as the columns of a print: up to four in one, more in threes. */
export function columnsOf(leads, layout) {
  if (layout === "12x1" || leads.length <= 4) return [leads];
  const columns = [];
  for (let begin = 0; begin < leads.length; begin += 3) columns.push(leads.slice(begin, begin + 3));
  return columns;
}

/** Seconds that are on the paper at once.
 *
 * @param {{n_samples: number, fs: number}} record
 * @param {object} view layout, leads, speed (mm/s)
 * @param {number} width of the paper in mm
 */
export function secondsShown(record, view, width) {
  const nColumns = columnsOf(view.leads, view.layout).length;
  const room = Math.max(width - LEFT - RIGHT, 5) / view.speed;
  const all = record.n_samples / record.fs;
  const most = nColumns > 1 ? nColumns * COLUMN_S : MOST_S;
  return Math.min(room, most, all);
}

/**
 * Lay out a record.
 *
 * @param {object} record n_samples, n_real_samples, fs
 * @param {object} view layout "3x4" or "12x1", leads (names shown), speed in mm/s, gain in
 *   mm/mV, start in s
 * @param {number} width of the paper in mm
 * @param {(lead: string) => {high: number, low: number}} reach of a curve in mV about its
 *   zero line
 * @param {{header: number, footer: number, text: number, most: number}} room above and
 *   below, size of letters and most height of all, in mm
 */
export function layOut(record, view, width, reach, { header = 0, footer = 0, text = 3, most = Infinity } = {}) {
  const columns = columnsOf(view.leads, view.layout);
  const isStripped = columns.length > 1;
  const seconds = secondsShown(record, view, width);
  const real = record.n_real_samples / record.fs;
  const columnS = seconds / columns.length;
  const start = view.start;
  const limits = view.layout === "12x1" && view.leads.length > 4 ? HEIGHTS.rows : HEIGHTS.columns;
  const panels = [];
  const nRows = Math.max(0, ...columns.map((names) => names.length));
  columns.forEach((names, column) => {
    names.forEach((name, row) => {
      // A column that would begin after the last sample shows the last ones instead.
      const latest = Math.max(real - columnS, start, 0);
      const at = start + column * columnS;
      const isShifted = isStripped && at > latest + 1e-9;
      panels.push({
        name,
        row,
        left: LEFT + column * columnS * view.speed,
        width: columnS * view.speed,
        start: isShifted ? latest : at,
        isShifted,
      });
    });
  });
  if (isStripped) {
    const name = view.leads.includes("II") ? "II" : view.leads[0];
    panels.push({ name, row: nRows, left: LEFT, width: seconds * view.speed, start, isShifted: false, isStrip: true });
  }
  const heights = [];
  for (let row = 0; row < nRows + isStripped; row++) {
    const reaches = panels.filter((panel) => panel.row === row).map((panel) => reach(panel.name));
    const high = Math.max(...reaches.map((one) => one.high)) * view.gain;
    const low = Math.max(...reaches.map((one) => -one.low)) * view.gain;
    const above = squares(high + limits.name, Math.max(limits.above, view.gain), limits.most);
    const below = squares(low + 1, limits.below, limits.mostBelow);
    heights.push([above, below]);
  }
  // On a sheet that is too small, rows are closer, and curves reach into their neighbours.
  const axis = 2 + 1.4 * text;
  const all = heights.flat().reduce((sum, mm) => sum + mm, 0);
  const part = Math.min(1, (most - header - footer - axis) / all);
  const rows = [];
  let top = header;
  for (const [above, below] of heights) {
    const height = part * (above + below);
    rows.push({ top, zero: top + part * above, bottom: top + height });
    top += height;
  }
  for (const panel of panels) {
    Object.assign(panel, rows[panel.row]);
    panel.end = panel.start + panel.width / view.speed;
  }
  return {
    width,
    gridTop: header,
    gridBottom: top,
    height: top + axis + footer,
    axis: top,
    panels,
    rows,
    start,
    seconds,
    speed: view.speed,
    gain: view.gain,
    text,
    isStripped,
    overlap: part < 1,
  };
}

/** Return the samples of a record that a layout shows: the first, and behind the last. */
export function samplesOf({ panels }, { fs }) {
  const first = Math.min(...panels.map((panel) => panel.start));
  const last = Math.max(...panels.map((panel) => panel.end));
  return [Math.floor(first * fs) - 1, Math.ceil(last * fs) + 2];
}

/** Return the panel at a place, or null. */
export function panelAt(layout, x, y) {
  return (
    layout.panels.find(
      (panel) => x >= panel.left && x <= panel.left + panel.width && y >= panel.top && y < panel.bottom,
    ) ?? null
  );
}

export const xOf = (layout, panel, second) => panel.left + (second - panel.start) * layout.speed;
export const secondAt = (layout, panel, x) => panel.start + (x - panel.left) / layout.speed;
