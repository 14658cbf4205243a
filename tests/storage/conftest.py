"""Fixtures shared by the tests of stores."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest

import ecgstore


@pytest.fixture
def store(sample_store: Path) -> Iterator[ecgstore.Store]:
    """Return the open store of the sample."""
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture
def copy(sample_store: Path, tmp_path: Path) -> Path:
    """Return a copy of the sample's store, for tests that change it."""
    return Path(shutil.copy(sample_store, tmp_path / "copy.h5"))


@pytest.fixture(scope="session")
def library_offsets() -> Callable[[h5py.Dataset], list[int]]:
    """Return a function that asks the HDF5 library where every row begins."""

    def offsets(dataset: h5py.Dataset) -> list[int]:
        by_row: dict[int, int] = {}
        dataset.id.chunk_iter(
            lambda chunk: by_row.update({chunk.chunk_offset[0]: chunk.byte_offset})
        )
        return [by_row[row] for row in range(len(dataset))]

    return offsets
