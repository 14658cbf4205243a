"""Load with mosaicml-streaming, from MDS shards of 64 MB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import Batch, Files, Workload, batches_of

LIBRARIES: Final = ("mosaicml-streaming", "numpy", "torch")

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # torchvision's wheels are built for CUDA: with the CPU build of torch their
    # operators are not loaded, and the import fails at the two operators below.
    # streaming imports torchvision for datasets of images, which are not used here.
    for _operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{_operator}", "(Tensor boxes) -> Tensor")

from streaming import MDSWriter, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402


class Mosaic:
    """``dataset[rows]``, the documented random access, in a plain loop.

    Measured on 2 cores: twice as fast as StreamingDataLoader without workers, which
    runs two more threads for downloads, and 4 to 7 times as fast as with 2 or 1 worker
    processes; the shuffling algorithms py1e and py1s make no difference. Unlike theirs,
    this order is random over all rows.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write the records as arrays of fixed shape, which need no headers."""
        signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
        shape = ",".join(map(str, signals.shape[1:]))
        columns = {
            "row": "int64",
            "signal": f"ndarray:int16:{shape}",
            "labels": f"ndarray:uint8:{labels.shape[1]}",
        }
        with MDSWriter(out=str(folder), columns=columns, size_limit="64mb") as writer:
            for row in range(files.n_rows):
                signal = np.asarray(signals[row])
                writer.write({"row": row, "signal": signal, "labels": labels[row]})

    def __init__(self, files: Files, workload: Workload) -> None:
        self._stack = stacker(files, workload)
        clean_stale_shared_memory()  # left by a killed process, it would raise
        self._dataset = StreamingDataset(
            local=str(files.own_folder(__name__)), shuffle=False, batch_size=1
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        for batch_rows in batches_of(rows):
            records = self._dataset[batch_rows]
            signals = self._stack([record["signal"] for record in records])
            labels = np.stack([record["labels"] for record in records])
            numbers = torch.tensor([int(record["row"]) for record in records])
            yield numbers, torch.from_numpy(signals), torch.from_numpy(labels)
