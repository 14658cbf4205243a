"""Stack single records into a batch, for peers that yield records."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.loading.workloads import Files, Workload

Stack = Callable[[Sequence[NDArray[np.int16]]], NDArray[np.generic]]
"""Returns one array of records of equal shape."""


def stacker(files: Files, workload: Workload) -> Stack:
    """Return the function that stacks records into a batch, as counts or in mV."""
    scale = np.float32(files.mv_per_count)

    def in_mv(records: Sequence[NDArray[np.int16]]) -> NDArray[np.generic]:
        # Row by row, so that a row stays in the processor's cache between the two
        # operations: faster than astype of the batch, and than np.multiply to float32.
        batch = np.empty((len(records), *records[0].shape), np.float32)
        for i, record in enumerate(records):
            batch[i] = record
            batch[i] *= scale
        return batch

    return in_mv if workload.dtype == "float32" else np.stack
