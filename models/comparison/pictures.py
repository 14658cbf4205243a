"""The plots of a comparison."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.estimates import (
    PAIRS,
    TITLES,
    TITLES_EXPLAINED,
    difference,
    pairs_of,
)
from ecgstore.models.comparison.run import ProtocolResult
from ecgstore.plots import (
    plot_confusion,
    plot_difference_intervals,
    plot_learning_curve,
    plot_reliability,
    plot_score_intervals,
    save,
)
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.scores.table import CLASS_SCORE_HEADINGS, SCORE_HEADINGS
from ecgstore.storage import Store

_PANEL_HEADINGS: Final = {
    name: heading.replace(" (", "\n(") for name, heading in SCORE_HEADINGS.items()
}

_CONFUSION: Final = ("trees", "extractor", "hybrid")
"""Classifiers whose confusion matrices are plotted."""


_CURVE: Final = "patients"
_CURVE_SCORE: Final = "macro_auroc"
_CURVE_CLASSIFIERS: Final = ("trees", "handcrafted", "extractor", "hybrid")
_N_REGISTERED: Final = 2
"""The first pairs, which were chosen beforehand."""


def write_pictures(
    store: Store,
    protocol: str,
    result: ProtocolResult,
    estimates: BootstrapResult,
    folder: Path,
) -> list[Path]:
    """Plot the results of one protocol; return the files, the most important first.

    Reliability and confusion are those of the first seed.
    """
    names, labels = store.label_names, store.labels(dtype=np.bool_)
    titles = {name: TITLES[name] for name in estimates.names}
    first_seed = {
        titles[name]: predictions.probabilities[0]
        for name, predictions in result.predictions.items()
        if name not in BASELINES
    }
    note = f"macro: mean over {estimates.averaged_over}\n{TITLES_EXPLAINED}"
    figures = {
        "scores": plot_score_intervals(
            {title: estimates.scores[name] for name, title in titles.items()},
            columns=_PANEL_HEADINGS,
            title=f"Scores, folds by {protocol}",
            level=estimates.level,
            note=note,
        ),
        **{
            f"classes-{score}": plot_score_intervals(
                {
                    title: dict(
                        zip(names, estimates.class_scores[name][score], strict=True)
                    )
                    for name, title in titles.items()
                },
                title=f"{_capitalised(heading)} by class, folds by {protocol}",
                level=estimates.level,
            )
            for score, heading in CLASS_SCORE_HEADINGS.items()
        },
        "differences": plot_difference_intervals(
            {
                (titles[first], titles[second]): difference(estimates, first, second)
                for first, second in pairs_of(estimates)
            },
            columns=_PANEL_HEADINGS,
            title=f"Differences, folds by {protocol}",
            level=estimates.level,
            note=note,
        ),
        "reliability": plot_reliability(
            labels,
            first_seed,
            names,
            title=f"Reliability, folds by {protocol}, first seed",
        ),
        **{
            f"confusion-{name}": plot_confusion(
                labels,
                result.predictions[name].decisions[0],
                names,
                title=f"{titles[name]}, folds by {protocol}, first seed",
            )
            for name in _CONFUSION
        },
    }
    files = []
    for name, figure in figures.items():
        path = folder / f"{protocol}-{name}.png"
        save(figure, path)
        files.append(path)
    return files


def write_learning_curve(
    results: Mapping[str, ProtocolResult],
    estimates: Mapping[str, BootstrapResult],
    folder: Path,
) -> list[Path]:
    """Plot the scores of folds of patients against their training records.

    Returns
    -------
    list of Path
        The files; none if no protocol has fewer records than all.
    """
    sizes = {
        name: float(np.mean([len(fold.training) for fold in results[name].outer]))
        for name in estimates
        if name.partition("-")[0] == _CURVE
    }
    names = sorted(sizes, key=lambda name: sizes[name])
    if len(names) < 2:
        return []
    figure = plot_learning_curve(
        [sizes[name] for name in names],
        {
            TITLES[classifier]: [
                estimates[name].scores[classifier][_CURVE_SCORE] for name in names
            ]
            for classifier in _CURVE_CLASSIFIERS
        },
        {
            f"{TITLES[first]} - {TITLES[second]}": [
                difference(estimates[name], first, second)[_CURVE_SCORE]
                for name in names
            ]
            for first, second in PAIRS[:_N_REGISTERED]
        },
        score=SCORE_HEADINGS[_CURVE_SCORE],
        title="Scores by number of training records, folds by patients",
    )
    path = folder / "learning-curve.png"
    save(figure, path)
    return [path]


def _capitalised(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[0].upper() + text[1:]
