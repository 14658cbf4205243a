"""Baselines that use no ECG: a useful classifier must be better than both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.storage import Store

_PRIOR_RECORDS: Final = 1.0
"""Weight of the overall shares of the classes in the shares of a source, as a number of
records, so that shares of small sources are not extreme."""


def most_frequent_class(store: Store, outer: OuterFold) -> FloatArray:
    """Return probability 1 for the most frequent training class, 0 for all others.

    With the classes of the research prototype, the most frequent one is sinus rhythm.

    Returns
    -------
    ndarray of shape (n_test_records, n_classes)
    """
    counts = store.labels(rows=outer.training).sum(axis=0)
    probabilities = np.zeros((len(outer.test), len(counts)))
    probabilities[:, counts.argmax()] = 1
    return probabilities


def source_only(store: Store, outer: OuterFold) -> FloatArray:
    """Return the share of each class in the training records of the same source.

    A classifier that is better than this does more than recognise the recording site.
    A source without training records gets the shares of all training records. That is
    worse than chance over all sources: classes that are rare in a source are, for this
    reason, more frequent in the others.

    Returns
    -------
    ndarray of shape (n_test_records, n_classes)
    """
    source = store.column("source")
    labels = store.labels(rows=outer.training, dtype=np.float64)
    overall = labels.mean(axis=0)
    probabilities = np.empty((len(outer.test), labels.shape[1]))
    for name in set(source[outer.test]):
        in_source = labels[source[outer.training] == name]
        shares = (in_source.sum(axis=0) + _PRIOR_RECORDS * overall) / (
            len(in_source) + _PRIOR_RECORDS
        )
        probabilities[source[outer.test] == name] = shares
    return probabilities


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline of the comparison.

    Attributes
    ----------
    predict : callable
        From a store and an outer fold to the probabilities of the test records, an
        ndarray of shape (n_test_records, n_classes).
    title : str
        Name in tables and plots.
    """

    predict: Callable[[Store, OuterFold], FloatArray]
    title: str


BASELINES: Final[Mapping[str, Baseline]] = {
    "most-frequent-class": Baseline(
        most_frequent_class, "baseline: most frequent class"
    ),
    "source-only": Baseline(source_only, "baseline: recording site only"),
}
