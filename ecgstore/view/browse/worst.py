"""How bad the signal of every record is, among all of its store."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.plots.dataset.worst import quality_problems
from ecgstore.storage import Store
from ecgstore.storage.counts import blocks
from ecgstore.storage.format import schema

_QUALITY: Final = (
    "flat_fraction",
    "clipped_fraction",
    "missing_fraction",
    "psqi",
    "bassqi",
)


def severities(store: Store) -> FloatArray:
    """Return a severity for every record, the highest for the worst.

    The worst records of each problem of `quality_problems` come first, then the second
    worst ones, and so on, as in ``ecgstore plot --worst``, without the problems of the
    marks, which take long to find in a large store. NaN in records without a problem.
    """
    parts = [
        quality_problems(
            {name: store.table(f"{schema.QUALITY}/{name}")[rows] for name in _QUALITY}
        )
        for rows in blocks(len(store))
    ]
    best = np.full(len(store), np.inf)
    for number, same in enumerate(zip(*parts, strict=True)):
        ranks = _ranks(np.concatenate([part.severity for part in same]))
        # Of equal ranks, the first problem comes first.
        best = np.fmin(best, ranks + number / 100)
    return np.where(np.isfinite(best), -best, np.nan)


def _ranks(severity: FloatArray) -> FloatArray:
    """Return the rank of every record by one problem; NaN where it has it not."""
    order = np.argsort(-severity, kind="stable")  # NaN comes last
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order))
    ranks[~(severity > 0)] = np.nan
    return ranks
