"""An ECG with marks that experts set, and the parts in which they set all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import FloatArray
from ecgstore.record import Mark

WAVES: Final = {
    "P": (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
    "QRS": (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF),
    "T": (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
}
"""Onset, peak and offset of each wave."""

WAVE_OF: Final = {mark: wave for wave, marks in WAVES.items() for mark in marks}

_WAVE_OF_SYMBOL: Final = {"p": "P", "t": "T", **dict.fromkeys("NVABQ", "QRS")}
"""The wave of each annotation symbol of a peak; beats have the symbol of their type."""


@dataclass(frozen=True, eq=False, slots=True)
class Annotation:
    """The experts' marks of one lead, or of all leads together.

    Attributes
    ----------
    symbols : tuple of str
        In the order of time: "(" onset, ")" offset; peaks: "p", "t", "u", or the type
        of a beat, such as "N".
    samples : ndarray of shape (n_symbols,)
        Their sample indices.
    spans : dict
        By wave ("P", "QRS", "T"), the parts in which all waves of this kind are marked:
        an array of shape (n_spans, 2) with the first and the last sample of each. A
        detected wave is wrong only if it lies in one of them.
    """

    symbols: tuple[str, ...]
    samples: FloatArray
    spans: dict[str, FloatArray]

    def marks(self) -> dict[Mark, FloatArray]:
        """Return the sample indices by mark."""
        samples: dict[Mark, list[float]] = {mark: [] for mark in Mark}
        for k, symbol in enumerate(self.symbols):
            if symbol not in _WAVE_OF_SYMBOL:
                continue
            on, peak, off = WAVES[_WAVE_OF_SYMBOL[symbol]]
            samples[peak].append(self.samples[k])
            if k > 0 and self.symbols[k - 1] == "(":
                samples[on].append(self.samples[k - 1])
            if self.symbols[k + 1 : k + 2] == (")",):
                samples[off].append(self.samples[k + 1])
        return {mark: np.array(times, np.float64) for mark, times in samples.items()}

    def peaks_without(self, edge: Mark) -> FloatArray:
        """Return the sample indices of the peaks whose onset or offset is not marked.

        Examples
        --------
        >>> marks = annotation("(p)t)", [1, 2, 3, 5, 6], {})
        >>> marks.peaks_without(Mark.T_ON).tolist()
        [5.0]
        """
        wave = WAVE_OF[edge]
        step, sign = (-1, "(") if edge == WAVES[wave][0] else (1, ")")
        around = ("", *self.symbols, "")
        peaks = [
            self.samples[k]
            for k, symbol in enumerate(self.symbols)
            if _WAVE_OF_SYMBOL.get(symbol) == wave and around[k + 1 + step] != sign
        ]
        return np.array(peaks, np.float64)


@dataclass(frozen=True, eq=False, slots=True)
class AnnotatedRecord:
    """A record of an annotated database.

    Attributes
    ----------
    record_id : str
        Its name, which no record of another database has.
    patient : str
        Whose record it is, as far as the database says.
    rhythm : str
        The rhythm in the database's words; empty where it names none.
    fs : float
        Sampling rate in Hz.
    leads : tuple of str
        Names of the leads.
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV, not filtered.
    annotations : tuple of Annotation
        One per lead; a single one if the leads were annotated together.
    """

    record_id: str
    patient: str
    rhythm: str
    fs: float
    leads: tuple[str, ...]
    signal: FloatArray
    annotations: tuple[Annotation, ...]


def annotation(
    symbols: Iterable[str], samples: ArrayLike, spans: dict[str, FloatArray]
) -> Annotation:
    """Return the annotation of a file's symbols and sample indices."""
    return Annotation(tuple(symbols), np.array(samples, np.float64), spans)


def beats_only(r_peaks: ArrayLike, first: float, last: float) -> Annotation:
    """Return the annotation of R-peaks alone, all that lie between two samples."""
    samples = np.array(r_peaks, np.float64)
    spans = {"QRS": np.array([[first, last]])}
    spans |= dict.fromkeys(("P", "T"), np.empty((0, 2)))
    return annotation("N" * len(samples), samples, spans)


def is_beat(symbol: str) -> bool:
    """Return whether an annotation symbol is that of a QRS complex.

    Examples
    --------
    >>> is_beat("V"), is_beat("p")
    (True, False)
    """
    return _WAVE_OF_SYMBOL.get(symbol) == "QRS"
