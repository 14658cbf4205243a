"""``ecgstore train --inputs``: from a store to a folder that is a model."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgstore import models
from ecgstore.errors import EcgStoreError
from ecgstore.models.comparison.fold_predictions import predict_outer_fold
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.hybrid.folder import train_hybrid_into
from ecgstore.models.hybrid.inner_folds import inner_folds
from ecgstore.models.hybrid.parts import extractor_outputs, fit_extractor
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.running import run as run_model
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular import trees
from ecgstore.storage import Selection, Store
from tests.models.networks.test_own import SOURCE

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = HybridSettings(
    n_inner_folds=2, fusion=TrainingSettings(epochs=2, batch_size=16, augment=False)
)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trees.OPTIONS, "max_iter", 3)


def test_a_folder_is_a_model_with_a_card_and_scores(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "hybrid"
    words = (
        *("train", sample_store, "-o", folder, "--inputs", "handcrafted"),
        *("--n-inner-folds", "2", "--fusion-epochs", "2", "--workers", "1", "--quiet"),
    )
    code, out, errors = run(*words)
    assert code == 0, errors
    assert "all together" in out
    names = {"model.safetensors", "README.md", "scores.csv"}
    assert {path.name for path in folder.iterdir()} == names
    model = models.load(folder)
    assert isinstance(model, models.Hybrid)
    assert model.extractor is None
    with Store(sample_store) as store:
        model.check(store)
        training = store.select(folds=range(9)).rows
        assert model.origin["training_rows"].tolist() == training.tolist()
    card = (folder / "README.md").read_text()
    for text in (*model.label_names, "not a medical device", model.weights_sha256()):
        assert text in card
    with (folder / "scores.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert {row["part"] for row in rows} == {"trees", "network", "sum"}
    scores = model.origin["scores"]["scores"]
    for row in rows:
        if not row["class"]:
            for name, value in zip(
                ("value", "low", "high"), scores[row["part"]][row["score"]], strict=True
            ):
                assert float(row[name]) == pytest.approx(value, abs=1e-6)
    code, _, errors = run("convert", folder, "-o", tmp_path / "a.onnx")
    message = f"ecgstore: {folder}: is a hybrid, which cannot be converted; expected"
    assert (code, errors.count("\n"), errors[: len(message)]) == (1, 1, message)
    with pytest.raises(TypeError, match="expected a network on signals"):
        models.convert(model, tmp_path / "a.onnx")  # type: ignore[arg-type]
    code, _, errors = run("evaluate", folder, sample_store, "--validation-folds", "8")
    assert code == 2
    assert "a hybrid has thresholds of its own" in " ".join(errors.split())
    code, _, errors = run(*words)
    assert (code, errors) == (
        1,
        f"ecgstore: {folder}: holds a model; choose another folder\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--inputs", "both", "--resume"), "--resume is for networks"),
        (
            ("--inputs", "both", "--validation-folds", "7"),
            "--validation-folds is for networks",
        ),
        (("--inputs", "both", "--save-every", "9"), "--save-every is for networks"),
        (("--no-age-sex",), "--age-sex needs --inputs both or handcrafted"),
        (("--workers", "2"), "--workers needs --inputs both or handcrafted"),
        (
            ("--inputs", "handcrafted", "--targets", "age"),
            "--targets is for networks on signals",
        ),
        (("--inputs", "neither"), "is not one of 'both', 'handcrafted', 'deep'"),
    ],
)
def test_options_of_the_other_kind_are_refused(
    run: Run, sample_store: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, _, errors = run("train", sample_store, "-o", tmp_path / "a", *words)
    assert code == 2
    assert message in " ".join(errors.split())
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("inputs", "line", "message"),
    [
        ("both", "save_every = 9", "option save_every needs --inputs deep; leave it"),
        ("deep", "age_sex = true", "option age_sex needs --inputs both or handcraf"),
    ],
)
def test_a_file_with_options_of_the_other_kind_is_refused(
    run: Run, sample_store: Path, tmp_path: Path, inputs: str, line: str, message: str
) -> None:
    file, folder = tmp_path / "a.toml", tmp_path / "a"
    file.write_text(line)
    words = ("--inputs", inputs, "--config", file)
    code, _, errors = run("train", sample_store, "-o", folder, *words)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"ecgstore: {file}: {message}")
    assert not folder.exists()


@pytest.mark.parametrize("inputs", ["deep", "both", "handcrafted"])
def test_options_of_steps_give_a_warning_where_there_are_none(
    run: Run,
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: str,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise EcgStoreError("stopped")

    monkeypatch.setattr("ecgstore.models.training.run.train", stop)
    monkeypatch.setattr("ecgstore.models.hybrid.folder.train_hybrid_into", stop)
    words = ("train", sample_store, "-o", tmp_path / "a", "--inputs", inputs)
    stopped = "ecgstore: stopped\n"
    assert run(*words, "--seed", "1")[2] == stopped
    file = tmp_path / "a.toml"
    file.write_text("epochs = 9\nseed = 1\n")
    if inputs == "handcrafted":
        assert run(*words, "--fusion-epochs", "9")[2] == stopped
        _, _, errors = run(*words, "--config", file)
        why = "epochs has no effect on --inputs handcrafted, which uses no signals"
        assert errors == f"warning: {file}: {why}\n{stopped}"
        return
    options = ("--epochs", "9", "--no-augment")
    _, _, errors = run(*words, "--model", "minirocket", *options)
    warning = "no effect on minirocket, which is not trained in steps"
    assert errors == f"warning: --epochs, --augment have {warning}\n{stopped}"
    _, _, errors = run(*words, "--model", "minirocket", "--config", file)
    assert errors == f"warning: {file}: epochs has {warning}\n{stopped}"
    assert run(*words, "--model", "cnn", *options)[2] == stopped
    assert run(*words, "--model", "cnn", "--config", file)[2] == stopped
    _, _, errors = run(*words, "--patience", "9")
    one = f"warning: --patience has {warning}\n" if inputs == "both" else ""
    assert errors == f"{one}{stopped}"


def test_a_network_of_ones_own_is_there_as_a_copy_of_its_file(
    sample_store: Path, tmp_path: Path
) -> None:
    file = tmp_path / "my_file.py"
    file.write_text(SOURCE.format(log=str(tmp_path / "log.txt")))
    settings = replace(
        SETTINGS,
        model=ModelSettings(model=f"{file}:Mine", fs=50.0, leads=("II",)),
        training=TrainingSettings(epochs=1),
    )
    folder = tmp_path / "hybrid"
    with Store(sample_store) as store:
        train_hybrid_into(folder, store, settings)
    copy = folder / "my_file.py"
    assert copy.read_bytes() == file.read_bytes()
    assert models.load(folder, model=f"{copy}:Mine").runs_own_code


def test_compare_judges_what_train_makes(sample_store: Path, tmp_path: Path) -> None:
    """The probabilities of test records are those of a hybrid trained on the others."""
    with Store(sample_store) as store:
        hybrid = train_hybrid_into(tmp_path / "a", store, SETTINGS)
        test = store.select(folds=[9]).rows
        training = np.setdiff1d(np.arange(len(store)), test)
        settings = SETTINGS
        inner = inner_folds(store, training, settings.n_inner_folds)
        outputs = []
        for fold in inner:
            extractor = fit_extractor(store, fold, settings.model, settings.training)
            rows = np.union1d(fold.held_out, test)
            outputs.append(extractor_outputs(extractor, store, rows))
        compared = predict_outer_fold(
            store, OuterFold("9", training, test), inner, outputs, settings
        )["hybrid"]
        runner = hybrid.runner(store.feature_names, "cpu")
        predicted = run_model(runner, Selection(store, test))
    np.testing.assert_array_equal(predicted.probabilities, compared.probabilities)
    np.testing.assert_array_equal(hybrid.thresholds, compared.thresholds)
