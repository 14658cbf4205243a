"""Row law: every field of a batch equals the stored values of its rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.errors import StoreClosedError
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.reading.record_reader import ARRAYS
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from tests.pipes.reading.stored import N_SAMPLES, NUMBERS, TEXTS, check_batch, row_batch


@pytest.fixture(scope="module")
def stored(sample_store: Path) -> dict[str, NDArray[Any]]:
    """Every per-row dataset, as the HDF5 library reads it."""
    arrays: dict[str, NDArray[Any]] = {}
    with h5py.File(sample_store) as file:
        for name in ARRAYS:
            arrays[name] = file[name][...]
        for name in (*TEXTS, *schema.RECORD_NUMBERS):
            arrays[name] = file[f"records/{name}"][...]
        arrays["fold"] = file["folds"][...]
        arrays["pad_length"] = file["quality/pad_length"][...]
        arrays["scale"] = np.array(file["signals"].attrs["scale_factor"], np.float32)
    return arrays


ANY_FIELDS = st.lists(st.sampled_from((*ARRAYS, *TEXTS, *NUMBERS)), max_size=8)

ANY_LEADS = st.none() | st.lists(
    st.sampled_from(LEADS), min_size=1, max_size=4, unique=True
)

ANY_WINDOW = (
    st.none()
    | st.tuples(st.integers(0, N_SAMPLES - 1), st.integers(1, N_SAMPLES)).map(
        lambda ends: (ends[0], max(ends[0] + 1, ends[1]))
    )
    | st.integers(1, N_SAMPLES).map(pipes.RandomCrop)
)


@settings(max_examples=150)
@given(data=st.data(), fields=ANY_FIELDS, leads=ANY_LEADS, window=ANY_WINDOW)
def test_batches_equal_the_stored_values_row_by_row(
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


def test_loaders_keep_rows_together(
    store: Store, stored: dict[str, NDArray[Any]]
) -> None:
    """The same for all fields at once, through a loader over several epochs."""
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
    """The tables of the public interface, which users join by record id."""
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
        for name, label_row in zip(names, batch.labels.tolist(), strict=True):
            expected = store[name].labels
            assert dict(zip(store.label_names, map(bool, label_row), strict=True)) == (
                expected
            )


def test_counts_times_mv_per_count_are_the_voltages_bit_for_bit(store: Store) -> None:
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
        assert batch.signals.dtype == torch.int16  # not changed
        for signals in (
            in_mv.signals,
            torch.from_numpy(batch.signals.numpy() * np.float32(0.001)),
        ):
            assert signals is not None
            assert signals.dtype == torch.float32
            assert signals.numpy().tobytes() == voltages.signals.numpy().tobytes()


def test_one_field_or_lead_may_be_a_str(store: Store) -> None:
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


def test_batches_of_float32_stores_equal_the_stored_voltages(
    float_store: Store,
) -> None:
    with h5py.File(float_store.path) as file:
        stored = file["signals"][...]
    batches = list(
        pipes.loader(
            float_store, 2, shuffle=True, leads=("V2", "II"), window=(100, 901)
        )
    )
    rows = torch.cat([batch.rows for batch in batches]).numpy()
    signals = torch.cat(
        [batch.signals for batch in batches if batch.signals is not None]
    ).numpy()
    assert signals.dtype == np.float32
    assert (signals == stored[rows][:, [7, 1], 100:901]).all()
    for make in (pipes.loader, pipes.RecordReader):
        with pytest.raises(ValueError, match="holds float32 mV, not int16 counts"):
            make(float_store, dtype="int16")
    on_meta = next(iter(pipes.loader(float_store, 2, device="meta")))
    assert on_meta.signals is not None
    assert on_meta.signals.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ("signals", "lables")}, "no field 'lables'; did you mean labels"),
        ({"fields": "quality"}, "no field 'quality'"),
        ({"dtype": "float64"}, "dtype is 'float64'; expected 'float32' or 'int16'"),
        ({"leads": ["V7"]}, r"leads are \['V7'\]; expected some of I, II"),
        ({"leads": ["V1", "v1"]}, "expected some of I, II"),
        ({"leads": "aVX"}, "expected some of I, II"),
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
def test_readers_refuse_unknown_fields_leads_and_windows(
    store: Store, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipes.RecordReader(store, **options)
    with pytest.raises(ValueError, match=message):
        pipes.loader(store, **options)


def test_reading_a_closed_store_is_an_error(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    reader = pipes.RecordReader(store)
    store.close()
    for fields in ("signals", "labels", ()):
        with pytest.raises(StoreClosedError, match="open it again"):
            pipes.RecordReader(store, fields).read(row_batch([1]))
    with pytest.raises(StoreClosedError, match="open it again"):
        reader.read(row_batch([1]))
