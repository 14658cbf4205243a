"""Training examples of the delineator: time-warped, disturbed excerpts of records."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.beats.unet._network_kernels import STEP
from ecgstore.beats.unet._scaling_kernels import scale
from ecgstore.beats.unet.inputs import HEIGHT, LIMIT, NETWORK_HZ
from ecgstore.models.delineator.disturbances import (
    NOISE_BANDS,
    Noise,
    disturb,
    draw_usable,
)
from ecgstore.models.delineator.records import N_LABELS, UNKNOWN, TrainingRecord
from ecgstore.models.delineator.rhythms import (
    Rhythm,
    changed,
    draw_rhythm,
    f_waves,
    time_stretch,
)
from ecgstore.system.kernels import kernel

N_SAMPLES: Final = 1536
"""Length of a training example at 250 Hz: 6.1 s."""

N_CELLS: Final = N_SAMPLES // 2
"""Number of labelled cells, of 8 ms each."""

BATCH: Final = {1: 44, 2: 30, 3: 24, 6: 16, 12: 10}
"""Examples of a batch by their number of leads; a step takes the same time for all."""

_CHANCE: Final = {1: 0.42, 2: 0.2, 3: 0.08, 6: 0.08, 12: 0.22}
"""How often each number of leads is drawn."""

_SOURCES: Final[Mapping[int, Mapping[str, float]]] = {
    1: {"ludb": 0.4, "qtdb": 0.22, "qtdb-beats": 0.08, "cpsc2019": 0.3},
    2: {"ludb": 0.5, "qtdb": 0.43, "qtdb-beats": 0.07},
}
"""Shares of the databases by the number of leads; LUDB alone has more than two."""

_N_FADE_SAMPLES: Final = 10


class Batch(NamedTuple):
    """Training examples of one number of leads.

    Attributes
    ----------
    signals : ndarray of shape (n, n_leads, N_SAMPLES)
        At 250 Hz, scaled; bridged where a lead is not usable.
    usable : ndarray of shape (n, n_leads, n_spans)
        1 or 0 in each span of `STEP` samples.
    labels : ndarray of shape (n, n_leads, N_LABELS, N_CELLS)
        Share of each label in each cell of 8 ms; all 0 where it is unknown.
    """

    signals: Float32Array
    usable: Float32Array
    labels: Float32Array


class Sampler:
    """Draw training examples from records.

    Parameters
    ----------
    records : list of TrainingRecord
        The training records.
    seed : int
        Equal seeds give equal examples.
    """

    def __init__(self, records: Sequence[TrainingRecord], seed: int) -> None:
        self._seed = seed
        self._noise = Noise(np.random.default_rng(seed))
        self._by_source: dict[str, list[TrainingRecord]] = {}
        for record in records:
            self._by_source.setdefault(record.source, []).append(record)
        # Parts of the QT Database with more annotated beats are drawn more often.
        self._shares = {
            source: _normalised([_known_samples(record) for record in records])
            if source == "qtdb"
            else np.full(len(records), 1 / len(records))
            for source, records in self._by_source.items()
        }

    def batch(self, step: int, n_leads: int | None = None) -> Batch:
        """Return the training examples of a step, which do not depend on other steps.

        Parameters
        ----------
        step : int
            Number of the step.
        n_leads : int or None
            Number of leads; drawn by default.
        """
        rng = np.random.default_rng((self._seed, step))
        if n_leads is None:
            counts = [*_CHANCE]
            n_leads = counts[rng.choice(len(counts), p=[*_CHANCE.values()])]
        examples = [self._example(n_leads, rng) for _ in range(BATCH[n_leads])]
        return Batch(*(np.stack(parts) for parts in zip(*examples, strict=True)))

    def _source(self, n_leads: int, rng: np.random.Generator) -> str:
        """Draw a database among those that are there and have so many leads."""
        chances = _SOURCES.get(n_leads, {"ludb": 1.0})
        names = [name for name in chances if name in self._by_source]
        shares = _normalised([chances[name] for name in names])
        return names[rng.choice(len(names), p=shares)]

    def _example(
        self, n_leads: int, rng: np.random.Generator
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return signal, usable spans and labels of one training example."""
        source = self._source(n_leads, rng)
        canvas = _Canvas(n_leads, self._noise, rng)
        records, shares = self._by_source[source], self._shares[source]

        def draw() -> TrainingRecord:
            return records[rng.choice(len(records), p=shares)]

        record = draw()
        available = record.signals.shape[1]
        leads = rng.permutation(available)[:n_leads]
        canvas.amplitude = float(np.median(np.ptp(record.signals[0], axis=1))) or 1.0
        begin = 0
        if rng.random() < 0.08:
            begin = int(rng.integers(100, N_SAMPLES))
        if rng.random() < 0.03:
            begin = N_SAMPLES
        if begin:
            canvas.write_pause(0, begin)
        band = int(rng.integers(len(record.signals))) if rng.random() < 0.4 else 0
        first = True
        while begin < N_SAMPLES:
            if not first and rng.random() < 0.3:
                end = min(N_SAMPLES, begin + int(rng.integers(50, 1000)))
                canvas.write_pause(begin, end)
                begin = end
                continue
            if not first and rng.random() < 0.3:
                record = draw()
            begin = canvas.write_excerpt(record, leads, band, begin, first)
            first = False
        if rng.random() < 0.06:
            begin = int(rng.integers(N_SAMPLES - 200))
            canvas.write_pause(
                begin, min(N_SAMPLES, begin + int(rng.integers(100, 700)))
            )
        return canvas.finish()


class _Canvas:
    """One training example while it is made."""

    def __init__(self, n_leads: int, noise: Noise, rng: np.random.Generator) -> None:
        self.amplitude = 1.0
        self._rng = rng
        self._noise = noise
        self._rhythm: Rhythm = draw_rhythm(rng)
        self._signal = np.zeros((n_leads, N_SAMPLES), np.float32)
        self._labels = np.zeros((n_leads, N_LABELS, N_CELLS), np.float32)

    def write_excerpt(
        self,
        record: TrainingRecord,
        leads: IntArray,
        band: int,
        begin: int,
        first: bool,
    ) -> int:
        """Write an excerpt of a record from `begin` on; return its end."""
        rng = self._rng
        known_begin = min(float(edges[1]) for edges in record.edges)
        known_end = max(float(edges[-2]) for edges in record.edges)
        source, borders, classes = changed(record, leads, band, self._rhythm, rng)
        stretch = time_stretch(record, self._rhythm, rng)
        clock = np.concatenate([[0.0], np.cumsum(stretch)])  # in units of 2 ms
        places = np.arange(len(clock), dtype=np.float64)
        room = 2.0 * (N_SAMPLES - begin)
        last_start = np.interp(
            max(clock[int(known_end)] - room, clock[int(known_begin)]), clock, places
        )
        start = rng.uniform(known_begin, max(last_start, known_begin + 1))
        quiet = np.flatnonzero(record.quiet)
        if not first and len(quiet):
            start = float(quiet[rng.integers(len(quiet) // 2 + 1)])
        stop = known_end
        if len(quiet) and quiet[-1] > start + 500:
            stop = float(quiet[-1])
        origin = np.interp(start, places, clock)
        length = int((np.interp(stop, places, clock) - origin) / 2)
        length = max(min(length, N_SAMPLES - begin), 16)
        length += (begin + length) % 2
        end = min(begin + length, N_SAMPLES)
        times = np.interp(origin + 2.0 * np.arange(end - begin), clock, places)
        for k in range(len(leads)):
            edges = np.interp(borders[k], places, clock)
            _interpolate(source[k], times, self._signal[k, begin:end])
            in_example = (edges - origin) / 2 + begin
            _cover(in_example, classes[k], begin, end, self._labels[k])
        if not first and begin > _N_FADE_SAMPLES:
            _fade(self._signal, begin)
        return end

    def write_pause(self, begin: int, end: int) -> None:
        """Write noise of any amplitude, without waves, from `begin` to `end`."""
        rng = self._rng
        size = self.amplitude * np.exp(rng.uniform(np.log(0.003), np.log(0.4)))
        band = int(rng.integers(len(NOISE_BANDS) + 1))
        n = end - begin
        for row in self._signal:
            if band == len(NOISE_BANDS):
                noise = rng.normal(0, 1, n).astype(np.float32)
            else:
                noise = self._noise.draw(band, n, rng)
            row[begin:end] = size * np.exp(rng.normal(0, 0.3)) * noise
        first, last = (begin + 1) // 2, (end + 1) // 2
        self._labels[:, :, first:last] = 0
        self._labels[:, 0, first:last] = 1

    def finish(self) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Disturb and scale the leads; return signal, usable spans and labels."""
        rng = self._rng
        signal, labels = self._signal, self._labels
        if self._rhythm.has_f_waves:
            waves = f_waves(len(signal), N_SAMPLES, NETWORK_HZ, rng)
            common = np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
            sizes = (
                common
                * np.ptp(signal, axis=1)
                * np.exp(rng.normal(0, 0.6, len(signal)))
            )
            signal += sizes[:, None].astype(np.float32) * waves
        disturb(signal, self._noise, rng)
        n_spans = N_SAMPLES // STEP
        usable = draw_usable(len(signal), n_spans, NETWORK_HZ / STEP, rng)
        scale_all(signal, usable, rng)
        labels *= np.repeat(usable, N_CELLS // n_spans, axis=1)[:, None]
        return signal, usable.astype(np.float32), labels


def scale_all(
    signal: Float32Array, usable: BoolArray, rng: np.random.Generator
) -> None:
    """Centre and scale the leads as at inference, times a random factor, in place."""
    factors = HEIGHT * np.exp(rng.normal(0, 0.3, len(signal)) + rng.normal(0, 0.2))
    for row, spans, height in zip(signal, usable, factors.tolist(), strict=True):
        scale(row, spans, STEP, height, LIMIT)


def _known_samples(record: TrainingRecord) -> float:
    """Return for how many samples the first lead's labels are known."""
    lengths = np.diff(record.edges[0])
    return float(lengths[record.classes[0] != UNKNOWN].sum())


def _normalised(values: Sequence[float]) -> FloatArray:
    """Return values divided by their sum."""
    array = np.array(values, np.float64)
    return np.asarray(array / array.sum())


def _fade(signal: Float32Array, begin: int) -> None:
    """Spread the step between two excerpts over the 40 ms before it."""
    step = signal[:, begin] - signal[:, begin - 1]
    ramp = np.arange(1, _N_FADE_SAMPLES + 1, dtype=np.float32) / (_N_FADE_SAMPLES + 1)
    signal[:, begin - _N_FADE_SAMPLES : begin] += step[:, None] * ramp


@kernel
def _interpolate(signal: Float32Array, times: FloatArray, out: Float32Array) -> None:
    """Set `out` to the signal at fractional sample indices."""
    last = len(signal) - 1
    for k in range(len(times)):
        place = min(max(times[k], 0.0), last - 1e-6)
        whole = int(place)
        part = place - whole
        out[k] = signal[whole] * (1 - part) + signal[whole + 1] * part


@kernel
def _cover(
    edges: FloatArray, classes: IntArray, begin: int, end: int, labels: Float32Array
) -> None:
    """Set `labels` to the share of each cell that lies in the spans of each class.

    Cell k is the time from sample 2k - 1 to 2k + 1; `begin` and `end` are even.
    """
    labels[:, begin // 2 : end // 2] = 0
    for k in range(len(classes)):
        if classes[k] == UNKNOWN:
            continue
        low = max(edges[k], float(begin - 1))
        high = min(edges[k + 1], float(end - 1))
        if high <= low:
            continue
        cell = max(int((low + 1) // 2), begin // 2)
        while cell < end // 2 and 2 * cell - 1 < high:
            covered = min(high, 2.0 * cell + 1) - max(low, 2.0 * cell - 1)
            if covered > 0:
                labels[classes[k], cell] += covered / 2
            cell += 1
