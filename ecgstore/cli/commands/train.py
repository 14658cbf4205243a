"""``ecgstore train``: a network on folds of a store."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ecgstore.cli.options.common import DEVICE, QUIET
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.options.folds import folds_option
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
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
  ecgstore train challenge.h5 -o runs/mine --model my_file.py:Mine
  ecgstore train challenge.h5 -o runs/age --targets age
  ecgstore train small.h5 -o runs/small --pretrain large.h5 --pretrain-epochs 20
  ecgstore train -o runs/resnet18 --resume
  ecgstore train challenge.h5 -o runs/resnet18 --config training.toml
  torchrun --nproc-per-node=2 -m ecgstore train challenge.h5 -o runs/resnet18
"""
)
@click.argument("store", required=False, type=click.Path(path_type=Path))
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
@click.option(
    "--pretrain",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    metavar="OTHER",
    help="Another store to pretrain on, without labels, in --pretrain-epochs; may be "
    "repeated.",
)
@click.option("--resume", is_flag=True, help="Resume the training in FOLDER.")
@DEVICE
@QUIET
@declared_options(TrainOptions())
def train(
    store: Path | None,
    out: Path,
    validation_folds: tuple[int, ...],
    test_folds: tuple[int, ...],
    pretrain: tuple[Path, ...],
    resume: bool,
    device: str | None,
    quiet: bool,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Train a network on folds of STORE.

    The training folds are those that are neither validation nor test folds. The weights
    of the epoch with the best macro AUROC on the validation records are kept.

    With --targets, the network also learns to predict targets of STORE, such as age.
    With --pretrain-epochs, it first learns to predict the handcrafted features, without
    labels: of the training records, and of those of OTHER whose patients STORE does not
    hold out.

    An interrupted training resumes exactly with --resume. STORE and all options are
    those with which it began; --epochs may be raised, other options that are given
    again must be equal.
    """
    given = drop_unset(flags)
    options = overridden(TrainOptions(), config_file, given)
    if store is None and not resume:
        raise click.UsageError("Missing argument 'STORE'.")
    with needs_torch():
        from ecgstore.models.checkpoint import BEST
        from ecgstore.models.distributed import is_first_process, process_group
        from ecgstore.models.training.run import saved_training, train as train_on
    from ecgstore.storage import Store

    if resume:
        before = saved_training(out, options.model.model)
        options = TrainOptions(model=before.model, training=before.settings)
        options = overridden(options, config_file, given)
    with ExitStack() as stack:
        own_device = stack.enter_context(process_group(device))
        history = train_on(
            out,
            None if store is None else stack.enter_context(Store(store)),
            model=options.model,
            settings=options.training,
            validation_folds=_if_given("validation_folds", validation_folds),
            test_folds=_if_given("test_folds", test_folds),
            pretrain_on=[stack.enter_context(Store(path)) for path in pretrain] or None,
            resume=resume,
            on_warning=lambda warning: echo(f"warning: {warning}", err=True),
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


def _if_given(name: str, folds: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return folds of the command line; None if they are only the default."""
    source = click.get_current_context().get_parameter_source(name)
    return None if source is ParameterSource.DEFAULT else folds


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
