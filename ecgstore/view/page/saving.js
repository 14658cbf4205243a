// Saves, prints and links exactly what is seen.

import { measuredText } from "./calipers.js";
import { described, loadedText } from "./described.js";
import { csvOf, margins, pngOf, save, svgOf } from "./exports.js";
import { layOut } from "./layout.js";
import { clock, coloursOf } from "./paper.js";
import { svgElement } from "./surfaces.js";

/** Of A4 within its margins, in mm. */
const PRINT = { width: 277, height: 188, text: 2.8 };

/** What the buttons of the panel do with what is seen. */
export class Saving {
  constructor(panel) {
    this.panel = panel;
  }

  /** Return layout and scene of a sheet with title and settings. */
  #sheet(width, text, most) {
    const { app, record, view, calipers, subtitle, zeroOf, reach } = this.panel;
    const layout = layOut(record, view, width, reach, { ...margins(text), text, most });
    const settings = [
      `${view.speed} mm/s, ${view.gain} mm/mV`,
      `${app.store.band.join("-")} Hz`,
      `${record.fs} Hz`,
      `${clock(layout.start, 1)} to ${clock(layout.start + layout.seconds, 1)} s of ${clock(record.n_real_samples / record.fs, 1)} s`,
      loadedText(this.panel, layout),
      calipers.points ? measuredText(calipers.points) : "",
      app.store.name,
    ];
    return [
      layout,
      {
        ...this.panel.scene(),
        title: `${record.record_id} (${record.source})`,
        subtitle: subtitle.textContent,
        settings: settings.filter(Boolean).join(";  "),
        description: described(this.panel, layout),
        points: calipers.points,
        zeroOf,
      },
    ];
  }

  /** Save what is seen as "png", "svg" or "csv", when all of it is there. */
  async save(kind) {
    const { panel } = this;
    try {
      if (!(await panel.complete())) return;
      const { layout, record, scale } = panel;
      const name = `${record.record_id}-${layout.start.toFixed(1)}s.${kind}`;
      if (kind === "csv") save(name, csvOf(layout, panel), "text/csv");
      else {
        const [sheet, scene] = this.#sheet(layout.width, layout.text);
        if (kind === "svg") save(name, svgOf(sheet, scene), "image/svg+xml");
        else save(name, await pngOf(sheet, scene, scale), "image/png");
      }
      panel.say(`${name} saved`);
    } catch (error) {
      panel.app.report(error);
    }
  }

  async copyLink() {
    const { panel } = this;
    try {
      await navigator.clipboard.writeText(location.href);
      panel.say("Link copied");
    } catch {
      panel.app.report(new Error(`the browser does not let the page copy; the link is ${location.href}`));
    }
  }

  /** Print what is seen, when all of it is there. */
  async print() {
    try {
      if (await this.panel.complete()) print();
    } catch (error) {
      this.panel.app.report(error);
    }
  }

  /** Draw what is printed. A browser does not wait: what is not there yet is named. */
  drawPrint() {
    const { panel } = this;
    const { record, stored, colours, printed } = panel;
    if (!record || !stored?.first) return;
    printed.classList.add("rec-light");
    panel.colours = coloursOf(printed); // paper is white
    const [layout, scene] = this.#sheet(PRINT.width, PRINT.text, PRINT.height);
    printed.replaceChildren(svgElement(svgOf(layout, { ...scene, pixel: 0.1 })));
    panel.colours = colours;
  }
}
