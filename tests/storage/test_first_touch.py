"""Rows are compared with their checksums the first time that they are read."""

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.errors import SchemaError
from ecgstore.storage.format import native_crc32c as native
from ecgstore.storage.format.integrity import row_checksum
from ecgstore.storage.format.row_offsets import row_offsets

DAMAGED = 5


@pytest.fixture
def damaged(copy: Path) -> Path:
    """Return a store with one wrong bit at the end of a row."""
    with h5py.File(copy) as file:
        offsets = row_offsets(file["signals"])
        offset = int(offsets[DAMAGED]) + 24 * file["signals"].shape[2] - 1
    with copy.open("r+b") as content:
        content.seek(offset)
        byte = content.read(1)[0]
        content.seek(offset)
        content.write(bytes([byte ^ 128]))
    return copy


READS: dict[str, Callable[[ecgstore.Store, int], Any]] = {
    "signals": lambda store, row: store.signals([0, row]),
    "counts": lambda store, row: store.signals([row], dtype="int16"),
    "record": lambda store, row: store[list(store)[row]],
    "dataset": lambda store, row: store.as_dataset([row])[0],
    "loader": lambda store, row: list(pipes.loader(store.select(rows=[0, row]), 9)),
    "window": lambda store, row: list(
        pipes.loader(
            store.select(rows=[row]), 2, leads=["I"], window=(0, 100), prefetch=0
        )
    ),
    "shared": lambda store, row: next(
        iter(pipes.loader(store.select(rows=range(row + 9)), 99, dtype="int16"))
    ),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_damaged_row_is_an_error_at_every_reading(
    damaged: Path, read: Callable[[ecgstore.Store, int], Any]
) -> None:
    with ecgstore.open(damaged, verify="first-touch") as store:
        name = list(store)[DAMAGED]
        for _ in range(2):
            with pytest.raises(SchemaError, match=rf"row {DAMAGED} \({name}\) is dam"):
                read(store, DAMAGED)
        with pickle.loads(pickle.dumps(store)) as again, pytest.raises(SchemaError):
            read(again, DAMAGED)


@pytest.mark.parametrize("verify", ["off", "first-touch"])
def test_intact_rows_are_read_as_ever(damaged: Path, verify: Any) -> None:
    rows = [7, 0, 7, 3]
    with ecgstore.open(damaged) as plain, ecgstore.open(damaged, verify=verify) as s:
        for dtype in ("int16", "float32"):
            expected = plain.signals(rows, dtype=dtype)
            read = s.signals(rows, dtype=dtype)
            np.testing.assert_array_equal(read, expected)


def test_without_the_option_nothing_is_checked(damaged: Path) -> None:
    with ecgstore.open(damaged) as store:
        store.signals([DAMAGED])
        assert store.verify == "off"
    with pytest.raises(ValueError, match=r"verify is 'all'; expected 'off' or"):
        ecgstore.open(damaged, verify="all")  # type: ignore[arg-type]


def test_each_row_is_checked_once(
    sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a callback to Python, where the library's function is out of reach."""
    lengths: list[int] = []

    def checksum(content: bytes) -> int:
        lengths.append(len(content))
        return row_checksum(content)

    monkeypatch.setattr(native, "_library_function", lambda: None)
    monkeypatch.setattr(native, "row_checksum", checksum)
    native.native_crc32c.cache_clear()
    try:
        with ecgstore.open(sample_store, verify="first-touch") as store:
            threads = [
                threading.Thread(target=store.signals, args=([1, 2, 3],))
                for _ in range(3)
            ]
            store.signals([1, 2])
            for thread in threads:
                thread.start()
                thread.join()
            list(pipes.loader(store.select(rows=[1, 2, 3, 4]), 2, leads=["V1"]))
            assert lengths == [24 * store.n_samples] * 4
    finally:
        native.native_crc32c.cache_clear()


def test_the_library_function_is_called_without_a_callback() -> None:
    """If this fails, checks hold Python's lock: see `native_crc32c`."""
    function = native._library_function()
    assert function is not None
    content = b"123456789"
    assert native._TYPE(native._callback)(content, len(content)) == 0xE3069283
