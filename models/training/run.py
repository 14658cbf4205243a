"""Train into a folder: checkpoint, state to resume from, history and curves."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import torch

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import BEST
from ecgstore.models.distributed import is_first_process
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.history import Epoch, History
from ecgstore.plots import plot_training_curves, save
from ecgstore.storage import Selection
from ecgstore.system.atomic_files import make_folder, write_errors
from ecgstore.system.locks import only_writer

STATE: Final = "last.pt"
HISTORY: Final = "history.csv"
CURVES: Final = "curves.png"


def train_into(
    folder: Path,
    training: Selection,
    validation: Selection,
    model: ModelSettings,
    settings: TrainingSettings,
    *,
    resume: bool = False,
    on_epoch: Callable[[History], None] | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> History:
    """Train an extractor; write its checkpoint, history and curves to a folder.

    ``best.pt`` has the weights of the best epoch, ``last.pt`` the state that a stopped
    training is resumed from, ``history.csv`` and ``curves.png`` the losses and scores
    of all epochs so far. If TensorBoard is installed, its event files are written too.

    Parameters
    ----------
    folder : Path
        The folder; created if it does not exist.
    training, validation, model, settings, device, quiet
        See `ecgstore.models.training.extractor.train_extractor`.
    resume : bool
        Resume from the ``last.pt`` in the folder, if any; otherwise, a folder with one
        is refused.
    on_epoch : callable, optional
        Called after every epoch, in the first process.

    Raises
    ------
    EcgStoreError
        If the folder holds a training that is not to be resumed, or one with other
        settings or records, another process trains into it, or a file cannot be
        written; files of the training so far stay as they are.
    """
    state_file = folder / STATE
    make_folder(folder)
    with only_writer(folder, "training") if is_first_process() else nullcontext():
        if state_file.exists() and not resume:
            raise EcgStoreError(
                f"{folder}: holds a training; resume it with --resume, or choose "
                "another folder"
            )
        board = _tensorboard(folder) if is_first_process() else None

        def report(history: History) -> None:
            _write_history(folder, history)
            if board is not None:
                _add_epoch(folder, board, history.epochs[-1])
            if on_epoch is not None:
                on_epoch(history)

        checkpoint, history = train_extractor(
            training,
            validation,
            model,
            settings,
            device=device,
            state_file=state_file,
            on_epoch=report,
            quiet=quiet,
        )
        if board is not None:
            with write_errors(folder):
                board.close()
        if is_first_process():
            checkpoint.save(folder / BEST)
            _write_history(folder, history)
    return history


def _write_history(folder: Path, history: History) -> None:
    """Write the epochs so far as a table and as curves."""
    history.write_csv(folder / HISTORY)
    epochs = history.epochs
    figure = plot_training_curves(
        [epoch.epoch for epoch in epochs],
        [epoch.training_loss for epoch in epochs],
        [epoch.validation_loss for epoch in epochs],
        [epoch.validation_auroc for epoch in epochs],
        history.best,
    )
    save(figure, folder / CURVES)


def _tensorboard(folder: Path) -> Any:
    """Return a writer of TensorBoard's event files; None if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    with write_errors(folder):
        return SummaryWriter(folder)


def _add_epoch(folder: Path, board: Any, epoch: Epoch) -> None:
    """Add an epoch to TensorBoard's event files."""
    with write_errors(folder):
        for name, value in (
            ("loss/training", epoch.training_loss),
            ("loss/validation", epoch.validation_loss),
            ("macro AUROC/validation", epoch.validation_auroc),
            ("learning rate", epoch.learning_rate),
            ("waiting for data", epoch.waiting),
        ):
            board.add_scalar(name, value, epoch.epoch)
