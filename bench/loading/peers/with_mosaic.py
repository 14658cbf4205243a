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
    # Wheels of torchvision are built for CUDA; beside the CPU build of torch their
    # operators do not load, and the import fails where two of them are described.
    # streaming imports torchvision for its picture datasets, not for records.
    for _operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{_operator}", "(Tensor boxes) -> Tensor")

from streaming import MDSWriter, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402


class Mosaic:
    """``dataset[rows]``, its documented random access, in a plain loop.

    Measured on 2 cores: twice as fast as its StreamingDataLoader in this process, which
    has two more threads look after downloads, and 4 to 7 times as fast as with 2 or 1
    worker processes; py1e or py1s as shuffling algorithm makes no difference. Unlike
    theirs, this order is random over all rows.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write the records with arrays of fixed shape, which need no header each."""
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
        clean_stale_shared_memory()  # what a killed process left would be an error
        self._dataset = StreamingDataset(
            local=str(files.own_folder(__name__)), shuffle=False, batch_size=1
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        for some in batches_of(rows):
            samples = self._dataset[some]
            signals = self._stack([sample["signal"] for sample in samples])
            labels = np.stack([sample["labels"] for sample in samples])
            numbers = torch.tensor([int(sample["row"]) for sample in samples])
            yield numbers, torch.from_numpy(signals), torch.from_numpy(labels)
