"""``ecgstore train``: a deep extractor on folds of a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgstore.cli.folds import folds_from
from ecgstore.cli.model_options import DEVICE, QUIET, model_options, settings_from
from ecgstore.cli.options import STORE
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.config import N_FOLDS

if TYPE_CHECKING:
    from ecgstore.models.training.history import History


@click.command(
    epilog="""\b
Examples:
  ecgstore train challenge.h5 -o runs/resnet18
  ecgstore train challenge.h5 -o runs/cnn --model cnn --fs 100
  ecgstore train challenge.h5 -o runs/resnet18 --resume
  torchrun --nproc-per-node=2 -m ecgstore train challenge.h5 -o runs/resnet18
"""
)
@click.argument("store", type=STORE)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Where to: best.pt, last.pt, history.csv, curves.png.",
)
@click.option(
    "--validation-folds",
    default="8",
    metavar="FOLDS",
    callback=folds_from,
    show_default=True,
    help="Folds that choose the epoch.",
)
@click.option(
    "--test-folds",
    default="9",
    metavar="FOLDS",
    callback=folds_from,
    show_default=True,
    help="Folds that are not looked at; `ecgstore evaluate` is for them.",
)
@click.option("--resume", is_flag=True, help="Go on where FOLDER's training stopped.")
@click.option("--seed", type=int, help="For all that is random.  [0]")
@click.option(
    "--save-every",
    type=int,
    metavar="STEPS",
    help="Save within an epoch, too.  [at the end of each epoch]",
)
@model_options
@DEVICE
@QUIET
def train(
    store: Path,
    out: Path,
    validation_folds: tuple[int, ...],
    test_folds: tuple[int, ...],
    resume: bool,
    device: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network on STORE; stopped at any time, --resume goes on exactly.

    It learns from all folds but those for validation and test. The weights of the
    epoch with the best macro AUROC in validation are kept.
    """
    with needs_torch():
        from ecgstore.models.checkpoint import BEST
        from ecgstore.models.distributed import is_first_process, process_group
        from ecgstore.models.settings import ModelSettings, TrainingSettings
        from ecgstore.models.training.run import train_into
    from ecgstore.storage import Store

    model, settings = settings_from(options, ModelSettings(), TrainingSettings())
    learnt = [
        fold for fold in range(N_FOLDS) if fold not in {*validation_folds, *test_folds}
    ]
    if not learnt or set(validation_folds) & set(test_folds):
        raise click.UsageError(
            "the folds for validation and for test share one, or leave none to learn "
            "from; give others"
        )
    with Store(store) as opened, process_group(device) as own_device:
        history = train_into(
            out,
            opened.select(folds=learnt),
            opened.select(folds=validation_folds),
            model,
            settings,
            resume=resume,
            on_epoch=None if quiet else _print_epoch,
            device=own_device,
            quiet=quiet,
        )
        if not is_first_process():
            return
    best = history.epochs[history.best - 1]
    waiting = max(each.waiting for each in history.epochs)
    click.echo(
        f"epoch {best.epoch} of {len(history.epochs)} is the best: macro AUROC "
        f"{best.validation_auroc:.3f}, loss {best.validation_loss:.3f} in validation; "
        f"at most {waiting:.1%} of an epoch's steps was spent waiting for data"
    )
    click.echo(
        f"{out / BEST} has its weights; history.csv and curves.png are beside it"
    )


def _print_epoch(history: "History") -> None:
    """Print a line for the epoch that has ended."""
    each = history.epochs[-1]
    click.echo(
        f"epoch {each.epoch}: loss {each.training_loss:.3f}, in validation "
        f"{each.validation_loss:.3f}, macro AUROC {each.validation_auroc:.3f}"
        f"{', the best so far' * (history.best == each.epoch)}; {each.seconds:.0f} s",
        err=True,
    )
