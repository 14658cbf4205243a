// The next record, fetched before it is asked for.

import { Signal } from "./signal.js";

const KEPT_MS = 60_000;
const kept = new Map();

function take(row) {
  const found = kept.get(String(row));
  kept.delete(String(row));
  return found && Date.now() - found.since < KEPT_MS ? found : null;
}

/** Return the details of a record, fetched now or before. */
export async function details(app, row, options = {}) {
  const found = take(row);
  const record = found ? await found.record : null;
  return record ?? app.api(`/api/record/${encodeURIComponent(row)}`, {}, options);
}

/** Return the signal of a record, loading or loaded. */
export function signalOf(app, record, form, arrived, failed) {
  const isThere = form === "stored" && record.prefetched;
  const signal = isThere || new Signal(app, record, form);
  if (isThere) delete record.prefetched;
  Object.assign(signal, { arrived, failed });
  return signal;
}

/** Fetch details and the first part of the signal of a record that may be next. */
export function prefetch(app, row) {
  if (row === null || row === undefined || kept.has(String(row))) return;
  kept.clear();
  const load = async () => {
    const record = await app.api(`/api/record/${row}`);
    record.prefetched = new Signal(app, record, "stored");
    await record.prefetched.load(0);
    return record;
  };
  kept.set(String(row), { since: Date.now(), record: load().catch(() => null) });
}
