// The signal of a record, loaded in parts of some seconds, and its prepared paths.

/** Length of a part in s. A record that is not much longer is one part. */
const PART_S = 10;
const LARGEST_PART = 30 * 500 * 12;
/** Parts that are kept: some minutes of a long record. */
const MOST_PARTS = 24;
/** Scales of which a part keeps the paths. */
const MOST_SCALES = 4;

const median = (values) => {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length ? sorted[sorted.length >> 1] : 0;
};

/** A part of a signal: all leads, from the sample `start` on. */
class Part {
  #paths = new Map();
  constructor(start, leads) {
    this.start = start;
    this.leads = leads; // Float32Array of each lead, in mV
    this.low = leads.map((values) => values.reduce((low, value) => (value < low ? value : low), Infinity));
    this.high = leads.map((values) => values.reduce((high, value) => (value > high ? value : high), -Infinity));
    this.marks = null; // of every lead: beats of nine sample numbers
  }
  get length() {
    return this.leads[0]?.length ?? 0;
  }
  /** Return a path that is made once per scale. */
  prepared(scale, name, make) {
    if (!this.#paths.has(scale)) {
      if (this.#paths.size >= MOST_SCALES) this.#paths.delete(this.#paths.keys().next().value);
      this.#paths.set(scale, new Map());
    }
    const paths = this.#paths.get(scale);
    if (!paths.has(name)) paths.set(name, make());
    return paths.get(name);
  }
}

/** Add samples [from, to) to a path, at `step` mm per sample; NaN is a gap.
 *
 * If more than two samples are in a bucket, the width of a pixel, only the lowest and the
 * highest of them are drawn, in their order: what the pixel shows of them.
 */
export function trace(path, values, from, to, step, perBucket, zero, gain) {
  let isDown = false;
  const add = (i) => {
    const mv = values[i];
    if (mv !== mv) isDown = false;
    else if (isDown) path.lineTo(i * step, (zero - mv) * gain);
    else {
      path.moveTo(i * step, (zero - mv) * gain);
      isDown = true;
    }
  };
  if (perBucket <= 2) {
    for (let i = from; i < to; i++) add(i);
    return;
  }
  for (let begin = from; begin < to; begin += perBucket) {
    const end = Math.min(begin + perBucket, to);
    let lowest = begin;
    let highest = begin;
    let hasGap = false;
    for (let i = begin; i < end; i++) {
      if (values[i] !== values[i]) hasGap = true;
      else if (!(values[i] >= values[lowest])) lowest = i;
      if (!(values[i] <= values[highest])) highest = i;
    }
    if (hasGap) for (let i = begin; i < end; i++) add(i);
    else {
      add(Math.min(lowest, highest));
      if (lowest !== highest) add(Math.max(lowest, highest));
    }
  }
}

/** The signal of one record in one form: "stored" or "raw". */
export class Signal {
  #parts = new Map();
  #loading = new Map();
  #aborting = new AbortController();
  /** Called when a part has come, and when one has not. */
  arrived = () => {};
  failed = () => {};
  constructor(app, record, form) {
    Object.assign(this, { app, record, form });
    const { n_samples: n, fs, leads } = record;
    const whole = n * leads.length <= LARGEST_PART && n <= 2 * PART_S * fs;
    this.partLength = whole ? Math.max(n, 1) : Math.floor(Math.min(PART_S * fs, LARGEST_PART / leads.length - 1));
    this.zeros = null; // mV of each lead on its zero line: the median of the first part
  }
  close() {
    this.#aborting.abort();
  }
  /** The numbers of the parts of samples [from, to). */
  *#numbers(from, to) {
    const last = Math.floor((Math.min(to, this.record.n_samples) - 1) / this.partLength);
    for (let number = Math.max(0, Math.floor(from / this.partLength)); number <= last; number++) yield number;
  }
  /** Return whether all of samples [from, to) is here. */
  has(from, to) {
    return [...this.#numbers(from, to)].every((number) => this.#parts.has(number));
  }
  /** Wait until all of samples [from, to) is here. */
  async all(from, to) {
    await Promise.all([...this.#numbers(from, to)].map((number) => this.load(number)));
    if (!this.has(from, to)) throw new Error(`a part of the ${this.form} signal could not be loaded; try again`);
  }
  /** Return the parts within samples [from, to) that are here; ask for the others. */
  parts(from, to) {
    const found = [];
    for (const number of this.#numbers(from, to)) {
      const part = this.#parts.get(number);
      if (part) found.push(part);
      else this.load(number);
    }
    return found;
  }
  /** Return a sample in mV; NaN if it is not there. */
  at(lead, sample) {
    const part = this.#parts.get(Math.floor(sample / this.partLength));
    return part ? (part.leads[lead][sample - part.start] ?? NaN) : NaN;
  }
  /** Load a part, once. */
  load(number = 0) {
    if (!this.#loading.has(number)) {
      const loading = this.#fetch(number).catch((error) => {
        this.#loading.delete(number);
        if (error.name !== "AbortError") this.failed(error);
      });
      this.#loading.set(number, loading);
    }
    return this.#loading.get(number);
  }
  async #fetch(number) {
    const { app, record, form } = this;
    const start = number * this.partLength;
    // One sample more, so that the curve goes on to the next part.
    const stop = Math.min(start + this.partLength + 1, record.n_samples);
    const options = { signal: this.#aborting.signal };
    const [response, marks] = await Promise.all([
      app.api(`/api/signal/${record.row}`, { form, start, stop }, options),
      form === "stored" ? app.api(`/api/marks/${record.row}`, { start, stop }, options) : null,
    ]);
    const values = new Float32Array(await response.arrayBuffer());
    const n = stop - start;
    const part = new Part(
      start,
      record.leads.map((_, lead) => values.subarray(lead * n, (lead + 1) * n)),
    );
    part.marks = marks?.marks ?? null;
    this.zeros ??= part.leads.map(median);
    this.first ??= part;
    if (this.#parts.size >= MOST_PARTS) {
      const oldest = this.#parts.keys().next().value;
      this.#parts.delete(oldest);
      this.#loading.delete(oldest);
    }
    this.#parts.set(number, part);
    this.arrived();
  }
}
