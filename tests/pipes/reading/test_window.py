"""Windows: random crops, and marks counted from the begin of a window."""

from typing import Any

import numpy as np
import pytest

from ecgstore import pipes
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.pipes.reading.window import marks_in_window, window_begins
from ecgstore.storage import Store
from tests.pipes.reading.stored import row_batch


def test_crops_are_uniform_over_the_real_samples() -> None:
    numbers = record_seeds(1, 2, 0, 4000)
    n_real = np.full(4000, 110)
    begins = window_begins(pipes.RandomCrop(100), n_real, numbers)
    assert begins is not None
    counts = np.bincount(begins, minlength=11)
    assert len(counts) == 11  # 0 to 10
    assert (abs(counts - 4000 / 11) < 5 * np.sqrt(4000 / 11)).all()
    for short in (0, 3, 100):
        begins = window_begins(pipes.RandomCrop(100), np.full(50, short), numbers[:50])
        assert begins is not None
        assert (begins == 0).all()


def test_crops_never_change() -> None:
    """A state saved by this release must give the same crops in later ones."""
    begins = window_begins(
        pipes.RandomCrop(1000), np.full(6, 5000), record_seeds(1, 2, 0, 6)
    )
    assert begins is not None
    assert begins.tolist() == [4, 2800, 1079, 3891, 3934, 2024]


def test_random_crops_differ_between_epochs(store: Store) -> None:
    loader = pipes.loader(store, 44, window=pipes.RandomCrop(500), leads=["I"])
    a, b = next(iter(loader)), next(iter(loader))
    assert (a.rows == b.rows).all()
    assert a.signals is not None
    assert b.signals is not None
    same = (a.signals == b.signals).all(dim=-1).float().mean()
    assert same < 0.2


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_marks_move_with_the_window(dtype: Any) -> None:
    last = int(np.iinfo(np.int16).max) if dtype is np.int16 else 100_000
    marks = np.array([[0, 10, 59, 60, last, -1], [0, 5, 40, 54, 55, -1]], dtype)
    begins = np.array([10, 5])
    expected = [[-1, 0, 49, -1, -1, -1], [-1, 0, 35, 49, -1, -1]]
    moved = marks_in_window(marks, begins, 50)
    assert moved.dtype == marks.dtype
    assert moved.tolist() == expected
    # A window far behind the beginning, in a record that is long enough for it.
    far = marks_in_window(marks[:1], np.array([last - 3]), 50)
    assert far.tolist() == [[-1, -1, -1, -1, 3, -1]]
    assert marks_in_window(marks, None, 50).tolist() == [
        [0, 10, -1, -1, -1, -1],
        [0, 5, 40, -1, -1, -1],
    ]


def test_windows_may_be_numpy_integers(store: Store) -> None:
    window: Any = (np.int64(3), np.int32(9))
    batch = pipes.RecordReader(store, "signals", window=window).read(row_batch([4]))
    assert batch.signals is not None
    assert (batch.signals.numpy() == store.signals([4])[:, :, 3:9]).all()
