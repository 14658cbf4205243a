"""The layout of an ECG print, in mm; nothing is drawn here.

A print of the twelve leads has three rows of four, 2.5 s each, and one lead in full
length below. Up to four leads are all in full length; others are in columns of three.
The origin of all coordinates is the lower left corner of the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots.style.curves import centred
from ecgstore.record import LEADS, print_columns

MM_PER_S: Final = 25.0
MM_PER_MV: Final = 10.0
MM_PER_INCH: Final = 25.4
POINTS_PER_MM: Final = 72.0 / MM_PER_INCH

PRINTED_S: Final = 10.0
RHYTHM_LEAD: Final = "II"

PAGE_WIDTH: Final = 297.0  # A4, landscape
GRID_LEFT: Final = 8.5
GRID_WIDTH: Final = 280.0
TRACE_LEFT: Final = GRID_LEFT + 20.0  # the calibration pulse is left of it
HEADER: Final = 24.0
FOOTER: Final = 21.0
_ROW_HEIGHT: Final = 40.0  # at least; four rows with header and footer: 210 mm, A4
_ROWS_AND: Final = 5.0

_SQUARE: Final = 5.0  # rows begin and end on the thick lines of the grid
_LEAST_ABOVE: Final = 15.0
_LEAST_BELOW: Final = 10.0
_MOST_ABOVE: Final = 45.0
_MOST_BELOW: Final = 35.0
_ABOVE_TRACES: Final = 6.0  # for names
_ABOVE_LAST: Final = 10.0  # for names and beats
_BELOW_TRACES: Final = 2.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of one lead on the print.

    Attributes
    ----------
    lead : int
        The lead's row in the signal.
    name : str
        The lead's name.
    row : int
        The row, counted from the top.
    left, width : float
        Left edge and width in mm.
    start_s : float
        Time at the left edge, in s after the recording's first sample.
    shifted : bool
        Whether the panel begins earlier than its column, because the recording ends
        before the end of the column.
    is_strip : bool
        Whether it is the rhythm strip.
    """

    lead: int
    name: str
    row: int
    left: float
    width: float
    start_s: float
    shifted: bool
    is_strip: bool = False

    def x(self, samples: IntArray, fs: float) -> FloatArray:
        """Return the horizontal positions of samples in mm."""
        return self.left + (samples / fs - self.start_s) * MM_PER_S

    def samples(self, n_samples: int, fs: float) -> IntArray:
        """Return the indices of the samples shown, of `n_samples` in all."""
        slack = 1e-6  # of a sample: 2.5 s times fs may be just below a whole number
        first = int(np.ceil(self.start_s * fs - slack))
        last = int(np.floor((self.start_s + self.width / MM_PER_S) * fs + slack))
        return np.arange(first, min(last + 1, n_samples))


def panels(
    n_samples: int, fs: float, leads: Sequence[str] = LEADS
) -> tuple[Panel, ...]:
    """Return the panels of a print: one of each lead, and the rhythm strip at the end.

    The columns follow one another in time, as on a recorder. If the recording ends
    before the end of a column, the column shows the last seconds instead, so that no
    lead is empty. A single column shows its leads in full length, without a strip. So
    the last panel is always a lead in full length, in the last row.

    Parameters
    ----------
    n_samples : int
        Samples per lead, without padding.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names of the leads.
    """
    columns = print_columns(leads)
    column_s = PRINTED_S / len(columns)
    width = column_s * MM_PER_S
    latest_s = max(n_samples / fs - column_s, 0.0)
    all_panels = []
    for row in range(len(columns[0])):
        for column, names in enumerate(columns):
            if row >= len(names):
                continue
            start_s = column * column_s
            shifted = start_s > latest_s + 1e-9
            all_panels.append(
                Panel(
                    lead=leads.index(names[row]),
                    name=names[row],
                    row=row,
                    left=TRACE_LEFT + column * width,
                    width=width,
                    start_s=latest_s if shifted else start_s,
                    shifted=shifted,
                )
            )
    if len(columns) > 1:
        strip = RHYTHM_LEAD if RHYTHM_LEAD in leads else leads[0]
        at, strip_width = leads.index(strip), PRINTED_S * MM_PER_S
        all_panels.append(
            Panel(at, strip, len(columns[0]), TRACE_LEFT, strip_width, 0.0, False, True)
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


def lay_out(
    signal: FloatArray, fs: float, n_samples: int, leads: Sequence[str] = LEADS
) -> tuple[Trace, ...]:
    """Return the curves of all panels, for the first `n_samples` samples.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, at least n_samples)
        Voltages in mV; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    n_samples : int
        Samples per lead, without padding.
    leads : sequence of str
        Names of the rows of `signal`.
    """
    traces = []
    for panel in panels(n_samples, fs, leads):
        samples = panel.samples(n_samples, fs)
        mv = centred(signal[panel.lead, samples])
        traces.append(Trace(panel, samples, panel.x(samples, fs), mv))
    return tuple(traces)


@dataclass(frozen=True, slots=True)
class Rows:
    """The height of each row above and below its zero line, in mm."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.above)

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
    A4 page, if there are four rows, is added to the rows of the least height.
    """
    n_rows = traces[-1].panel.row + 1
    above = np.array([*[_ABOVE_TRACES] * (n_rows - 1), _ABOVE_LAST])
    below = np.full(n_rows, _BELOW_TRACES)
    for row in range(n_rows):
        in_row = [trace for trace in traces if trace.panel.row == row]
        above[row] += MM_PER_MV * max(trace.highest_mv for trace in in_row)
        below[row] -= MM_PER_MV * min(trace.lowest_mv for trace in in_row)
    above = np.clip(np.ceil(above / _SQUARE) * _SQUARE, _LEAST_ABOVE, _MOST_ABOVE)
    below = np.clip(np.ceil(below / _SQUARE) * _SQUARE, _LEAST_BELOW, _MOST_BELOW)
    while above.sum() + below.sum() < n_rows * _ROW_HEIGHT + _ROWS_AND:
        row = int(np.argmin(above + below))
        grown = above if above[row] <= below[row] + _SQUARE else below
        grown[row] += _SQUARE
    return Rows(tuple(above.tolist()), tuple(below.tolist()))
