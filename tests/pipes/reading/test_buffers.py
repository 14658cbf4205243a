"""Memory of batches is reused, but never while anything refers to it."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.reading.buffers import Buffers
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store


def addresses(batches: Any) -> list[int]:
    return [batch.signals.data_ptr() for batch in batches]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_memory_of_dropped_batches_is_reused(store: Store, prefetch: int) -> None:
    loader = pipes.loader(store, 8, prefetch=prefetch)
    used = addresses(batch for _ in range(4) for batch in loader)
    assert len(used) == 4 * len(loader)
    # One that the consumer holds, one just dropped, those prefetched, one being made.
    assert len(set(used)) <= prefetch + 3


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_kept_batches_are_never_overwritten(store: Store, prefetch: int) -> None:
    loader = pipes.loader(
        store, 2, shuffle=True, window=(0, 900), prefetch=prefetch, dtype="int16"
    )
    kept: list[tuple[Batch, str]] = []
    for _ in range(3):
        kept += [(batch, digest(batch)) for batch in loader]
    assert len(set(addresses(batch for batch, _ in kept))) == len(kept)
    assert all(digest(batch) == before for batch, before in kept)


KEEPERS: dict[str, Callable[[torch.Tensor], Any]] = {
    "the tensor": lambda signals: signals,
    "a slice": lambda signals: signals[1, :, 3:5],
    "an array": lambda signals: signals.numpy(),
    "a part of an array": lambda signals: signals.numpy()[0, ::2],
    "a flat view": lambda signals: signals.view(-1),
    "the storage": lambda signals: signals.untyped_storage(),
    "a dlpack array": lambda signals: np.from_dlpack(signals),
    "a memoryview": lambda signals: signals.numpy().data,
}


@pytest.mark.parametrize("keep", KEEPERS)
def test_any_reference_to_a_batch_keeps_its_memory(store: Store, keep: str) -> None:
    """Every other batch is kept in some way, and the memory of the others is reused."""
    loader = pipes.loader(store, 2, window=(0, 50), prefetch=1)
    kept = []
    for number, batch in enumerate(loader):
        assert batch.signals is not None
        if number % 2:
            part = KEEPERS[keep](batch.signals)
            kept.append((batch.signals.data_ptr(), part, batch.signals.clone()))
        del batch
    later = addresses(loader)
    assert not {address for address, _, _ in kept} & set(later)
    for _, part, before in kept:
        values = np.frombuffer(before.numpy().tobytes(), np.uint8)
        if keep == "the storage":
            kept_bytes = np.array(part.tolist(), np.uint8)[: values.size]
            begin = 0 if (kept_bytes == values).all() else -1
            assert begin == 0 or values.tobytes() in bytes(part.tolist())
        else:
            expected = KEEPERS[keep](before)
            assert np.asarray(part).tobytes() == np.asarray(expected).tobytes()


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 3)), max_size=40))
def test_arrays_in_use_never_share_memory(steps: list[tuple[int, int]]) -> None:
    """Take arrays of any size, keep each for some steps, and check their contents."""
    buffers = Buffers(2)
    held: list[tuple[int, int, NDArray[np.int16]]] = []
    for number, (size, patience) in enumerate(steps):
        array = buffers.take((size,), np.int16)
        assert array.shape == (size,)
        assert array.dtype == np.int16
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array[:] = number
        held.append((number, number + patience, array))
        del array
        for value, _, array in held:
            assert (array == value).all()
        held = [item for item in held if item[1] > number]


def test_memory_of_many_dropped_batches_is_freed() -> None:
    """Blocks beyond a few are freed with their batches."""
    buffers = Buffers(2)
    kept = [buffers.take((100,), np.int16) for _ in range(44)]
    blocks = [weakref.ref(array.base) for array in kept if array.base is not None]
    assert sum(block() is not None for block in blocks) == 44
    kept.clear()
    assert 0 < sum(block() is not None for block in blocks) <= 8
