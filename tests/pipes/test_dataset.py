"""The map-style dataset yields the records of the store, in any DataLoader."""

import gc
import importlib
import pickle
import shutil
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    SequentialSampler,
    default_collate,
)

import ecgstore
from ecgstore import pipes
from ecgstore.errors import (
    EcgStoreError,
    SchemaError,
    SlowPatternWarning,
    StoreClosedError,
)
from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.dataset import StoreDataset
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.reading.window import RandomCrop
from ecgstore.record import LEADS

FIELDS = (
    "signals",
    "labels",
    "features",
    "fiducials",
    "r_peaks",
    "record_id",
    "age",
    "fold",
    "n_samples_original",
)


def same(one: Any, other: Any) -> bool:
    """Return whether two batches or records are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.numpy().tobytes() == other.numpy().tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and bool(one == other)


# -- row law ----------------------------------------------------------------

N_ROWS = 44
_rows = st.lists(st.integers(0, N_ROWS - 1), min_size=1, max_size=9)
_leads = st.none() | st.lists(
    st.sampled_from(LEADS), min_size=1, max_size=4, unique=True
)
_windows = st.none() | st.tuples(st.integers(0, 4998), st.integers(1, 5000)).map(
    lambda pair: (pair[0], max(pair[0] + 1, pair[1]))
)


@given(_rows, _leads, _windows, st.sampled_from(["float32", "int16"]), st.data())
def test_records_are_those_of_the_store(
    store: ecgstore.Store,
    rows: list[int],
    leads: list[str] | None,
    window: tuple[int, int] | None,
    dtype: Any,
    data: Any,
) -> None:
    indices = data.draw(
        st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=9), "indices"
    )
    dataset = store.as_dataset(
        rows, fields=FIELDS, dtype=dtype, leads=leads, window=window
    )
    assert len(dataset) == len(rows)
    batch = dataset.collate(dataset.__getitems__(indices))
    chosen = [rows[index] for index in indices]
    begin, end = window or (0, 5000)
    numbers = [LEADS.index(lead) for lead in leads or LEADS]
    expected = store.signals(chosen, dtype=dtype)[:, numbers, begin:end]
    np.testing.assert_array_equal(batch["signals"].numpy(), expected)
    assert str(batch["signals"].dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(batch["labels"], store.labels(rows=chosen))
    np.testing.assert_array_equal(batch["features"], store.features(chosen))
    for name, marks in (
        ("r_peaks", store.r_peaks(chosen)),
        ("fiducials", store.fiducials(chosen)[:, numbers]),
    ):
        inside = (marks >= begin) & (marks < end)
        np.testing.assert_array_equal(batch[name], np.where(inside, marks - begin, -1))
    records = store.records.iloc[chosen].reset_index()
    assert batch["record_id"] == records["record_id"].tolist()
    for name in ("age", "fold", "n_samples_original"):
        np.testing.assert_array_equal(batch[name], records[name])
    assert batch["row"].tolist() == chosen
    n_real = 5000 - store.quality["pad_length"].to_numpy()[chosen]
    n_real_in_window = (n_real - begin).clip(0, end - begin)
    assert batch["n_real_samples"].tolist() == n_real_in_window.tolist()


@settings(max_examples=25)
@given(_rows)
def test_records_and_batches_are_equal(
    store: ecgstore.Store, indices: list[int]
) -> None:
    dataset = store.as_dataset(fields=FIELDS)
    records = dataset.__getitems__(indices)
    assert len(records) == len(indices)
    alone = [dataset[index] for index in indices]
    assert all(same(one, other) for one, other in zip(records, alone, strict=True))
    batch = dataset.collate(records)
    assert same(batch, default_collate(list(records)))
    assert same(batch, dataset.collate(alone))
    for some in (slice(1, None), slice(None, None, -2)):
        for one, other in zip(records[some], alone[some], strict=True):
            assert same(one, other)


def test_indices_are_those_of_a_list(store: ecgstore.Store) -> None:
    some = store.select(folds=[1, 2, 3])
    dataset = store.as_dataset(some, fields="labels")
    rows = [int(dataset[index]["row"]) for index in range(len(dataset))]
    assert rows == some.rows.tolist()
    assert int(dataset[-1]["row"]) == some.rows[-1]
    assert list(dataset[0]) == ["row", "n_real_samples", "labels"]
    for outside in (len(some), -len(some) - 1):
        with pytest.raises(IndexError, match=f"no record {outside} in a dataset of"):
            dataset[outside]
    assert repr(dataset) == f"<StoreDataset of {len(some)} records of {store.path}>"


def test_records_may_be_kept(store: ecgstore.Store) -> None:
    dataset = store.as_dataset(dtype="int16")
    kept = [dataset[index] for index in range(len(dataset))]
    for index in range(0, N_ROWS, 5):
        kept += dataset.__getitems__([index])
    for record in kept:
        expected = store.signals([int(record["row"])], dtype="int16")[0]
        np.testing.assert_array_equal(record["signals"], expected)


# -- loaders ----------------------------------------------------------------


@pytest.mark.parametrize("collate", [None, StoreDataset.collate])
def test_a_dataloader_without_workers_yields_every_record_once(
    store: ecgstore.Store, collate: Any
) -> None:
    dataset = store.as_dataset(fields=FIELDS)
    loader = DataLoader(
        dataset,
        batch_size=7,
        shuffle=True,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(1),
    )
    seen: list[int] = []
    for batch in loader:
        rows = batch["row"].tolist()
        np.testing.assert_array_equal(batch["signals"], store.signals(rows))
        assert batch["record_id"] == store.records.index[rows].tolist()
        seen += rows
    assert sorted(seen) == [*range(N_ROWS)]
    assert seen != sorted(seen)


def test_collate_returns_the_batch_that_was_read(store: ecgstore.Store) -> None:
    dataset = store.as_dataset()
    records = dataset.__getitems__([4, 2])
    assert dataset.collate(records) is records.batch
    assert records[1]["signals"].data_ptr() == records.batch["signals"][1].data_ptr()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_dataloader_with_workers_yields_every_record_once(
    store: ecgstore.Store, method: str
) -> None:
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    # The warning, which is an error in tests, would end forked workers.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowPatternWarning)
        some = store.select(folds=range(5))
        dataset = store.as_dataset(some, fields=("signals", "record_id"), leads=["V2"])
        loader = DataLoader(
            dataset,
            batch_size=5,
            num_workers=2 if method == "fork" else 1,  # a spawned one takes seconds
            collate_fn=dataset.collate,
            multiprocessing_context=method,
        )
        seen: list[int] = []
        for batch in loader:
            rows = batch["row"].tolist()
            expected = store.signals(rows)[:, [7]]
            np.testing.assert_array_equal(batch["signals"], expected)
            seen += rows
    assert seen == some.rows.tolist()


def test_threads_share_a_dataset(store: ecgstore.Store) -> None:
    dataset = store.as_dataset(dtype="int16")
    expected = store.signals(slice(None), dtype="int16")
    wrong: list[int] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            indices = rng.integers(0, N_ROWS, 3).tolist()
            for record in dataset.__getitems__(indices):
                row = int(record["row"])
                equal = np.array_equal(record["signals"], expected[row])
                wrong.extend([] if equal else [row])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_share_no_reader(
    store: ecgstore.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Because two threads must not use its buffers at the same time."""
    threads_of_readers: dict[RecordReader, set[int]] = {}
    read = RecordReader.read

    def record(reader: RecordReader, batch: RowBatch) -> Batch:
        threads_of_readers.setdefault(reader, set()).add(threading.get_ident())
        return read(reader, batch)

    monkeypatch.setattr(RecordReader, "read", record)
    dataset = store.as_dataset(fields="labels")
    together = threading.Barrier(2)  # so that the threads have different identifiers

    def use() -> None:
        for index in range(3):
            dataset[index]
        together.wait(60)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, threads_of_readers.values())) == [1, 1]
    assert len(set.union(*threads_of_readers.values())) == 2


# -- indices of many kinds ---------------------------------------------------

_MASK = np.arange(4) % 3 == 0

SEVERAL: dict[str, tuple[Any, list[int]]] = {
    "list": ([2, 0, 2], [2, 0, 2]),
    "tuple": ((1, 3), [1, 3]),
    "negative": ([-1, 0], [3, 0]),
    "none": ([], []),
    "range": (range(1, 4), [1, 2, 3]),
    "slice": (slice(1, 3), [1, 2]),
    "slice from the end": (slice(None, None, -2), [3, 1]),
    "array": (np.array([3, 1], np.uint8), [3, 1]),
    "unsigned array": (np.array([3], np.uint64), [3]),
    "tensor": (torch.tensor([3, 1]), [3, 1]),
    "list of tensors": ([torch.tensor(3), torch.tensor(1)], [3, 1]),
    "series": (pd.Series([3, 1], index=["a", "b"]), [3, 1]),
    "mask": (_MASK, [0, 3]),
    "list as mask": (_MASK.tolist(), [0, 3]),
    "tensor as mask": (torch.from_numpy(_MASK), [0, 3]),
    "series as mask": (pd.Series(_MASK), [0, 3]),
}


@pytest.mark.parametrize(("index", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_several_indices_return_a_batch(
    store: ecgstore.Store, index: Any, expected: list[int]
) -> None:
    rows = np.array([7, 5, 11, 2])
    dataset = store.as_dataset(rows, fields=["signals", "record_id"])
    batch = dataset[index]
    assert batch["row"].tolist() == rows[expected].tolist()
    assert same(batch, dataset.__getitems__(index).batch)
    assert same(batch, dataset.__getitems__(expected).batch)
    np.testing.assert_array_equal(batch["signals"], store.signals(rows[expected]))


@pytest.mark.parametrize(
    "index", [2, -2, np.int32(2), np.array(2), torch.tensor(2), torch.tensor(-2)]
)
def test_an_integer_of_any_kind_returns_a_record(
    store: ecgstore.Store, index: Any
) -> None:
    dataset = store.as_dataset([7, 5, 11, 2], fields="labels")
    assert same(dataset[index], dataset[int(index)])
    assert dataset[index]["row"].ndim == 0


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (4, IndexError, "no record 4 in a dataset of 4; expected -4 to 3"),
        (-5, IndexError, "no record -5 in a dataset of 4"),
        ([0, 4], IndexError, "no record 4 in"),
        ([-5], IndexError, "no record -5 in"),
        (np.array([2**64 - 1], np.uint64), IndexError, "18446744073709551615"),
        (2**70, IndexError, "no record 1180591620717411303424 in a dataset of 4"),
        (_MASK[:3], IndexError, "mask of 3 booleans; expected 4"),
        (1.0, TypeError, r"indices are 1\.0; expected integers in one dimension, a"),
        ([1.5, 2.5], TypeError, r"indices are \[1\.5, 2\.5\]; expected integers"),
        (np.zeros(2), TypeError, r"of type float64 and shape \(2,\)"),
        (torch.zeros(2), TypeError, r"of type float32 and shape \(2,\)"),
        (True, TypeError, "indices are True"),
        (None, TypeError, "indices are None"),
        ("A0001", TypeError, "indices are 'A0001'"),
        (["A0001"], TypeError, "expected integers"),
        ([[0, 1]], TypeError, "in one dimension"),
        ([[0], [1, 2]], TypeError, "in one dimension"),
        ({0, 1}, TypeError, "expected integers"),
        (..., TypeError, "expected integers"),
    ],
)
def test_other_indices_are_refused_in_one_line(
    store: ecgstore.Store, index: Any, error: type[Exception], message: str
) -> None:
    dataset = store.as_dataset([7, 5, 11, 2], fields="labels")
    for read in (dataset.__getitem__, dataset.__getitems__):
        # `__getitems__` reads no single records.
        is_integer = isinstance(index, int) and read == dataset.__getitems__
        with pytest.raises(
            TypeError if is_integer else error,
            match="expected integers" if is_integer else message,
        ) as caught:
            read(index)
        assert "\n" not in str(caught.value)


def test_a_sampler_of_batches_reads_whole_batches(
    store: ecgstore.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = store.as_dataset(fields=["signals", "record_id"])
    n_reads = 0
    read = RecordReader.read

    def count(reader: RecordReader, batch: RowBatch) -> Batch:
        nonlocal n_reads
        n_reads += 1
        return read(reader, batch)

    monkeypatch.setattr(RecordReader, "read", count)
    sampler = BatchSampler(SequentialSampler(dataset), 16, drop_last=False)
    for collate in (None, dataset.collate):
        n_reads = 0
        batches = [
            *DataLoader(dataset, sampler=sampler, batch_size=None, collate_fn=collate)
        ]
        assert n_reads == 3
        for batch, indices in zip(batches, sampler, strict=True):
            assert same(batch, dataset.__getitems__(indices).batch)


# -- pickling, closing ------------------------------------------------------


def test_pickled_dataset_is_small_and_the_same(store: ecgstore.Store) -> None:
    dataset = store.as_dataset(
        [5, 1, 5], fields=FIELDS, leads=["V1", "I"], window=(9, 99)
    )
    dataset[0]  # the reader that this makes is not pickled
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 2000
    copy = pickle.loads(pickled)
    assert all(same(dataset[index], copy[index]) for index in range(3))


def test_pickled_dataset_of_another_store_is_refused(
    store: ecgstore.Store, few_records: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(store.path, tmp_path / "copy.h5"))
    with ecgstore.open(path) as copied:
        pickled = pickle.dumps(copied.as_dataset())
    path.unlink()
    config = ecgstore.Config(beats="none")
    ecgstore.build_store([few_records], path, config, n_workers=1, quiet=True)
    with pytest.raises(SchemaError, match="was replaced by another store"):
        pickle.loads(pickled)
    with (
        ecgstore.open(path) as other,
        pytest.raises(ValueError, match="is a selection of another store"),
    ):
        other.as_dataset(store.select(folds=[1]))


def test_closed_store_cannot_be_read(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    dataset = store.as_dataset()
    record = dataset[3]
    signal = record["signals"].clone()
    store.close()
    with pytest.raises(StoreClosedError, match="open it again"):
        dataset[3]
    assert torch.equal(record["signals"], signal)


def test_file_and_threads_are_released(sample_store: Path, tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list its mappings")
    path = Path(shutil.copy(sample_store, tmp_path / "copy.h5"))
    n_threads = threading.active_count()
    dataset = ecgstore.open(path).as_dataset(fields=FIELDS)
    iterator = iter(DataLoader(dataset, batch_size=4, collate_fn=dataset.collate))
    batch = next(iterator)
    assert str(path) in maps.read_text()
    assert threading.active_count() == n_threads
    del dataset, iterator
    gc.collect()
    assert str(path) not in maps.read_text()
    assert batch["signals"].isfinite().all()


# -- warnings ---------------------------------------------------------------


@pytest.fixture
def fresh_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as in a new process, which has shown no warning yet."""
    name = "ecgstore.pipes.dataset"
    # The import replaces the attribute of the package, too; both are restored.
    monkeypatch.setattr(name, sys.modules[name])
    monkeypatch.delitem(sys.modules, name)
    return importlib.import_module(name)


@pytest.mark.usefixtures("fresh_module")
def test_many_single_reads_are_warned_of_once(store: ecgstore.Store) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = store.as_dataset(fields=["labels"])
        for _ in range(2):  # with a batch in between
            for _ in range(999):
                dataset[1]
            dataset.__getitems__([1, 2])
        assert not caught
        for _ in range(1500):
            dataset[1]
        other = store.as_dataset(fields=["labels"])
        for _ in range(1500):
            other[1]
    assert len(caught) == 1
    assert caught[0].category is SlowPatternWarning
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    for part in ("__getitems__", "collate_fn=dataset.collate", "SlowPatternWarning"):
        assert part in message


@pytest.mark.parametrize("worker", [0, 1])
def test_first_worker_warns_once(
    store: ecgstore.Store,
    fresh_module: Any,
    monkeypatch: pytest.MonkeyPatch,
    worker: int,
) -> None:
    class Info:
        id = worker

    monkeypatch.setattr(fresh_module, "get_worker_info", Info)
    dataset = store.as_dataset(fields=["labels"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            dataset.__getitems__([1, 2])
            dataset[0]
    assert len(caught) == (worker == 0)
    if caught:
        assert "num_workers=0" in str(caught[0].message)


@pytest.mark.usefixtures("fresh_module")
def test_the_warning_says_how_to_silence_it(store: ecgstore.Store) -> None:
    dataset = store.as_dataset(fields=["labels"])
    for _ in range(999):
        dataset[1]
    with pytest.warns(SlowPatternWarning) as caught:
        dataset[1]
    code = str(caught[0].message).partition("to silence this: ")[2].removesuffix(")")
    assert code
    with warnings.catch_warnings():
        exec(code, {"warnings": warnings, "ecgstore": ecgstore})
        warnings.warn("slow", SlowPatternWarning, stacklevel=1)


# -- transforms -------------------------------------------------------------


def note(batch: Batch) -> Batch:
    """Double the signals, and note a random number of every record."""
    assert batch.signals is not None
    number = pipes.Draws(batch, salt=1).uniform()
    return batch.replace(
        signals=batch.signals * 2, columns={**batch.columns, "number": number}
    )


def test_transforms_change_records_and_batches(store: ecgstore.Store) -> None:
    plain = store.as_dataset(window=(0, 9))[[3, 5, 3]]
    dataset = pickle.loads(
        pickle.dumps(store.as_dataset(window=(0, 9), transform=note))
    )
    batch = dataset[[3, 5, 3]]
    assert torch.equal(batch["signals"], plain["signals"] * 2)
    assert torch.equal(dataset[3]["signals"], plain["signals"][0] * 2)
    loaded = [*DataLoader(dataset, batch_size=11, collate_fn=dataset.collate)]
    assert [len(one["number"]) for one in loaded] == [11] * 4


def test_random_transforms_follow_the_random_state_of_torch(
    store: ecgstore.Store,
) -> None:
    dataset = store.as_dataset(window=(0, 9), transform=[note])
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        first, second = (dataset[[3, 5, 3]]["number"].tolist() for _ in range(2))
        assert len({*first, *second}) == 6
        torch.manual_seed(5)
        assert dataset[[3, 5, 3]]["number"].tolist() == first
        state = torch.random.get_rng_state()
        store.as_dataset(window=(0, 9))[[3, 5]]  # draws nothing
        assert torch.equal(torch.random.get_rng_state(), state)


def test_a_transform_that_returns_no_batch_is_named(store: ecgstore.Store) -> None:
    def halves(batch: Batch) -> Any:
        return batch.signals

    dataset = store.as_dataset(window=(0, 9), transform=halves)
    with pytest.raises(TypeError, match=r"halves .* returned a Tensor; expected a Bat"):
        dataset[0]


# -- wrong arguments --------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"fields": ["label"]},
            ValueError,
            "no field 'label'; did you mean labels",
        ),
        ({"leads": ["V7"]}, ValueError, "expected some of I, II, III"),
        ({"leads": []}, ValueError, "expected some of I, II, III"),
        ({"window": (10, 5001)}, ValueError, "expected samples within 0 to 5000"),
        ({"window": RandomCrop(10)}, TypeError, "expected .begin, end., or use"),
        ({"dtype": "float64"}, ValueError, "expected 'float32' or 'int16'"),
        ({"rows": [N_ROWS]}, IndexError, "rows go from 0 to 43"),
        ({"rows": [-1]}, IndexError, "rows go from 0 to 43"),
        ({"transform": "gain"}, TypeError, "transform is 'gain'; expected a function"),
        ({"transform": [pipes.Gain]}, TypeError, r"class Gain; .* such as Gain\("),
        ({"rows": [0.5]}, TypeError, "expected integers in one dimension"),
    ],
)
def test_wrong_arguments_are_refused(
    store: ecgstore.Store, options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        store.as_dataset(**options)


def test_without_torch_the_error_says_what_to_install(
    store: ecgstore.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.data", None)
    monkeypatch.delitem(sys.modules, "ecgstore.pipes.dataset")
    with pytest.raises(EcgStoreError, match=r'pip install "ecgstore\[torch\]"'):
        store.as_dataset()
    monkeypatch.undo()
    importlib.import_module("ecgstore.pipes.dataset")
    assert len(store.as_dataset()) == N_ROWS
