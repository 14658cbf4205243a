"""Offsets of rows, from the file's own index and from the HDF5 library."""

import random
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgstore.storage.format import layout
from ecgstore.storage.format.chunk_index import chunk_offsets
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.implicit_index import first_row
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets

Offsets = Callable[[h5py.Dataset], list[int]]


def make_even_signals(path: Path, n_rows: int) -> None:
    """Create a file whose signals have many rows and no content."""
    spec = DatasetSpec("signals", np.dtype("<i2"), (n_rows, 2, 16))
    layout.create_file(path, [spec], {})


def make_signals(path: Path, n_rows: int, libver: str = "earliest") -> None:
    """Create such a file with another index, as version 1 has it by default."""
    with h5py.File(path, "w", libver=(libver, "latest")) as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if libver == "earliest":
            creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        creation.set_chunk((1, 2, 16))
        space = h5py.h5s.create_simple((n_rows, 2, 16))
        kind = h5py.h5t.STD_I16LE
        h5py.h5d.create(file.id, b"signals", kind, space, dcpl=creation)
        if libver != "earliest":
            for row in random.Random(3).sample(range(n_rows), n_rows):
                file["signals"][row] = row


N_ROWS = [1, 2, 63, 64, 65, 128, 4097, 70_000]


@pytest.mark.parametrize("n_rows", N_ROWS)
def test_even_rows_equal_the_library(
    tmp_path: Path, library_offsets: Offsets, n_rows: int
) -> None:
    path = tmp_path / "rows.h5"
    make_even_signals(path, n_rows)
    with h5py.File(path) as file:
        offsets = row_offsets(file["signals"])
        assert isinstance(offsets, EvenOffsets)
        assert len(offsets) == n_rows
        assert offsets[:].tolist() == library_offsets(file["signals"])
        rows = np.array([n_rows - 1, 0])
        assert offsets[rows].tolist() == [offsets[n_rows - 1], offsets[0]]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_another_index_is_not_taken_for_even_rows(
    tmp_path: Path, library_offsets: Offsets, libver: str
) -> None:
    """Not even where rows happen to lie one behind the other."""
    path = tmp_path / "rows.h5"
    make_signals(path, 40, libver)
    with h5py.File(path) as file:
        assert first_row(file["signals"]) is None
        offsets = row_offsets(file["signals"])
        assert isinstance(offsets, np.ndarray)
        assert offsets.tolist() == library_offsets(file["signals"])


def test_damaged_header_equals_the_library_or_is_refused(
    tmp_path: Path, library_offsets: Offsets
) -> None:
    """Flip bits in the header of the signals, and read where they begin."""
    path = tmp_path / "rows.h5"
    make_even_signals(path, 30)
    intact = path.read_bytes()
    with h5py.File(path) as file:
        low, _ = h5py.h5g.get_objinfo(file["signals"].id).objno
        undamaged = library_offsets(file["signals"])
    chance = random.Random(1)
    n_opened = n_refused = 0
    for _ in range(300):
        damaged = bytearray(intact)
        damaged[low + chance.randrange(300)] ^= 1 << chance.randrange(8)
        with h5py.File(path) as file:  # as the library read it before the damage
            signals = file["signals"]
            path.with_name("damaged.h5").write_bytes(damaged)
            path.with_name("damaged.h5").replace(path)
            first = first_row(signals)
        path.write_bytes(intact)
        n_opened += 1
        n_refused += first is None
        assert first in (None, undamaged[0])
    assert 20 < n_refused < n_opened


def test_a_damaged_address_is_refused(tmp_path: Path) -> None:
    path, damaged = tmp_path / "rows.h5", tmp_path / "damaged.h5"
    make_even_signals(path, 30)
    intact = path.read_bytes()
    with h5py.File(path) as file:
        low, _ = h5py.h5g.get_objinfo(file["signals"].id).objno
        first = first_row(file["signals"])
    assert first is not None
    at = intact.index(first.to_bytes(8, "little"), low)
    for bit in range(64):
        content = bytearray(intact)
        content[at + bit // 8] ^= 1 << bit % 8
        path.write_bytes(intact)
        with h5py.File(path) as file:
            signals = file["signals"]
            damaged.write_bytes(content)
            damaged.replace(path)
            assert first_row(signals) is None


def test_rows_beyond_the_end_of_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.h5"
    make_even_signals(path, 3000)
    with h5py.File(path) as file:
        signals = file["signals"]
        with path.open("r+b") as cut:
            cut.truncate(path.stat().st_size - 1)
        assert first_row(signals) is None


@pytest.mark.parametrize("n_rows", N_ROWS)
def test_index_equals_the_library(
    tmp_path: Path, library_offsets: Offsets, n_rows: int
) -> None:
    """The largest file has more than a thousand nodes: they are read in blocks."""
    path = tmp_path / "rows.h5"
    make_signals(path, n_rows)
    with h5py.File(path) as file:
        offsets = chunk_offsets(file["signals"])
        assert offsets is not None
        assert offsets.dtype == np.int64
        assert offsets.tolist() == library_offsets(file["signals"])


def test_index_is_read_without_preadv(
    tmp_path: Path, library_offsets: Offsets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no such function."""
    path = tmp_path / "rows.h5"
    make_signals(path, 200)
    monkeypatch.delattr("os.preadv", raising=False)
    with h5py.File(path) as file:
        offsets = chunk_offsets(file["signals"])
        assert offsets is not None
        assert offsets.tolist() == library_offsets(file["signals"])


def test_offsets_in_a_file_open_for_writing_are_those_of_the_library(
    tmp_path: Path, library_offsets: Offsets
) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 100)
    with h5py.File(path, "r+") as file:
        assert chunk_offsets(file["signals"]) is None
        assert row_offsets(file["signals"])[:].tolist() == library_offsets(
            file["signals"]
        )


def test_rows_that_are_not_allocated_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "holes.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("signals", (9, 2, 16), "i2", chunks=(1, 2, 16))
        file["signals"][3] = 1
    with h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None
        with pytest.raises(ValueError, match="not stored in the file"):
            row_offsets(file["signals"])


def test_damaged_index_equals_the_library_or_is_refused(
    tmp_path: Path, library_offsets: Offsets
) -> None:
    """Flip bits in the header and the index, and read the offsets."""
    path = tmp_path / "rows.h5"
    n_rows = 300
    make_signals(path, n_rows)
    intact = path.read_bytes()
    with h5py.File(path) as file:
        low, _ = h5py.h5g.get_objinfo(file["signals"].id).objno
        undamaged = library_offsets(file["signals"])
    nodes = [low, *positions(intact, b"TREE\x01")]
    assert len(nodes) > 5
    chance = random.Random(1)
    n_read = n_refused = 0
    for _ in range(300):
        damaged = bytearray(intact)
        position = chance.choice(nodes) + chance.choice(
            [chance.randrange(24), chance.randrange(200), chance.randrange(3000)]
        )
        damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            with h5py.File(path, locking=False) as file:
                signals = file["signals"]
                if (
                    not isinstance(signals, h5py.Dataset)
                    or signals.shape != (n_rows, 2, 16)
                    or signals.chunks != (1, 2, 16)
                    or signals.dtype != np.int16
                ):
                    continue
                offsets = chunk_offsets(signals)
                try:
                    expected = library_offsets(signals)
                except (OSError, ValueError, LookupError, RuntimeError, OverflowError):
                    # The library reads structures too that are not needed here.
                    expected = undamaged
        except (OSError, ValueError, LookupError, RuntimeError):
            continue  # the library cannot open the file or the dataset
        n_read += 1
        n_refused += offsets is None
        if offsets is not None:
            assert offsets.tolist() == expected
    assert n_read > 50
    assert n_refused > 5


def test_index_that_lacks_a_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 10)
    content = bytearray(path.read_bytes())
    (leaf,) = positions(bytes(content), b"TREE\x01\x00")
    assert content[leaf + 6] == 10
    content[leaf + 6] = 9
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None


def positions(content: bytes, pattern: bytes) -> list[int]:
    """Return every position of a pattern of bytes."""
    matches, position = [], content.find(pattern)
    while position >= 0:
        matches.append(position)
        position = content.find(pattern, position + 1)
    return matches
