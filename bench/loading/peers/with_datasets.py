"""Load with Hugging Face datasets, from an Arrow file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
from datasets import Dataset
from numpy.typing import NDArray

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import Batch, Files, Workload, batches_of

LIBRARIES: Final = ("datasets", "pyarrow", "numpy")

BLOCK_ROWS: Final = 1000
"""Records in one Arrow record batch: the default of the library."""

_NAME: Final = "rows.arrow"


class Datasets:
    """``dataset[rows]`` of the memory-mapped Arrow file, in the format "arrow".

    It returns a table that refers to the records in the file; one copy makes them a
    batch. Measured on 2 cores: 8 times as fast as the format "numpy" and 15 to 20 times
    as fast as the format "torch"; lists of fixed length are 5 times as fast as the
    feature Array2D. Consecutive rows are as fast as slices. Worker processes would have
    to send the batch, which is one more copy.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write the records as lists of fixed length.

        Arrow's own writer takes NumPy arrays without conversion;
        ``Dataset.from_generator`` writes the same file in sixty times the time.
        """
        signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
        arrays = {"row": np.arange(files.n_rows), "signal": signals, "labels": labels}
        path = str(folder / _NAME)
        schema = pyarrow.schema(
            {name: _column(values[:1]).type for name, values in arrays.items()}
        )
        with pyarrow.ipc.new_stream(path, schema) as writer:
            for begin in range(0, files.n_rows, BLOCK_ROWS):
                columns = [
                    _column(values[begin : begin + BLOCK_ROWS])
                    for values in arrays.values()
                ]
                writer.write_batch(pyarrow.record_batch(columns, schema=schema))

    def __init__(self, files: Files, workload: Workload) -> None:
        path = str(files.own_folder(__name__) / _NAME)
        self._dataset = Dataset.from_file(path).with_format("arrow")
        self._shape = np.load(files.signals, mmap_mode="r").shape[1:]
        self._stack = stacker(files, workload)
        self._in_mv = workload.dtype == "float32"

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of arrays."""
        for batch_rows in batches_of(rows):
            table = self._dataset[batch_rows]
            labels = _values(table["labels"].combine_chunks(), (-1,))
            yield table["row"].to_numpy(), self._signals(table["signal"]), labels

    def _signals(self, column: Any) -> NDArray[Any]:
        """Return the records of a column as a batch."""
        # combine_chunks copies, even a single chunk.
        signals = _values(column.combine_chunks(), self._shape)
        return self._stack([*signals]) if self._in_mv else signals


def _column(values: NDArray[Any]) -> Any:
    """Return rows as an Arrow array: numbers, or lists of fixed length."""
    flat = pyarrow.array(np.array(values).reshape(-1))
    if values.ndim == 1:
        return flat
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.size // len(values))


def _values(lists: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the numbers of Arrow lists, without copying them."""
    values: NDArray[Any] = lists.flatten().to_numpy()
    return values.reshape(len(lists), *shape)
