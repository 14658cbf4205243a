"""Draw the leads of LUDB in which the marks of a wave are worst, and a typical one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.beats.counts import MATCH_S, inside, match, present
from bench.beats.detectors import Detections, Leads, Marks
from ecgstore.arrays import FloatArray
from ecgstore.models.delineator.databases.annotated import (
    WAVES,
    AnnotatedRecord,
    Annotation,
)
from ecgstore.models.delineator.databases.ludb import FS
from ecgstore.plots.style.colours import BLUE, GREEN, GREY, INK, VERMILION
from ecgstore.record import LEADS, Mark

COLOURS: Final = {"P": BLUE, "QRS": VERMILION, "T": GREEN}

N_WORST: Final = 4
SHOWN_S: Final = 2.4
"""Length of the piece of a lead that a case shows."""


@dataclass(frozen=True)
class Case:
    """The errors of the marks of one wave in one lead of a record.

    Attributes
    ----------
    record, lead : int
        Their numbers, from 0.
    error_ms : float
        Mean distance from the cardiologists' marks; a missed or false mark counts as
        150 ms.
    missed, false : int
        Number of waves that were missed, and that are false positives.
    worst : float
        Sample index of the largest error.
    """

    record: int
    lead: int
    error_ms: float
    missed: int
    false: int
    worst: float


def cases_of(
    records: Sequence[AnnotatedRecord], detections: Sequence[Detections], wave: str
) -> list[Case]:
    """Return all leads with marks of a wave, the worst first."""
    cases = []
    for number, (record, result) in enumerate(zip(records, detections, strict=True)):
        for lead, annotation in enumerate(record.annotations):
            case = _case(number, lead, annotation, result.leads[lead], wave)
            if case is not None:
                cases.append(case)
    return sorted(cases, key=lambda case: -case.error_ms)


def _case(
    record: int,
    lead: int,
    annotation: Annotation,
    marks: Marks,
    wave: str,
) -> Case | None:
    """Return the errors of one lead, or None if there is nothing to compare."""
    errors: list[tuple[float, float]] = []  # ms, sample index
    missed = false = 0
    all_annotated = annotation.marks()
    for mark in WAVES[wave]:
        annotated = all_annotated[mark]
        detected = present(marks.get(mark, np.empty(0)))
        pairs = match(annotated, detected, MATCH_S * FS)
        errors += [
            (1000 * abs(detected[j] - annotated[i]) / FS, annotated[i])
            for i, j in pairs
        ]
        lost = np.delete(annotated, [i for i, _ in pairs])
        extra = np.delete(detected, [j for _, j in pairs])
        extra = extra[inside(extra, annotation.spans[wave])]
        errors += [(1000 * MATCH_S, float(sample)) for sample in (*lost, *extra)]
        if mark == WAVES[wave][1]:
            missed, false = len(lost), len(extra)
    if not errors:
        return None
    mean = float(np.mean([error for error, _ in errors]))
    return Case(record, lead, mean, missed, false, max(errors)[1])


def select_cases(cases: Sequence[Case]) -> list[tuple[str, Case]]:
    """Return the worst leads of different records, and the median one."""
    worst: dict[int, Case] = {}
    for case in cases:
        worst.setdefault(case.record, case)
    return [
        *(("worst", case) for case in list(worst.values())[:N_WORST]),
        ("typical", cases[len(cases) // 2]),
    ]


def draw_cases(
    records: Sequence[AnnotatedRecord],
    leads: Sequence[Leads],
    detections: Sequence[Detections],
) -> Figure:
    """Draw the worst leads and a typical one, a row for each wave."""
    columns = N_WORST + 1
    figure = Figure(figsize=(4.0 * columns, 10.0), dpi=110, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.1)
    grid = figure.subplots(len(WAVES), columns, squeeze=False)
    for row, wave in zip(grid, WAVES, strict=True):
        for axes in row:
            axes.set_axis_off()
        cases = cases_of(records, detections, wave)
        if not cases:
            continue
        for axes, (title, case) in zip(row, select_cases(cases), strict=False):
            record = records[case.record]
            _draw_case(
                axes,
                leads[case.record].filtered[case.lead],
                record.annotations[case.lead],
                case,
                detections[case.record].leads[case.lead],
            )
            counts = [
                f", {n} {text}"
                for n, text in ((case.missed, "missed"), (case.false, "false"))
                if n
            ]
            axes.set_title(
                f"{wave}, {title}: record {record.record_id} {LEADS[case.lead]}\n"
                f"{case.error_ms:.0f} ms" + "".join(counts),
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


def _draw_case(
    axes: Axes, lead: FloatArray, annotation: Annotation, case: Case, marks: Marks
) -> None:
    """Draw a piece of a lead around its largest error, with both sets of marks."""
    n_shown = round(SHOWN_S * FS)
    begin = int(np.clip(case.worst - n_shown / 2, 0, max(len(lead) - n_shown, 0)))
    shown = np.arange(begin, min(begin + n_shown, len(lead)))
    curve = lead[shown]
    low, high = float(curve.min()), float(curve.max())
    step = 0.07 * max(high - low, 0.1)
    axes.plot(shown / FS, curve, color=INK, linewidth=0.9)
    for drawn, y in ((annotation.marks(), high + step), (marks, low - step)):
        for wave, colour in COLOURS.items():
            _draw_wave(axes, drawn, WAVES[wave], colour, y, step / 2)
    for edge in annotation.spans["QRS"].ravel():
        axes.axvline(edge / FS, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_xlim(shown[0] / FS, (shown[-1] + 1) / FS)
    axes.set_ylim(low - 2.5 * step, high + 2.5 * step)
    axes.set_axis_on()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks([])
    axes.tick_params(labelsize=7)


def _draw_wave(
    axes: Axes,
    marks: Marks,
    wave_marks: tuple[Mark, ...],
    colour: str,
    y: float,
    half_height: float,
) -> None:
    """Draw bars from onsets to the offsets that follow, and ticks at peaks."""
    on, peak, off = (present(marks.get(mark, np.empty(0))) / FS for mark in wave_marks)
    for start in on:
        later = off[off > start]
        if len(later) and later[0] - start < 1.0:  # s: of the same beat
            axes.plot([start, later[0]], [y, y], color=colour, linewidth=2.5, alpha=0.6)
    for edges in (on, off):
        axes.vlines(
            edges, y - half_height / 2, y + half_height / 2, color=colour, linewidth=1.0
        )
    axes.vlines(peak, y - half_height, y + half_height, color=colour, linewidth=1.6)
