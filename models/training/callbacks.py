"""What is done with the losses and scores after every epoch of a training."""

import itertools
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self

from ecgstore.models.distributed import is_first_process
from ecgstore.models.training.history import Epoch, History
from ecgstore.plots import plot_training_curves, save
from ecgstore.system.atomic_files import write_errors


class EpochCallback(Protocol):
    """A function that is called after every epoch of a training.

    Only the first process calls it. A callback that is a context manager too is entered
    before the first epoch, and left when the training ends or fails.
    """

    def __call__(self, history: History, /) -> object:
        """Receive the epochs so far.

        Parameters
        ----------
        history : History
            All epochs of the training, those before it was resumed too.
        """


@contextmanager
def entered(callbacks: Sequence[EpochCallback]) -> Iterator[Callable[[History], None]]:
    """Enter callbacks; yield a function that calls them all in the first process.

    Parameters
    ----------
    callbacks : sequence of EpochCallback
        In the order in which they are called.

    Raises
    ------
    TypeError
        If one of them cannot be called.
    """
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(
                f"callbacks has {callback!r}; expected functions of a history, such as "
                "lambda history: print(history.epochs[-1])"
            )
    here = [*callbacks] if is_first_process() else []

    def call(history: History) -> None:
        for callback in here:
            callback(history)

    with ExitStack() as stack:
        for callback in here:
            if isinstance(callback, AbstractContextManager):
                stack.enter_context(callback)
        yield call


class HistoryTable:
    """Write the epochs so far as a CSV file.

    Parameters
    ----------
    path : Path
        The file, which is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, history: History) -> None:
        """Write the file."""
        history.write_csv(self._path)


class HistoryCurves:
    """Plot the losses and scores of the epochs so far.

    Parameters
    ----------
    path : Path
        The image, which is replaced; its suffix is the format.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, history: History) -> None:
        """Write the image."""
        epochs = history.epochs
        figure = plot_training_curves(
            [epoch.epoch for epoch in epochs],
            [epoch.training_loss for epoch in epochs],
            [epoch.validation_loss for epoch in epochs],
            [epoch.validation_auroc for epoch in epochs],
            history.best,
        )
        save(figure, self._path)


class TensorBoard:
    """Write event files of TensorBoard, if it is installed.

    A training that is resumed has another event file, in which all its epochs are. It
    tells TensorBoard to discard what the files before have: also an epoch after which
    the training was killed is there, and none is twice.

    Parameters
    ----------
    folder : Path
        The folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: _EventFile | None = None
        self._n_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        writer, self._writer, self._n_written = self._writer, None, 0
        if writer is None:
            return
        if error is not None:
            with suppress(OSError):  # the error that ends the training says more
                writer.close()
            return
        with write_errors(self._folder):
            writer.close()

    def __call__(self, history: History) -> None:
        """Add the epochs that are not in the event file yet."""
        with write_errors(self._folder):
            self._writer = self._writer or _event_writer(self._folder)
            if self._writer is None:
                return
            for epoch in history.epochs[self._n_written :]:
                for tag, value in _scalars(epoch):
                    self._writer.add_scalar(tag, value, epoch.epoch)
            self._n_written = len(history.epochs)
            self._writer.flush()  # a board that is open shows the epoch at once


_TAGS: Final = {
    "loss/training": "training_loss",
    "loss/validation": "validation_loss",
    "macro AUROC/validation": "validation_auroc",
    "learning rate": "learning_rate",
    "waiting for data": "waiting",
}
"""Names in TensorBoard, and the attributes of an epoch that they show."""


def _scalars(epoch: Epoch) -> Iterator[tuple[str, float]]:
    """Yield the name in TensorBoard and the value of everything that is defined."""
    for tag, name in _TAGS.items():
        if not math.isnan(value := getattr(epoch, name)):
            yield tag, value


class _EventFile:
    """An event file that is written at once, not by a thread of TensorBoard's own.

    A thread could not raise the error of a full disk where it belongs.

    Parameters
    ----------
    folder : Path
        The folder; TensorBoard shows its other event files no longer.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        seconds, host = int(time.time()), platform.node()
        name = f"events.out.tfevents.{seconds}.{host}.{os.getpid()}.{next(_NUMBERS)}"
        self._file = (folder / name).open("wb")
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        self._write(step=1, session_log=SessionLog(status=SessionLog.START))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Add a value."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalar = Summary.Value(tag=tag, simple_value=value)
        self._write(step=step, summary=Summary(value=[scalar]))

    def flush(self) -> None:
        """Write all values so far."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, **content: Any) -> None:
        """Write an event."""
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())


_NUMBERS: Final = itertools.count()
"""Numbers of the event files of this process, whose names must differ."""


def _event_writer(folder: Path) -> _EventFile | None:
    """Return a writer of an event file; None if TensorBoard is not installed."""
    try:
        return _EventFile(folder)
    except ImportError:
        return None
