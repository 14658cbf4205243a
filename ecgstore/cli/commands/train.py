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

if TYPE_CHECKING:
    from ecgstore.models.training.history import History


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
        from ecgstore.models.training.run import train_into
    from ecgstore.storage import Store

    with Store(store) as opened, process_group(device) as own_device:
        history = train_into(
            out,
            opened.select(folds=training_folds),
            opened.select(folds=validation_folds),
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
        f"epoch {best.epoch} of {len(history.epochs)} is the best: validation macro "
        f"AUROC {best.validation_auroc:.3f}, loss {best.validation_loss:.3f}; at most "
        f"{waiting:.1%} of an epoch was spent waiting for data"
    )
    echo(f"weights: {out / BEST}; history.csv and curves.png are beside it")


def _print_epoch(history: "History") -> None:
    """Print a line for the last epoch."""
    epoch = history.epochs[-1]
    best = " (best so far)" if history.best == epoch.epoch else ""
    echo(
        f"epoch {epoch.epoch}: loss {epoch.training_loss:.3f}, validation loss "
        f"{epoch.validation_loss:.3f}, validation macro AUROC "
        f"{epoch.validation_auroc:.3f}{best}; {epoch.seconds:.0f} s",
        err=True,
    )
