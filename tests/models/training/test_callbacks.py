"""Callbacks after every epoch, and the event files of TensorBoard."""

import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ecgstore.errors import EcgStoreError
from ecgstore.models.settings import ModelSettings
from ecgstore.models.training.callbacks import (
    EpochCallback,
    HistoryTable,
    TensorBoard,
)
from ecgstore.models.training.fit import fit
from ecgstore.models.training.history import Epoch, History
from ecgstore.models.training.run import train_into
from ecgstore.storage import Selection
from tests.full_disk import full_disk
from tests.models.training.small_trainings import (
    StoppedError,
    TinyNetwork,
    fast_settings,
    stopping,
)

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=50.0, leads=("II",))
SETTINGS = fast_settings(batch_size=8, save_every=0)
TAGS = {
    "loss/training": "training_loss",
    "loss/validation": "validation_loss",
    "macro AUROC/validation": "validation_auroc",
    "learning rate": "learning_rate",
    "waiting for data": "waiting",
}


class Recorder:
    """A callback that is a context manager too, and writes down what happens to it."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __enter__(self) -> Self:
        self.events.append("entered")
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.events.append(("left", error))

    def __call__(self, history: History) -> None:
        self.events.append([epoch.epoch for epoch in history.epochs])


def make_history(n_epochs: int, loss: float = 0.5) -> History:
    history = History()
    for number in range(1, n_epochs + 1):
        history.add(Epoch(number, 1e-3, loss / number, loss, 0.6, 2.0, 0.1))
    return history


def read_board(folder: Path) -> dict[str, dict[int, float]]:
    """Return the values by step of every name, read as TensorBoard does."""
    board = EventAccumulator(str(folder))
    board.Reload()
    values = {}
    for tag in board.Tags()["scalars"]:
        events = board.Scalars(tag)
        values[tag] = {event.step: event.value for event in events}
        assert len(values[tag]) == len(events)  # no step twice
    return values


def expected_board(history: History) -> dict[str, dict[int, float]]:
    return {
        tag: {
            epoch.epoch: float(np.float32(getattr(epoch, name)))
            for epoch in history.epochs
            if not np.isnan(getattr(epoch, name))
        }
        for tag, name in TAGS.items()
    }


def test_callbacks_are_entered_called_after_every_epoch_and_left(
    training: Selection,
) -> None:
    recorder, second = Recorder(), Recorder()
    order: list[str] = []
    callbacks: list[EpochCallback] = [
        lambda _: order.append("first"),
        recorder,
        lambda _: order.append("last"),
        second,
    ]
    fit(TinyNetwork(), training, None, fast_settings(), callbacks=callbacks)
    assert recorder.events == ["entered", [1], [1, 2], ("left", None)]
    assert second.events == recorder.events
    assert order == ["first", "last"] * 2


@pytest.mark.parametrize("at", [1, 5])
def test_callbacks_are_left_when_a_training_fails(training: Selection, at: int) -> None:
    recorder = Recorder()
    network = stopping(TinyNetwork(), at)
    with pytest.raises(StoppedError):
        fit(network, training, None, fast_settings(), callbacks=[recorder])
    epochs = [[1]] if at == 5 else []
    assert recorder.events == ["entered", *epochs, ("left", StoppedError)]


def test_what_cannot_be_called_is_refused_before_the_first_epoch(
    training: Selection,
) -> None:
    recorder = Recorder()
    with pytest.raises(TypeError, match="callbacks has 'board'; expected functions"):
        fit(
            TinyNetwork(),
            training,
            None,
            fast_settings(),
            callbacks=[recorder, "board"],  # type: ignore[list-item]
        )
    assert recorder.events == []


def test_table_and_board_have_the_values_of_the_history(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    seen: list[int] = []

    def count(history: History) -> None:  # the files are there by then
        with (folder / "history.csv").open(newline="") as file:
            assert len([*csv.DictReader(file)]) == len(history.epochs)
        assert read_board(folder) == expected_board(history)
        seen.append(len(history.epochs))

    train_into(folder, training, validation, MODEL, SETTINGS, callbacks=[count])
    more = replace(SETTINGS, epochs=4)
    history = train_into(
        folder, training, validation, MODEL, more, resume=True, callbacks=[count]
    )
    assert seen == [1, 2, 3, 4]
    assert read_board(folder) == expected_board(history)
    assert len(history.epochs) == 4
    with (folder / "history.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    for name in TAGS.values():
        values = [getattr(epoch, name) for epoch in history.epochs]
        assert [float(row[name]) for row in rows] == values


def test_a_board_has_every_epoch_once_after_a_kill(tmp_path: Path) -> None:
    with TensorBoard(tmp_path) as board:
        board(make_history(1))
        board(make_history(2))
    # Killed after the state of the third epoch was saved, before it was reported; and
    # the fourth is not that of before.
    with TensorBoard(tmp_path) as board:
        board(make_history(4, loss=0.7))
    assert read_board(tmp_path) == expected_board(make_history(4, loss=0.7))


def test_undefined_scores_are_left_out_of_a_board(
    training: Selection, tmp_path: Path
) -> None:
    history = fit(
        TinyNetwork(),
        training,
        None,
        fast_settings(),
        callbacks=[TensorBoard(tmp_path), HistoryTable(tmp_path / "table.csv")],
    )
    expected = {tag: steps for tag, steps in expected_board(history).items() if steps}
    assert "loss/validation" not in expected
    assert read_board(tmp_path) == expected
    with (tmp_path / "table.csv").open(newline="") as file:
        assert [row["validation_loss"] for row in csv.DictReader(file)] == ["", ""]


def test_without_tensorboard_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with TensorBoard(tmp_path) as board:
        board(make_history(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 100, 1000])
def test_a_full_disk_is_an_error_that_names_the_folder(
    tmp_path: Path, room: int
) -> None:
    def write() -> None:
        with full_disk(room), TensorBoard(tmp_path) as board:
            for n_epochs in range(1, 9):
                board(make_history(n_epochs))

    message = rf"{tmp_path.name}: cannot be written \(File too large"
    with pytest.raises(EcgStoreError, match=message):
        write()
