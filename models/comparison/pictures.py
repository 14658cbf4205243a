"""The plots of a comparison."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.estimates import (
    N_REGISTERED,
    PAIRS,
    TITLES,
    TITLES_EXPLAINED,
    auroc_within_sources,
    difference,
    pairs_of,
)
from ecgstore.models.comparison.results import ComparedRecords, ProtocolResult
from ecgstore.plots import (
    plot_by_source,
    plot_confusion,
    plot_difference_intervals,
    plot_learning_curve,
    plot_reliability,
    plot_score_intervals,
    save,
)
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.scores.table import CLASS_SCORE_HEADINGS, SCORE_HEADINGS
from ecgstore.scores.weighted import macro_average

_PANEL_HEADINGS: Final = {
    name: heading.replace(" (", "\n(") for name, heading in SCORE_HEADINGS.items()
}

_CONFUSION: Final = ("trees", "extractor", "hybrid")
"""Classifiers whose confusion matrices are plotted."""


_CURVE: Final = "patients"
_CURVE_SCORE: Final = "macro_auroc"
_CURVE_CLASSIFIERS: Final = ("trees", "handcrafted", "extractor", "hybrid")


def figures_of(
    records: ComparedRecords,
    protocol: str,
    result: ProtocolResult,
    estimates: BootstrapResult,
) -> dict[str, Figure]:
    """Plot the results of one protocol; return figures by name, in their order.

    Reliability and confusion are those of the first seed.
    """
    names, labels = records.label_names, records.labels > 0
    titles = {name: TITLES[name] for name in estimates.names}
    first_seed = {
        titles[name]: predictions.probabilities[0]
        for name, predictions in result.predictions.items()
        if name not in BASELINES
    }
    pairs = pairs_of(estimates)
    areas = auroc_within_sources(records, result)
    note = f"macro: mean over {estimates.averaged_over}\n{TITLES_EXPLAINED}"
    return {
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
        **(
            {
                "differences": plot_difference_intervals(
                    {
                        (titles[first], titles[second]): difference(
                            estimates, first, second
                        )
                        for first, second in pairs
                    },
                    columns=_PANEL_HEADINGS,
                    title=f"Differences, folds by {protocol}",
                    level=estimates.level,
                    note=note,
                )
            }
            if pairs
            else {}
        ),
        **(
            {
                "reliability": plot_reliability(
                    labels,
                    first_seed,
                    names,
                    title=f"Reliability, folds by {protocol}, first seed",
                )
            }
            if first_seed
            else {}
        ),
        **{
            f"confusion-{name}": plot_confusion(
                labels,
                result.predictions[name].decisions[0],
                names,
                title=f"{titles[name]}, folds by {protocol}, first seed",
            )
            for name in _CONFUSION
            if name in titles
        },
        "by-source": plot_by_source(
            {
                source: {
                    titles[name]: float(macro_average(of_classes))
                    for name, of_classes in of_source.items()
                }
                for source, of_source in areas.items()
            },
            title=f"Macro AUROC within each source, folds by {protocol}",
        ),
    }


def write_pictures(
    records: ComparedRecords,
    protocol: str,
    result: ProtocolResult,
    estimates: BootstrapResult,
    folder: Path,
) -> list[Path]:
    """Plot the results of one protocol; return the files, the most important first."""
    files = []
    for name, figure in figures_of(records, protocol, result, estimates).items():
        path = folder / f"{protocol}-{name}.png"
        save(figure, path)
        files.append(path)
    return files


def learning_curve(
    n_training: Mapping[str, float], estimates: Mapping[str, BootstrapResult]
) -> Figure | None:
    """Plot the scores of folds of patients against their training records.

    Parameters
    ----------
    n_training : Mapping
        By protocol, the mean number of training records of its folds.
    estimates : Mapping
        By protocol, the scores.

    Returns
    -------
    Figure or None
        None if no protocol has fewer records than all.
    """
    sizes = {
        name: n for name, n in n_training.items() if name.partition("-")[0] == _CURVE
    }
    names = sorted(sizes, key=lambda name: sizes[name])
    if len(names) < 2:
        return None
    trained = set.intersection(*({*estimates[name].names} for name in names))
    return plot_learning_curve(
        [sizes[name] for name in names],
        {
            TITLES[classifier]: [
                estimates[name].scores[classifier][_CURVE_SCORE] for name in names
            ]
            for classifier in _CURVE_CLASSIFIERS
            if classifier in trained
        },
        {
            f"{TITLES[first]} - {TITLES[second]}": [
                difference(estimates[name], first, second)[_CURVE_SCORE]
                for name in names
            ]
            for first, second in PAIRS[:N_REGISTERED]
            if trained.issuperset((first, second))
        },
        score=SCORE_HEADINGS[_CURVE_SCORE],
        title="Scores by number of training records, folds by patients",
    )


def write_learning_curve(
    results: Mapping[str, ProtocolResult],
    estimates: Mapping[str, BootstrapResult],
    folder: Path,
) -> list[Path]:
    """Write the plot of `learning_curve`, if there is one."""
    figure = learning_curve(
        {name: result.n_training for name, result in results.items()}, estimates
    )
    if figure is None:
        return []
    path = folder / "learning-curve.png"
    save(figure, path)
    return [path]


def _capitalised(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[0].upper() + text[1:]
