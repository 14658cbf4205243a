"""Draw the distributions of the errors of detected marks on LUDB."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from bench.beats.summary import Scores, summarize
from ecgstore.plots.style.colours import GREY, SERIES
from ecgstore.record import MARKS, Mark

BIN_MS: Final = 4.0
LIMIT_MS: Final = 100.0
"""Larger errors are counted in the last bin."""


def draw_errors(scores: Scores, setting: str, detectors: Sequence[str]) -> Figure:
    """Draw the distribution of the errors of every mark, in one of the settings."""
    figure = Figure(figsize=(13.0, 9.0), dpi=120, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.1)
    grid = figure.subplots(3, 3, squeeze=False, sharex=True)
    bins = np.arange(-LIMIT_MS, LIMIT_MS + BIN_MS, BIN_MS)
    for mark, axes in zip(Mark, grid.flat, strict=True):
        lines = []
        for detector, colour in zip(detectors, SERIES, strict=False):
            counts = scores[setting][mark].get(detector, [])
            all_errors = [
                record.errors_ms for record in counts if len(record.errors_ms)
            ]
            if not all_errors:
                continue
            errors = np.clip(np.concatenate(all_errors), bins[0], bins[-1])
            row = summarize(counts)
            heights, _ = np.histogram(errors, bins)
            axes.stairs(
                100 * heights / row["annotated"],
                bins,
                color=colour,
                linewidth=1.4,
                label=detector,
            )
            lines.append(
                (
                    f"F1 {row['f1']:.3f}   {row['mean_ms']:+.1f} ± {row['sd_ms']:.1f}",
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
        "detected - annotated, ms: % of the annotated marks of all LUDB leads in bins "
        f"of {BIN_MS:g} ms; beyond ±{LIMIT_MS:g} ms in the last bin",
        fontsize=11,
    )
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
