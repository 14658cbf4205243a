"""Standardisation by the statistics of the training records only, saved exactly."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from sklearn.preprocessing import StandardScaler

import ecgstore
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.transforms.standardise import Standardise, StandardiseFeatures
from ecgstore.record import LEADS


@pytest.fixture(scope="module")
def training(store: ecgstore.Store) -> ecgstore.Selection:
    return store.select(folds=range(7))


def n_real_samples(store: ecgstore.Store, rows: Any) -> Any:
    return store.n_samples - store.quality["pad_length"].to_numpy()[rows]


def read(store: ecgstore.Store, rows: Any, *, counts: bool = False) -> Batch:
    rows = np.asarray(rows)
    signals = store.signals(rows, dtype="int16") if counts else store.signals(rows)
    return Batch(
        rows=torch.from_numpy(rows),
        seeds=rows.astype(np.uint64),
        names=np.array([b"name"] * len(rows)),
        n_real_samples=torch.from_numpy(n_real_samples(store, rows)),
        signals=torch.from_numpy(signals),
        features=torch.from_numpy(store.features(rows).to_numpy("f4")),
        mv_per_count=store.scale_factor if counts else 1.0,
    )


def signals_of(batch: Batch) -> Any:
    assert batch.signals is not None
    return batch.signals.numpy()


def features_of(batch: Batch) -> Any:
    assert batch.features is not None
    return batch.features.numpy()


def real_samples(store: ecgstore.Store, rows: Any) -> Any:
    """Return all samples of some rows without padding, of shape (n, 12)."""
    ends = n_real_samples(store, rows)
    pairs = zip(store.signals(rows), ends, strict=True)
    return np.concatenate([signal[:, :end].T for signal, end in pairs]).astype("f8")


class ScaledStore:
    """A store with scaled values in some rows, and a list of the rows read."""

    def __init__(self, store: ecgstore.Store, factors: dict[int, float]) -> None:
        self._store = store
        self._factors = factors
        self.rows_read: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __len__(self) -> int:
        return len(self._store)

    def signals(self, rows: Any) -> Any:
        self.rows_read += list(rows)
        factors = [self._factors.get(int(row), 1.0) for row in rows]
        return self._store.signals(rows) * np.array(factors, "f4")[:, None, None]

    def features(self, rows: Any) -> Any:
        self.rows_read += list(rows)
        factors = [self._factors.get(int(row), 1.0) for row in rows]
        return self._store.features(rows) * np.array(factors, "f4")[:, None]


def scaled_selection(
    store: ecgstore.Store, rows: Any, factors: dict[int, float]
) -> tuple[Any, ScaledStore]:
    scaled = ScaledStore(store, factors)
    return ecgstore.Selection(scaled, rows), scaled  # type: ignore[arg-type]


class StoreOfLists:
    """A store of records given as lists of samples, the same in every lead."""

    missing_leads = None

    def __init__(self, records: list[list[float]]) -> None:
        lengths = [len(record) for record in records]
        self.n_samples = max(lengths, default=0)
        padding = [self.n_samples - length for length in lengths]
        self.table = {"quality/pad_length": np.array(padding)}.__getitem__
        self.config = ecgstore.Config()
        self.fingerprint = "lists"
        self.leads = ecgstore.LEADS
        self._signals = np.zeros((len(records), 12, self.n_samples))
        for signal, record in zip(self._signals, records, strict=True):
            signal[:, : len(record)] = record
        self.rows_read: list[int] = []

    def __len__(self) -> int:
        return len(self._signals)

    def lead_numbers(self, leads: Sequence[str]) -> Any:
        return np.array([self.leads.index(lead) for lead in leads])

    def signals(self, rows: Any) -> Any:
        self.rows_read += list(rows)
        return self._signals[rows]


# -- the statistics -----------------------------------------------------------


def test_statistics_are_those_of_the_real_samples(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    ends = n_real_samples(store, training.rows)
    assert (ends < store.n_samples).any(), "the sample should have padded records"
    fitted = Standardise.fit(training)
    peer = StandardScaler().fit(real_samples(store, training.rows))
    np.testing.assert_allclose(fitted.mean, peer.mean_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.sd, peer.scale_, rtol=1e-12)
    assert fitted.leads == LEADS
    assert fitted.n_records == len(training)
    assert fitted.fs == 500.0


def test_pooled_statistics_are_those_of_all_leads(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training, by="all_leads", leads=("V6", "II"))
    samples = real_samples(store, training.rows)[:, [11, 1]]
    np.testing.assert_allclose(fitted.mean, [samples.mean()] * 2, atol=1e-12)
    np.testing.assert_allclose(fitted.sd, [samples.std()] * 2, rtol=1e-12)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(-1e3, 1e3), max_size=7), min_size=1, max_size=8),
    st.sampled_from(["lead", "all_leads"]),
)
def test_statistics_are_correct_for_records_of_any_length(
    records: list[Any], by: Any
) -> None:
    """Also of records without a real sample, and of none that has one."""
    lists: Any = StoreOfLists(records)
    fitted = Standardise.fit(ecgstore.Selection(lists, np.arange(len(lists))), by=by)
    samples = np.concatenate(records) if any(records) else np.zeros(1)
    np.testing.assert_allclose(fitted.mean, [samples.mean()] * 12, atol=1e-9)
    np.testing.assert_allclose(np.square(fitted.sd), [samples.var()] * 12, atol=1e-6)


@pytest.mark.parametrize("n_records", [1, 63, 64, 65, 300])
def test_statistics_are_correct_for_any_number_of_records(n_records: int) -> None:
    """Every record is read once, however many are read at a time."""
    random = np.random.default_rng(n_records)
    records = [
        random.normal(number, 2, random.integers(1, 9)).tolist()
        for number in range(n_records)
    ]
    lists: Any = StoreOfLists(records)
    fitted = Standardise.fit(ecgstore.Selection(lists, np.arange(n_records)))
    assert lists.rows_read == [*range(n_records)]
    samples = np.concatenate(records)
    np.testing.assert_allclose(fitted.mean, [samples.mean()] * 12, rtol=1e-12)
    np.testing.assert_allclose(fitted.sd, [samples.std()] * 12, rtol=1e-12)


@pytest.mark.parametrize("transform", [Standardise, StandardiseFeatures])
def test_statistics_depend_on_the_training_records_only(
    transform: Any, store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    expected = transform.fit(training)
    outside = sorted(set(range(len(store))) - set(training.rows.tolist()))
    factors = dict.fromkeys(outside, 1000.0)
    selection, scaled = scaled_selection(store, training.rows, factors)
    assert transform.fit(selection) == expected
    assert set(scaled.rows_read) == set(training.rows.tolist())
    inside = {int(training.rows[3]): 1.5}
    selection, _ = scaled_selection(store, training.rows, inside)
    assert transform.fit(selection) != expected


def test_no_label_is_read(
    training: ecgstore.Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("labels were read")

    monkeypatch.setattr(ecgstore.Store, "labels", refuse)
    Standardise.fit(training)
    StandardiseFeatures.fit(training)


def test_statistics_of_features_leave_out_undefined_ones(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    values = store.features(training.rows).to_numpy("f8")
    defined = ~np.isnan(values).all(axis=0)
    assert np.isnan(values[:, defined]).any(), "the sample should have gaps"
    fitted = StandardiseFeatures.fit(training)
    peer = StandardScaler().fit(values[:, defined])
    np.testing.assert_allclose(np.array(fitted.mean)[defined], peer.mean_, rtol=1e-12)
    sd = np.array(fitted.sd)[defined]
    np.testing.assert_allclose(np.where(sd > 0, sd, 1), peer.scale_, rtol=1e-9)
    assert not np.array(fitted.mean)[~defined].any()
    assert fitted.features == tuple(store.feature_names)


# -- as a batch transform -----------------------------------------------------


def test_every_real_sample_is_standardised_and_padding_stays_zero(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = replace(Standardise.fit(training), mean=tuple(np.arange(12) / 10 + 0.1))
    batch = read(store, training.rows)
    memory = signals_of(batch)
    expected = memory - np.array(fitted.mean, "f4")[:, None]
    expected /= np.array(fitted.sd, "f4")[:, None]
    for signal, end in zip(expected, batch.n_real_samples, strict=True):
        signal[:, end:] = 0
    result = fitted(batch)
    np.testing.assert_allclose(signals_of(result), expected, rtol=3e-7)
    np.testing.assert_array_equal(signals_of(result) == 0, expected == 0)
    assert signals_of(result) is not memory
    assert np.shares_memory(signals_of(result), memory)  # in place


def test_training_records_have_mean_0_and_sd_1_afterwards(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    result = signals_of(Standardise.fit(training)(read(store, training.rows)))
    ends = n_real_samples(store, training.rows)
    samples = np.concatenate(
        [signal[:, :end].T for signal, end in zip(result, ends, strict=True)]
    ).astype("f8")
    np.testing.assert_allclose(samples.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(samples.std(axis=0), 1, atol=1e-5)


def test_counts_give_the_same_bits(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training)
    counts = read(store, training.rows, counts=True)
    before = signals_of(counts).copy()
    result = fitted(counts)
    np.testing.assert_array_equal(signals_of(counts), before)
    expected = fitted(read(store, training.rows))
    np.testing.assert_array_equal(signals_of(result), signals_of(expected))


@pytest.mark.parametrize("by", ["lead", "all_leads"])
def test_inverse_restores_the_voltages(
    by: Any, store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training, by=by)
    result = fitted.inverse(fitted(read(store, training.rows)))
    np.testing.assert_allclose(
        signals_of(result), store.signals(training.rows), rtol=1e-5, atol=1e-6
    )


def test_a_record_gets_the_same_bits_in_any_batch(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training)
    together = signals_of(fitted(read(store, training.rows)))
    for place, row in enumerate(training.rows[:5].tolist()):
        alone = signals_of(fitted(read(store, [row])))
        assert alone[0].tobytes() == together[place].tobytes()


def test_constant_leads_and_features_become_zero(store: ecgstore.Store) -> None:
    class Constant(ScaledStore):
        def signals(self, rows: Any) -> Any:
            values = self._store.signals(rows)
            values[:, 3] = 0.3  # no binary fraction
            values[:, 4] = 0
            return values

        def features(self, rows: Any) -> Any:
            frame = self._store.features(rows).copy()
            frame.iloc[:, 0] = np.float32(0.7)
            frame.iloc[:, 1] = np.nan
            return frame

    rows = store.select(folds=[0, 1, 2]).rows
    selection: Any = ecgstore.Selection(Constant(store, {}), rows)  # type: ignore[arg-type]
    fitted = Standardise.fit(selection)
    assert fitted.sd[3] == fitted.sd[4] == 0
    batch = read(store, rows)
    signals_of(batch)[:, 3], signals_of(batch)[:, 4] = np.float32(0.3), 0
    result = signals_of(fitted(batch))
    np.testing.assert_allclose(result[:, 3:5], 0, atol=1e-6)
    assert np.isfinite(result).all()
    features = StandardiseFeatures.fit(selection)
    assert features.sd[:2] == (0, 0)
    columns = features_of(
        features(
            replace(batch, features=torch.full((len(rows), len(features.sd)), 0.7))
        )
    )
    np.testing.assert_allclose(columns[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(columns[:, 1], 0.7, atol=1e-6)


def test_inverse_of_features_keeps_undefined_ones(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = StandardiseFeatures.fit(training)
    batch = read(store, training.rows)
    before = features_of(batch).copy()
    result = fitted(batch)
    np.testing.assert_array_equal(features_of(batch), before)  # not in place
    np.testing.assert_array_equal(np.isnan(features_of(result)), np.isnan(before))
    divisors = np.where(np.array(fitted.sd) > 0, fitted.sd, 1)
    np.testing.assert_allclose(
        features_of(result), (before - np.array(fitted.mean)) / divisors, atol=2e-3
    )
    back = features_of(fitted.inverse(result))
    scale = np.abs(fitted.mean) + np.array(fitted.sd)
    assert np.nanmax(np.abs(back - before) / np.maximum(scale, 1e-30)) < 1e-5


def test_statistics_of_a_subset_of_leads_are_those_of_its_leads(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training, leads=["II", "V5"])
    whole = Standardise.fit(training)
    assert fitted.mean == (whole.mean[1], whole.mean[10])
    batch = read(store, training.rows)
    assert batch.signals is not None
    two = replace(batch, signals=batch.signals[:, [1, 10]], leads=("II", "V5"))
    expected = signals_of(whole(read(store, training.rows)))[:, [1, 10]]
    np.testing.assert_array_equal(signals_of(fitted(two)), expected)
    for call in (fitted, fitted.inverse):
        with pytest.raises(
            ValueError, match=r"of 12 leads; it was fitted on 2: II, V5"
        ):
            call(batch)


def test_other_leads_and_rates_are_refused(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training, leads=["II", "V5"])
    batch = read(store, training.rows)
    assert batch.signals is not None
    turned = replace(batch, signals=batch.signals[:, [10, 1]], leads=("V5", "II"))
    slow = replace(batch, signals=batch.signals[:, [1, 10]], leads=("II", "V5"), fs=9.0)
    for call in (fitted, fitted.inverse):
        with pytest.raises(ValueError, match="leads V5, II; it was fitted on II, V5"):
            call(turned)
        with pytest.raises(ValueError, match=r"of 9 Hz; it was fitted on .* of 500 Hz"):
            call(slow)


# -- saved with the identity of its training records --------------------------


@pytest.mark.parametrize("transform", [Standardise, StandardiseFeatures])
def test_saved_and_loaded_bit_for_bit(
    transform: Any, training: ecgstore.Selection, tmp_path: Path
) -> None:
    fitted = transform.fit(training)
    fitted.save(tmp_path / "fitted.json")
    assert transform.load(str(tmp_path / "fitted.json")) == fitted
    assert transform.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    assert transform.from_dict(fitted.to_dict()) == fitted
    assert [path.name for path in tmp_path.iterdir()] == ["fitted.json"]


def test_fitted_on_recognises_the_training_records(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    fitted = Standardise.fit(training)
    assert fitted.fitted_on(training)
    assert fitted.fitted_on(store.select(folds=range(7)))
    assert not fitted.fitted_on(store.select(folds=range(6)))
    assert not replace(fitted, fingerprint="another").fitted_on(training)


def test_the_digest_of_rows_is_that_of_little_endian_int64(
    store: ecgstore.Store,
) -> None:
    expected = hashlib.sha256(bytes([3, *[0] * 7, 40, *[0] * 7])).hexdigest()
    rows = np.array([3, 9, 40])
    assert ecgstore.Selection(store, rows[::2]).rows_sha256 == expected


Alter = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda values: [], "not a saved Standardise; expected"),
        (lambda values: {**values, "more": 1}, "not a saved Standardise"),
        (lambda values: {**values, "version": 2}, "version 2; this ecgstore reads"),
        (lambda values: {**values, "class": "Other"}, "saved by Other; expected"),
        (lambda values: {**values, "mean": [1.0]}, "mean and sd are not two"),
        (lambda values: {**values, "sd": [-1.0] * 12}, "mean and sd are not two"),
        (lambda values: {**values, "sd": "1"}, "mean and sd are not two"),
    ],
    ids=["list", "more", "version", "class", "few means", "sd below 0", "text"],
)
def test_other_files_are_refused(
    alter: Alter, message: str, training: ecgstore.Selection, tmp_path: Path
) -> None:
    path = tmp_path / "fitted.json"
    path.write_text(json.dumps(alter(Standardise.fit(training).to_dict())))
    with pytest.raises(SchemaError, match=rf"fitted.json: .*{message}"):
        Standardise.load(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fingerprint", None, "fingerprint is of type NoneType; expected str"),
        ("n_records", True, "n_records is of type bool; expected int"),
        ("fs", {}, "fs is of type dict; expected float"),
        ("leads", "I", "leads is of type str; expected tuple"),
        ("leads", ["I"], "leads are not 12 names, as many as means"),
        ("leads", [1] * 12, "leads are not 12 names, as many as means"),
    ],
)
def test_values_of_other_types_are_refused(
    name: str, value: Any, message: str, training: ecgstore.Selection
) -> None:
    values = {**Standardise.fit(training).to_dict(), name: value}
    with pytest.raises(SchemaError, match=message):
        Standardise.from_dict(values)


def test_unreadable_files_are_refused(
    training: ecgstore.Selection, tmp_path: Path
) -> None:
    with pytest.raises(EcgStoreError, match=r"cannot be read .*expected a file that"):
        Standardise.load(tmp_path / "absent.json")
    (tmp_path / "text").write_bytes(b"\xff{")
    with pytest.raises(SchemaError, match="text: not JSON"):
        Standardise.load(tmp_path / "text")
    (tmp_path / "nested").write_text("[" * 100_000)
    with pytest.raises(SchemaError, match="nested: not JSON"):
        Standardise.load(tmp_path / "nested")
    with pytest.raises(EcgStoreError, match="cannot be written"):
        Standardise.fit(training).save(tmp_path / "no" / "folder.json")


# -- errors -------------------------------------------------------------------


@pytest.mark.parametrize("transform", [Standardise, StandardiseFeatures])
def test_fit_takes_a_selection_only(transform: Any, store: ecgstore.Store) -> None:
    for wrong in (store, store.select(folds=[0]).rows):
        with pytest.raises(TypeError, match="expected a selection of the training"):
            transform.fit(wrong)
    with pytest.raises(ValueError, match="is empty; expected at least one record"):
        transform.fit(store.select(folds=[]))


@pytest.mark.parametrize("leads", ["III,V2", ["X1"], ["I", "I"], []])
def test_wrong_leads_are_refused(leads: Any, training: ecgstore.Selection) -> None:
    with pytest.raises(ValueError, match="expected some of I, II, III"):
        Standardise.fit(training, leads=leads)


def test_wrong_settings_and_batches_are_refused(
    store: ecgstore.Store, training: ecgstore.Selection
) -> None:
    with pytest.raises(ValueError, match="by is 'record'; expected 'lead' or"):
        Standardise.fit(training, by="record")  # type: ignore[arg-type]
    batch = read(store, [0, 1])
    with pytest.raises(ValueError, match="add 'signals' to the fields"):
        Standardise.fit(training)(replace(batch, signals=None))
    features = StandardiseFeatures.fit(training)
    with pytest.raises(ValueError, match="add 'features' to the fields"):
        features(replace(batch, features=None))
    with pytest.raises(ValueError, match="got 2 features; it was fitted on"):
        features(replace(batch, features=torch.zeros(2, 2)))
