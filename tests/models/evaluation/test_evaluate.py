"""Scores of a checkpoint on folds: correct numbers, and no leak."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

import ecgstore
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import Evaluation, evaluate
from ecgstore.models.networks.create import create_model
from ecgstore.models.running import run_network
from ecgstore.models.seen_records import seen_records, short_hashes
from ecgstore.models.settings import ModelSettings
from ecgstore.sample import patients_file, sample_folder
from ecgstore.scores.challenge2020 import challenge_metric
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.storage import Store

CONFIG = Config(beats="none")
pytestmark = pytest.mark.usefixtures("one_thread")
FEW: dict[str, Any] = {"n_resamples": 50}


def build(out: Path, config: Config = CONFIG) -> Path:
    ecgstore.build_store(
        [sample_folder()],
        out,
        config,
        patients=patients_file(),
        n_workers=1,
        quiet=True,
    )
    return out


@pytest.fixture(scope="module")
def store_file(sample_store: Path) -> Path:
    return sample_store


@pytest.fixture(scope="module")
def other_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return another store with all signals of the first, and some more."""
    folder = tmp_path_factory.mktemp("evaluate")
    return build(folder / "other.h5", replace(CONFIG, select="all"))


@pytest.fixture(scope="module")
def checkpoint(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


def unrelated(config: Config = CONFIG) -> Checkpoint:
    """Return a checkpoint of random weights that was trained on no record."""
    names = config.classes.names
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        network = create_model("cnn", 12, len(names))
    return Checkpoint(
        model=ModelSettings(model="cnn", fs=100.0),
        weights=network.state_dict(),
        label_names=names,
        config=config,
        fingerprint="of another store",
        origin={"training_signals": [], "validation_signals": []},
    )


# -- numbers ----------------------------------------------------------------


@pytest.fixture(scope="module")
def result(store_file: Path) -> Evaluation:
    with Store(store_file) as store:
        return evaluate(
            unrelated(), store, folds=[*range(8), 9], validation_folds=[8], **FEW
        )


def test_rows_and_predictions_are_those_of_the_folds(
    store_file: Path, result: Evaluation
) -> None:
    model = unrelated()
    with Store(store_file) as store:
        selection = store.select(folds=[*range(8), 9])
        names = [*store]
        outputs = run_network(model.network(), selection, transform=[model.decimate()])
        labels = store.labels(rows=selection.rows)
        validation = store.select(folds=[8])
        held_out = run_network(
            model.network(), validation, transform=[model.decimate()]
        )
        thresholds = f1_thresholds(
            store.labels(rows=validation.rows), held_out.probabilities
        )
    np.testing.assert_array_equal(result.rows, selection.rows)
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_array_equal(result.probabilities, outputs.probabilities)
    np.testing.assert_array_equal(result.scores.thresholds, thresholds)
    assert result.record_ids == tuple(names[row] for row in selection.rows)
    assert result.warnings == ()


def test_scores_are_those_of_scikit_learn(result: Evaluation) -> None:
    labels, scores = result.labels, result.scores
    np.testing.assert_array_equal(scores.n_positive, labels.sum(axis=0))
    by_class = scores.by_class
    n_defined = 0
    for column in np.flatnonzero(labels.any(axis=0)):
        true, predicted = labels[:, column], result.probabilities[:, column]
        n_defined += 1
        assert by_class["auroc"][column] == pytest.approx(
            metrics.roc_auc_score(true, predicted)
        )
        assert by_class["average_precision"][column] == pytest.approx(
            metrics.average_precision_score(true, predicted)
        )
        decided = result.decisions[:, column]
        assert by_class["f1"][column] == pytest.approx(metrics.f1_score(true, decided))
    assert n_defined >= 3
    assert scores.overall["macro_auroc"] == pytest.approx(np.nanmean(by_class["auroc"]))
    assert scores.overall["subset_accuracy"] == pytest.approx(
        metrics.accuracy_score(labels, result.decisions)
    )


def test_outputs_that_are_not_finite_are_refused(store_file: Path) -> None:
    model = unrelated()
    weights = {name: weight * 1e30 for name, weight in model.weights.items()}
    with (
        Store(store_file) as store,
        pytest.raises(EcgStoreError, match=r"row \d+ \(.*not finite"),
    ):
        evaluate(replace(model, weights=weights), store, **FEW)


def test_intervals_are_over_patients(store_file: Path, result: Evaluation) -> None:
    with Store(store_file) as store:
        n_patients = len(set(store.groups()[result.rows].tolist()))
    assert result.intervals.n_groups == n_patients < len(result.rows)
    estimate = result.intervals.scores["model"]["macro_auroc"]
    assert estimate.value == pytest.approx(result.scores.overall["macro_auroc"])
    assert estimate.low <= estimate.value <= estimate.high


def test_the_challenge_metric_is_computed_for_its_classes_only(
    tmp_path: Path, result: Evaluation
) -> None:
    assert result.challenge is None
    config = replace(CONFIG, classes=class_set("cinc2020"))
    path = build(tmp_path / "cinc.h5", config)
    folds: dict[str, Any] = {"folds": [*range(8), 9], **FEW}
    with Store(path) as store:
        evaluation = evaluate(unrelated(config), store, **folds)
    codes = [of_class.codes[0] for of_class in config.classes.classes]
    expected = challenge_metric(evaluation.labels, evaluation.decisions, codes)
    assert evaluation.challenge is not None
    assert evaluation.challenge.challenge_metric == expected


# -- leaks ------------------------------------------------------------------


@pytest.mark.parametrize("fold", [0, 5, 8])
def test_folds_of_the_training_are_refused(
    store_file: Path, checkpoint: Checkpoint, fold: int
) -> None:
    with (
        Store(store_file) as store,
        pytest.raises(EcgStoreError, match="use --folds 9"),
    ):
        evaluate(checkpoint, store, folds=[fold], validation_folds=[3, 4], **FEW)


def test_one_leaking_fold_among_others_is_refused(
    store_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store, pytest.raises(EcgStoreError, match="patients"):
        evaluate(checkpoint, store, folds=[9, 7], **FEW)


def test_the_same_signals_in_another_store_are_refused(
    store_file: Path, other_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store, Store(other_file) as other:
        assert store.fingerprint != other.fingerprint
        trained = store.select(folds=range(9)).rows
        signals = set(store.records["sha256"].iloc[trained])
        seen_in_other = seen_records(checkpoint, other)
        assert signals <= set(other.records["sha256"][seen_in_other])
        with pytest.raises(EcgStoreError, match="trained or validated on"):
            evaluate(checkpoint, other, folds=range(8), validation_folds=[9], **FEW)


def test_patients_are_seen_as_a_whole(store_file: Path, checkpoint: Checkpoint) -> None:
    """One training record is enough, also if only its signal is known."""
    with Store(store_file) as store:
        patient = store.groups()
        numbers, counts = np.unique(patient, return_counts=True)
        several = np.flatnonzero(patient == numbers[counts > 1][0])
        one = store.select(rows=several[:1])
        by_row = replace(
            checkpoint,
            origin={"training_rows": one.rows.tolist(), "validation_rows": []},
        )
        by_signal = replace(
            unrelated(),
            origin={"training_signals": short_hashes(one), "validation_signals": []},
        )
        for model in (by_row, by_signal):
            np.testing.assert_array_equal(
                np.flatnonzero(seen_records(model, store)), several
            )
            assert not seen_records(model, store, part="validation").any()


def test_thresholds_from_training_records_give_a_warning(
    store_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store:
        assert evaluate(checkpoint, store, **FEW).warnings == ()
        [warning] = evaluate(checkpoint, store, validation_folds=[2], **FEW).warnings
        assert "trained on" in warning


def test_a_checkpoint_without_its_signals_gives_a_warning(
    store_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store:
        model = replace(unrelated(), origin={})
        [warning] = evaluate(model, store, **FEW).warnings
        assert "does not contain the signals" in warning


def test_wrong_folds_are_refused(store_file: Path) -> None:
    with Store(store_file) as store:
        for folds, validation, message in (
            ([9], [9, 8], "fold 9 is both a test and a validation"),
            ([10], [8], "no fold 10"),
            ([], [8], "no records in fold"),
        ):
            with pytest.raises(EcgStoreError, match=message):
                evaluate(unrelated(), store, folds=folds, validation_folds=validation)


def test_a_store_that_does_not_fit_is_refused(store_file: Path) -> None:
    with Store(store_file) as store:
        for config in (
            replace(CONFIG, classes=class_set("hybrid6")),
            replace(CONFIG, high_hz=30.0),
        ):
            with pytest.raises(EcgStoreError, match="build the store with the same"):
                evaluate(unrelated(config), store)
