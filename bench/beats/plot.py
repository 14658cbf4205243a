"""Pictures of `bench_beats.py`: errors of the marks, and the cases they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.beats.accuracy import ALL, Scores, match
from bench.beats.contestants import Found, Marks, Recording
from bench.beats.ludb import FS, MATCH_S, Annotation
from ecgstore.arrays import FloatArray
from ecgstore.plots.style.colours import BLUE, GREEN, GREY, INK, SERIES, VERMILION
from ecgstore.record import LEADS, MARKS, Mark

WAVES: Final = {
    "P": ((Mark.P_ON, Mark.P_PEAK, Mark.P_OFF), BLUE),
    "QRS": ((Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF), VERMILION),
    "T": ((Mark.T_ON, Mark.T_PEAK, Mark.T_OFF), GREEN),
}
"""The marks of each wave, and its colour."""

N_WORST: Final = 4
SHOWN_S: Final = 2.4
"""How much of a lead a case shows."""

BIN_MS: Final = 4.0
LIMIT_MS: Final = 100.0
"""Errors beyond are counted in the last bin."""


def draw_errors(scores: Scores, contestants: Sequence[str]) -> Figure:
    """Draw how the errors of every mark are distributed, over all leads."""
    figure = Figure(figsize=(13.0, 9.0), dpi=120, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.1)
    grid = figure.subplots(3, 3, squeeze=False, sharex=True)
    bins = np.arange(-LIMIT_MS, LIMIT_MS + BIN_MS, BIN_MS)
    for mark, axes in zip(Mark, grid.flat, strict=True):
        lines = []
        for who, colour in zip(contestants, SERIES, strict=False):
            one = scores[ALL][mark].get(who)
            if one is None or not one.errors_ms:
                continue
            errors = np.clip(one.errors_ms, bins[0], bins[-1])
            counts, _ = np.histogram(errors, bins)
            axes.stairs(
                100 * counts / max(one.n_annotated, 1),
                bins,
                color=colour,
                linewidth=1.4,
                label=who,
            )
            of = one.summary()
            lines.append(
                (
                    f"F1 {of['f1']:.3f}   {of['mean_ms']:+.1f} ± {of['sd_ms']:.1f}",
                    colour,
                )
            )
        for number, (text, colour) in enumerate(lines):
            axes.text(
                *(0.98, 0.96 - 0.08 * number),
                text,
                color=colour,
                fontsize=9,
                ha="right",
                va="top",
                transform=axes.transAxes,
            )
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        axes.set_title(MARKS[mark], loc="left", fontsize=11, fontweight="bold")
        axes.set_ylim(top=1.35 * axes.get_ylim()[1])
        axes.set_xlim(bins[0], bins[-1])
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "found - annotated, ms: % of the annotated marks of all LUDB leads in bins of "
        f"{BIN_MS:g} ms; beyond ±{LIMIT_MS:g} ms in the last bin",
        fontsize=11,
    )
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


@dataclass(frozen=True)
class Case:
    """How far a wave's marks are from the cardiologists' in one lead of a record.

    Attributes
    ----------
    record, lead : int
        Which one.
    error_ms : float
        Mean distance of the wave's marks; one that is missed or invented counts as
        150 ms.
    missed, invented : int
        How many waves are.
    worst : float
        The place of the largest error, as a sample index.
    """

    record: int
    lead: int
    error_ms: float
    missed: int
    invented: int
    worst: float


def cases_of(
    recordings: Sequence[Recording], found: Sequence[Found], wave: str
) -> list[Case]:
    """Return all leads with marks of a wave, the worst first."""
    cases = []
    for record, (recording, one) in enumerate(zip(recordings, found, strict=True)):
        for lead, annotation in enumerate(recording.ludb.annotations):
            case = _case(record, lead, annotation, one.leads[lead], WAVES[wave][0])
            if case is not None:
                cases.append(case)
    return sorted(cases, key=lambda each: -each.error_ms)


def _case(
    record: int,
    lead: int,
    annotation: Annotation,
    marks: Marks,
    of_wave: tuple[Mark, ...],
) -> Case | None:
    """Return the errors of one lead, or None if there is nothing to compare."""
    errors: list[tuple[float, float]] = []  # ms, place
    missed = invented = 0
    for mark in of_wave:
        annotated = annotation.marks[mark]
        places = marks.get(mark, np.empty(0))
        places = np.sort(places[places >= 0])
        pairs = match(annotated, places)
        errors += [
            (1000 * abs(places[j] - annotated[i]) / FS, annotated[i]) for i, j in pairs
        ]
        lost = np.delete(annotated, [i for i, _ in pairs])
        extra = np.delete(places, [j for _, j in pairs])
        extra = extra[(extra >= annotation.first) & (extra <= annotation.last)]
        errors += [(1000 * MATCH_S, float(place)) for place in (*lost, *extra)]
        if mark == of_wave[1]:
            missed, invented = len(lost), len(extra)
    if not errors:
        return None
    mean = float(np.mean([error for error, _ in errors]))
    return Case(record, lead, mean, missed, invented, max(errors)[1])


def chosen(cases: Sequence[Case]) -> list[tuple[str, Case]]:
    """Return the lead in the middle, and the worst of different records."""
    worst: dict[int, Case] = {}
    for each in cases:
        worst.setdefault(each.record, each)
    return [
        *(("worst", each) for each in list(worst.values())[:N_WORST]),
        ("typical", cases[len(cases) // 2]),
    ]


def draw_cases(recordings: Sequence[Recording], found: Sequence[Found]) -> Figure:
    """Draw the worst leads and a typical one, a row for each wave."""
    columns = N_WORST + 1
    figure = Figure(figsize=(4.0 * columns, 10.0), dpi=110, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.1)
    grid = figure.subplots(len(WAVES), columns, squeeze=False)
    for row, wave in zip(grid, WAVES, strict=True):
        for axes in row:
            axes.set_axis_off()
        some = cases_of(recordings, found, wave)
        if not some:
            continue
        for axes, (why, case) in zip(row, chosen(some), strict=False):
            recording = recordings[case.record]
            _draw_case(axes, recording, case, found[case.record].leads[case.lead])
            counts = [
                f"{n} {text}"
                for n, text in ((case.missed, "missed"), (case.invented, "invented"))
                if n
            ]
            axes.set_title(
                f"{wave}, {why}: record {recording.ludb.record_id} {LEADS[case.lead]}\n"
                f"{case.error_ms:.0f} ms" + "".join(f", {each}" for each in counts),
                loc="left",
                fontsize=9,
            )
    figure.suptitle(
        "Above the curve: the cardiologists' marks; below: ecgstore's. Bars last from "
        "onset to offset, ticks are peaks.   "
        f"{' '.join(WAVES)}: blue, red, green; {SHOWN_S:g} s each",
        fontsize=11,
    )
    return figure


def _draw_case(axes: Axes, recording: Recording, case: Case, marks: Marks) -> None:
    """Draw a stretch of a lead around its largest error, with both sets of marks."""
    annotation = recording.ludb.annotations[case.lead]
    lead = recording.filtered[case.lead]
    n_shown = round(SHOWN_S * FS)
    begin = int(np.clip(case.worst - n_shown / 2, 0, max(len(lead) - n_shown, 0)))
    shown = np.arange(begin, min(begin + n_shown, len(lead)))
    curve = lead[shown]
    low, high = float(curve.min()), float(curve.max())
    step = 0.07 * max(high - low, 0.1)
    axes.plot(shown / FS, curve, color=INK, linewidth=0.9)
    for places, y in ((annotation.marks, high + step), (marks, low - step)):
        for of_wave, colour in WAVES.values():
            _draw_wave(axes, places, of_wave, colour, y, step / 2)
    for edge in (annotation.first, annotation.last):
        axes.axvline(edge / FS, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_xlim(shown[0] / FS, (shown[-1] + 1) / FS)
    axes.set_ylim(low - 2.5 * step, high + 2.5 * step)
    axes.set_axis_on()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks([])
    axes.tick_params(labelsize=7)


def _draw_wave(
    axes: Axes,
    places: Marks,
    of_wave: tuple[Mark, ...],
    colour: str,
    y: float,
    half: float,
) -> None:
    """Draw bars from onsets to the offsets that follow, and ticks at peaks."""
    on, peak, off = (_present(places, mark) / FS for mark in of_wave)
    for start in on:
        later = off[off > start]
        if len(later) and later[0] - start < 1.0:  # s: not that of another beat
            axes.plot([start, later[0]], [y, y], color=colour, linewidth=2.5, alpha=0.6)
    for edges in (on, off):
        axes.vlines(edges, y - half / 2, y + half / 2, color=colour, linewidth=1.0)
    axes.vlines(peak, y - half, y + half, color=colour, linewidth=1.6)


def _present(places: Marks, mark: Mark) -> FloatArray:
    """Return the marks of a kind that are there."""
    of_kind = places.get(mark, np.empty(0))
    return of_kind[of_kind >= 0]
