// The shell of the page: state, requests, the open record, keyboard.

import { Keys } from "./keys.js";
import { details, prefetch } from "./prefetch.js";
import { mount as mountShell } from "./shell.js";
import { orderOf, State } from "./state.js";
import { mount as mountTable } from "./table.js";
import { mount as mountFacets } from "./facets.js";
import { mount as mountRecord } from "./record.js";
import { mount as mountRound } from "./round.js";
import { mount as mountModel } from "./model.js";

const listeners = new Map();
const state = new State(stateChanged);

/**
 * What the panels share.
 *
 * Events: "state" (Set of names that changed), "filter" (the filter or the order
 * changed), "record" (the open record, or null), "rows" (the first rows of a filter are
 * there), "drawn" (curves of a record are), "filtererror" (it failed: the error, or null), "review" (what was decided about
 * a row), "order" (the server has other rows in the same order), "predictions" (all are
 * there, or there will be no more). `keys` has what keys do, see Keys.
 */
export const app = {
  state,
  store: null,
  record: null,
  keys: new Keys(state),
  api,
  on(event, listener) {
    if (!listeners.has(event)) listeners.set(event, []);
    listeners.get(event).push(listener);
  },
  emit(event, value) {
    for (const listener of listeners.get(event) ?? []) listener(value);
  },
  open,
  report,
};

/** Ask the server: JSON, or the Response itself if it is something else. */
async function api(path, parameters = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  if (options.body !== undefined) {
    options = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      ...options,
      body: JSON.stringify(options.body),
    };
  }
  const response = await fetch(query.size ? `${path}?${query}` : path, options);
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  if (response.ok) return isJson ? response.json() : response;
  const message = isJson ? (await response.json()).error : await response.text();
  throw new Error(message.trim());
}

/** Show an error; nothing if a request was given up. */
function report(error) {
  if (error?.name === "AbortError") return;
  document.getElementById("message").textContent = error ? String(error.message ?? error) : "";
}

/** Open the record of a row. */
function open(row, replace = false) {
  app.state.set({ row: String(row) }, replace);
}

let asked = null;

async function loadRecord() {
  const row = app.state.get("row");
  asked?.abort();
  if (row === "") {
    app.record = null;
    app.emit("record", null);
    return;
  }
  asked = new AbortController();
  try {
    app.record = await details(app, row, { signal: asked.signal });
    app.emit("record", app.record);
    report(null);
  } catch (error) {
    report(error);
  }
}

function stateChanged(names) {
  app.emit("state", names);
  if (names.has("filter") || names.has("sort") || names.has("descending")) app.emit("filter");
  if (names.has("row")) loadRecord();
}

/** Open the first record that is selected. */
async function openFirst() {
  if (isWhole()) {
    if (app.store.n_records) open(0, true);
    return;
  }
  const { rows } = await api("/api/rows", { ...orderOf(state), to: 1 });
  if (rows.length && state.get("row") === "") open(rows[0].row, true);
}

/** Whether the table has all records, as they are in the store. */
const isWhole = () => Object.values(orderOf(state)).every((value) => value === "");

function about({ n_records, leads, fs, duration_s, band }) {
  return `${n_records.toLocaleString("en")} records · ${leads.length} leads · ${duration_s} s at ${fs} Hz · ${band.join(" to ")} Hz`;
}

async function start() {
  // What is surely needed is asked for at once.
  const first = state.get("row") || (isWhole() ? "0" : "");
  if (first) prefetch(app, first);
  app.store = await api("/api/store");
  document.title = `${app.store.name} – ecgstore view`;
  document.getElementById("name").textContent = app.store.name;
  document.getElementById("about").textContent = about(app.store);
  mountShell(app);
  const panels = { facets: mountFacets, table: mountTable, record: mountRecord, round: mountRound, model: mountModel };
  for (const [name, mount] of Object.entries(panels)) mount(document.getElementById(name), app);
  if (app.state.get("row") !== "") loadRecord();
  else openFirst().catch(() => {}); // the filters say what is wrong with them
}

start().catch(report);
