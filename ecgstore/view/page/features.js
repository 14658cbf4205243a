// What is known of a record, in words and numbers.

import { el } from "./elements.js";

const OTHERS_MS = 300;
const ARROWS = { "-1": ["▼", "below the normal range"], 1: ["▲", "above the normal range"] };

/** Return a list of terms and what is said of them. */
function terms(pairs) {
  const list = el("dl.rec-terms");
  for (const [term, ...values] of pairs) {
    if (values.length) list.append(el("dt", {}, term), el("dd", {}, ...values));
  }
  return list;
}

const joined = (parts) => parts.flatMap((part, k) => (k ? [", ", part] : [part]));

/** Return links to other records of the patient: whole columns are searched, so the curves come first. */
function othersOf(app, record) {
  const list = el("span.rec-others", {}, "…");
  const link = ({ row, record_id }) => el("a", { href: "#", onclick: (event) => (event.preventDefault(), app.open(row)) }, record_id);
  setTimeout(async () => {
    if (!list.isConnected) return;
    try {
      const { rows } = await app.api(`/api/others/${record.row}`);
      list.replaceChildren(...joined(rows.length ? rows.map(link) : ["none"]));
    } catch (error) {
      list.textContent = error.message;
    }
  }, OTHERS_MS);
  return list;
}

/** Return codes, quality, targets, origin and the patient's other records. */
export function aboutPanel(app, record) {
  const codes = record.codes.map((code) =>
    [code.name || code.code, code.name && code.code !== code.name ? ` (${[code.vocabulary, code.code].filter(Boolean).join(" ")})` : ""].join(""),
  );
  const classes = record.classes.map(({ name, description }) => (description && description !== name ? `${name}: ${description}` : name));
  const measure = ({ text, leads }) => {
    const where = leads.length && leads.length < record.leads.length ? ` (${leads.join(", ")})` : "";
    return el("li", {}, `${text}${where}`);
  };
  const problems = record.quality.filter((one) => one.is_problem);
  const measures = record.quality.filter((one) => !one.is_problem);
  const targets = Object.entries(record.targets).map(([name, value]) => `${name}: ${value ?? "missing"}`);
  return el(
    "section.rec-about",
    { "aria-label": "About the record" },
    el("h3", {}, "About"),
    terms([
      ["Classes", ...joined(classes.length ? classes : ["in no class"])],
      ["Codes", ...joined(codes.length ? codes : ["none"])],
      [
        "Quality",
        problems.length ? el("ul.rec-quality.rec-problem", {}, ...problems.map(measure)) : "no problem found",
        measures.length ? el("details", {}, el("summary", {}, "Other measures"), el("ul.rec-quality", {}, ...measures.map(measure))) : "",
      ],
      ["Targets", ...joined(targets)],
      ["Patient", record.patient_known ? record.patient : "unknown"],
      ["Same patient or ECG", othersOf(app, record)],
      ["Fold", String(record.fold)],
      ["Source", record.source],
      ["File", `${record.path}${record.start_s ? `, from ${record.start_s} s on` : ""}`],
      ["Recorded at", `${record.fs_original} Hz, stored at ${record.fs} Hz`],
      ["Derived leads", ...joined(record.derived_leads)],
      ["Not recorded", ...joined(record.missing_leads)],
    ]),
  );
}

/** Return the cells of a feature. */
function row(feature) {
  const arrow = ARROWS[feature.side];
  const normal = feature.normal ? `${feature.normal}` : "";
  const about = [feature.note, feature.source].filter(Boolean).join("; ");
  return el(
    arrow ? "tr.rec-beyond" : "tr",
    {},
    el("th", { scope: "row" }, feature.name),
    el("td.rec-number", {}, arrow ? el("span", { role: "img", "aria-label": arrow[1], title: arrow[1] }, `${arrow[0]} `) : "", feature.text),
    el("td", {}, feature.unit),
    el("td", about ? { title: about } : {}, normal),
  );
}

function table(title, features) {
  const head = ["feature", "value", "unit", "normal"].map((name) => el("th", { scope: "col" }, name));
  return el(
    "table.rec-features",
    {},
    el("caption", {}, title),
    el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...features.map(row)),
  );
}

/** Return the features in their groups; those of a lead are made when they are opened. */
export function featuresPanel(record) {
  const panel = el("section.rec-values", { "aria-label": "Features" }, el("h3", {}, "Features"));
  const beyond = record.features.filter((feature) => feature.side);
  if (beyond.length) {
    const text = `${beyond.length} of ${record.features.filter((one) => one.normal && one.value !== null).length} outside their normal range`;
    panel.append(group(text, () => [table("Outside the normal range", beyond)]));
  }
  for (const title of [...new Set(record.features.map((feature) => feature.group))]) {
    const inGroup = record.features.filter((feature) => feature.group === title);
    panel.append(
      group(title || "Others", () => {
        const ofRecord = inGroup.filter((feature) => !feature.lead);
        const ofLeads = record.leads.map((lead) => [lead, inGroup.filter((feature) => feature.lead === lead)]);
        return [
          table(title || "Others", ofRecord),
          ...ofLeads.filter(([, ofLead]) => ofLead.length).map(([lead, ofLead]) => group(`Lead ${lead}`, () => [table(`${title}, lead ${lead}`, ofLead)])),
        ];
      }),
    );
  }
  panel.append(
    el("p.rec-note", {}, "Normal ranges are those of adults at rest; point at one for its source. ▲ above, ▼ below."),
  );
  return panel;
}

/** Return a part that is filled when it is opened first. */
function group(title, make) {
  const details = el("details", {}, el("summary", {}, title));
  details.addEventListener("toggle", () => details.append(el("div.rec-wide", {}, ...make())), { once: true });
  return details;
}
