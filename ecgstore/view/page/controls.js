// What is around the paper: head, controls, legend.

import { el } from "./elements.js";
import { WAVES } from "./paper.js";

/** Factor of a step of the zoom. */
export const STEP = 1.25;

/** Make the elements of the panel of a record. */
export function build(panel, element) {
  const button = (label, title, onclick, more = {}) => el("button", { type: "button", title, onclick, ...more }, label);
  const choice = (label, name, options) => {
    const select = el(
      "select",
      { onchange: () => panel.app.state.set({ [name]: select.value }) },
      ...options.map(([value, text]) => el("option", { value }, text)),
    );
    panel.controls[name] = select;
    return el("label", {}, `${label} `, select);
  };
  const check = (label, name, onchange) => {
    const box = el("input", { type: "checkbox", onchange });
    panel.controls[name] = box;
    return el("label", {}, box, ` ${label}`);
  };
  panel.controls = {};
  panel.title = el("h2", { tabIndex: -1 });
  panel.subtitle = el("p.rec-subtitle");
  panel.place = el("span.rec-place");
  panel.before = button("← Previous", "Previous record (k)", () => panel.step("before"));
  panel.after = button("Next →", "Next record (j)", () => panel.step("after"));
  panel.leadsMenu = el("div.rec-menu");
  panel.zoomed = el("output", { "aria-label": "Zoom" });
  panel.tools = el(
    "div.rec-tools",
    { role: "group", "aria-label": "View of the record" },
    choice("Layout", "layout", [["3x4", "3 × 4"], ["12x1", "12 × 1"]]),
    choice("Speed", "speed", [["25", "25 mm/s"], ["50", "50 mm/s"]]),
    choice("Gain", "gain", [["5", "5 mm/mV"], ["10", "10 mm/mV"], ["20", "20 mm/mV"]]),
    el("details.rec-leads", {}, el("summary", {}, "Leads"), panel.leadsMenu),
    el(
      "span.rec-zoom",
      { role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out (−)", () => panel.zoom(1 / STEP), { ariaLabel: "Zoom out" }),
      panel.zoomed,
      button("+", "Zoom in (+)", () => panel.zoom(STEP), { ariaLabel: "Zoom in" }),
      button("Fit", "Fit to the width (0)", () => panel.app.state.set({ zoom: null })),
      button("1:1", "True size, by the millimetres of this screen", () => panel.app.state.set({ zoom: "1" }), { ariaLabel: "True size" }),
    ),
    check("Marks", "marks", () => panel.toggle("marks")),
    check("Raw", "raw", () => panel.toggle("raw")),
    check("Calipers", "cal", () => panel.toggle("cal")),
    el(
      "span.rec-exports",
      { role: "group", "aria-label": "Take along what is seen" },
      button("PNG", "Save as a picture", () => panel.saving.save("png")),
      button("SVG", "Save as a drawing", () => panel.saving.save("svg")),
      button("CSV", "Save the samples in view", () => panel.saving.save("csv")),
      button("Copy link", "Copy a link to exactly this view", () => panel.saving.copyLink()),
      button("Print", "Print at true scale, 1 mm is 1 mm", () => panel.saving.print()),
      button("?", "Keys (?)", () => panel.app.keys.help(), { ariaLabel: "Keys" }),
    ),
  );
  panel.grid = el("canvas", { "aria-hidden": "true" });
  panel.curves = el("canvas", { role: "img", "aria-label": "No record" });
  panel.over = el("canvas", { "aria-hidden": "true" });
  panel.sheet = el("div.rec-sheet", { tabIndex: 0, role: "group", "aria-label": "ECG paper" }, panel.grid, panel.curves, panel.over);
  panel.time = el("input.rec-time", {
    type: "range",
    min: "0",
    step: "0.1",
    "aria-label": "First second shown",
    oninput: () => panel.moveTo(Number(panel.time.value)),
  });
  panel.readout = el("output.rec-readout", { "aria-live": "off" });
  panel.live = el("p.rec-spoken.spoken", { "aria-live": "polite" });
  panel.legend = el("p.rec-legend");
  panel.about = el("div.rec-panels");
  panel.printed = el("div.rec-print", { "aria-hidden": "true" });
  panel.whole = el(
    "div.rec",
    { hidden: true },
    el("header.rec-head", {}, panel.before, panel.after, el("div", {}, panel.title, panel.subtitle), panel.place),
    panel.tools,
    panel.sheet,
    panel.time,
    el("div.rec-below", {}, panel.readout, panel.legend),
    panel.live,
    panel.about,
  );
  element.append(panel.whole, panel.printed);
}

/** Offer the leads of the record. */
export function offerLeads(panel) {
  const boxes = panel.record.leads.map((lead) => {
    const box = el("input", { type: "checkbox", value: lead, onchange: () => chooseLeads(panel) });
    return el("label", {}, box, ` ${lead}`);
  });
  panel.leadsMenu.replaceChildren(...boxes);
  showControls(panel);
}

function chooseLeads(panel) {
  const chosen = [...panel.leadsMenu.querySelectorAll("input:checked")].map((box) => box.value);
  const all = chosen.length === panel.record.leads.length || !chosen.length;
  panel.app.state.set({ leads: all ? null : chosen.join() });
}

/** Show the view in the controls. */
export function showControls(panel) {
  const { controls, view } = panel;
  for (const name of ["layout", "speed", "gain"]) controls[name].value = String(view[name]);
  controls.marks.checked = view.marks;
  controls.raw.checked = view.raw;
  controls.cal.checked = Boolean(panel.calipers.points) || panel.wantsCalipers;
  for (const box of panel.leadsMenu.querySelectorAll("input")) box.checked = view.leads.includes(box.value);
  const waves = WAVES.map(({ name, colour }) => el(`span.rec-${colour}`, {}, `[•] ${name}`));
  const parts = view.marks ? [...waves, el("span", {}, "▼ beat")] : [];
  if (panel.raw) parts.push(el("span.rec-raw", {}, "— raw"), el("span", {}, "— filtered"));
  const { record } = panel;
  if (record?.n_real_samples < record?.n_samples) parts.push(el("span", {}, "/// padding"));
  panel.legend.replaceChildren(...parts);
}
