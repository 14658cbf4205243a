// What frames the panels: colours, which of them are seen, and their widths.

import { el } from "./elements.js";

const PANELS = [["facets", "Filters"], ["table", "Records"], ["record", "Record"]];
const NARROW = matchMedia("(max-width: 899px)");
const [LEAST_PX, STEP_PX] = [220, 24];

/** A choice that this browser remembers; it may refuse to. */
function remembered(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`ecgstore-${name}`) ?? "";
    localStorage.setItem(`ecgstore-${name}`, value);
  } catch {
    // Then it holds until the page is closed.
  }
  return value ?? "";
}

/** Make the parts of the page that are not panels. */
export function mount(app) {
  const { body, documentElement } = document;
  const theme = document.getElementById("theme");
  const paint = () => (theme.value ? (documentElement.dataset.theme = theme.value) : delete documentElement.dataset.theme);
  theme.value = remembered("theme");
  paint();
  theme.addEventListener("change", () => {
    remembered("theme", theme.value);
    paint();
  });

  const buttons = PANELS.map(([name, text]) => el("button", { type: "button", onclick: () => app.showPanel(name, true) }, text));
  document.getElementById("panels").append(...buttons);
  const toggle = document.getElementById("show-facets");
  // A link to a record shows it; who begins sees the table.
  const initially = app.state.get("row") === "" ? "table" : "record";
  const show = () => {
    const panel = app.state.get("panel", initially);
    body.dataset.panel = PANELS.some(([name]) => name === panel) ? panel : initially;
    PANELS.forEach(([name], k) => (buttons[k].ariaPressed = String(name === body.dataset.panel)));
    const isHidden = app.state.get("filters") === "0";
    body.classList.toggle("no-facets", isHidden);
    toggle.ariaPressed = String(!isHidden);
  };
  app.showPanel = (name, isChosen = false) => {
    if (NARROW.matches || isChosen) app.state.set({ panel: name });
    else if (name === "facets") app.state.set({ filters: null }, true);
  };
  const toggleFacets = () => app.state.set({ filters: app.state.get("filters") === "0" ? null : "0" }, true);
  toggle.addEventListener("click", toggleFacets);
  app.keys.add(["f"], "filters on, off", toggleFacets);
  app.keys.add(["?"], "this list", () => app.keys.help());
  app.on("state", show);
  show();

  split();
}

/** Let the width of the table be changed. */
function split() {
  const splitter = document.getElementById("splitter");
  const table = document.getElementById("table");
  const set = (px) => {
    const most = innerWidth - table.offsetLeft - LEAST_PX;
    const width = Math.round(Math.min(Math.max(px, LEAST_PX), most));
    document.body.style.setProperty("--table", `${width}px`);
    remembered("table", width);
    Object.assign(splitter, { ariaValueNow: String(width), ariaValueMin: String(LEAST_PX), ariaValueMax: String(most) });
  };
  const known = Number(remembered("table"));
  if (known) set(known);
  splitter.ariaValueNow = String(table.offsetWidth);
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    const move = (moved) => set(moved.clientX - table.offsetLeft);
    splitter.addEventListener("pointermove", move);
    splitter.addEventListener("pointerup", () => splitter.removeEventListener("pointermove", move), { once: true });
  });
  splitter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -STEP_PX, ArrowRight: STEP_PX }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set(table.offsetWidth + step);
  });
}
