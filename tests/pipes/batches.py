"""Rows, names and digests of batches, to compare them in tests."""

from collections.abc import Iterable

from ecgstore.pipes.batch import Batch
from ecgstore.pipes.testing import digest


def rows_of(batches: Iterable[Batch]) -> list[int]:
    return [row for batch in batches for row in batch.rows.tolist()]


def names_of(batches: Iterable[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.record_ids]


def digests(batches: Iterable[Batch]) -> list[str]:
    return [digest(batch) for batch in batches]
