"""Bits law: the outputs for a record depend on nothing but the record.

Not on the records that are read or predicted with it, on their order, on padding and
missing leads of others, on the number of processes, or on whether a store was built.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore.arrays import FloatArray
from ecgstore.models import evaluate, running
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.inference.model import Model
from ecgstore.models.inference.new_records import (
    batch_of,
    config_of_new_records,
    feature_names,
    read_new_record,
)
from ecgstore.models.inference.prediction import OK, predict, predict_signal
from ecgstore.models.networks.create import create_model
from ecgstore.models.settings import ModelSettings
from ecgstore.record import LEADS
from ecgstore.sources import given_headers, read_record
from ecgstore.storage import Store
from tests.models.hybrid.conftest import CONFIG

KINDS = ("cnn", "resnet18", "minirocket", "hybrid", "small hybrid")


def untrained(name: str) -> Checkpoint:
    """Return a checkpoint of random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        network = create_model(name, len(CONFIG.leads), len(CONFIG.classes.names))
    return Checkpoint(
        model=ModelSettings(model=name, fs=100.0),
        weights=network.state_dict(),
        label_names=CONFIG.classes.names,
        config=CONFIG,
        fingerprint="",
    )


@pytest.fixture(scope="session", params=KINDS)
def model(
    request: pytest.FixtureRequest, hybrid: Hybrid, small_hybrid: Hybrid
) -> Model:
    if request.param == "minirocket":
        assert hybrid.extractor is not None
        return hybrid.extractor
    fitted = {"hybrid": hybrid, "small hybrid": small_hybrid}
    return fitted.get(request.param) or untrained(request.param)


@pytest.fixture(scope="session")
def expected(model: Model, store_file: Path) -> dict[str, FloatArray]:
    """Return the probabilities of each record of the store, by its name."""
    with Store(store_file) as store, torch.inference_mode():
        runner = model.runner(store.feature_names, "cpu")
        outputs = running.run(runner, store.select())
        return dict(zip(store, outputs.probabilities, strict=True))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def assert_expected(
    model: Model, headers: list[Path], expected: dict[str, FloatArray], **options: Any
) -> None:
    predictions = [*predict(model, headers, **options)]
    assert [one.path for one in predictions] == [*map(str, headers)]
    for one in predictions:
        assert one.status == OK
        np.testing.assert_array_equal(
            one.probabilities, expected[one.record_id], one.record_id
        )


def test_the_store_has_padded_records_and_records_without_a_lead(store: Store) -> None:
    is_padded = (store.quality["pad_length"] > 0).to_numpy()
    lacks = np.array([bool(store[name].missing_leads) for name in store])
    for kind in (is_padded & ~lacks, lacks & ~is_padded, is_padded & lacks):
        assert kind.any()
    assert (~is_padded & ~lacks).sum() > 30


@pytest.mark.usefixtures("one_thread")
def test_raw_records_are_predicted_as_those_of_a_store(
    model: Model, records: Path, expected: dict[str, FloatArray]
) -> None:
    headers = given_headers([records])
    assert {header.stem for header in headers} == expected.keys()
    assert_expected(model, headers, expected, n_processes=1)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("model", ["resnet18", "hybrid"], indirect=True)
def test_two_threads_predict_the_same(
    model: Model, records: Path, expected: dict[str, FloatArray]
) -> None:
    assert_expected(model, given_headers([records])[::2], expected, n_processes=1)


@pytest.mark.parametrize("model", ["cnn", "hybrid"], indirect=True)
def test_two_processes_predict_the_same(
    model: Model, records: Path, expected: dict[str, FloatArray]
) -> None:
    assert_expected(model, given_headers([records]), expected, n_processes=2)


@pytest.mark.parametrize("seed", [0, 1])
def test_any_records_in_any_order_are_predicted_the_same(
    model: Model, records: Path, expected: dict[str, FloatArray], seed: int
) -> None:
    random = np.random.default_rng(seed)
    headers = given_headers([records])
    n_chosen = random.integers(2, 35)
    chosen = random.choice(len(headers), n_chosen, replace=False)
    assert_expected(model, [headers[n] for n in chosen.tolist()], expected)


def test_a_record_alone_is_predicted_the_same(
    model: Model, records: Path, expected: dict[str, FloatArray]
) -> None:
    headers = given_headers([records])
    for header in headers[::11]:
        assert_expected(model, [header], expected)


def test_a_record_in_every_place_of_a_batch_is_predicted_the_same(
    model: Model, records: Path, expected: dict[str, FloatArray]
) -> None:
    config = config_of_new_records(model)
    runner = model.runner(feature_names(config), "cpu")
    complete, lacking = (
        read_new_record(
            records / f"{name}.hea", config, with_features=model.needs_features
        )
        for name in ("P0016", "P0012")
    )
    assert lacking.missing_leads == ("V2",)
    assert not complete.missing_leads
    together = [complete, lacking] * 9
    for chosen in (together, together[1:], [complete] * 17, [lacking] * 17):
        batch = batch_of(chosen, config, runner.leads or config.leads)
        with torch.inference_mode():
            logits = runner(batch).logits.numpy()
        for record, found in zip(chosen, running.probabilities_of(logits), strict=True):
            np.testing.assert_array_equal(found, expected[record.record_id])


@pytest.mark.parametrize("batch_size", [1, 17])
def test_the_number_of_records_read_at_a_time_changes_nothing(
    model: Model, store: Store, expected: dict[str, FloatArray], batch_size: int
) -> None:
    runner = model.runner(store.feature_names, "cpu")
    rows = np.random.default_rng(batch_size).choice(len(store), 20, replace=False)
    outputs = running.run(runner, store.select(rows=rows), batch_size=batch_size)
    names = [*store]
    for row, found in zip(outputs.rows, outputs.probabilities, strict=True):
        np.testing.assert_array_equal(found, expected[names[row]])


def test_evaluate_scores_these_probabilities(
    model: Model, store: Store, expected: dict[str, FloatArray]
) -> None:
    result = evaluate(model, store, folds=[9], n_resamples=5)
    assert len(result.record_ids) > 3
    for name, found in zip(result.record_ids, result.probabilities, strict=True):
        np.testing.assert_array_equal(found, expected[name])
    if model.thresholds is not None:
        np.testing.assert_array_equal(result.scores.thresholds, model.thresholds)


def test_a_signal_in_memory_is_predicted_as_its_file(
    model: Model, records: Path, store: Store, expected: dict[str, FloatArray]
) -> None:
    for name in [*store][::9]:
        record = read_record(records / f"{name}.hea")
        row = store.records.loc[name]
        if store[name].missing_leads:
            continue
        found = predict_signal(
            model,
            record.signal,
            record.fs,
            leads=LEADS,
            age=row["age"],
            sex=row["sex"],
        )
        np.testing.assert_array_equal(found.probabilities, expected[name])


def test_decisions_are_those_of_the_thresholds(model: Model, records: Path) -> None:
    for one in predict(model, records):
        if model.thresholds is None:
            assert one.decisions is None
        else:
            assert one.probabilities is not None
            np.testing.assert_array_equal(
                one.decisions, one.probabilities >= model.thresholds
            )
