"""Where things stand on an ECG print, in mm; nothing is drawn here.

A print has three rows of four leads, 2.5 s each, and one lead in full length below.
Coordinates count from the lower left corner of the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots.style.curves import centred
from ecgstore.record import LEADS

MM_PER_S: Final = 25.0
MM_PER_MV: Final = 10.0
MM_PER_INCH: Final = 25.4
POINTS_PER_MM: Final = 72.0 / MM_PER_INCH

PRINTED_S: Final = 10.0
COLUMN_S: Final = 2.5
ROWS: Final = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
RHYTHM_LEAD: Final = "II"
N_ROWS: Final = len(ROWS) + 1

PAGE_WIDTH: Final = 297.0  # A4, landscape
GRID_LEFT: Final = 8.5
GRID_WIDTH: Final = 280.0
TRACE_LEFT: Final = GRID_LEFT + 20.0  # before it stands the calibration pulse
HEADER: Final = 24.0
FOOTER: Final = 21.0
_GRID_HEIGHT: Final = 165.0  # with header and footer: 210 mm, A4

_SQUARE: Final = 5.0  # rows begin and end on the thick lines of the grid
_LEAST_ABOVE: Final = 15.0
_LEAST_BELOW: Final = 10.0
_MOST_ABOVE: Final = 45.0
_MOST_BELOW: Final = 35.0
_ABOVE_TRACES: Final = (6.0, 6.0, 6.0, 10.0)  # kept free for names and beats
_BELOW_TRACES: Final = 2.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A stretch of one lead on the print.

    Attributes
    ----------
    lead : int
        Which lead, as its position in `LEADS`.
    row : int
        Which row, from the top.
    left, width : float
        Where it begins and how wide it is, in mm.
    start_s : float
        The time at its left edge, in s after the recording's first sample.
    shifted : bool
        Whether it begins earlier than its place says, because the recording ends
        before.
    """

    lead: int
    row: int
    left: float
    width: float
    start_s: float
    shifted: bool

    def x(self, samples: IntArray, fs: float) -> FloatArray:
        """Return where samples stand, in mm."""
        return self.left + (samples / fs - self.start_s) * MM_PER_S

    def samples(self, n_samples: int, fs: float) -> IntArray:
        """Return the indices of those of `n_samples` samples that it shows."""
        slack = 1e-6  # of a sample: 2.5 s times fs may fall short of a whole number
        first = int(np.ceil(self.start_s * fs - slack))
        last = int(np.floor((self.start_s + self.width / MM_PER_S) * fs + slack))
        return np.arange(first, min(last + 1, n_samples))


def panels(n_samples: int, fs: float) -> tuple[Panel, ...]:
    """Return the thirteen panels of a print, the rhythm strip last.

    The columns show successive stretches, as on a recorder. Where the recording ends
    before a column does, the column shows its last 2.5 s instead: no lead stays empty.

    Parameters
    ----------
    n_samples : int
        Samples per lead that are real.
    fs : float
        Sampling rate in Hz.
    """
    width = COLUMN_S * MM_PER_S
    latest_s = max(n_samples / fs - COLUMN_S, 0.0)
    found = []
    for row, names in enumerate(ROWS):
        for column, name in enumerate(names):
            start_s = column * COLUMN_S
            shifted = start_s > latest_s + 1e-9
            found.append(
                Panel(
                    lead=LEADS.index(name),
                    row=row,
                    left=TRACE_LEFT + column * width,
                    width=width,
                    start_s=latest_s if shifted else start_s,
                    shifted=shifted,
                )
            )
    strip_width = PRINTED_S * MM_PER_S
    strip_lead = LEADS.index(RHYTHM_LEAD)
    found.append(Panel(strip_lead, N_ROWS - 1, TRACE_LEFT, strip_width, 0.0, False))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one panel shows of a signal.

    Attributes
    ----------
    panel : Panel
        Where.
    samples : ndarray of shape (n_shown,)
        Indices of the samples shown.
    x : ndarray of shape (n_shown,)
        Where they stand, in mm.
    mv : ndarray of shape (n_shown,)
        Their voltages in mV from the median of them all; NaN where missing.
    """

    panel: Panel
    samples: IntArray
    x: FloatArray
    mv: FloatArray

    @property
    def highest_mv(self) -> float:
        """The highest voltage, but not less than 0 mV."""
        return float(np.fmax.reduce(self.mv, initial=0.0))

    @property
    def lowest_mv(self) -> float:
        """The lowest voltage, but not more than 0 mV."""
        return float(np.fmin.reduce(self.mv, initial=0.0))


def lay_out(signal: FloatArray, fs: float, n_samples: int) -> tuple[Trace, ...]:
    """Return what the thirteen panels show of the first `n_samples` samples.

    Parameters
    ----------
    signal : ndarray of shape (12, at least n_samples)
        Voltages in mV in the order of `LEADS`; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    n_samples : int
        Samples per lead that are real.
    """
    traces = []
    for panel in panels(n_samples, fs):
        samples = panel.samples(n_samples, fs)
        mv = centred(signal[panel.lead, samples])
        traces.append(Trace(panel, samples, panel.x(samples, fs), mv))
    return tuple(traces)


@dataclass(frozen=True, slots=True)
class Rows:
    """The height of each row above and below its zero line, in mm."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    @property
    def grid_height(self) -> float:
        """The height of the grid that holds all rows, in mm."""
        return sum(self.above) + sum(self.below)

    @property
    def page_height(self) -> float:
        """The height of the page, in mm."""
        return HEADER + self.grid_height + FOOTER

    def zero(self, row: int) -> float:
        """Return where 0 mV of a row stands, in mm above the page's lower edge."""
        done = sum(self.above[: row + 1]) + sum(self.below[:row])
        return FOOTER + self.grid_height - done

    def top(self, row: int) -> float:
        """Return the upper edge of a row."""
        return self.zero(row) + self.above[row]

    def bottom(self, row: int) -> float:
        """Return the lower edge of a row."""
        return self.zero(row) - self.below[row]


def fit_rows(traces: Sequence[Trace]) -> Rows:
    """Return rows that are high enough for what they show.

    A row grows in steps of 5 mm with its signals, up to 45 mm above and 35 mm below
    its zero line; what exceeds that must be cut off. Space that is left on an A4 page
    goes to the lowest rows.
    """
    above = np.array(_ABOVE_TRACES)
    below = np.full(N_ROWS, _BELOW_TRACES)
    for row in range(N_ROWS):
        in_row = [trace for trace in traces if trace.panel.row == row]
        above[row] += MM_PER_MV * max(trace.highest_mv for trace in in_row)
        below[row] -= MM_PER_MV * min(trace.lowest_mv for trace in in_row)
    above = np.clip(np.ceil(above / _SQUARE) * _SQUARE, _LEAST_ABOVE, _MOST_ABOVE)
    below = np.clip(np.ceil(below / _SQUARE) * _SQUARE, _LEAST_BELOW, _MOST_BELOW)
    while above.sum() + below.sum() < _GRID_HEIGHT:
        row = int(np.argmin(above + below))
        grown = above if above[row] <= below[row] + _SQUARE else below
        grown[row] += _SQUARE
    return Rows(tuple(above.tolist()), tuple(below.tolist()))
