"""Small batches are read together, and yet are batches of their own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import ecgstore
from ecgstore import pipes
from ecgstore.errors import SchemaError
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.reading.record_reader import Prepared, RecordReader
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store
from tests.pipes.transforms.random_batches import make_batch

FIELDS = ("signals", "labels", "features", "fiducials", "r_peaks", "age", "dx")


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The sizes of the batches that are read together, filled while reading."""
    noted: list[list[int]] = []
    finish = RecordReader.finish

    def note(self: RecordReader, prepared: Prepared, *arguments: Any) -> list[Batch]:
        noted.append(prepared.sizes)
        return finish(self, prepared, *arguments)

    monkeypatch.setattr(RecordReader, "finish", note)
    return noted


def small(store: Store | Selection, **options: Any) -> pipes.Loader:
    return pipes.loader(
        store, 1, leads=["II"], window=(0, 100), **{"prefetch": 0, **options}
    )


def test_small_batches_are_read_together(store: Store, sizes: list[list[int]]) -> None:
    assert len(list(small(store.select(rows=range(10))))) == 10
    assert sizes == [[1], [1, 1], [1, 1, 1, 1], [1, 1, 1]]


def test_large_batches_are_read_alone(store: Store, sizes: list[list[int]]) -> None:
    list(pipes.loader(store, 12, prefetch=0))
    assert {len(one) for one in sizes} == {1}


@settings(max_examples=25)
@given(
    batch_size=st.integers(1, 5),
    n_window=st.integers(1, 2000),
    prefetch=st.integers(0, 2),
    dtype=st.sampled_from(["int16", "float32"]),
)
def test_they_are_those_that_are_read_alone(
    store: Store, batch_size: int, n_window: int, prefetch: int, dtype: Any
) -> None:
    """All are kept until the end, so that reused memory would be noticed."""
    options: dict[str, Any] = {"window": pipes.RandomCrop(n_window), "dtype": dtype}
    loader = pipes.loader(
        store, batch_size, shuffle=True, fields=FIELDS, prefetch=prefetch, **options
    )
    together = list(loader)
    rows = pipes.Rows(store, pipes.Shuffled(len(store), 0), batch_size)
    reader = RecordReader(store, FIELDS, **options)
    rows.reset()
    alone = [reader.read(one) for one in rows]
    assert digest(together) == digest(alone)


def append_rows(batches: Iterable[Batch], rows: list[int]) -> None:
    """Append the row of every batch of one record, until an error."""
    rows.extend(int(batch.rows[0]) for batch in batches)


def damaged_store(sample_store: Path, path: Path, row: int) -> Path:
    path.write_bytes(sample_store.read_bytes())
    with h5py.File(path, "r+") as file:
        file["signals"][row, 2, 100] += 1
    return path


@pytest.mark.parametrize("prefetch", [0, 1])
def test_a_damaged_record_fails_alone(
    sample_store: Path, tmp_path: Path, prefetch: int
) -> None:
    path = damaged_store(sample_store, tmp_path / "damaged.h5", 9)
    with ecgstore.open(path, verify="first-touch") as store:
        loader = small(store, prefetch=prefetch)
        loop, rows = iter(loader), list[int]()
        with pytest.raises(SchemaError, match="row 9"):
            append_rows(loop, rows)
        assert rows == list(range(9))
        state = loader.state_dict()
        assert state["consumed"] == 9
        loader.load_state_dict(state)
        with pytest.raises(SchemaError, match="row 9"):
            next(iter(loader))


def test_ctrl_c_while_reading_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = pipes.Read(
        pipes.Rows(store, pipes.Sequential(len(store)), 1), RecordReader(store, "age")
    )
    node.reset()
    rows = [int(next(node).rows[0]) for _ in range(3)]
    finish = RecordReader.finish

    def interrupt(*arguments: Any) -> Any:
        monkeypatch.setattr(RecordReader, "finish", finish)
        raise KeyboardInterrupt

    monkeypatch.setattr(RecordReader, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        append_rows(node, rows)
    append_rows(node, rows)
    assert rows == list(range(len(store)))


def test_an_epoch_that_is_begun_again_is_whole(store: Store) -> None:
    """Though batches of it were read already that were not yielded."""
    rows = pipes.Rows(store, pipes.Shuffled(len(store), 3), 1)
    node = pipes.Read(rows, RecordReader(store, "age"))
    node.reset()
    first = [digest([next(node)]) for _ in range(4)]
    state = node.state_dict()
    rest = [digest([batch]) for batch in node]
    node.reset(state)
    assert [digest([batch]) for batch in node] == rest
    assert len(first) + len(rest) == len(store)
    node.reset()
    assert node.state_dict()["epoch"] == state["epoch"] + 1
    [next(node) for _ in range(5)]
    node.reset()  # leaves the epoch early
    assert node.state_dict()["epoch"] == state["epoch"] + 2


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_a_batch_is_split_into_successive_records(sizes: list[int]) -> None:
    pool = make_batch(sum(sizes))
    names = [f"n{row}" for row in range(len(pool))]
    missing = torch.rand(len(pool), 3) < 0.5
    pool = pool.replace(
        missing_leads=missing, columns={"text": names, "row": pool.rows.clone()}
    )
    parts = pool.split(sizes)
    assert [len(part) for part in parts] == sizes
    begin = 0
    for part in parts:
        here = slice(begin, begin + len(part))
        begin += len(part)
        assert part.rows.tolist() == pool.rows[here].tolist()
        assert np.array_equal(part.seeds, pool.seeds[here])
        assert np.array_equal(part.names, pool.names[here])
        assert part.columns["text"] == names[here]
        assert part.columns["row"].tolist() == pool.rows[here].tolist()  # type: ignore[union-attr]
        for name in ("signals", "n_real_samples", "missing_leads", "r_peaks"):
            assert torch.equal(getattr(part, name), getattr(pool, name)[here])
        assert (part.leads, part.fs) == (pool.leads, pool.fs)


def test_a_users_function_gets_single_batches(store: Store) -> None:
    seen = []

    def note(batch: Batch) -> Batch:
        seen.append(len(batch))
        return batch

    transforms: list[Callable[[Batch], Batch]] = [pipes.Gain(), note]
    reader = RecordReader(store, transform=transforms, window=(0, 9))
    node = pipes.Read(pipes.Rows(store, pipes.Sequential(len(store)), 2), reader)
    node.reset()
    n = sum(1 for _ in node)
    assert seen == [2] * n


@pytest.mark.parametrize("prefetch", [0, 1])
def test_what_fails_before_signals_are_read_fails_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, prefetch: int
) -> None:
    prepare = RecordReader.prepare

    def fail_at_9(self: RecordReader, batches: list[pipes.RowBatch]) -> Prepared:
        if any(9 in batch.rows for batch in batches):
            raise MemoryError("row 9")
        return prepare(self, batches)

    monkeypatch.setattr(RecordReader, "prepare", fail_at_9)
    rows = list[int]()
    with pytest.raises(MemoryError, match="row 9"):
        append_rows(small(store, prefetch=prefetch), rows)
    assert rows == list(range(9))


def test_batches_that_are_read_together_are_independent(store: Store) -> None:
    """For autograd, too: what is done to one is no change of another."""
    batches = list(small(store.select(rows=range(8))))
    gain = torch.ones(1, requires_grad=True)
    losses = []
    for batch in batches:
        assert batch.signals is not None
        losses.append((batch.signals * gain).square().sum())
        batch.signals.mul_(2)
        batch.signals.mul_(gain)  # a view of several outputs could not be changed
    torch.stack(losses[-1:]).sum()


def test_large_fields_are_counted(store: Store, sizes: list[list[int]]) -> None:
    fields = ("fiducials", "r_peaks", "features")
    list(pipes.loader(store, 8, fields=fields, prefetch=0))
    reader = RecordReader(store, fields)
    values = reader.read(pipes.RowBatch(np.arange(2), np.zeros(2, np.uint64)))
    tensors = [values.fiducials, values.r_peaks, values.features]
    n_bytes = sum(one.nbytes for one in tensors if one is not None)
    assert reader.record_bytes == n_bytes // 2
