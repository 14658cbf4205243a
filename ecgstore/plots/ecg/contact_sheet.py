"""Many records on one page, with their marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.chosen_leads import lead_names
from ecgstore.plots.style.colours import BLUE, GREEN, GREY, INK, VERMILION
from ecgstore.plots.style.curves import centred
from ecgstore.record import LEADS, MARKS, Mark
from ecgstore.system.visible import visible_lines

_WAVES: Final = (
    ("P", (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF), BLUE),
    ("QRS", (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF), VERMILION),
    ("T", (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF), GREEN),
)
_COLUMNS: Final = 3
_PANEL_INCHES: Final = (6.6, 2.1)
_HEADER_INCHES: Final = 0.6
_LEAST_RANGE_MV: Final = 0.5
_TITLE_LETTERS: Final = 75


@dataclass(frozen=True, eq=False, slots=True)
class SheetPanel:
    """One record on a contact sheet.

    Attributes
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV, without padding; NaN leaves a gap.
    fs : float
        Sampling rate in Hz.
    title : str
        The record's name and the reason for showing it.
    subtitle : str
        Patient and diagnoses.
    marks : ndarray of shape (n_leads, n_beats, 9)
        Sample index of each mark of `MARKS`, negative where there is none.
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats.
    leads : tuple of str
        Names of the rows of `signal` and `marks`.
    """

    signal: FloatArray
    fs: float
    title: str
    subtitle: str
    marks: IntArray
    r_peaks: IntArray
    leads: tuple[str, ...] = LEADS


def contact_sheet(
    panels: Sequence[SheetPanel],
    *,
    leads: Sequence[str] = ("II", "V1"),
    title: str = "",
) -> Figure:
    """Plot a small panel for each record: some leads, with the waves in colour.

    A wave is coloured from its onset to its offset, with a dot on its peak; a wave with
    only a peak is a dot. Triangles at the top are the record's beats. The panels have
    different scales; the bar at the left of a lead is 1 mV.

    Parameters
    ----------
    panels : sequence of SheetPanel
        At least one.
    leads : sequence of str
        Names of the leads to show, from top to bottom.
    title : str
        Title of the page.

    Returns
    -------
    Figure
        One Axes for each record, row by row.

    Raises
    ------
    ValueError
        If there is no panel, an array has a wrong shape, or a record lacks a lead.

    Examples
    --------
    >>> silence = SheetPanel(
    ...     np.zeros((12, 5000)), 500.0, "A1: no beats", "", np.empty((12, 0, 9), int),
    ...     np.empty(0, int),
    ... )
    >>> len(contact_sheet([silence, silence]).axes)
    2
    """
    _check(panels)
    leads = lead_names(leads, panels[0].leads)
    n_columns = min(_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    width, height = _PANEL_INCHES
    height += 0.55 * height * (len(leads) - 2)
    size = (width * n_columns, height * n_rows + _HEADER_INCHES)
    figure = Figure(figsize=size, dpi=100, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, leads)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4, label=name)
        for name, _, colour in _WAVES
    ]
    handles.append(
        Line2D([], [], color=GREY, marker="v", linestyle="none", label="beat")
    )
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False
    )
    return figure


def _check(panels: Sequence[SheetPanel]) -> None:
    """Refuse an empty sheet, and arrays of a wrong shape."""
    if not panels:
        raise ValueError("panels is empty, expected at least one record")
    for panel in panels:
        if panel.leads != panels[0].leads:
            raise ValueError(
                f"a panel has the leads {', '.join(panel.leads)}; expected those of "
                f"the first one, {', '.join(panels[0].leads)}"
            )
        n_leads = len(panel.leads)
        if panel.signal.ndim != 2 or len(panel.signal) != n_leads:
            raise ValueError(
                f"signal has shape {panel.signal.shape}, "
                f"expected ({n_leads}, n_samples)"
            )
        if panel.marks.ndim != 3 or panel.marks.shape[::2] != (n_leads, len(MARKS)):
            raise ValueError(
                f"marks has shape {panel.marks.shape}, "
                f"expected ({n_leads}, n_beats, {len(MARKS)})"
            )


def _draw_panel(axes: Axes, panel: SheetPanel, leads: Sequence[str]) -> None:
    """Draw the leads of a record, from top to bottom."""
    n_samples = panel.signal.shape[1]
    seconds = np.arange(n_samples) / panel.fs
    axes.set_title(
        f"{visible_lines(_cut(panel.title))}\n{visible_lines(_cut(panel.subtitle))}",
        loc="left",
        fontsize=8.5,
        parse_math=False,
    )
    axes.set_axis_off()
    axes.set_xlim(-0.5, max(n_samples / panel.fs, 1.0))
    base = 0.0
    for name in leads:
        number = panel.leads.index(name)
        curve = centred(panel.signal[number])
        highest = float(np.fmax.reduce(curve, initial=0.0))
        lowest = float(np.fmin.reduce(curve, initial=0.0))
        gap = 0.12 * max(highest - lowest, _LEAST_RANGE_MV)
        if name == leads[0]:
            beats = panel.r_peaks[panel.r_peaks >= 0]
            axes.plot(
                beats / panel.fs,
                np.full(len(beats), base + 0.6 * gap),
                linestyle="none",
                marker="v",
                markersize=3,
                color=GREY,
                gid="beats",
            )
        y = base - gap - highest + curve
        zero = base - gap - highest
        axes.plot(seconds, y, color=INK, linewidth=0.6, gid=f"lead-{name}")
        if len(curve) and np.isnan(curve).all():
            axes.text(0.0, zero, "not recorded", fontsize=8, color=GREY, va="center")
        axes.plot([-0.12, -0.12], [zero, zero + 1.0], color=GREY, linewidth=1.2)
        axes.text(-0.2, zero, name, fontsize=8, ha="right", va="center")
        for wave, of_wave, colour in _WAVES:
            gid = f"{name}-{wave}"
            _draw_wave(axes, seconds, y, panel.marks[number][:, of_wave], colour, gid)
        base = zero + lowest
    axes.set_ylim(base - 0.1 * abs(base) - 0.05, 0.1 * abs(base) + 0.05)


def _draw_wave(
    axes: Axes,
    seconds: FloatArray,
    y: FloatArray,
    marks: IntArray,
    colour: str,
    gid: str,
) -> None:
    """Colour the curve in a wave of each beat; `marks` has shape (n_beats, 3)."""
    inside = np.zeros(len(y), np.bool_)
    for on, _, off in marks:
        if 0 <= on < off:
            inside[on : off + 1] = True
    axes.plot(
        seconds, np.where(inside, y, np.nan), color=colour, linewidth=1.4, gid=gid
    )
    peaks = marks[:, 1]
    peaks = peaks[(peaks >= 0) & (peaks < len(y))]
    axes.plot(
        seconds[peaks],
        y[peaks],
        linestyle="none",
        marker="o",
        markersize=2.6,
        color=colour,
        gid=f"{gid}-peak",
    )


def _cut(text: str) -> str:
    """Return a text shortened to the width of a panel."""
    return text if len(text) <= _TITLE_LETTERS else f"{text[: _TITLE_LETTERS - 1]}…"
