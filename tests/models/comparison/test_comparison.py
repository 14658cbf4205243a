"""The comparison's wiring: rows, seeds, folds, what is kept, what a report says."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.comparison import (
    cross_fitting,
    fold_predictions as judging,
    report as comparison_report,
    run as comparison,
)
from ecgstore.models.comparison.baselines import always_commonest, source_only
from ecgstore.models.comparison.classifiers import CLASSIFIERS, Classifier
from ecgstore.models.comparison.cross_fitting import (
    InnerFold,
    extract_unseen,
    inner_folds,
)
from ecgstore.models.comparison.fold_predictions import (
    FoldPredictions,
    predict_outer_fold,
)
from ecgstore.models.comparison.protocols import (
    PROTOCOLS,
    OuterFold,
    by_patient,
    by_source,
)
from ecgstore.models.comparison.report import BASELINES, estimate, write_report
from ecgstore.models.comparison.run import compare
from ecgstore.models.inference.run import Outputs, probabilities_of
from ecgstore.models.patients import patients
from ecgstore.models.settings import ComparisonSettings, ModelSettings, TrainingSettings
from ecgstore.models.tabular.table import DeepFeatures
from ecgstore.scores.multilabel import f1_thresholds
from ecgstore.storage import Selection, Store

SETTINGS = ComparisonSettings(
    n_folds=3, n_inner_folds=2, n_seeds=2, n_resamples=100, deep_inputs="features"
)


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    with Store(sample_store) as opened:
        yield opened


# -- judging ----------------------------------------------------------------


def test_extractors_stop_by_their_validation_records(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch, as the leak tests train, has no choice that validation could sway."""
    given: list[Selection] = []

    class Told(Exception):
        pass

    def note(training: Selection, validation: Selection, *_: Any, **__: Any) -> Any:
        given.extend([training, validation])
        raise Told

    monkeypatch.setattr(cross_fitting, "train_extractor", note)
    outer = by_patient(store, 3)[1]
    for inner in inner_folds(store, outer, 2):
        given.clear()
        with pytest.raises(Told):
            extract_unseen(store, outer, inner, ModelSettings(), TrainingSettings())
        np.testing.assert_array_equal(given[0].rows, inner.training)
        np.testing.assert_array_equal(given[1].rows, inner.validation)


def value_of(extractor: int, rows: np.ndarray, n: int) -> np.ndarray:
    """Return what an extractor of a test finds: a number for each row and column."""
    column = np.arange(n)
    angles = rows[:, None] * 7 + 3 * column + 10 * extractor
    return np.asarray(np.sin(angles), np.float32)


def found_by(
    store: Store, outer: OuterFold, inner: Sequence[InnerFold]
) -> list[Outputs]:
    found = []
    for number, fold in enumerate(inner):
        rows = np.union1d(fold.held_out, outer.test)
        logits = value_of(number, rows, len(store.label_names))
        found.append(Outputs(rows, logits, 2 * value_of(number, rows, 9)))
    return found


@pytest.mark.parametrize("deep_inputs", ["logits", "features"])
@pytest.mark.parametrize("age_sex", [False, True])
def test_modes_are_judged_by_each_extractor_and_the_mean_of_probabilities(
    store: Store, monkeypatch: pytest.MonkeyPatch, deep_inputs: Any, age_sex: bool
) -> None:
    n_classes = len(store.label_names)
    learnt: list[tuple[Any, ...]] = []

    def learn(
        training: Selection, kinds: Any, deep: DeepFeatures | None, settings: Any
    ) -> Any:
        assert deep is not None
        learnt.append((training.rows, kinds, settings))
        assert np.isfinite(deep.values[training.rows]).all()
        assert np.isnan(deep.values[outer.test]).all()

        def classify(records: Selection, deep: DeepFeatures) -> np.ndarray:
            logits = deep.values[records.rows][:, :n_classes]
            # What was learnt differs with the records learnt from.
            scale: float = 0.5 + 0.001 * training.rows.mean()
            return probabilities_of(logits) * scale

        return classify

    told = Classifier(learn, ("deep",), "a test's")
    monkeypatch.setattr(judging, "CLASSIFIERS", {"told": told})
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer, 3)
    found = found_by(store, outer, inner)
    settings = TrainingSettings(seed=5)
    judged = predict_outer_fold(
        store,
        outer,
        inner,
        found,
        settings,
        deep_inputs=deep_inputs,
        age_sex=age_sex,
    )

    def values(number: int, rows: np.ndarray) -> np.ndarray:
        if deep_inputs == "features":
            return 2 * value_of(number, rows, 9)[:, :n_classes]
        return value_of(number, rows, n_classes)

    # Once without each inner fold, whose extractor the test records go through, too.
    expected = [np.setdiff1d(outer.training, fold.held_out) for fold in inner]
    for each, rows in zip(learnt, expected, strict=True):
        np.testing.assert_array_equal(each[0], rows)
        assert each[1] == (("deep", "age_sex") if age_sex else ("deep",))
        assert each[2] is settings
    probabilities = np.mean(
        [
            probabilities_of(values(n, outer.test)) * (0.5 + 0.001 * rows.mean())
            for n, rows in enumerate(expected)
        ],
        axis=0,
    )
    np.testing.assert_allclose(judged["told"].probabilities, probabilities, rtol=1e-12)
    said = np.full((len(store), n_classes), np.nan)
    own = np.full((len(store), n_classes), np.nan)
    for n, fold in enumerate(inner):
        scale = 0.5 + 0.001 * expected[n].mean()
        said[fold.held_out] = probabilities_of(values(n, fold.held_out)) * scale
        own[fold.held_out] = probabilities_of(value_of(n, fold.held_out, n_classes))
    labels = store.labels(rows=outer.training)
    np.testing.assert_allclose(
        judged["told"].thresholds, f1_thresholds(labels, said[outer.training])
    )
    np.testing.assert_allclose(
        judged["extractor"].probabilities,
        np.mean(
            [probabilities_of(value_of(n, outer.test, n_classes)) for n in range(3)],
            axis=0,
        ),
    )
    np.testing.assert_allclose(
        judged["extractor"].thresholds, f1_thresholds(labels, own[outer.training])
    )


def test_modes_are_given_what_they_are_called() -> None:
    assert {name: mode.kinds for name, mode in CLASSIFIERS.items()} == {
        "handcrafted": ("handcrafted",),
        "deep": ("deep",),
        "both": ("handcrafted", "deep"),
        "trees": ("handcrafted",),
        "trees-both": ("handcrafted", "deep"),
    }
    learners = {name: mode.learn.__name__ for name, mode in CLASSIFIERS.items()}
    assert {name for name, each in learners.items() if each == "learn_trees"} == {
        "trees",
        "trees-both",
    }


def test_floors_are_their_definitions(store: Store) -> None:
    outer = by_patient(store, 3)[0]
    labels, source = store.labels(), store.records["source"].to_numpy()
    # The commonest class of the training records is not that of these test records.
    others = np.flatnonzero(labels[:, 0] == 0)
    outer = OuterFold(
        "some", np.setdiff1d(np.arange(len(store)), others[:5]), others[:5]
    )
    said = always_commonest(store, outer)
    assert labels[outer.training].sum(0).argmax() == 0
    np.testing.assert_array_equal(said[:, 0], 1)
    np.testing.assert_array_equal(said[:, 1:], 0)
    shares = source_only(store, outer)
    overall = labels[outer.training].mean(0)
    for row, each in zip(outer.test, shares, strict=True):
        own = labels[[r for r in outer.training if source[r] == source[row]]]
        expected = (own.sum(0) + overall) / (len(own) + 1)
        np.testing.assert_allclose(each, expected, rtol=1e-12)


# -- comparing --------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Replace all learning by numbers that tell row, seed, fold and mode apart."""
    extracted: list[tuple[Any, ...]] = []

    def extract_unseen(
        store: Store,
        outer: OuterFold,
        inner: InnerFold,
        model: ModelSettings,
        training: TrainingSettings,
        device: str,
    ) -> Outputs:
        extracted.append((outer.name, training.seed, tuple(inner.held_out.tolist())))
        rows = np.union1d(inner.held_out, outer.test)
        logits = value_of(training.seed, rows, len(store.label_names))
        return Outputs(rows, logits, logits + np.float32(inner.held_out[0]))

    def predict_outer_fold(
        store: Store,
        outer: OuterFold,
        inner: Sequence[InnerFold],
        found: Sequence[Outputs],
        settings: TrainingSettings,
        *,
        deep_inputs: str,
        age_sex: bool,
    ) -> dict[str, FoldPredictions]:
        assert deep_inputs == SETTINGS.deep_inputs
        for fold, each in zip(inner, found, strict=True):
            np.testing.assert_array_equal(
                each.rows, np.union1d(fold.held_out, outer.test)
            )
            expected = value_of(settings.seed, each.rows, len(store.label_names))
            np.testing.assert_array_equal(each.logits, expected)
            np.testing.assert_array_equal(
                each.features, expected + np.float32(fold.held_out[0])
            )
        names = [*BASELINES, "extractor", *CLASSIFIERS]
        return {
            name: FoldPredictions(*said(store, outer.test, settings.seed, number))
            for number, name in enumerate(names)
        }

    monkeypatch.setattr(comparison, "extract_unseen", extract_unseen)
    monkeypatch.setattr(comparison, "predict_outer_fold", predict_outer_fold)
    return extracted


def said(
    store: Store, test: np.ndarray, seed: int, mode: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a mode of these tests says, and from where it counts."""
    n_classes = len(store.label_names)
    column = np.arange(n_classes)
    inside = np.sin(test[:, None] * 7 + 3 * column + 10 * mode + seed)
    thresholds = 0.5 + 0.4 * np.sin(test[0] + column + mode + seed)
    return 0.5 + 0.5 * inside, thresholds


@pytest.mark.parametrize("protocol", ["patients", "sources"])
def test_predictions_lie_in_their_row_and_seed(
    store: Store, tmp_path: Path, asked: list[tuple[Any, ...]], protocol: str
) -> None:
    settings = replace(SETTINGS, protocols=(protocol,))
    results = compare(store, settings, tmp_path)
    assert [*results] == [protocol]
    outer = results[protocol].outer
    assert len(asked) == len(set(asked)) == len(outer) * 2 * 2
    tested = np.concatenate([fold.test for fold in outer])
    assert sorted(tested.tolist()) == [*range(len(store))]
    for number, (name, each) in enumerate(results[protocol].predictions.items()):
        assert each.probabilities.shape == (2, len(store), len(store.label_names))
        for fold in outer:
            for seed in range(2):
                probabilities, thresholds = said(store, fold.test, seed, number)
                np.testing.assert_array_equal(
                    each.probabilities[seed, fold.test], probabilities, name
                )
                np.testing.assert_array_equal(
                    each.thresholds[seed, fold.test],
                    np.broadcast_to(thresholds, probabilities.shape),
                    name,
                )


def test_what_was_extracted_is_used_again(
    store: Store, tmp_path: Path, asked: list[tuple[Any, ...]]
) -> None:
    first = compare(store, SETTINGS, tmp_path)
    n_files = len(list((tmp_path / "extracted").iterdir()))
    assert n_files == len(asked)
    asked.clear()
    # What only fusion and report depend on does not matter.
    fusion = replace(SETTINGS.fusion, epochs=3)
    again = compare(store, replace(SETTINGS, n_resamples=200, fusion=fusion), tmp_path)
    assert asked == []
    for name, each in first["patients"].predictions.items():
        other = again["patients"].predictions[name]
        np.testing.assert_array_equal(each.probabilities, other.probabilities)


def _in_file(path: str, row: int) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        with h5py.File(store, "r+") as file:
            file[path][row] ^= 1

    return change


@pytest.mark.parametrize(
    ("changes", "change", "which"),
    [
        ({"model": ModelSettings(model="cnn")}, None, "all"),
        ({"model": ModelSettings(normalise_by="lead")}, None, "all"),
        ({"model": ModelSettings(leads=("I", "II"))}, None, "all"),
        ({"model": ModelSettings(leads=("II", "I"))}, None, "all"),
        ({"model": ModelSettings(fs=100.0)}, None, "all"),
        ({"training": TrainingSettings(epochs=3)}, None, "all"),
        ({"training": TrainingSettings(augment=False)}, None, "all"),
        ({"training": TrainingSettings(average_decay=0.9)}, None, "all"),
        ({"n_inner_folds": 3}, None, "all"),
        ({"n_folds": 4}, None, "some"),
        ({"n_seeds": 3}, None, "some"),
        ({}, _in_file("labels", 3), "learnt from"),
        ({}, _in_file("checksums", 3), "all"),
    ],
)
def test_another_training_is_not_used(
    sample_store: Path,
    tmp_path: Path,
    asked: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    change: Callable[[Path], None] | None,
    which: str,
) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "store.h5"))
    settings = replace(SETTINGS, protocols=("patients",))
    with Store(path) as store:
        folds = by_patient(store, 3)
        inner = {fold.name: inner_folds(store, fold, 2) for fold in folds}
        compare(store, settings, tmp_path)
    n_first = len(asked)
    asked.clear()
    if change is not None:
        change(path)
        # The same folds, so that only what is in them differs.
        monkeypatch.setitem(PROTOCOLS, "patients", lambda *_: folds)
        same = lambda _, outer, __: inner[outer.name]  # noqa: E731
        monkeypatch.setattr(comparison, "inner_folds", same)
    with Store(path) as store:
        compare(store, replace(settings, **changes), tmp_path)
    if which == "learnt from":  # by half of the extractors of two of three folds
        assert len(asked) == n_first // 3
    else:
        assert len(asked) >= (n_first if which == "all" else 1)


def test_a_comparison_that_was_stopped_goes_on(
    store: Store, tmp_path: Path, asked: list[tuple[Any, ...]]
) -> None:
    first = compare(store, SETTINGS, tmp_path)
    files = sorted((tmp_path / "extracted").iterdir())
    for path in files[::2]:
        path.unlink()
    asked.clear()
    again = compare(store, SETTINGS, tmp_path)
    assert len(asked) == len(files[::2])
    for name, each in first["patients"].predictions.items():
        other = again["patients"].predictions[name]
        np.testing.assert_array_equal(each.probabilities, other.probabilities)


@pytest.mark.parametrize("content", [b"", b"PK", None])
def test_a_damaged_file_is_named(
    store: Store, tmp_path: Path, asked: list[tuple[Any, ...]], content: bytes | None
) -> None:
    compare(store, SETTINGS, tmp_path)
    path = min((tmp_path / "extracted").iterdir())
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(SchemaError, match=r"is damaged .* remove it"):
        compare(store, SETTINGS, tmp_path)


def test_an_extractor_is_asked_about_its_own_records_only(store: Store) -> None:
    outer = by_patient(store, 3)[0]
    inner = inner_folds(store, outer, 2)
    found = found_by(store, outer, inner)
    with pytest.raises(ValueError, match="about records it has not judged"):
        predict_outer_fold(store, outer, inner, found[::-1], TrainingSettings())


def test_one_source_cannot_be_left_out(store: Store) -> None:
    store.records["source"] = "georgia"
    with pytest.raises(EcgStoreError, match=r"or more.*--protocol patients"):
        by_source(store, 0)


# -- reporting --------------------------------------------------------------


def test_a_report_is_what_was_predicted(
    store: Store,
    tmp_path: Path,
    asked: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison_report, "_write_plots", lambda *_: [])
    settings = replace(SETTINGS, protocols=("patients",))
    results = compare(store, settings, tmp_path)
    report = write_report(store, settings, results, tmp_path)
    assert all(path.stat().st_size for path in report.files)
    content = json.loads((tmp_path / "patients.json").read_text())
    predictions = results["patients"].predictions
    owner, labels = patients(store), store.labels()
    assert [each["record_id"] for each in content["records"]] == [*store]
    assert content["classes"] == list(store.label_names)
    for row, each in enumerate(content["records"]):
        assert each["labels"] == labels[row].tolist()
        assert each["patient"] == owner[row]
        assert each["source"] == store.records["source"].iloc[row]
        [fold] = [f for f in results["patients"].outer if row in f.test]
        assert each["fold"] == fold.name
        for name, values in each["probabilities"].items():
            expected = predictions[name].probabilities[:, row]
            np.testing.assert_array_equal(values, expected)
            thresholds = content["thresholds"][name][fold.name]
            np.testing.assert_array_equal(
                thresholds, predictions[name].thresholds[:, row]
            )
    found = report.estimates["patients"]
    assert found.n_groups == len(set(owner.tolist())) < len(store)
    assert found.n_resamples == settings.n_resamples
    tables = [*tmp_path.glob("*.csv")]
    assert len(tables) == 3
    assert not any(b"\r" in table.read_bytes() for table in tables)
    with (tmp_path / "patients-scores.csv").open() as file:
        rows = [*csv.DictReader(file)]
    [macro] = [
        row
        for row in rows
        if (row["mode"], row["score"], row["class"]) == ("both", "macro_auroc", "")
    ]
    assert float(macro["value"]) == found.scores["both"]["macro_auroc"].value


def test_scores_are_the_mean_over_seeds(
    store: Store, tmp_path: Path, asked: list[tuple[Any, ...]]
) -> None:
    from sklearn.metrics import f1_score, roc_auc_score

    settings = replace(SETTINGS, protocols=("patients",))
    result = compare(store, settings, tmp_path)["patients"]
    found = estimate(store, settings, result)
    labels = store.labels()
    for name, each in result.predictions.items():
        expected = np.mean(
            [roc_auc_score(labels, p, average="macro") for p in each.probabilities]
        )
        assert found.scores[name]["macro_auroc"].value == pytest.approx(expected)
        decisions = each.probabilities >= each.thresholds
        expected = np.mean(
            [f1_score(labels, d, average="macro", zero_division=0) for d in decisions]
        )
        assert found.scores[name]["macro_f1"].value == pytest.approx(expected)
