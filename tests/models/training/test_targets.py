"""Targets of a store are learned, kept in the checkpoint, evaluated and extracted."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

import ecgstore
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.hybrid import training as hybrid_training
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.inference.extraction import extract
from ecgstore.models.running import run_network
from ecgstore.models.settings import ModelSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.pipes.testing import digest
from ecgstore.sample import patients_file, sample_folder
from ecgstore.storage import Selection, Store
from tests.models.training.small_trainings import fast_settings

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=50.0)
SETTINGS = fast_settings(epochs=4, batch_size=8, targets=("age",), save_every=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    out = tmp_path_factory.mktemp("targets") / "ages.h5"
    ecgstore.build_store(
        [sample_folder()],
        out,
        Config(beats="none", targets=("age",)),
        patients=patients_file(),
        n_workers=1,
        quiet=True,
    )
    with ecgstore.open(out) as opened:
        yield opened


@pytest.fixture(scope="module")
def checkpoint(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    settings = replace(SETTINGS, epochs=20, learning_rate=0.005)
    trained, _ = train_extractor(store.select(folds=range(8)), None, MODEL, settings)
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    trained.save(path)
    return Checkpoint.load(path)


def test_ages_are_learned_in_years(store: Store, checkpoint: Checkpoint) -> None:
    training = store.select(folds=range(8))
    outputs = run_network(
        checkpoint.network(), training, transform=[checkpoint.decimate()]
    )
    assert outputs.targets is not None
    ages = training.targets()
    known = np.isfinite(ages)
    assert checkpoint.target_names == ("age",)
    assert "targets age" in repr(checkpoint)
    assert checkpoint.weights["target_head.mean"] == ages[known].mean(dtype=np.float64)
    error = np.abs(outputs.targets - ages)[known].mean()
    assert error < 0.8 * np.abs(ages[known] - ages[known].mean()).mean()


def test_predicted_targets_do_not_depend_on_other_records(
    store: Store, checkpoint: Checkpoint
) -> None:
    def predicted(rows: list[int], batch_size: int) -> Any:
        outputs = run_network(
            network,
            Selection(store, np.array(rows)),
            transform=[checkpoint.decimate()],
            batch_size=batch_size,
        )
        assert outputs.targets is not None
        return outputs.targets

    network = checkpoint.network()
    expected = predicted([*range(len(store))], 64)
    for rows, batch_size in (([5], 64), ([0, 3, 40], 2), ([*range(1, 22)], 7)):
        np.testing.assert_array_equal(predicted(rows, batch_size), expected[rows])


def test_targets_and_their_weight_change_the_weights(store: Store) -> None:
    training = store.select(folds=range(8))
    settings = replace(SETTINGS, epochs=1)
    first, _ = train_extractor(training, None, MODEL, settings)
    second, _ = train_extractor(
        training, None, MODEL, replace(settings, target_weight=3.0)
    )
    without, _ = train_extractor(training, None, MODEL, replace(settings, targets=()))
    digests = {digest(one.weights) for one in (first, second, without)}
    assert len(digests) == 3
    assert set(first.weights) - set(without.weights) == {
        f"target_head.{name}" for name in ("mean", "sd", "linear.weight", "linear.bias")
    }


def test_evaluation_and_its_files(
    store: Store,
    checkpoint: Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluation = evaluate(checkpoint, store, n_resamples=50)
    assert evaluation.targets is not None
    true, predicted = evaluation.targets.values, evaluation.targets.predictions
    known = np.isfinite(true[:, 0])
    x, y = true[known, 0], predicted[known, 0]
    [scores] = evaluation.targets.intervals.scores
    expected = [mean_absolute_error(x, y), r2_score(x, y), pearsonr(x, y)[0]]
    np.testing.assert_allclose([s.value for s in scores.values()], expected, rtol=1e-5)

    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    words = ["--device", "cpu", "--quiet", "--csv", tmp_path / "scores.csv"]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *map(str, ["evaluate", path, store.path, *words]),
                "--json",
                str(tmp_path / "scores.json"),
            ]
        )
    assert ended.value.code in (0, None)
    assert "age" in capsys.readouterr().out
    content = json.loads((tmp_path / "scores.json").read_text())
    of_age = content["targets"]["targets"]["age"]
    assert of_age["n_known"] == known.sum()
    assert of_age["scores"]["mae"][0] == scores["mae"].value
    first = content["predictions"][evaluation.record_ids[0]]
    assert first["predicted_targets"] == predicted[0].tolist()
    header, row = (tmp_path / "scores.targets.csv").read_text().splitlines()
    assert header.startswith("target,n_records,n_patients,mae,mae_low,mae_high,r2,")
    assert row.startswith(f"age,{known.sum()},")


def test_a_store_without_the_targets_is_evaluated_on_its_classes(
    checkpoint: Checkpoint, sample_store: Path
) -> None:
    with ecgstore.open(sample_store) as other:
        assert evaluate(checkpoint, other, n_resamples=5).targets is None


def test_extracted_targets_are_beside_the_features(
    store: Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = extract(store, checkpoint, tmp_path / "a.features.h5")
    with ecgstore.open(store.path) as opened:
        opened.attach(path)
    outputs = run_network(
        checkpoint.network(), store.select(), transform=[checkpoint.decimate()]
    )
    assert outputs.targets is not None
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["targets"][...], outputs.targets)
        assert [*file["targets"].attrs["names"]] == [b"age"]


def test_a_hybrid_predicts_no_targets(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Built without beats, for speed; what the features are does not matter here.
    monkeypatch.setattr(hybrid_training, "check_has_features", lambda _: None)
    settings = HybridSettings(
        n_inner_folds=2,
        model=MODEL,
        training=replace(SETTINGS, epochs=1),
        fusion=replace(HybridSettings.fusion, epochs=1),
    )
    rows = store.select(folds=range(8)).rows
    hybrid = train_hybrid(store, rows, settings, n_resamples=5)
    assert hybrid.extractor is not None
    assert hybrid.extractor.target_names == ("age",)
    assert hybrid.target_names == ()
    assert evaluate(hybrid, store, n_resamples=5).targets is None
    with h5py.File(extract(store, hybrid, tmp_path / "a.features.h5")) as file:
        assert "targets" not in file


def test_a_network_without_steps_refuses_what_is_learned_in_them(store: Store) -> None:
    direct = ModelSettings(model="minirocket", fs=50.0)
    plain = fast_settings()
    for change in (
        {"targets": ("age",)},
        {"auxiliary_weight": 0.5},
        {"pretrain_epochs": 1},
    ):
        settings = fast_settings(**change)
        message = rf"minirocket is set .* steps that {next(iter(change))} need; leave"
        with pytest.raises(ConfigError, match=message):
            train_extractor(store.select(folds=range(8)), None, direct, settings)
    with pytest.raises(ConfigError, match="steps that pretrain_on need"):
        train_extractor(store.select(), None, direct, plain, pretrain_on=[store])


def test_wrong_targets_are_refused(store: Store) -> None:
    training = store.select(folds=range(8))
    for names, message in (
        (("aeg",), r"no target 'aeg'; did you mean age\? expected some of age"),
        (("age", "age"), "expected each of them once"),
    ):
        with pytest.raises(ConfigError, match=message):
            train_extractor(training, None, MODEL, replace(SETTINGS, targets=names))
    with pytest.raises(EcgStoreError, match="target age has 1 different values"):
        train_extractor(store.select(rows=[0]), None, MODEL, SETTINGS)


def test_damaged_names_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    replace(checkpoint, target_names=("age", "sex")).save(path)
    with pytest.raises(EcgStoreError, match="weight target_head"):
        Checkpoint.load(path)
    assert torch.is_tensor(checkpoint.weights["target_head.sd"])
