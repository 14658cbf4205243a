"""An ECG on clinical ECG paper, true to scale."""

import textwrap
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgstore.arrays import FloatArray, IntArray, unmasked
from ecgstore.chosen_leads import lead_names
from ecgstore.plots.ecg.highlight import (
    draw_highlight,
    draw_highlight_legend,
    strengths,
)
from ecgstore.plots.ecg.layout import (
    FOOTER,
    GRID_LEFT,
    GRID_WIDTH,
    MM_PER_INCH,
    MM_PER_MV,
    MM_PER_S,
    PAGE_WIDTH,
    POINTS_PER_MM,
    PRINTED_S,
    TRACE_LEFT,
    Panel,
    Rows,
    Trace,
    fit_rows,
    lay_out,
)
from ecgstore.plots.ecg.marks import (
    draw_beats,
    draw_legend,
    draw_marks,
    height_of_beats,
)
from ecgstore.plots.style.colours import GREY, INK, VERMILION
from ecgstore.record import LEADS, MARKS
from ecgstore.system.visible import visible_lines

_DPI: Final = 254  # ten pixels per mm: all grid lines have the same width

_PAPER: Final = "#FFF8F6"
_THIN: Final = "#F8D4CF"
_THICK: Final = "#EBA49B"
_TRACE_MM: Final = 0.28

_NAME_MM: Final = 8.0
_NAME_AND_TIME_MM: Final = 26.0
_TITLE_LETTERS: Final = 75
_SUBTITLE_LETTERS: Final = 150


def ecg_paper(
    signal: FloatArray,
    fs: float,
    *,
    leads: Sequence[str] = LEADS,
    title: str = "",
    subtitle: str = "",
    filter_text: str = "",
    marks: IntArray | None = None,
    r_peaks: IntArray | None = None,
    n_real_samples: int | None = None,
    derived_leads: Collection[str] = (),
    highlight: FloatArray | None = None,
) -> Figure:
    """Plot an ECG in the clinical format, at 25 mm/s and 10 mm/mV.

    Of twelve leads, there are three rows of four, 2.5 s each, and lead II in full
    length below. One to four leads are shown in full length, more in columns of three.
    Printed at its own size (297 mm wide), the figure and its grid of 1 mm and 5 mm are
    true to scale. The first 10 s are shown. Each panel is centred on its median, as on
    a recorder. Rows grow with their curves; curves beyond the largest row are cut off
    there, marked with a triangle and named below the grid. Where the real samples end,
    leads in full length are hatched, and columns that would begin too late show the
    last seconds instead, with the times.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN leaves a gap, and a lead of NaN is said not to be recorded.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names of the rows of `signal`, such as ``store.leads``.
    title, subtitle : str
        Two lines above the grid, such as the record's name and its diagnoses.
    filter_text : str
        Pass-band of the filter for the line below the grid, such as ``"0.5-40 Hz"``.
    marks : ndarray of shape (n_leads, n_beats, 9), optional
        Sample index of each mark of `MARKS`, negative where there is none.
    r_peaks : ndarray of shape (n_beats,), optional
        Sample indices of the record's beats, shown above the last row; negative ones
        are left out.
    n_real_samples : int, optional
        Samples per lead before the padding; by default all.
    derived_leads : collection of str
        Leads that are marked as computed from others.
    highlight : ndarray of shape (n_leads, n_samples), optional
        What each sample adds to a score: the curve is highlighted where it adds much,
        in one colour above 0 and in another below. Padding must be 0.

    Returns
    -------
    Figure
        The print. The units of its one Axes are mm from the page's lower left corner.

    Raises
    ------
    ValueError
        If an array has a wrong shape, a number is out of range, or a lead is unknown.
    """
    signal = unmasked(signal).astype(np.float64, copy=False)
    leads = lead_names(leads)
    _check(signal, fs, len(leads), marks, r_peaks, n_real_samples)
    if highlight is not None and highlight.shape != signal.shape:
        raise ValueError(
            f"highlight has shape {highlight.shape}, expected {signal.shape}"
        )
    n_samples = signal.shape[1] if n_real_samples is None else n_real_samples
    traces = lay_out(signal, fs, n_samples, leads)
    rows = fit_rows(traces)

    figure, axes = _page(rows)
    _draw_grid(axes, rows)
    for row in range(len(rows)):
        _draw_calibration(axes, rows.zero(row))
    cut_off = [trace.panel.name for trace in traces if _draw_trace(axes, rows, trace)]
    _draw_names(axes, rows, traces, fs, derived_leads, above_beats=r_peaks is not None)
    if marks is not None:
        for trace in traces:
            draw_marks(axes, rows, trace, marks[trace.panel.lead], fs)
        draw_legend(axes)
    if highlight is not None:
        strength = strengths(highlight, fs)
        for trace in traces:
            of_trace = strength[trace.panel.lead, trace.samples]
            draw_highlight(axes, rows, trace, of_trace, _PAPER)
        draw_highlight_legend(axes)
    if r_peaks is not None:
        draw_beats(axes, rows, traces[-1], r_peaks, fs)
    real_s = n_samples / fs
    if real_s < PRINTED_S:
        _draw_end(axes, rows, traces, real_s)
    _draw_seconds(axes)
    _draw_header(axes, rows, title, subtitle)
    _draw_footer(
        axes,
        _settings_text(fs, filter_text),
        _notes_text(real_s, cut_off, padded=n_samples < signal.shape[1]),
    )
    return figure


def _check(
    signal: FloatArray,
    fs: float,
    n_leads: int,
    marks: IntArray | None,
    r_peaks: IntArray | None,
    n_real_samples: int | None,
) -> None:
    """Refuse arrays of a wrong shape."""
    if signal.ndim != 2 or len(signal) != n_leads:
        raise ValueError(
            f"signal has shape {signal.shape}, expected ({n_leads}, n_samples)"
        )
    if not fs > 0:
        raise ValueError(f"fs is {fs!r}, expected a sampling rate in Hz above 0")
    if marks is not None and (
        marks.ndim != 3 or marks.shape[0] != n_leads or marks.shape[2] != len(MARKS)
    ):
        raise ValueError(
            f"marks has shape {marks.shape}, "
            f"expected ({n_leads}, n_beats, {len(MARKS)})"
        )
    if r_peaks is not None and r_peaks.ndim != 1:
        raise ValueError(f"r_peaks has shape {r_peaks.shape}, expected (n_beats,)")
    if n_real_samples is not None and not 0 <= n_real_samples <= signal.shape[1]:
        raise ValueError(
            f"n_real_samples is {n_real_samples!r}, "
            f"expected 0 to n_samples = {signal.shape[1]}"
        )


def _page(rows: Rows) -> tuple[Figure, Axes]:
    """Return an empty page with Axes in mm."""
    size = (PAGE_WIDTH / MM_PER_INCH, rows.page_height / MM_PER_INCH)
    figure = Figure(figsize=size, dpi=_DPI, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0.0, PAGE_WIDTH)
    axes.set_ylim(0.0, rows.page_height)
    axes.set_autoscale_on(False)
    return figure, axes


def _draw_grid(axes: Axes, rows: Rows) -> None:
    """Draw the paper: a line every mm, a thicker one every 5 mm."""
    width, height = GRID_WIDTH, rows.grid_height
    axes.add_patch(
        Rectangle((GRID_LEFT, FOOTER), width, height, facecolor=_PAPER, zorder=0)
    )
    for step, colour, line_mm, order in ((1, _THIN, 0.1, 0.1), (5, _THICK, 0.15, 0.2)):
        across = np.arange(0, width + 0.5, step) + GRID_LEFT
        up = np.arange(0, height + 0.5, step) + FOOTER
        lines = [[(x, FOOTER), (x, FOOTER + height)] for x in across]
        lines += [[(GRID_LEFT, y), (GRID_LEFT + width, y)] for y in up]
        axes.add_collection(
            LineCollection(
                lines,
                colors=colour,
                linewidths=line_mm * POINTS_PER_MM,
                zorder=order,
                gid=f"grid-{step}-mm",
            )
        )


def _draw_calibration(axes: Axes, zero: float) -> None:
    """Draw the pulse of 1 mV and 0.2 s left of a row."""
    x = TRACE_LEFT - 12.5 + np.array([0.0, 2.5, 2.5, 7.5, 7.5, 10.0])
    y = zero + np.array([0.0, 0.0, MM_PER_MV, MM_PER_MV, 0.0, 0.0])
    (line,) = axes.plot(x, y, color=INK, linewidth=_TRACE_MM * POINTS_PER_MM, zorder=3)
    line.set_gid("calibration")


def _draw_trace(axes: Axes, rows: Rows, trace: Trace) -> bool:
    """Draw a panel's curve; return whether it is cut off."""
    panel = trace.panel
    zero, top, bottom = (at(panel.row) for at in (rows.zero, rows.top, rows.bottom))
    y = zero + trace.mv * MM_PER_MV
    (line,) = axes.plot(
        trace.x,
        y,
        color=INK,
        linewidth=_TRACE_MM * POINTS_PER_MM,
        solid_joinstyle="round",
        zorder=3,
    )
    line.set_gid(f"{'rhythm' if panel.is_strip else 'lead'}-{panel.name}")
    line.set_clip_path(
        Rectangle(
            (panel.left, bottom),
            panel.width,
            top - bottom,
            transform=axes.transData,
        )
    )
    return _draw_cut_off(axes, trace.x, y, top, bottom)


def _draw_names(
    axes: Axes,
    rows: Rows,
    traces: Sequence[Trace],
    fs: float,
    derived: Collection[str],
    *,
    above_beats: bool,
) -> None:
    """Write the leads' names above the beginnings of the curves, aligned in each row.

    The name of the rhythm strip is above the triangles of the beats, if there are any.
    """
    for row in range(len(rows)):
        in_row = [trace for trace in traces if trace.panel.row == row]
        highest = max(_highest_below_name(trace) for trace in in_row)
        y = min(rows.zero(row) + max(highest + 4.0, 9.0), rows.top(row) - 2.5)
        if above_beats and row == len(rows) - 1:
            y = max(y, height_of_beats(rows, traces[-1]) + 3.0)
        for trace in in_row:
            notes = ["derived"] if trace.panel.name in derived else []
            if trace.panel.shifted:
                start_s = trace.panel.start_s
                end_s = start_s + len(trace.samples) / fs
                notes.append(f"{start_s:.3g} s to {end_s:.3g} s")
            _draw_name(axes, trace.panel, y, ", ".join(notes))
            if len(trace.mv) and np.isnan(trace.mv).all():
                _write_not_recorded(axes, trace.panel, rows.zero(row))


def _highest_below_name(trace: Trace) -> float:
    """Return the highest point of a curve below its name, in mm above its zero line."""
    width = _NAME_AND_TIME_MM if trace.panel.shifted else _NAME_MM
    beginning = trace.mv[trace.x <= trace.panel.left + width]
    return float(np.fmax.reduce(beginning, initial=0.0)) * MM_PER_MV


def _write_not_recorded(axes: Axes, panel: Panel, zero: float) -> None:
    """Write in place of a curve that there is none."""
    axes.text(
        panel.left + panel.width / 2,
        zero,
        "not recorded",
        fontsize=8,
        color=GREY,
        ha="center",
        va="center",
        zorder=5,
    )


def _draw_name(axes: Axes, panel: Panel, y: float, note: str) -> None:
    """Write a lead's name and a note, such as the time if it is not the column's."""
    axes.plot(
        [panel.left, panel.left],
        [y - 2.0, y + 2.0],
        color=INK,
        linewidth=0.2 * POINTS_PER_MM,
        zorder=4,
    )
    backing = {"facecolor": _PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
    axes.text(
        panel.left + 1.0,
        y,
        panel.name,
        fontsize=9,
        fontweight="bold",
        color=INK,
        va="center",
        zorder=5,
        bbox=backing,
    )
    if note:
        axes.text(
            panel.left + _NAME_MM + 1.0,
            y,
            note,
            fontsize=7,
            color=GREY,
            va="center",
            zorder=5,
            bbox=backing,
        )


def _draw_cut_off(
    axes: Axes, x: FloatArray, y: FloatArray, top: float, bottom: float
) -> bool:
    """Mark where a curve leaves its row; return whether it does."""
    beyond_top, beyond_bottom = y > top, y < bottom
    for beyond, marker, edge in (
        (beyond_top, "^", top - 1.0),
        (beyond_bottom, "v", bottom + 1.0),
    ):
        starts = beyond & ~np.concatenate([[False], beyond[:-1]])
        axes.plot(
            x[starts],
            np.full(int(starts.sum()), edge),
            linestyle="none",
            marker=marker,
            markersize=4.5,
            color=VERMILION,
            zorder=6,
        )
    return bool(beyond_top.any() or beyond_bottom.any())


def _draw_end(axes: Axes, rows: Rows, traces: Sequence[Trace], real_s: float) -> None:
    """Hatch the time behind the last real sample."""
    for trace in traces:
        panel = trace.panel
        left = panel.left + (real_s - panel.start_s) * MM_PER_S
        width = panel.left + panel.width - left
        if width <= 0.1:
            continue
        bottom, top = rows.bottom(panel.row), rows.top(panel.row)
        axes.add_patch(
            Rectangle(
                (left, bottom),
                width,
                top - bottom,
                facecolor="#DDDDDD",
                edgecolor="#AAAAAA",
                linewidth=0.0,
                alpha=0.6,
                hatch="///",
                zorder=1,
                gid="no-signal",
            )
        )


def _draw_seconds(axes: Axes) -> None:
    """Write the seconds below the rhythm strip."""
    for second in range(int(PRINTED_S) + 1):
        x = TRACE_LEFT + second * MM_PER_S
        axes.plot([x, x], [FOOTER - 1.2, FOOTER], color=GREY, linewidth=0.5)
        text = f"{second} s" if second == 0 else f"{second}"
        axes.text(
            x, FOOTER - 1.8, text, fontsize=6.5, color=GREY, ha="center", va="top"
        )


def _draw_header(axes: Axes, rows: Rows, title: str, subtitle: str) -> None:
    """Write title and subtitle above the grid, shortened to what fits."""
    top = rows.page_height
    axes.text(
        GRID_LEFT,
        top - 9.0,
        _fold(visible_lines(title), _TITLE_LETTERS, 1),
        fontsize=14,
        fontweight="bold",
        color=INK,
        va="center_baseline",
        parse_math=False,
    )
    axes.text(
        GRID_LEFT,
        top - 13.5,
        _fold(visible_lines(subtitle), _SUBTITLE_LETTERS, 2),
        fontsize=9,
        color=INK,
        va="top",
        linespacing=1.3,
        parse_math=False,
    )


def _fold(text: str, width: int, n_lines: int) -> str:
    """Return a text in at most `n_lines` lines, cut off with an ellipsis.

    Long words, such as paths, are broken.
    """
    lines = textwrap.wrap(text, width)
    if len(lines) > n_lines:
        lines = [*lines[: n_lines - 1], f"{lines[n_lines - 1][: width - 1]}…"]
    return "\n".join(lines)


def _draw_footer(axes: Axes, settings: str, notes: str) -> None:
    """Write the settings and the notes below the grid."""
    for y, text, size, colour in (
        (FOOTER - 9.0, settings, 9, INK),
        (FOOTER - 14.0, notes, 7, VERMILION),
    ):
        axes.text(
            GRID_LEFT,
            y,
            text,
            fontsize=size,
            color=colour,
            va="center",
            parse_math=False,
        )


def _settings_text(fs: float, filter_text: str) -> str:
    """Return the line with the scales, the filter and the sampling rate."""
    parts = [f"{MM_PER_S:g} mm/s", f"{MM_PER_MV:g} mm/mV"]
    if filter_text:
        parts.append(f"filter {filter_text}")
    parts.append(f"sampled at {fs:g} Hz")
    return "     ".join(parts)


def _notes_text(real_s: float, cut_off: Sequence[str], *, padded: bool) -> str:
    """Return the notes on times that are not shown and curves that are cut off."""
    notes = []
    if real_s > PRINTED_S:
        notes.append(f"first {PRINTED_S:g} s of {real_s:.4g} s")
    if real_s < PRINTED_S:
        after = "padding follows" if padded else "nothing follows"
        notes.append(f"the recording ends after {real_s:.4g} s, {after}")
    if cut_off:
        names = ", ".join(dict.fromkeys(cut_off))
        notes.append(
            f"cut off at the row's edge (\N{BLACK UP-POINTING TRIANGLE}): {names}"
        )
    return ";  ".join(notes)
