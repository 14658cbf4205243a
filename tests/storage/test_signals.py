"""Reading rows of signals, from several processes and threads too."""

import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore


def test_signals_equal_the_dataset(store: ecgstore.Store) -> None:
    rows = [3, 0, 3, len(store) - 1]
    with h5py.File(store.path) as file:
        expected = np.stack([file["signals"][row] for row in rows])
    counts = store.signals(rows, dtype="int16")
    np.testing.assert_array_equal(counts, expected)
    mv = store.signals(rows)
    assert mv.dtype == np.float32
    np.testing.assert_array_equal(mv, expected.astype("f4") * np.float32(0.001))


def test_signals_are_written_into_out(store: ecgstore.Store) -> None:
    out = np.empty((2, 12, 5000), np.float32)
    assert store.signals(slice(0, 2), out=out) is out
    np.testing.assert_array_equal(out, store.signals([0, 1]))
    assert store.signals([]).shape == (0, 12, 5000)
    for wrong in (out[:1], out.astype("f8"), out.transpose(0, 2, 1)):
        with pytest.raises(ValueError, match="expected a C-contiguous array"):
            store.signals([0, 1], out=wrong)


@pytest.mark.parametrize("row", [-1, 10**6])
def test_a_row_outside_the_store_is_refused(store: ecgstore.Store, row: int) -> None:
    for read in (store.signals, store.fiducials, store.r_peaks, store.features):
        with pytest.raises(IndexError, match="rows go from 0 to"):
            read([row])


@pytest.mark.parametrize(
    "rows", [[0.5], [[1]], ["A0001"], [[0], [1, 2]], 3, None, np.zeros((2, 30))]
)
def test_rows_of_another_type_are_refused(store: ecgstore.Store, rows: Any) -> None:
    expected = "^rows are .*; expected integers in one dimension, a mask or a slice$"
    with pytest.raises(TypeError, match=expected):
        store.signals(rows)


def test_a_mask_selects_its_rows(store: ecgstore.Store) -> None:
    mask = store.records["fold"] == 1
    rows = np.flatnonzero(mask)
    masks: list[Any] = [mask, mask.to_numpy(), mask.tolist()]
    for masked in masks:
        np.testing.assert_array_equal(store.signals(masked), store.signals(rows))
        assert store.features(masked).equals(store.features(rows))
        assert store.select(rows=masked).rows.tolist() == rows.tolist()
        assert ecgstore.Selection(store, masked).rows.tolist() == rows.tolist()
        assert store.as_dataset(masked).rows.tolist() == rows.tolist()
    with pytest.raises(IndexError, match="mask of 2 booleans; expected 44"):
        store.labels(rows=[True, False])


def test_a_selection_of_another_store_is_refused(
    store: ecgstore.Store, few_records: Path, tmp_path: Path
) -> None:
    config = ecgstore.Config(beats="none")
    out = tmp_path / "other.h5"
    ecgstore.build_store([few_records], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as other:
        for read in (store.signals, store.features, store.r_peaks):
            with pytest.raises(ValueError, match="is a selection of another store"):
                read(other.select())
    with pickle.loads(pickle.dumps(store)) as same_store:
        same_store.signals(store.select(rows=[1]))


def test_a_selection_replaces_its_rows(store: ecgstore.Store) -> None:
    selected = store.select(folds=[1, 2])
    np.testing.assert_array_equal(store.signals(selected), store.signals(selected.rows))
    labels = store.labels(rows=selected)
    np.testing.assert_array_equal(labels, store.labels(rows=selected.rows))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_store(store: ecgstore.Store, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    rows = [[row] for row in range(8)]
    # Not a function of this module: a new interpreter cannot import it.
    read = ecgstore.Store.signals
    # Not a Pool, which waits for ever for the results of a worker that died.
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context) as pool:
        by_row = [*pool.map(read, [store] * len(rows), rows, timeout=120)]
    for row, signals in zip(rows, by_row, strict=True):
        np.testing.assert_array_equal(signals, store.signals(row))


def test_threads_share_a_store(store: ecgstore.Store) -> None:
    expected = store.signals([*range(len(store))])
    wrong: list[int] = []

    def read(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, len(store), 50).tolist():
            same = np.array_equal(store.signals([row])[0], expected[row])
            wrong.extend([] if same else [row])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_pickled_store_opens_the_same_file(store: ecgstore.Store) -> None:
    with pickle.loads(pickle.dumps(store)) as copy:
        assert copy.fingerprint == store.fingerprint
        np.testing.assert_array_equal(copy.signals([1]), store.signals([1]))
