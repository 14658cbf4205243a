"""Law 3: what a batch says of a row is what the store says of it; and every node."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from torchdata.nodes import BaseNode

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.orders.seeds import record_seeds as seeds
from ecgstore.pipes.reading.buffers import Buffers
from ecgstore.pipes.reading.record_reader import ARRAYS
from ecgstore.pipes.reading.window import marks_in_window, window_begins
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Selection, Store
from ecgstore.storage.format import schema

TEXTS = schema.RECORD_TEXTS
NUMBERS = (*schema.RECORD_NUMBERS, "fold")
N_SAMPLES = 5000


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def stored(sample_store: Path) -> dict[str, NDArray[Any]]:
    """Everything there is a row of, as the HDF5 library reads it."""
    found: dict[str, NDArray[Any]] = {}
    with h5py.File(sample_store) as file:
        for name in ARRAYS:
            found[name] = file[name][...]
        for name in (*TEXTS, *schema.RECORD_NUMBERS):
            found[name] = file[f"records/{name}"][...]
        found["fold"] = file["folds"][...]
        found["pad_length"] = file["quality/pad_length"][...]
        found["scale"] = np.array(file["signals"].attrs["scale_factor"], np.float32)
    return found


def row_batch(rows: Sequence[int], first_seed: int = 0) -> RowBatch:
    numbers = np.arange(first_seed, first_seed + len(rows), dtype=np.uint64)
    return RowBatch(np.array(rows, np.int64), numbers * np.uint64(0x9E3779B97F4A7C15))


# -- law 3 ------------------------------------------------------------------

ANY_FIELDS = st.lists(st.sampled_from((*ARRAYS, *TEXTS, *NUMBERS)), max_size=8)
ANY_LEADS = st.none() | st.lists(st.sampled_from(LEADS), min_size=1, max_size=4)
ANY_WINDOW = (
    st.none()
    | st.tuples(st.integers(0, N_SAMPLES - 1), st.integers(1, N_SAMPLES)).map(
        lambda ends: (ends[0], max(ends[0] + 1, ends[1]))
    )
    | st.integers(1, N_SAMPLES).map(pipes.RandomCrop)
)


@settings(max_examples=150)
@given(data=st.data(), fields=ANY_FIELDS, leads=ANY_LEADS, window=ANY_WINDOW)
def test_a_batch_says_of_each_row_what_the_store_says(
    store: Store,
    stored: dict[str, NDArray[Any]],
    data: st.DataObject,
    fields: list[str],
    leads: list[str] | None,
    window: Any,
) -> None:
    dtype: Any = data.draw(st.sampled_from(["int16", "float32"]))
    rows = data.draw(st.lists(st.integers(0, len(store) - 1), max_size=6))
    wanted = row_batch(rows, data.draw(st.integers(0, 2**40)))
    reader = pipes.RecordReader(store, fields, dtype=dtype, leads=leads, window=window)
    batch = reader.read(wanted)
    check_batch(batch, wanted, stored, fields, leads, window, dtype)


def check_batch(
    batch: Batch,
    wanted: RowBatch,
    stored: dict[str, NDArray[Any]],
    fields: Sequence[str],
    leads: Sequence[str] | None,
    window: Any,
    dtype: str,
) -> None:
    """Compare a batch with plain indexing of arrays, row by row."""
    assert batch.rows.tolist() == wanted.rows.tolist()
    assert (batch.seeds == wanted.seeds).all()
    assert batch.record_ids == [
        stored["record_id"][row].decode() for row in wanted.rows
    ]
    places = slice(None) if leads is None else [LEADS.index(lead) for lead in leads]
    for name in ARRAYS:
        assert (getattr(batch, name) is not None) == (name in fields)
    assert set(batch.columns) == {name for name in fields if name not in ARRAYS}
    if "signals" in fields:
        assert batch.signals is not None
        assert batch.signals.dtype == getattr(torch, dtype)
        assert batch.signals.is_contiguous()
    begins = window_begins(
        window, N_SAMPLES - stored["pad_length"][wanted.rows], wanted.seeds
    )
    for place, row in enumerate(wanted.rows.tolist()):
        n_real = N_SAMPLES - int(stored["pad_length"][row])
        begin = 0 if begins is None else int(begins[place])
        length = N_SAMPLES
        if isinstance(window, pipes.RandomCrop):
            length = window.n_samples
            assert 0 <= begin <= max(n_real - length, 0)
        elif window is not None:
            begin, length = window[0], window[1] - window[0]
        assert int(batch.n_real_samples[place]) == min(max(n_real - begin, 0), length)
        for name in fields:
            if name in TEXTS:
                assert batch.columns[name][place] == stored[name][row].decode()
                continue
            expected = stored[name][row]
            if name == "signals":
                expected = expected[places, begin : begin + length]
                if dtype == "float32":
                    expected = expected.astype(np.float32) * stored["scale"]
            elif name in ("fiducials", "r_peaks"):
                expected = expected[places] if name == "fiducials" else expected
                moved = expected.astype(np.int64) - begin
                is_there = (expected >= 0) & (moved >= 0) & (moved < length)
                expected = np.where(is_there, moved, -1).astype(expected.dtype)
            if name in NUMBERS:
                values: Any = batch.columns[name]
            else:
                values = getattr(batch, name)
            found = values[place].numpy()
            assert found.dtype == expected.dtype
            # Bit for bit, for features may be NaN.
            assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), name


def test_loaders_keep_rows_together(
    store: Store, stored: dict[str, NDArray[Any]]
) -> None:
    """The same with everything at once, through a loader and several epochs."""
    fields = (*ARRAYS, *TEXTS, *NUMBERS)
    crop = pipes.RandomCrop(700)
    for dtype in ("int16", "float32"):
        for prefetch in (0, 2):
            loader = pipes.loader(
                store,
                7,
                shuffle=True,
                fields=fields,
                dtype=dtype,
                leads=("V6", "I"),
                window=crop,
                prefetch=prefetch,
            )
            for _ in range(2):
                seen = []
                for batch in loader:
                    wanted = RowBatch(batch.rows.numpy(), batch.seeds)
                    check_batch(batch, wanted, stored, fields, ("V6", "I"), crop, dtype)
                    seen += batch.rows.tolist()
                assert sorted(seen) == list(range(len(store)))


def test_labels_features_and_names_agree_with_the_stores_tables(store: Store) -> None:
    """The same words of the public interface, which users join by name."""
    selection = store.select(folds=[1, 4, 6])
    features = store.features()
    for batch in pipes.loader(
        selection, 3, shuffle=True, fields=("labels", "features", "age", "dx")
    ):
        names = batch.record_ids
        assert [store.row(name) for name in names] == batch.rows.tolist()
        records = store.records.loc[names]
        assert batch.columns["dx"] == records["dx"].tolist()
        assert isinstance(batch.columns["age"], torch.Tensor)
        np.testing.assert_array_equal(batch.columns["age"], records["age"])
        assert batch.features is not None
        np.testing.assert_array_equal(batch.features, features.loc[names])
        assert batch.labels is not None
        for name, found in zip(names, batch.labels.tolist(), strict=True):
            expected = store[name].labels
            assert dict(zip(store.label_names, map(bool, found), strict=True)) == (
                expected
            )


def test_counts_times_their_unit_are_the_voltages_bit_for_bit(store: Store) -> None:
    rows = row_batch(range(len(store)))
    some: tuple[dict[str, Any], ...] = ({}, {"leads": ["aVR"], "window": (17, 1018)})
    for options in some:
        counts = pipes.RecordReader(store, "signals", dtype="int16", **options)
        voltages = pipes.RecordReader(store, "signals", **options).read(rows)
        batch = counts.read(rows)
        assert batch.mv_per_count == 0.001
        assert voltages.mv_per_count == 1.0
        assert batch.signals is not None
        assert voltages.signals is not None
        in_mv = batch.in_mv()
        assert in_mv.mv_per_count == 1.0
        assert in_mv.in_mv() is in_mv
        assert voltages.in_mv() is voltages
        assert batch.signals.dtype == torch.int16  # left as it was
        for found in (
            in_mv.signals,
            torch.from_numpy(batch.signals.numpy() * np.float32(0.001)),
        ):
            assert found is not None
            assert found.dtype == torch.float32
            assert found.numpy().tobytes() == voltages.signals.numpy().tobytes()


def test_a_batch_without_signals_is_in_mv_as_it_is(store: Store) -> None:
    batch = pipes.RecordReader(store, "labels").read(row_batch([1]))
    assert batch.in_mv() is batch


def test_one_field_or_lead_may_be_a_word(store: Store) -> None:
    reader = pipes.RecordReader(store, "signals", leads="aVL")
    batch = reader.read(row_batch([5]))
    assert batch.signals is not None
    assert (batch.signals.numpy()[0, 0] == store.signals([5])[0, 4]).all()
    assert batch.labels is None


@pytest.fixture(scope="module")
def float_store(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Store]:
    """A store of voltages: few records, short ones."""
    out = tmp_path_factory.mktemp("floats") / "floats.h5"
    config = Config(dtype="float32", duration_s=4, beats="none", limit=5)
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as opened:
        yield opened


def test_stores_of_voltages(float_store: Store) -> None:
    with h5py.File(float_store.path) as file:
        stored = file["signals"][...]
    batches = list(
        pipes.loader(
            float_store, 2, shuffle=True, leads=("V2", "II"), window=(100, 901)
        )
    )
    rows = torch.cat([batch.rows for batch in batches]).numpy()
    found = torch.cat([b.signals for b in batches if b.signals is not None]).numpy()
    assert found.dtype == np.float32
    assert (found == stored[rows][:, [7, 1], 100:901]).all()
    for make in (pipes.loader, pipes.RecordReader):
        with pytest.raises(ValueError, match="holds float32 mV, not int16 counts"):
            make(float_store, dtype="int16")
    on_meta = next(iter(pipes.loader(float_store, 2, device="meta")))
    assert on_meta.signals is not None
    assert on_meta.signals.dtype == torch.float32


# -- windows ----------------------------------------------------------------


def test_a_crop_lies_in_the_real_samples_and_goes_everywhere() -> None:
    numbers = seeds(1, 2, 0, 4000)
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


def test_crops_are_the_same_for_ever() -> None:
    """A state saved by this release must give the same crops in later ones."""
    begins = window_begins(pipes.RandomCrop(1000), np.full(6, 5000), seeds(1, 2, 0, 6))
    assert begins is not None
    assert begins.tolist() == [4, 2800, 1079, 3891, 3934, 2024]


def test_each_epoch_crops_elsewhere(store: Store) -> None:
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
    found = marks_in_window(marks, begins, 50)
    assert found.dtype == marks.dtype
    assert found.tolist() == expected
    # A window far behind the beginning, in a record that is long enough for it.
    far = marks_in_window(marks[:1], np.array([last - 3]), 50)
    assert far.tolist() == [[-1, -1, -1, -1, 3, -1]]
    assert marks_in_window(marks, None, 50).tolist() == [
        [0, 10, -1, -1, -1, -1],
        [0, 5, 40, -1, -1, -1],
    ]


# -- wrong arguments --------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ("signals", "lables")}, "no field 'lables'; expected some of sig"),
        ({"fields": "quality"}, "no field 'quality'"),
        ({"dtype": "float64"}, "dtype is 'float64'; expected 'float32' or 'int16'"),
        ({"leads": ["V7"]}, r"leads are \['V7'\]; expected some of I, II"),
        ({"leads": "avr"}, "expected some of I, II"),
        ({"leads": []}, "expected some of I, II"),
        ({"window": (0, 5001)}, "window is .*expected samples within 0 to 5000"),
        ({"window": (-1, 10)}, "window is"),
        ({"window": (10, 10)}, "window is"),
        ({"window": (20, 10)}, "window is"),
        ({"window": (1, 2, 3)}, "window is"),
        ({"window": 500}, "window is"),
        ({"window": (0, 2.5)}, "window is"),
        ({"window": pipes.RandomCrop(0)}, "window is"),
        ({"window": pipes.RandomCrop(5001)}, "window is"),
        ({"window": pipes.RandomCrop(2.5)}, "window is"),  # type: ignore[arg-type]
    ],
)
def test_readers_refuse_what_is_not_there(
    store: Store, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipes.RecordReader(store, **options)
    with pytest.raises(ValueError, match=message):
        pipes.loader(store, **options)


def test_windows_may_be_numpy_integers(store: Store) -> None:
    window: Any = (np.int64(3), np.int32(9))
    batch = pipes.RecordReader(store, "signals", window=window).read(row_batch([4]))
    assert batch.signals is not None
    assert (batch.signals.numpy() == store.signals([4])[:, :, 3:9]).all()


@pytest.mark.parametrize(
    ("batch_size", "options", "error", "message"),
    [
        (0, {}, ValueError, "batch_size is 0; expected 1 or more"),
        (-3, {}, ValueError, "batch_size is -3"),
        (2.0, {}, TypeError, "batch_size is 2.0; expected an integer"),
        ("2", {}, TypeError, "batch_size is '2'"),
        (2, {"seed": 1.5}, TypeError, "seed is 1.5; expected an integer"),
        (2, {"seed": None}, TypeError, "seed is None"),
        (2, {"rank": 1.0, "world_size": 2}, TypeError, "rank is 1.0"),
        (2, {"rank": 2, "world_size": 2}, ValueError, "rank is 2; expected 0 to"),
        (2, {"rank": -1, "world_size": 2}, ValueError, "rank is -1; expected"),
        (2, {"rank": 0, "world_size": 0}, ValueError, "world_size is 0; expected 1"),
        (45, {"drop_last": True}, ValueError, "do not fill a batch of 45"),
        (
            23,
            {"drop_last": True, "rank": 0, "world_size": 2},
            ValueError,
            "for each of 2 ranks.*smaller, or set drop_last=False",
        ),
    ],
)
def test_rows_refuse_wrong_arguments(
    store: Store,
    batch_size: Any,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        pipes.Rows(store, pipes.Sequential(len(store)), batch_size, **options)
    with pytest.raises(error, match=message):
        pipes.loader(store, batch_size, **options)


def test_rows_refuse_an_order_of_other_records(store: Store) -> None:
    with pytest.raises(ValueError, match="has n=43 and the selection has 44"):
        pipes.Rows(store, pipes.Sequential(43), 2)
    with pytest.raises(ValueError, match="make the order with n=44"):
        pipes.loader(store, order=pipes.Shuffled(45, 0))


@pytest.mark.parametrize("epoch", [-1, 1.5])
def test_rows_refuse_epochs_that_are_none(store: Store, epoch: Any) -> None:
    node = pipes.Rows(store, pipes.Sequential(len(store)), 2)
    with pytest.raises((TypeError, ValueError), match=f"epoch is {epoch}; expected"):
        node.set_epoch(epoch)


def test_nothing_selected_is_an_error(store: Store) -> None:
    nobody = store.select(query="age > 1000")
    for make in (
        lambda: pipes.loader(nobody),
        lambda: pipes.Rows(nobody, pipes.Sequential(1), 2),
    ):
        with pytest.raises(EcgStoreError, match=r"no record is selected; .*loosen"):
            make()


@pytest.mark.parametrize("records", ["store.h5", [1, 2], None])
def test_only_stores_and_selections_can_be_loaded(records: Any) -> None:
    with pytest.raises(TypeError, match=r"expected ecgstore.open\(path\) or store.sel"):
        pipes.loader(records)


def test_a_prefetch_of_nothing_is_an_error(store: Store) -> None:
    rows = pipes.Rows(store, pipes.Sequential(len(store)), 2)
    for depth in (0, -1):
        with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
            pipes.Prefetch(rows, depth)
    with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
        pipes.loader(store, prefetch=-1)


def test_reading_a_closed_store(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    reader = pipes.RecordReader(store)
    store.close()
    for fields in ("signals", "labels", ()):
        with pytest.raises(StoreClosedError, match="open it again"):
            pipes.RecordReader(store, fields).read(row_batch([1]))
    with pytest.raises(StoreClosedError, match="open it again"):
        reader.read(row_batch([1]))


# -- map, prefetch, to device -----------------------------------------------


def read_node(store: Store, **options: Any) -> BaseNode[Batch]:
    rows = pipes.Rows(store, pipes.Sequential(len(store)), 5)
    return pipes.Read(rows, pipes.RecordReader(store, "signals", **options))


def test_map_applies_its_function_once_to_every_item(store: Store) -> None:
    seen: list[int] = []

    def note(batch: Batch) -> int:
        seen.append(len(batch))
        return int(batch.rows[0])

    node = pipes.Map(read_node(store, window=(0, 1)), note)
    assert list(node) == list(range(0, 44, 5))
    assert sum(seen) == len(store)


def test_stop_iteration_of_a_function_does_not_end_the_epoch(store: Store) -> None:
    """It would lose the rest of the records without a word."""

    def exhausted(batch: Batch) -> Batch:
        return next(iter(()))

    node = pipes.Map(read_node(store, window=(0, 1)), exhausted)
    with pytest.raises(RuntimeError, match=r"exhausted.*raised StopIteration"):
        next(node)
    for prefetch in (0, 1):
        loader = pipes.loader(store, transform=exhausted, prefetch=prefetch)
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            list(loader)


def test_batches_belong_to_their_user(store: Store) -> None:
    """Whatever is done to a batch, later ones and other epochs do not change."""

    def spoil(batch: Batch) -> Batch:
        for tensor in batch.tensors():
            tensor.zero_()
        batch.seeds[:] = 0
        batch.names[:] = b""
        return batch

    def make(prefetch: int, **options: Any) -> Any:
        return pipes.loader(
            store,
            5,
            shuffle=True,
            fields=(*ARRAYS, "age", "fold"),
            window=pipes.RandomCrop(10),
            prefetch=prefetch,
            **options,
        )

    for prefetch in (0, 2):
        plain = [digest(batch) for batch in make(prefetch)]
        loader = make(prefetch)
        for _ in range(2):
            loader.set_epoch(1)
            for batch in loader:
                spoil(batch)
            loader.set_epoch(0)
            assert [digest(batch) for batch in loader] == plain


def test_to_device_makes_voltages_of_counts(store: Store) -> None:
    voltages = list(read_node(store))
    for on_cpu in (
        pipes.ToDevice(read_node(store, dtype="int16"), "cpu"),
        pipes.ToDevice(read_node(store), torch.device("cpu")),
    ):
        for found, expected in zip(on_cpu, voltages, strict=True):
            assert digest(found) == digest(expected)
    counts = pipes.ToDevice(read_node(store, dtype="int16"), "cpu", in_mv=False)
    for found, expected in zip(counts, read_node(store, dtype="int16"), strict=True):
        assert digest(found) == digest(expected)


def test_to_device_moves_every_tensor(store: Store) -> None:
    """To a device that there is everywhere, though it holds no numbers."""
    fields = (*ARRAYS, "age", "dx")
    dtypes: dict[Any, torch.dtype] = {"float32": torch.float32, "int16": torch.int16}
    for dtype, expected in dtypes.items():
        loader = pipes.loader(store, 5, fields=fields, dtype=dtype, device="meta")
        batches = list(loader)
        assert len(batches) == len(loader) == 9
        for batch in batches:
            tensors = list(batch.tensors())
            assert len(tensors) == 8  # and dx is a list
            assert all(each.device.type == "meta" for each in tensors)
            assert batch.signals is not None
            assert batch.signals.dtype == expected
        assert loader.epoch == 1


def test_texts_and_names_go_along_to_a_device(store: Store) -> None:
    batch = pipes.RecordReader(store, ("labels", "age", "dx")).read(row_batch([1, 2]))
    moved = batch.to("meta")
    assert list(moved.columns) == list(batch.columns)
    assert moved.columns["dx"] == batch.columns["dx"]
    assert moved.record_ids == batch.record_ids


def test_every_tensor_is_pinned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pipes.RecordReader(store, (*ARRAYS, "age", "dx")).read(row_batch([1, 2]))
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    found = list(batch.pin_memory().tensors())
    assert len(found) == 8
    assert {id(each) for each in found} == {id(each) for each in pinned}


def test_a_batch_says_which_leads_it_has_and_at_which_rate(tmp_path: Path) -> None:
    out = tmp_path / "slow.h5"
    config = Config(fs=250, beats="none", limit=2)
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as slow:
        for leads in (None, ("V5", "II")):
            batch = next(iter(pipes.loader(slow, 2, leads=leads)))
            assert batch.leads == (leads or LEADS)
            assert batch.fs == 250


def test_spoilt_seeds_do_not_come_back(store: Store) -> None:
    # The same epoch again: the order's chunk is still there.
    for prefetch in (0, 2):
        loader = pipes.loader(store, 5, shuffle=True, fields=(), prefetch=prefetch)
        plain = [digest(batch) for batch in loader]
        loader.set_epoch(0)
        for batch in loader:
            batch.seeds[:] = 0
            batch.rows.zero_()
        loader.set_epoch(0)
        assert [digest(batch) for batch in loader] == plain


def test_transforms_of_a_device_run_there(store: Store) -> None:
    seen: list[str] = []

    def note(batch: Batch) -> Batch:
        seen.append(batch.rows.device.type)
        return batch

    list(pipes.loader(store, 40, device="meta", transform=[note, note]))
    assert seen == ["meta"] * 4


def test_a_batch_shows_what_is_in_it(store: Store) -> None:
    batch = pipes.RecordReader(store, ("signals", "age"), dtype="int16").read(
        row_batch([1, 2, 3])
    )
    assert len(batch) == 3
    assert repr(batch) == (
        "<Batch of 3: rows int64[3], n_real_samples int64[3], "
        "signals int16[3, 12, 5000]>"
    )
    assert len(list(batch.tensors())) == 4
    moved = batch.to("meta")
    assert all(each.is_meta for each in moved.tensors())
    assert not batch.rows.is_meta


# -- memory -----------------------------------------------------------------


def addresses(batches: Any) -> list[int]:
    return [batch.signals.data_ptr() for batch in batches]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_memory_of_dropped_batches_is_used_again(store: Store, prefetch: int) -> None:
    loader = pipes.loader(store, 2, window=(0, 900), prefetch=prefetch)
    found = addresses(batch for _ in range(4) for batch in loader)
    assert len(found) == 4 * len(loader)
    # One the consumer holds, one it just dropped, those that are ready, one being made.
    assert len(set(found)) <= prefetch + 3


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
    "a part of it": lambda signals: signals[1, :, 3:5],
    "an array": lambda signals: signals.numpy(),
    "a part of an array": lambda signals: signals.numpy()[0, ::2],
    "a flat view": lambda signals: signals.view(-1),
    "its storage": lambda signals: signals.untyped_storage(),
    "what dlpack gives": lambda signals: np.from_dlpack(signals),
    "a memoryview": lambda signals: signals.numpy().data,
}


@pytest.mark.parametrize("keep", KEEPERS)
def test_whatever_refers_to_a_batch_keeps_its_memory(store: Store, keep: str) -> None:
    """Every other batch is kept in some way, so memory is used again in between."""
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
        if keep == "its storage":
            found = np.array(part.tolist(), np.uint8)[: values.size]
            begin = 0 if (found == values).all() else -1
            assert begin == 0 or values.tobytes() in bytes(part.tolist())
        else:
            expected = KEEPERS[keep](before)
            assert np.asarray(part).tobytes() == np.asarray(expected).tobytes()


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 3)), max_size=40))
def test_arrays_in_use_never_share_memory(steps: list[tuple[int, int]]) -> None:
    """Take arrays of any sizes, keep each for a while, and see that they stay."""
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
        for value, _, each in held:
            assert (each == value).all()
        held = [each for each in held if each[1] > number]


def test_memory_that_is_kept_no_longer_is_freed() -> None:
    """Blocks beyond a few go with their batches."""
    buffers = Buffers(2)
    kept = [buffers.take((100,), np.int16) for _ in range(44)]
    blocks = [weakref.ref(array.base) for array in kept if array.base is not None]
    assert sum(block() is not None for block in blocks) == 44
    kept.clear()
    assert 0 < sum(block() is not None for block in blocks) <= 8


# -- on a GPU ---------------------------------------------------------------

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
            assert all(each.is_cuda for each in batch.tensors())
            kept.append(batch)
        assert [digest(batch) for batch in kept] == host
        assert [digest(batch) for batch in loader] != host


@pytest.mark.gpu
@needs_gpu
def test_batches_on_a_gpu_are_not_overwritten_while_they_are_copied(
    store: Store,
) -> None:
    """The GPU is kept busy, so copies wait while the host goes on."""
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
