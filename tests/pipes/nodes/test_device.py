"""The node that copies batches to a device, and GPUs."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.reading.record_reader import ARRAYS
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.storage import Selection, Store
from tests.pipes.nodes.read_node import read_node


def test_to_device_converts_counts_to_voltages(store: Store) -> None:
    voltages = list(read_node(store))
    for on_cpu in (
        pipes.ToDevice(read_node(store, dtype="int16"), "cpu"),
        pipes.ToDevice(read_node(store), torch.device("cpu")),
    ):
        for copied, expected in zip(on_cpu, voltages, strict=True):
            assert digest(copied) == digest(expected)
    counts = pipes.ToDevice(read_node(store, dtype="int16"), "cpu", in_mv=False)
    for copied, expected in zip(counts, read_node(store, dtype="int16"), strict=True):
        assert digest(copied) == digest(expected)


def test_to_device_moves_every_tensor(store: Store) -> None:
    """To the device "meta", which exists everywhere but holds no numbers."""
    fields = (*ARRAYS, "age", "dx")
    dtypes: dict[Any, torch.dtype] = {"float32": torch.float32, "int16": torch.int16}
    for dtype, expected in dtypes.items():
        loader = pipes.loader(store, 5, fields=fields, dtype=dtype, device="meta")
        batches = list(loader)
        assert len(batches) == len(loader) == 9
        for batch in batches:
            tensors = list(batch.tensors())
            assert len(tensors) == 8  # and dx is a list
            assert all(tensor.device.type == "meta" for tensor in tensors)
            assert batch.signals is not None
            assert batch.signals.dtype == expected
        assert loader.epoch == 1


def test_transforms_of_a_device_run_there(store: Store) -> None:
    seen: list[str] = []

    def note(batch: Batch) -> Batch:
        seen.append(batch.rows.device.type)
        return batch

    list(pipes.loader(store, 40, device="meta", transform=[note, note]))
    assert seen == ["meta"] * 4


needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device"
)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_batches_on_a_gpu_are_those_on_the_host(store: Store, dtype: Any) -> None:
    options: dict[str, Any] = {
        "shuffle": True,
        "fields": (*ARRAYS, "age"),
        "window": pipes.RandomCrop(900),
        "dtype": dtype,
    }
    host = [digest(batch) for batch in pipes.loader(store, 3, **options)]
    for prefetch in (0, 1, 3):
        loader = pipes.loader(store, 3, device="cuda", prefetch=prefetch, **options)
        kept = []
        for batch in loader:
            assert all(tensor.is_cuda for tensor in batch.tensors())
            kept.append(batch)
        assert [digest(batch) for batch in kept] == host
        assert [digest(batch) for batch in loader] != host


@pytest.mark.gpu
@needs_gpu
def test_batches_on_a_gpu_are_not_overwritten_while_they_are_copied(
    store: Store,
) -> None:
    """The GPU is kept busy, so copies wait while the host continues."""
    loader = pipes.loader(store, 4, device="cuda", shuffle=True)
    expected = [digest(batch) for batch in loader]
    loader.set_epoch(0)
    busy = torch.rand(4000, 4000, device="cuda")
    kept = []
    for batch in loader:
        for _ in range(3):
            busy = busy @ busy / busy.norm()
        kept.append(batch)
    assert [digest(batch) for batch in kept] == expected


@pytest.mark.gpu
@needs_gpu
def test_loaders_of_a_gpu_resume(store: Store) -> None:
    some = Selection(store, np.arange(0, 44, 5))
    dtypes: tuple[Any, ...] = ("int16", "float32")
    for dtype in dtypes:
        make = partial(pipes.loader, some, 2, shuffle=True, device="cuda", dtype=dtype)
        assert_resumes_exactly(make)
