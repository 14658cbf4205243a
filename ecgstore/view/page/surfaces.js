// What a drawing is made on: a canvas, or SVG. Both take mm, with y downwards.

/** Decimals of a mm in SVG: a micrometre, less than a count at 20 mm/mV. */
const short = (mm) => String(Math.round(mm * 1000) / 1000);

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => ESCAPES[sign]);

/** A path with the methods of Path2D that becomes the attribute "d" of an element. */
export class SvgPath {
  #parts = [];
  moveTo(x, y) {
    this.#parts.push(`M${short(x)} ${short(y)}`);
  }
  lineTo(x, y) {
    this.#parts.push(`L${short(x)} ${short(y)}`);
  }
  dot(x, y, radius) {
    const [r, d] = [short(radius), short(2 * radius)];
    this.#parts.push(`M${short(x - radius)} ${short(y)}a${r} ${r} 0 1 0 ${d} 0a${r} ${r} 0 1 0 -${d} 0`);
  }
  toString() {
    return this.#parts.join("");
  }
}

/** The same on a canvas. */
export class CanvasPath extends Path2D {
  dot(x, y, radius) {
    this.moveTo(x + radius, y);
    this.arc(x, y, radius, 0, 2 * Math.PI);
  }
}

const FONT_PX = 20;
const widths = new Map();

/** Return the width of a text, which is measured once. */
function widthOf(context, font, text) {
  const key = `${font} ${text}`;
  if (!widths.has(key)) {
    if (widths.size > 1000) widths.clear();
    widths.set(key, context.measureText(text).width);
  }
  return widths.get(key);
}

/** A canvas of `scale` pixels per mm, whose first row of pixels is the row `skipped`. */
export class CanvasSurface {
  isExact = false; // samples within a pixel may be joined
  #font = "";
  constructor(context, scale, skipped = 0) {
    this.context = context;
    this.scale = scale;
    this.skipped = skipped;
    context.lineJoin = context.lineCap = "round";
  }
  newPath() {
    return new CanvasPath();
  }
  rect(x, y, width, height, fill) {
    const { context, scale, skipped } = this;
    context.setTransform(scale, 0, 0, scale, 0, -skipped);
    context.fillStyle = fill;
    context.fillRect(x, y, width, height);
  }
  /** Draw a path whose origin is at (x, y): its line, its area, or both. */
  path(path, x, y, { stroke, width, fill }) {
    const { context, scale, skipped } = this;
    context.setTransform(scale, 0, 0, scale, x * scale, y * scale - skipped);
    if (fill) {
      context.fillStyle = fill;
      context.fill(path);
    }
    if (stroke) {
      context.strokeStyle = stroke;
      context.lineWidth = width;
      context.stroke(path);
    }
  }
  text(x, y, text, { size, fill, weight = "normal", align = "left", backing }) {
    const { context, scale, skipped } = this;
    // Letters of one size that are scaled: a browser takes long for a new size of a font.
    const letter = (size * scale) / FONT_PX;
    context.setTransform(letter, 0, 0, letter, x * scale, y * scale - skipped);
    const font = `${weight} ${FONT_PX}px system-ui, sans-serif`;
    if (this.#font !== font) context.font = this.#font = font;
    context.textAlign = align;
    if (backing) {
      context.fillStyle = backing;
      context.fillRect(0, -FONT_PX, widthOf(context, font, text), 1.25 * FONT_PX);
    }
    context.fillStyle = fill;
    context.fillText(text, 0, 0);
  }
  /** Draw within a rectangle only. */
  clip(x, y, width, height, draw) {
    const { context, scale, skipped } = this;
    context.save();
    context.setTransform(scale, 0, 0, scale, 0, -skipped);
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    draw();
    context.restore();
    this.#font = "";
  }
}

/** A drawing as SVG text, in true size. */
export class SvgSurface {
  isExact = true;
  #parts = [];
  #clips = 0;
  newPath() {
    return new SvgPath();
  }
  rect(x, y, width, height, fill) {
    this.#parts.push(
      `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${fill}"/>`,
    );
  }
  path(path, x, y, { stroke, width, fill }) {
    const d = path.toString();
    if (!d) return;
    const line = stroke ? ` stroke="${stroke}" stroke-width="${short(width)}"` : "";
    const moved = x || y ? ` transform="translate(${short(x)} ${short(y)})"` : "";
    this.#parts.push(`<path d="${d}" fill="${fill ?? "none"}"${line}${moved}/>`);
  }
  text(x, y, text, { size, fill, weight = "normal", align = "left" }) {
    const anchor = { left: "start", center: "middle", right: "end" }[align];
    this.#parts.push(
      `<text x="${short(x)}" y="${short(y)}" font-size="${short(size)}" font-weight="${weight}" text-anchor="${anchor}" fill="${fill}">${escaped(text)}</text>`,
    );
  }
  clip(x, y, width, height, draw) {
    // A name of its own, also beside other drawings on the page.
    const name = `clip-${Math.random().toString(36).slice(2)}-${this.#clips++}`;
    this.#parts.push(
      `<clipPath id="${name}"><rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"/></clipPath><g clip-path="url(#${name})">`,
    );
    draw();
    this.#parts.push("</g>");
  }
  /** Return the document; its title and description are for screen readers, too. */
  toString(width, height, title, description) {
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}mm" height="${short(height)}mm" ` +
      `viewBox="0 0 ${short(width)} ${short(height)}" role="img" font-family="system-ui, sans-serif" ` +
      `stroke-linejoin="round" stroke-linecap="round"><title>${escaped(title)}</title>` +
      `<desc>${escaped(description)}</desc>${this.#parts.join("")}</svg>\n`
    );
  }
}

/** Return an element of SVG text, for the page. */
export function svgElement(text) {
  return document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
}
