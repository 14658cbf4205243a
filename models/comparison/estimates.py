"""Scores of the classifiers of a comparison, and their differences, with intervals."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.classifiers import (
    HYBRIDS,
    JOINED,
    NAMES,
    PART_TITLES,
)
from ecgstore.models.comparison.results import ComparedRecords, ProtocolResult
from ecgstore.scores.bootstrap import BootstrapResult, Estimate, paired_bootstrap
from ecgstore.scores.multilabel import auroc
from ecgstore.scores.weighted import macro_average

TITLES: Final[Mapping[str, str]] = {
    **{name: baseline.title for name, baseline in BASELINES.items()},
    **{NAMES[part]: title for part, title in PART_TITLES.items()},
    **{name: joined.title for name, joined in JOINED.items()},
    **{name: hybrid.title for name, hybrid in HYBRIDS.items()},
}
"""Names of all classifiers in tables and plots, baselines included."""

TITLES_EXPLAINED: Final = (
    '"deep network" is trained on signals, and its own probabilities are scored; '
    '"network on deep" are small networks trained on the outputs of the deep network, '
    '"network on both" one on these outputs and handcrafted features; "hybrid" adds '
    "the logits of the trees, of the network on handcrafted features and of the deep "
    'network, "sum on handcrafted" those of the first two'
)
"""What the names of classifiers mean that are easily mistaken for each other."""

PAIRS: Final = (
    ("hybrid", "trees"),
    ("hybrid", "extractor"),
    ("hybrid", "handcrafted-sum"),
    ("both", "handcrafted"),
    ("both", "deep"),
    ("both", "extractor"),
    ("handcrafted-sum", "trees"),
    ("trees-both", "trees"),
    ("trees", "handcrafted"),
)
"""The differences that are printed and plotted. The first two were chosen beforehand
to answer whether fusion helps; some of the others may be significant by chance."""

N_REGISTERED: Final = 2
"""The first pairs, which were chosen beforehand."""


def pairs_of(estimates: BootstrapResult) -> list[tuple[str, str]]:
    """Return the pairs of `PAIRS` whose classifiers were trained."""
    names = {*estimates.names}
    return [pair for pair in PAIRS if names.issuperset(pair)]


def estimate(
    records: ComparedRecords, result: ProtocolResult, n_resamples: int
) -> BootstrapResult:
    """Return scores and their differences, with bootstrap intervals over patients.

    Scores are means over the seeds: the expected scores of one training.
    """
    return paired_bootstrap(
        records.labels,
        {name: values.probabilities for name, values in result.predictions.items()},
        {name: values.decisions for name, values in result.predictions.items()},
        records.patient,
        n_resamples=n_resamples,
    )


def difference(
    estimates: BootstrapResult, first: str, second: str
) -> dict[str, Estimate]:
    """Return the first classifier's scores minus the second's, by name of the score."""
    if (first, second) in estimates.differences:
        return dict(estimates.differences[first, second])
    return {
        score: Estimate(-value, -high, -low)
        for score, (value, low, high) in estimates.differences[second, first].items()
    }


def auroc_within_sources(
    records: ComparedRecords, result: ProtocolResult
) -> dict[str, dict[str, FloatArray]]:
    """Return the AUROC of each class within each source, mean over the seeds.

    Only records of the same source are ranked against each other, so that knowing the
    source of a record has no advantage.

    Returns
    -------
    dict
        By source and classifier, an ndarray of shape (n_classes,): NaN where no record
        or every record of the source has the class.
    """
    labels, source = records.labels, records.source
    return {
        name: {
            classifier: np.mean(
                [
                    auroc(labels[source == name], probabilities[source == name])
                    for probabilities in predictions.probabilities
                ],
                axis=0,
            )
            for classifier, predictions in result.predictions.items()
        }
        for name in sorted(set(source))
    }


def macro_within_sources(
    records: ComparedRecords, result: ProtocolResult
) -> dict[str, dict[str, float]]:
    """Return the macro AUROC within each source, by source and classifier.

    The mean over the classes that some, but not all records of the source have; NaN if
    there are none.
    """
    return {
        source: {
            name: float(macro_average(of_classes))
            for name, of_classes in of_source.items()
        }
        for source, of_source in auroc_within_sources(records, result).items()
    }
