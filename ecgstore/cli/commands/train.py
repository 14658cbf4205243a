"""``ecgstore train``: a network on folds of a store."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgstore.cli.options.common import DEVICE, QUIET, STORE
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.options.folds import TEST_FOLD, VALIDATION_FOLD, folds_option
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.config import N_FOLDS
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.options import group, overridden
from ecgstore.scores.texts import number_text

if TYPE_CHECKING:
    from ecgstore.models.training.history import Epoch, History


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of ``ecgstore train`` that describe the network and its training."""

    model: ModelSettings = group(ModelSettings())
    training: TrainingSettings = group(TrainingSettings())


@click.command(
    epilog="""\b
Examples:
  ecgstore train challenge.h5 -o runs/resnet18
  ecgstore train challenge.h5 -o runs/cnn --model cnn --fs 100
  ecgstore train challenge.h5 -o runs/resnet18 --resume
  ecgstore train challenge.h5 -o runs/resnet18 --config training.toml
  torchrun --nproc-per-node=2 -m ecgstore train challenge.h5 -o runs/resnet18
"""
)
@STORE
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Folder for best.pt, last.pt, history.csv and curves.png.",
)
@folds_option(
    "--validation-folds",
    VALIDATION_FOLD,
    "Folds on which the best epoch is chosen, such as 8, 0,3 or 0-2.",
)
@folds_option(
    "--test-folds",
    TEST_FOLD,
    "Folds that are held out for `ecgstore evaluate`.",
)
@click.option("--resume", is_flag=True, help="Resume the training in FOLDER.")
@DEVICE
@QUIET
@declared_options(TrainOptions())
def train(
    store: Path,
    out: Path,
    validation_folds: tuple[int, ...],
    test_folds: tuple[int, ...],
    resume: bool,
    device: str | None,
    quiet: bool,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Train a network on folds of STORE.

    The training folds are those that are neither validation nor test folds. The weights
    of the epoch with the best macro AUROC on the validation records are kept. An
    interrupted training resumes exactly with --resume.
    """
    options = overridden(TrainOptions(), config_file, drop_unset(flags))
    held_out = {*validation_folds, *test_folds}
    training_folds = [fold for fold in range(N_FOLDS) if fold not in held_out]
    if not training_folds or set(validation_folds) & set(test_folds):
        raise click.UsageError(
            "--validation-folds and --test-folds share a fold, or leave none for "
            "training; give others"
        )
    with needs_torch():
        from ecgstore.models.checkpoint import BEST
        from ecgstore.models.distributed import is_first_process, process_group
        from ecgstore.models.training.missing_classes import class_warnings
        from ecgstore.models.training.run import train_into
    from ecgstore.storage import Store

    with Store(store) as opened, process_group(device) as own_device:
        training = opened.select(folds=training_folds)
        validation = opened.select(folds=validation_folds)
        if is_first_process():
            for warning in class_warnings(training, validation):
                echo(f"warning: {warning}", err=True)
        history = train_into(
            out,
            training,
            validation,
            options.model,
            options.training,
            resume=resume,
            on_epoch=None if quiet else _print_epoch,
            device=own_device,
            quiet=quiet,
        )
        if not is_first_process():
            return
    best = history.epochs[history.best - 1]
    waiting = max(epoch.waiting for epoch in history.epochs)
    echo(
        f"epoch {best.epoch} of {len(history.epochs)} is the best: "
        f"{_validation(best)}; at most {waiting:.1%} of an epoch was spent waiting for "
        "data"
    )
    echo(f"weights: {out / BEST}; history.csv and curves.png are beside it")


def _print_epoch(history: "History") -> None:
    """Print a line for the last epoch."""
    epoch = history.epochs[-1]
    best = " (best so far)" if history.best == epoch.epoch else ""
    echo(
        f"epoch {epoch.epoch}: loss {number_text(epoch.training_loss)}, "
        f"{_validation(epoch)}{best}; {epoch.seconds:.0f} s",
        err=True,
    )


def _validation(epoch: "Epoch") -> str:
    """Return loss and score of the validation records as text."""
    return (
        f"validation loss {number_text(epoch.validation_loss)}, validation macro AUROC "
        f"{number_text(epoch.validation_auroc)}"
    )
