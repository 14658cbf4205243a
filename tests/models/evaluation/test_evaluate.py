"""Scores of a checkpoint on folds: right numbers, and no leak."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

import ecgstore
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import Evaluation, evaluate
from ecgstore.models.inference.run import run_network
from ecgstore.models.networks.create import create_model
from ecgstore.models.patients import patients
from ecgstore.models.seen_records import seen, short_hashes
from ecgstore.models.settings import ModelSettings
from ecgstore.sample import patients_file, sample_folder
from ecgstore.scores.challenge2020 import challenge_metric
from ecgstore.scores.multilabel import f1_thresholds
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
    """Return another store with all the signals of the first, and some more."""
    folder = tmp_path_factory.mktemp("evaluate")
    return build(folder / "other.h5", replace(CONFIG, select="all"))


@pytest.fixture(scope="module")
def checkpoint(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


def stranger(config: Config = CONFIG) -> Checkpoint:
    """Return a checkpoint of random weights that says it has seen nothing."""
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
            stranger(), store, folds=[*range(8), 9], validation_folds=[8], **FEW
        )


def test_rows_and_predictions_are_those_of_the_folds(
    store_file: Path, result: Evaluation
) -> None:
    model = stranger()
    with Store(store_file) as store:
        selection = store.select(folds=[*range(8), 9])
        names = [*store]
        found = run_network(model.network(), selection, transform=[model.decimate()])
        labels = store.labels(rows=selection.rows)
        validation = store.select(folds=[8])
        chosen = run_network(model.network(), validation, transform=[model.decimate()])
        thresholds = f1_thresholds(
            store.labels(rows=validation.rows), chosen.probabilities
        )
    np.testing.assert_array_equal(result.rows, selection.rows)
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_allclose(
        result.probabilities, found.probabilities, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(result.scores.thresholds, thresholds, rtol=0, atol=1e-6)
    assert result.record_ids == tuple(names[row] for row in selection.rows)
    assert result.warnings == ()


def test_scores_are_those_of_scikit_learn(result: Evaluation) -> None:
    true, said, scores = result.labels, result.probabilities, result.scores
    np.testing.assert_array_equal(scores.n_positive, true.sum(axis=0))
    n_defined = 0
    for column in np.flatnonzero(true.any(axis=0)):
        each = true[:, column], said[:, column]
        n_defined += 1
        assert scores.auroc[column] == pytest.approx(metrics.roc_auc_score(*each))
        assert scores.average_precision[column] == pytest.approx(
            metrics.average_precision_score(*each)
        )
        decided = result.decisions[:, column]
        assert scores.f1[column] == pytest.approx(metrics.f1_score(each[0], decided))
    assert n_defined >= 3
    assert scores.macro_auroc == pytest.approx(np.nanmean(scores.auroc))
    assert scores.subset_accuracy == pytest.approx(
        metrics.accuracy_score(true, result.decisions)
    )


def test_intervals_are_over_patients(store_file: Path, result: Evaluation) -> None:
    with Store(store_file) as store:
        n_patients = len(set(patients(store)[result.rows].tolist()))
    assert result.intervals.n_groups == n_patients < len(result.rows)
    estimate = result.intervals.scores["model"]["macro_auroc"]
    assert estimate.value == pytest.approx(result.scores.macro_auroc)
    assert estimate.low <= estimate.value <= estimate.high


def test_challenge_metric_of_the_challenge_s_classes(
    tmp_path: Path, result: Evaluation
) -> None:
    assert result.challenge is None
    config = replace(CONFIG, classes=class_set("cinc2020"))
    path = build(tmp_path / "cinc.h5", config)
    folds: dict[str, Any] = {"folds": [*range(8), 9], **FEW}
    with Store(path) as store:
        found = evaluate(stranger(config), store, **folds)
    codes = [each.codes[0] for each in config.classes.classes]
    expected = challenge_metric(found.labels, found.decisions, codes)
    assert found.challenge is not None
    assert found.challenge.challenge_metric == expected


# -- leaks ------------------------------------------------------------------


@pytest.mark.parametrize("fold", [0, 5, 8])
def test_folds_of_the_training_are_refused(
    store_file: Path, checkpoint: Checkpoint, fold: int
) -> None:
    with (
        Store(store_file) as store,
        pytest.raises(EcgStoreError, match="give --folds 9"),
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
        learnt = set(store.records["sha256"].iloc[trained])
        met = seen(checkpoint, other)
        assert learnt <= set(other.records["sha256"][met])
        with pytest.raises(EcgStoreError, match="trained or validated on"):
            evaluate(checkpoint, other, folds=range(8), validation_folds=[9], **FEW)


def test_patients_are_seen_as_a_whole(store_file: Path, checkpoint: Checkpoint) -> None:
    """One record learnt from is enough, also if only its signal is known."""
    with Store(store_file) as store:
        patient = patients(store)
        numbers, counts = np.unique(patient, return_counts=True)
        several = np.flatnonzero(patient == numbers[counts > 1][0])
        one = store.select(rows=several[:1])
        by_row = replace(
            checkpoint,
            origin={"training_rows": one.rows.tolist(), "validation_rows": []},
        )
        by_signal = replace(
            stranger(),
            origin={"training_signals": short_hashes(one), "validation_signals": []},
        )
        for each in (by_row, by_signal):
            np.testing.assert_array_equal(np.flatnonzero(seen(each, store)), several)
            assert not seen(each, store, part="validation").any()


def test_thresholds_from_training_records_are_warned_of(
    store_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store:
        assert evaluate(checkpoint, store, **FEW).warnings == ()
        [warning] = evaluate(checkpoint, store, validation_folds=[2], **FEW).warnings
        assert "learnt from" in warning


def test_a_checkpoint_that_cannot_tell_is_warned_of(
    store_file: Path, checkpoint: Checkpoint
) -> None:
    with Store(store_file) as store:
        silent = replace(stranger(), origin={})
        [warning] = evaluate(silent, store, **FEW).warnings
        assert "does not say" in warning


def test_folds_that_cannot_be_judged_are_refused(store_file: Path) -> None:
    with Store(store_file) as store:
        for folds, validation, message in (
            ([9], [9, 8], "fold 9 is to be judged, and to choose"),
            ([10], [8], "no fold 10"),
            ([], [8], "no records in fold"),
        ):
            with pytest.raises(EcgStoreError, match=message):
                evaluate(stranger(), store, folds=folds, validation_folds=validation)


def test_a_store_that_does_not_fit_is_refused(store_file: Path) -> None:
    with Store(store_file) as store:
        for config in (
            replace(CONFIG, classes=class_set("hybrid6")),
            replace(CONFIG, high_hz=30.0),
        ):
            with pytest.raises(EcgStoreError, match="build the store with the same"):
                evaluate(stranger(config), store)


# -- command ----------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *map(str, arguments)])
    printed = capsys.readouterr()
    code = exit_.value.code
    return code if isinstance(code, int) else 0, printed.out, printed.err


def test_command_prints_and_writes(
    capsys: pytest.CaptureFixture[str],
    store_file: Path,
    sample_checkpoint: Path,
    checkpoint: Checkpoint,
    tmp_path: Path,
) -> None:
    saved = sample_checkpoint
    code, printed, errors = run(
        capsys, saved, store_file, "--device", "cpu", "--json", tmp_path / "e.json",
        "--csv", tmp_path / "e.csv", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    for text in ("AUROC", "macro average", "subset accuracy", "AF", "2000 resamples"):
        assert text in printed
    assert "Challenge metric" not in printed
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "confusion.png",
        "reliability.png",
    ]
    with Store(store_file) as store:
        expected = evaluate(checkpoint, store)
    content = json.loads((tmp_path / "e.json").read_text())
    assert [*content["predictions"]] == [*expected.record_ids]
    for name, row, said, true in zip(
        expected.record_ids,
        expected.rows,
        expected.probabilities,
        expected.labels,
        strict=True,
    ):
        each = content["predictions"][name]
        assert each["row"] == row
        assert each["labels"] == true.astype(int).tolist()
        np.testing.assert_allclose(each["probabilities"], said, rtol=0, atol=1e-6)
    assert content["label_names"] == [*expected.label_names]
    with (tmp_path / "e.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert b"\r" not in (tmp_path / "e.csv").read_bytes()
    assert [row["class"] for row in rows] == [*expected.label_names, "macro average"]
    assert float(rows[-1]["auroc"]) == pytest.approx(
        expected.scores.macro_auroc, abs=1e-6
    )
    undefined = rows[int(np.flatnonzero(np.isnan(expected.scores.auroc))[0])]
    assert undefined["auroc"] == undefined["auroc_low"] == ""


def test_command_refuses_a_leak_in_one_line(
    capsys: pytest.CaptureFixture[str], store_file: Path, sample_checkpoint: Path
) -> None:
    code, printed, errors = run(capsys, sample_checkpoint, store_file, "--folds", "0-7")
    assert (code, printed) == (1, "")
    assert errors.startswith("ecgstore: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("option", ["--json", "--csv", "--plots"])
def test_command_finds_what_it_cannot_write_before_it_works(
    capsys: pytest.CaptureFixture[str],
    store_file: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    monkeypatch.setattr("ecgstore.models.evaluation.evaluate.evaluate", None)
    (tmp_path / "file").write_text("older")
    code, printed, errors = run(
        capsys, sample_checkpoint, store_file, option, tmp_path / "file" / "out"
    )
    assert (code, printed) == (1, "")
    assert errors.startswith(f"ecgstore: {tmp_path / 'file' / 'out'}: cannot be ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_command_leaves_older_files_until_it_has_new_ones(
    capsys: pytest.CaptureFixture[str],
    store_file: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "e.json"
    out.write_text("older")
    options = ["--folds", "0-7", "--json", out]
    assert run(capsys, sample_checkpoint, store_file, *options)[0] == 1
    assert out.read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("folds", ["", "x", "9,", "3-", "3-1", "10", "0-10", "-1"])
def test_folds_must_be_numbers(
    capsys: pytest.CaptureFixture[str], store_file: Path, folds: str
) -> None:
    code, _, errors = run(capsys, "best.pt", store_file, f"--folds={folds}")
    assert code == 2
    assert "--folds" in errors


def test_folds_are_ranges_and_lists() -> None:
    import click

    from ecgstore.cli.folds import folds_from

    context = click.Context(click.Command("x"))
    option = click.Option(["--folds"])
    for text, folds in (("9", (9,)), ("0-2,5, 1", (0, 1, 2, 5)), ("3-3", (3,))):
        assert folds_from(context, option, text) == folds
