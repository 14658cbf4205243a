"""Trainings from Python and from the command line, and how they are resumed."""

import re
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ecgstore.cli import main
from ecgstore.cli.commands.train import TrainOptions
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.settings import ModelSettings
from ecgstore.models.torch_files import write_torch_file
from ecgstore.models.training.run import train
from ecgstore.models.training.state import FORMAT
from ecgstore.options import options_of, updated
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store
from tests.models.networks.test_own import SOURCE
from tests.models.training.small_trainings import StoppedError, fast_settings

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=50.0, leads=("II",))
SETTINGS = fast_settings(epochs=2, save_every=0, batch_size=8)
FOLDS: dict[str, Any] = {"validation_folds": [2, 3], "test_folds": range(5, 10)}
WORDS = ("--device", "cpu", "--quiet")

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command: exit code and errors."""

    def run_command(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        code = ended.value.code
        return code if isinstance(code, int) else 0, capsys.readouterr().err

    return run_command


@pytest.fixture(scope="module")
def stopped_once(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training that was stopped after one epoch of two."""

    def stop(_: object) -> None:
        raise StoppedError

    folder = tmp_path_factory.mktemp("new") / "stopped"
    with pytest.raises(StoppedError):
        train(folder, store, model=MODEL, settings=SETTINGS, callbacks=[stop], **FOLDS)
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, for one test to write to."""
    return Path(shutil.copytree(stopped_once, tmp_path / "stopped"))


@pytest.fixture(scope="module")
def whole(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same training without the stop."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder, store, model=MODEL, settings=SETTINGS, **FOLDS)
    return folder


def weights(folder: Path) -> str:
    return digest(Checkpoint.load(folder).weights)


def test_a_training_resumes_with_its_own_arguments(
    stopped: Path, whole: Path, run: Run
) -> None:
    code, errors = run("train", "-o", stopped, "--resume", *WORDS)
    assert (code, errors) == (0, "")
    assert weights(stopped) == weights(whole)
    origin = Checkpoint.load(stopped).origin
    assert origin["settings"] == SETTINGS.to_dict()
    assert len(train(stopped, resume=True).epochs) == 2  # finished: only read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-size", 4], "settings.batch_size was 8, now it is 4"),
        (["--model", "resnet18"], "model.model was 'cnn', now it is 'resnet18'"),
        (["--epochs", 1], "epochs was 2, now it is 1; it may only be raised"),
        (["--validation-folds", 1], r"validation_folds was [2, 3], now it is [1]"),
    ],
)
def test_options_that_are_given_again_must_be_equal(
    stopped: Path, run: Run, words: list[object], message: str
) -> None:
    before = (stopped / "last.pt").read_bytes()
    code, errors = run("train", "-o", stopped, "--resume", *WORDS, *words)
    assert (code, message in errors) == (1, True), errors
    assert (stopped / "last.pt").read_bytes() == before
    same = ["--batch-size", 8, "--validation-folds", "2,3", "--model", "cnn"]
    if words == ["--epochs", 1]:
        assert run("train", "-o", stopped, "--resume", *WORDS, *same)[0] == 0


def test_epochs_may_be_raised(stopped: Path, sample_store: Path, run: Run) -> None:
    words = ("--resume", "--epochs", 3, *WORDS)
    assert run("train", sample_store, "-o", stopped, *words) == (0, "")
    history = Checkpoint.load(stopped).origin["history"]
    rates = [epoch["learning_rate"] for epoch in history["epochs"]]
    assert len(rates) == 3
    assert rates[1] > 1e-3  # the schedule of 2 epochs has ended there, close to 0
    assert rates[2] < 1e-5
    assert len(train(stopped, resume=True).epochs) == 3


def test_there_must_be_a_training_to_resume(tmp_path: Path, run: Run) -> None:
    code, errors = run("train", "-o", tmp_path / "none", "--resume", *WORDS)
    assert (code, "none: holds no training to resume" in errors) == (1, True)
    assert run("train", "-o", tmp_path / "none")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_has_moved_is_named(stopped: Path, run: Run) -> None:
    values = torch.load(stopped / "last.pt", weights_only=True)
    values["arguments"]["store"] = str(stopped / "moved.h5")
    del values["format"], values["version"]
    write_torch_file(stopped / "last.pt", FORMAT, values)
    code, errors = run("train", "-o", stopped, "--resume", *WORDS)
    assert (code, "moved.h5 is not there; give it" in errors) == (1, True), errors


def test_a_refused_training_leaves_no_folder(
    store: Store, tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "a" / "b"
    model = replace(MODEL, fs=300.0)  # does not divide the store's
    with pytest.raises(EcgStoreError, match="fs is 300 Hz"):
        train(folder, store, model=model, settings=SETTINGS, **FOLDS)
    with pytest.raises(EcgStoreError, match="no store to train on"):
        train(folder)
    assert run("train", store.path, "-o", folder, "--device", "gpu")[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_an_own_network_is_trained_and_resumed_from_its_file(
    store: Store, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "my_file.py"
    file.write_text(SOURCE.format(log=str(tmp_path / "log.txt")))
    folder, model = tmp_path / "run", replace(MODEL, model=f"{file}:Mine")
    settings = replace(SETTINGS, epochs=1)
    train(folder, store, model=model, settings=settings, **FOLDS)
    assert (folder / "my_file.py").read_bytes() == file.read_bytes()
    resume = ("train", "-o", folder, "--resume", "--epochs", 2, *WORDS)
    code, errors = run(*resume)
    assert (code, "name it: --model my_file.py:Mine" in errors) == (1, True), errors
    copy = f"{folder / 'my_file.py'}:Mine"
    assert run(*resume, "--model", copy) == (0, "")
    file.write_text("Mine = None")
    code, errors = run(*resume, "--model", f"{file}:Mine")
    assert (code, "its source has changed since the training" in errors) == (1, True)
    words = ("extract", folder, store.path, "--model", copy, "--device", "cpu")
    assert run(*words, "-o", tmp_path / "sample.Mine.features.h5", "--quiet")[0] == 0


def test_the_documented_file_of_settings_has_all_of_them(
    store: Store, tmp_path: Path, run: Run
) -> None:
    page = Path(__file__).parents[3] / "docs" / "models.md"
    [text] = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    values = tomllib.loads(text)
    assert values.keys() == options_of(TrainOptions()).keys()
    options = updated(TrainOptions(), values)
    assert options.training.crop_s == 5.0
    file = tmp_path / "training.toml"
    file.write_text(text)
    words = ("--config", file, "--model", "cnn", "--epochs", 1, "--fs", 50, *WORDS)
    assert run("train", store.path, "-o", tmp_path / "run", *words)[0] == 0
    settings = Checkpoint.load(tmp_path / "run").origin["settings"]
    assert settings == {**options.training.to_dict(), "epochs": 1}


def test_an_unknown_setting_in_a_file_names_the_nearest(
    store: Store, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "training.toml"
    for key, nearest in (("crop", "crop_s"), ("mix_up", "mixup")):
        file.write_text(f"epochs = 1\n{key} = 2\n")
        command = ("train", store.path, "-o", tmp_path / "run", "--config", file)
        code, errors = run(*command, *WORDS)
        message = f"{file}: unknown option '{key}'; did you mean {nearest}? expected"
        assert (code, message in errors) == (1, True), errors
