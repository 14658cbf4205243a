"""The plots of a comparison."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.estimates import (
    N_REGISTERED,
    PAIRS,
    TITLES,
    TITLES_EXPLAINED,
    difference,
    macro_within_sources,
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

_PANEL_HEADINGS: Final = {
    name: heading.replace(" (", "\n(") for name, heading in SCORE_HEADINGS.items()
}

_CONFUSION: Final = ("trees", "extractor", "hybrid")
"""Classifiers whose confusion matrices are plotted."""


_CURVE: Final = "patients"
_CURVE_SCORE: Final = "macro_auroc"
_CURVE_CLASSIFIERS: Final = ("trees", "handcrafted", "extractor", "hybrid")


def drawings_of(
    records: ComparedRecords,
    protocol: str,
    result: ProtocolResult,
    estimates: BootstrapResult,
) -> dict[str, Callable[[], Figure]]:
    """Return functions that plot the results of one protocol, by name, in their order.

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
    note = f"macro: mean over {estimates.averaged_over}\n{TITLES_EXPLAINED}"

    def scores() -> Figure:
        return plot_score_intervals(
            {title: estimates.scores[name] for name, title in titles.items()},
            columns=_PANEL_HEADINGS,
            title=f"Scores, folds by {protocol}",
            level=estimates.level,
            note=note,
        )

    def of_classes(score: str) -> Figure:
        of_titles = {
            title: dict(zip(names, estimates.class_scores[name][score], strict=True))
            for name, title in titles.items()
        }
        heading = _capitalised(CLASS_SCORE_HEADINGS[score])
        return plot_score_intervals(
            of_titles,
            title=f"{heading} by class, folds by {protocol}",
            level=estimates.level,
        )

    def differences() -> Figure:
        return plot_difference_intervals(
            {
                (titles[first], titles[second]): difference(estimates, first, second)
                for first, second in pairs
            },
            columns=_PANEL_HEADINGS,
            title=f"Differences, folds by {protocol}",
            level=estimates.level,
            note=note,
        )

    def reliability() -> Figure:
        return plot_reliability(
            labels,
            first_seed,
            names,
            title=f"Reliability, folds by {protocol}, first seed",
        )

    def confusion(name: str) -> Figure:
        return plot_confusion(
            labels,
            result.predictions[name].decisions[0],
            names,
            title=f"{titles[name]}, folds by {protocol}, first seed",
        )

    def by_source() -> Figure:
        areas = macro_within_sources(records, result)
        return plot_by_source(
            {
                source: {titles[name]: area for name, area in of_source.items()}
                for source, of_source in areas.items()
            },
            title=f"Macro AUROC within each source, folds by {protocol}",
        )

    drawings: dict[str, Callable[[], Figure]] = {"scores": scores}
    for score in CLASS_SCORE_HEADINGS:
        drawings[f"classes-{score}"] = partial(of_classes, score)
    if pairs:
        drawings["differences"] = differences
    if first_seed:
        drawings["reliability"] = reliability
    for name in _CONFUSION:
        if name in titles:
            drawings[f"confusion-{name}"] = partial(confusion, name)
    return {**drawings, "by-source": by_source}


def write_pictures(
    records: ComparedRecords,
    protocol: str,
    result: ProtocolResult,
    estimates: BootstrapResult,
    folder: Path,
) -> list[Path]:
    """Plot the results of one protocol; return the files, the most important first."""
    files = []
    for name, draw in drawings_of(records, protocol, result, estimates).items():
        path = folder / f"{protocol}-{name}.png"
        save(draw(), path)
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
