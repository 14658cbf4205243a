// The filter of the page: read from the state, changed, and told in words.

/**
 * @typedef {object} Filter
 * @property {string} query
 * @property {string} search
 * @property {Record<string, string[]>} in
 * @property {Record<string, [number | null, number | null]>} between
 */

const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});

/** @returns {Filter} what the state holds; no conditions where it is damaged */
export function readFilter(app) {
  let given = {};
  try {
    given = object(JSON.parse(app.state.get("filter", "{}")));
  } catch {
    // Its text is sent to the server, whose answer says what is wrong.
  }
  const text = (value) => (typeof value === "string" ? value : "");
  return {
    query: text(given.query),
    search: text(given.search),
    in: Object.fromEntries(Object.entries(object(given.in)).filter(([, values]) => Array.isArray(values))),
    between: Object.fromEntries(Object.entries(object(given.between)).filter(([, range]) => Array.isArray(range))),
  };
}

/** The JSON of a filter; empty if it has no condition. */
export function filterText(filter) {
  const kept = {};
  if (filter.query) kept.query = filter.query;
  if (filter.search) kept.search = filter.search;
  const among = Object.entries(filter.in).filter(([, values]) => values.length);
  if (among.length) kept.in = Object.fromEntries(among);
  const between = Object.entries(filter.between).filter(([, [low, high]]) => low !== null || high !== null);
  if (between.length) kept.between = Object.fromEntries(between);
  return Object.keys(kept).length ? JSON.stringify(kept) : "";
}

/** Change conditions; the table starts at its top. */
export function setFilter(app, changes, replace = false) {
  const filter = { ...readFilter(app), ...changes };
  app.state.set({ filter: filterText(filter) || null }, replace);
}

/** Add a value to those of a column, or take it away. */
export function toggleValue(app, name, value) {
  const filter = readFilter(app);
  const values = filter.in[name] ?? [];
  const others = values.filter((one) => one !== value);
  setFilter(app, { in: { ...filter.in, [name]: others.length < values.length ? others : [...values, value] } });
}

/** Set the range of a column; null is open. */
export function setRange(app, name, low, high) {
  const { between } = readFilter(app);
  setFilter(app, { between: { ...between, [name]: [low, high] } });
}

/** A number as people write it. */
export function numberText(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(4)));
}

/** @returns {{text: string, remove: () => void}[]} each condition in words */
export function conditions(app, titleOf, textOf) {
  const filter = readFilter(app);
  const found = [];
  if (filter.search) found.push({ text: `name: ${filter.search}`, remove: () => setFilter(app, { search: "" }) });
  if (filter.query) found.push({ text: filter.query, remove: () => setFilter(app, { query: "" }) });
  for (const [name, values] of Object.entries(filter.in)) {
    for (const value of values) {
      found.push({ text: `${titleOf(name)}: ${textOf(name, value)}`, remove: () => toggleValue(app, name, value) });
    }
  }
  for (const [name, [low, high]] of Object.entries(filter.between)) {
    const range =
      low === null ? `below ${numberText(high)}` : high === null ? `${numberText(low)} or more` : `${numberText(low)} to below ${numberText(high)}`;
    found.push({ text: `${titleOf(name)}: ${range}`, remove: () => setRange(app, name, null, null) });
  }
  return found;
}
