"""What is reached without looking at any ECG: results mean little below."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.storage import Store

_PRIOR_RECORDS: Final = 1.0
"""As many records with the mean share of each class join those of a source."""


def always_commonest(store: Store, outer: OuterFold) -> FloatArray:
    """Return probability 1 for the commonest class, 0 for all others.

    Where the classes are those of the research prototype, that is sinus rhythm.

    Returns
    -------
    ndarray of shape (n_test_records, n_classes)
    """
    counts = store.labels(rows=outer.training).sum(axis=0, dtype=np.int64)
    probabilities = np.zeros((len(outer.test), len(counts)))
    probabilities[:, counts.argmax()] = 1
    return probabilities


def source_only(store: Store, outer: OuterFold) -> FloatArray:
    """Return the share of each class among the training records of the same source.

    Whatever is better than this floor has learnt more than to recognise the recording
    site. A source without training records gets the shares of all others, which is less
    than nothing: where classes are rare in a source, they are frequent in the others.

    Returns
    -------
    ndarray of shape (n_test_records, n_classes)
    """
    source = store.records["source"].to_numpy()
    labels = store.labels(rows=outer.training).astype(np.float64)
    overall = labels.mean(axis=0)
    probabilities = np.empty((len(outer.test), labels.shape[1]))
    for name in set(source[outer.test]):
        own = labels[source[outer.training] == name]
        shares = (own.sum(axis=0) + _PRIOR_RECORDS * overall) / (
            len(own) + _PRIOR_RECORDS
        )
        probabilities[source[outer.test] == name] = shares
    return probabilities
