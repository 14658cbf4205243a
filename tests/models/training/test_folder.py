"""The folder of a training: checkpoint, state, history and curves."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.settings import ModelSettings
from ecgstore.models.training import callbacks
from ecgstore.models.training.run import train_into
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from ecgstore.system.locks import only_writer
from tests.models.training.small_trainings import fast_settings

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=100.0, leads=("I", "II", "V2"))
SETTINGS = fast_settings(augment=True, batch_size=8)


@pytest.fixture(scope="module")
def folder(
    training: Selection,
    validation: Selection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("trainings") / "new" / "first"
    train_into(path, training, validation, MODEL, SETTINGS)
    return path


def test_a_folder_has_history_and_curves(folder: Path) -> None:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert b"\r" not in (folder / "history.csv").read_bytes()
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["training_loss"]) > 0 for row in rows)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("*.partial")) + list(folder.glob(".*"))


def test_a_folder_with_a_training_is_not_overwritten(
    folder: Path, training: Selection, validation: Selection
) -> None:
    with pytest.raises(EcgStoreError, match="resume it with --resume"):
        train_into(folder, training, validation, MODEL, SETTINGS)
    weights = Checkpoint.load(folder).weights
    (folder / "model.safetensors").unlink()
    history = train_into(folder, training, validation, MODEL, SETTINGS, resume=True)
    assert len(history.epochs) == 2
    assert digest(Checkpoint.load(folder).weights) == digest(weights)
    other = replace(MODEL, normalise_by="lead")
    message = r"model\.normalise_by was 'record', now it is 'lead'"
    with pytest.raises(EcgStoreError, match=message):
        train_into(folder, training, validation, other, SETTINGS, resume=True)


def test_a_folder_with_a_model_of_another_kind_is_not_overwritten(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"a hybrid")
    with pytest.raises(EcgStoreError, match="holds a model; choose another folder"):
        train_into(tmp_path, training, validation, MODEL, SETTINGS)
    message = "such as minirocket.; train without --resume, into another folder"
    with pytest.raises(EcgStoreError, match=message):
        train_into(tmp_path, training, validation, MODEL, SETTINGS, resume=True)
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_bytes() == b"a hybrid"


def test_a_folder_has_one_training_at_a_time(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    with (
        only_writer(tmp_path, "training"),
        pytest.raises(EcgStoreError, match="another training is writing"),
    ):
        train_into(tmp_path, training, validation, MODEL, SETTINGS, resume=True)
    assert list(tmp_path.iterdir()) == []


class FullBoard:
    """A writer of event files on a full disk."""

    def fail(self, *_: object) -> None:
        raise OSError(28, "No space left on device")

    add_scalar = close = fail


def test_event_files_that_cannot_be_written_are_an_error(
    training: Selection,
    validation: Selection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callbacks, "_event_writer", lambda _: FullBoard())
    with pytest.raises(EcgStoreError, match=r": cannot be written .No space"):
        train_into(tmp_path, training, validation, MODEL, SETTINGS)
    assert (tmp_path / "last.pt").exists()


def test_a_folder_that_cannot_be_made_is_an_error(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EcgStoreError, match="cannot be created"):
        train_into(tmp_path / "file" / "run", training, validation, MODEL, SETTINGS)
