"""The layout of an ECG print, in mm; nothing is drawn here.

A print has three rows of four leads, 2.5 s each, and one lead in full length below.
The origin of all coordinates is the lower left corner of the page.
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
TRACE_LEFT: Final = GRID_LEFT + 20.0  # the calibration pulse is left of it
HEADER: Final = 24.0
FOOTER: Final = 21.0
_GRID_HEIGHT: Final = 165.0  # with header and footer: 210 mm, A4

_SQUARE: Final = 5.0  # rows begin and end on the thick lines of the grid
_LEAST_ABOVE: Final = 15.0
_LEAST_BELOW: Final = 10.0
_MOST_ABOVE: Final = 45.0
_MOST_BELOW: Final = 35.0
_ABOVE_TRACES: Final = (6.0, 6.0, 6.0, 10.0)  # for names and beats
_BELOW_TRACES: Final = 2.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of one lead on the print.

    Attributes
    ----------
    lead : int
        The lead's index in `LEADS`.
    row : int
        The row, counted from the top.
    left, width : float
        Left edge and width in mm.
    start_s : float
        Time at the left edge, in s after the recording's first sample.
    shifted : bool
        Whether the panel begins earlier than its column, because the recording ends
        before the end of the column.
    """

    lead: int
    row: int
    left: float
    width: float
    start_s: float
    shifted: bool

    def x(self, samples: IntArray, fs: float) -> FloatArray:
        """Return the horizontal positions of samples in mm."""
        return self.left + (samples / fs - self.start_s) * MM_PER_S

    def samples(self, n_samples: int, fs: float) -> IntArray:
        """Return the indices of the samples shown, of `n_samples` in all."""
        slack = 1e-6  # of a sample: 2.5 s times fs may be just below a whole number
        first = int(np.ceil(self.start_s * fs - slack))
        last = int(np.floor((self.start_s + self.width / MM_PER_S) * fs + slack))
        return np.arange(first, min(last + 1, n_samples))


def panels(n_samples: int, fs: float) -> tuple[Panel, ...]:
    """Return the panels of a print: one of each lead, and the rhythm strip at the end.

    The columns follow one another in time, as on a recorder. If the recording ends
    before the end of a column, the column shows the last 2.5 s instead, so that no lead
    is empty.

    Parameters
    ----------
    n_samples : int
        Samples per lead, without padding.
    fs : float
        Sampling rate in Hz.
    """
    width = COLUMN_S * MM_PER_S
    latest_s = max(n_samples / fs - COLUMN_S, 0.0)
    all_panels = []
    for row, names in enumerate(ROWS):
        for column, name in enumerate(names):
            start_s = column * COLUMN_S
            shifted = start_s > latest_s + 1e-9
            all_panels.append(
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
    all_panels.append(
        Panel(strip_lead, N_ROWS - 1, TRACE_LEFT, strip_width, 0.0, False)
    )
    return tuple(all_panels)


@dataclass(frozen=True, slots=True)
class Trace:
    """The curve in one panel.

    Attributes
    ----------
    panel : Panel
        Its panel.
    samples : ndarray of shape (n_shown,)
        Indices of the samples shown.
    x : ndarray of shape (n_shown,)
        Their horizontal positions in mm.
    mv : ndarray of shape (n_shown,)
        Their voltages in mV, minus their median; NaN where missing.
    """

    panel: Panel
    samples: IntArray
    x: FloatArray
    mv: FloatArray

    @property
    def highest_mv(self) -> float:
        """The highest voltage, at least 0 mV."""
        return float(np.fmax.reduce(self.mv, initial=0.0))

    @property
    def lowest_mv(self) -> float:
        """The lowest voltage, at most 0 mV."""
        return float(np.fmin.reduce(self.mv, initial=0.0))


def lay_out(signal: FloatArray, fs: float, n_samples: int) -> tuple[Trace, ...]:
    """Return the curves of all panels, for the first `n_samples` samples.

    Parameters
    ----------
    signal : ndarray of shape (12, at least n_samples)
        Voltages in mV in the order of `LEADS`; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    n_samples : int
        Samples per lead, without padding.
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
        """Return the height of 0 mV of a row, in mm above the page's lower edge."""
        from_top = sum(self.above[: row + 1]) + sum(self.below[:row])
        return FOOTER + self.grid_height - from_top

    def top(self, row: int) -> float:
        """Return the upper edge of a row in mm."""
        return self.zero(row) + self.above[row]

    def bottom(self, row: int) -> float:
        """Return the lower edge of a row in mm."""
        return self.zero(row) - self.below[row]


def fit_rows(traces: Sequence[Trace]) -> Rows:
    """Return rows that are high enough for their curves.

    A row grows in steps of 5 mm with its curves, up to 45 mm above and 35 mm below its
    zero line; parts of a curve beyond that must be cut off. The remaining space of an
    A4 page is added to the rows of the least height.
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
