"""A closed store, its views and its file."""

import gc
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.errors import (
    StoreClosedError,
)


def test_a_closed_store_reads_no_signals(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    store.close()
    store.close()
    with pytest.raises(StoreClosedError, match="open it again"):
        store.signals([0])


def test_a_closed_store_reads_no_table(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    records, table, labels = store.records, store.table("labels"), store.labels()
    store.close()
    for read in (
        lambda: store.table("labels"),
        store.labels,
        store.features,
        store.r_peaks,
        store.fiducials,
        lambda: store.quality,
        lambda: store.quarantine,
        lambda: store.signal_rows,
    ):
        with pytest.raises(StoreClosedError, match="open it again"):
            read()
    assert store.records is records
    np.testing.assert_array_equal(table, labels)  # a view keeps the file mapped


def is_mapped(path: Path) -> bool:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list its mappings")
    return str(path) in maps.read_text()


def test_a_closed_store_is_mapped_by_its_views_only(copy: Path) -> None:
    store = ecgstore.open(copy)
    kept = (
        store.records,
        store.quality,
        store.quarantine,
        store.features(),
        store.labels(),
        store.r_peaks([1]),
        store.fiducials(),
        store.signals([1]),
    )
    assert is_mapped(copy)
    store.close()
    gc.collect()
    assert not is_mapped(copy)
    assert all(len(frame) > 0 for frame in kept[:2])
    table = ecgstore.open(copy).table("labels")
    gc.collect()
    assert is_mapped(copy)
    assert table.max() == 1
    del table
    gc.collect()
    assert not is_mapped(copy)
