"""The reference loader, and digests to compare others with it; needs NumPy only."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.loading.workloads import Batch, Files, Workload, batches_of


class Reference:
    """A loader in plain NumPy, whose batches define the content of a workload."""

    def __init__(self, files: Files, workload: Workload) -> None:
        signals = np.load(files.signals, mmap_mode="r")
        self._signals = signals[:, workload.leads, workload.samples]
        self._labels = np.load(files.labels)
        self._scale = np.float32(files.mv_per_count)
        self._dtype = workload.dtype

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of copies."""
        for batch_rows in batches_of(rows):
            signals = np.array(self._signals[batch_rows])
            if self._dtype == "float32":
                signals = signals.astype(np.float32) * self._scale
            yield batch_rows, signals, self._labels[batch_rows]


def content_digest(files: Files, batches: Iterable[Batch]) -> dict[str, Any]:
    """Return a digest of the content of an epoch, independent of the order of its rows.

    Returns
    -------
    dict
        ``records``, ``batches``, ``dtype``, ``shape`` of a record, ``label_dtype``;
        ``rows``: SHA-256 of the checksum of each row's signal and labels, and of how
        often the row occurred; ``in_row_order``: whether rows only increased.

    Raises
    ------
    ValueError
        If a batch is not C-contiguous, or differs in type or shape from the others.
    """
    checksums = np.zeros(files.n_rows, np.uint32)
    occurrences = np.zeros(files.n_rows, np.uint32)
    n_batches, last, in_row_order = 0, -1, True
    formats = set()
    for batch in batches:
        rows, signals, labels = (np.asarray(values) for values in batch)
        if not signals.flags.c_contiguous:
            raise ValueError(
                "signals are not C-contiguous; expected a batch of records"
            )
        formats.add((str(signals.dtype), signals.shape[1:], str(labels.dtype)))
        in_row_order &= bool(np.all(np.diff(rows, prepend=last) > 0))
        n_batches, last = n_batches + 1, rows[-1]
        for row, signal, label in zip(rows.tolist(), signals, labels, strict=True):
            checksums[row] = zlib.crc32(label.tobytes(), zlib.crc32(signal))
            occurrences[row] += 1
    if len(formats) != 1:
        raise ValueError(
            f"batches differ in type or shape: {sorted(formats)}; expected one of both"
        )
    [(dtype, shape, label_dtype)] = formats
    return {
        "records": int(occurrences.sum()),
        "batches": n_batches,
        "dtype": dtype,
        "shape": [*shape],
        "label_dtype": label_dtype,
        "rows": hashlib.sha256(checksums.tobytes() + occurrences.tobytes()).hexdigest(),
        "in_row_order": in_row_order,
    }


def ordered_digest(batches: Iterable[Batch]) -> str:
    """Return the SHA-256 of everything that is yielded, in order."""
    digest = hashlib.sha256()
    for batch in batches:
        for values in batch:
            digest.update(np.ascontiguousarray(values).data.cast("B"))
    return digest.hexdigest()


def read_every_byte(signals: Any) -> int:
    """Return the sum of a batch as 64-bit words: the cheapest consumer of all bytes."""
    words = np.asarray(signals).reshape(-1).view(np.int64)
    return int(np.add.reduce(words))
