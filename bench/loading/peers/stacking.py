"""What peers that yield single records need: a batch made of them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.loading.workloads import Files, Workload

Stack = Callable[[Sequence[NDArray[np.int16]]], NDArray[np.generic]]
"""Makes one array of records of equal shape."""


def stacker(files: Files, workload: Workload) -> Stack:
    """Return the function that makes a batch of records, as counts or in mV."""
    scale = np.float32(files.mv_per_count)

    def in_mv(records: Sequence[NDArray[np.int16]]) -> NDArray[np.generic]:
        # Row by row: a row stays in the cache between its two steps, which is faster
        # than astype of the batch, and than np.multiply with a float32 result.
        batch = np.empty((len(records), *records[0].shape), np.float32)
        for place, record in enumerate(records):
            batch[place] = record
            batch[place] *= scale
        return batch

    return in_mv if workload.dtype == "float32" else np.stack
