"""``ecgstore train``: a hybrid or a network on folds of a store."""

import math
import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from ecgstore.cli.options.common import DEVICE, QUIET, store_or_url
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.options.folds import folds_if_given, folds_option
from ecgstore.cli.output import echo
from ecgstore.cli.tables import print_table
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import ConfigError, counted
from ecgstore.models.hybrid.settings import PARTS, HybridSettings, default_settings
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.options import group, options_of, overridden, read_toml
from ecgstore.scores.texts import estimate_text, number_text

if TYPE_CHECKING:
    from ecgstore.models.training.history import Epoch, History


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of ``ecgstore train`` that describe the network and its training."""

    model: ModelSettings = group(ModelSettings())
    training: TrainingSettings = group(TrainingSettings())


_OF_HYBRIDS: Final = options_of(HybridSettings()).keys() - options_of(TrainOptions())
"""Options that only hybrids have."""

_NOT_OF_HYBRIDS: Final = options_of(TrainOptions()).keys() - options_of(
    HybridSettings()
)
"""Options that only networks alone have: those of a training that can be resumed."""

_OF_NETWORKS_ON_SIGNALS: Final = options_of(TrainOptions()).keys() - {"seed"}
"""Options without effect on a hybrid of handcrafted features alone."""

_OF_STEPS: Final = options_of(TrainingSettings()).keys() - {
    "seed",
    # A network without steps refuses them.
    "targets",
    "auxiliary_weight",
    "pretrain_epochs",
}
"""Options without effect on a network that is trained without steps."""


@click.command(
    epilog="""\b
Examples:
  ecgstore train challenge.h5 -o runs/hybrid --inputs both
  ecgstore train challenge.h5 -o runs/features --inputs handcrafted
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
@store_or_url(required=False)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Folder for model.safetensors and what describes it: README.md and scores.csv "
    "of a hybrid; last.pt, history.csv and curves.png of a network.",
)
@click.option(
    "--inputs",
    type=click.Choice([*PARTS, "deep"]),
    default="deep",
    show_default=True,
    help="What is trained: deep, a network on signals; both, a hybrid of boosted trees "
    "and networks on handcrafted features and a network on signals; handcrafted, the "
    "same without signals. A hybrid is cross-fitted and calibrated; its network on "
    "signals is minirocket at 100 Hz, if no others are given.",
)
@folds_option(
    "--validation-folds",
    VALIDATION_FOLD,
    "Folds on which the best epoch of a network is chosen, such as 8, 0,3 or 0-2; a "
    "hybrid trains on them.",
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
    help="Another store to pretrain a network on, without labels, in "
    "--pretrain-epochs; may be repeated.",
)
@click.option(
    "--resume", is_flag=True, help="Resume the training of a network in FOLDER."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of parts of a hybrid trained at the same time, with one thread each.  "
    "[default: number of CPU cores; 1 on a GPU]",
)
@DEVICE
@QUIET
@declared_options(TrainOptions())
@declared_options(HybridSettings(), only=_OF_HYBRIDS, with_file=False)
def train(
    store: Path | None,
    out: Path,
    inputs: Literal["both", "handcrafted", "deep"],
    validation_folds: tuple[int, ...],
    test_folds: tuple[int, ...],
    pretrain: tuple[Path, ...],
    resume: bool,
    workers: int | None,
    device: str | None,
    quiet: bool,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Train a hybrid or a network on folds of STORE.

    A hybrid is trained on all folds that are no test folds: its parts are cross-fitted,
    and the folder that it writes has a model card with the scores of held-out records.

    A network is trained on the folds that are neither validation nor test folds. The
    weights of the epoch with the best macro AUROC on the validation records are kept.
    With --targets, it also learns to predict targets of STORE, such as age. With
    --pretrain-epochs, it first learns to predict the handcrafted features, without
    labels: of the training records, and of those of OTHER whose patients STORE does not
    hold out.

    An interrupted training resumes exactly with --resume. STORE and all options are
    those with which it began; --epochs may be raised, other options that are given
    again must be equal.
    """
    given = drop_unset(flags)
    in_file = _names_in(config_file)
    if inputs != "deep":
        of_networks = {
            "--resume": resume,
            "--pretrain": pretrain,
            "--validation-folds": folds_if_given("validation_folds", validation_folds),
            **{_flag(name): True for name in _NOT_OF_HYBRIDS.intersection(given)},
        }
        for flag, is_given in of_networks.items():
            if is_given:
                raise click.UsageError(
                    f"{flag} is for networks (--inputs deep); leave it out: the "
                    "training of a hybrid begins anew, on all folds but the test folds."
                )
        if store is None:
            raise click.UsageError("Missing argument 'STORE'.")
        _refuse_in_file(config_file, in_file & _NOT_OF_HYBRIDS, "deep")
        without_effect = _OF_NETWORKS_ON_SIGNALS.intersection(given)
        if inputs == "handcrafted" and without_effect:
            raise click.UsageError(
                f"{_flag(min(without_effect))} is for networks on signals; leave it "
                "out, or give --inputs deep."
            )
        if inputs == "handcrafted":
            # One file may serve several trainings, so that they are no error there.
            of_signals = sorted(in_file & _OF_NETWORKS_ON_SIGNALS)
            _warn(
                config_file, of_signals, "--inputs handcrafted, which uses no signals"
            )
        _train_hybrid(
            store, out, inputs, test_folds, workers, device, quiet, config_file, given
        )
        return
    others = [name for name in given if name in _OF_HYBRIDS]
    if others or workers is not None:
        flag = "--workers" if workers else _flag(others[0])
        raise click.UsageError(f"{flag} needs --inputs both or handcrafted.")
    _refuse_in_file(config_file, in_file & _OF_HYBRIDS, "both or handcrafted")
    options = overridden(TrainOptions(), config_file, given)
    if store is None and not resume:
        raise click.UsageError("Missing argument 'STORE'.")
    with needs_torch():
        from ecgstore.models.checkpoint import MODEL_FILE
        from ecgstore.models.distributed import is_first_process, process_group
        from ecgstore.models.training.run import saved_training, train as train_on
    from ecgstore.storage import Store

    if resume:
        before = saved_training(out, options.model.model)
        options = TrainOptions(model=before.model, training=before.settings)
        options = overridden(options, config_file, given)
    with ExitStack() as stack:
        own_device = stack.enter_context(process_group(device))
        stack.enter_context(_says_how_to_resume(out))
        if is_first_process():
            _warn_of_no_effect(options.model.model, given, config_file, in_file)
        history = train_on(
            out,
            None if store is None else stack.enter_context(Store(store)),
            model=options.model,
            settings=options.training,
            validation_folds=folds_if_given("validation_folds", validation_folds),
            test_folds=folds_if_given("test_folds", test_folds),
            pretrain_on=[stack.enter_context(Store(path)) for path in pretrain] or None,
            resume=resume,
            on_warning=lambda warning: echo(f"warning: {warning}", err=True),
            callbacks=[] if quiet else [_print_epoch],
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
    echo(f"weights: {out / MODEL_FILE}; history.csv and curves.png are beside it")


@contextmanager
def _says_how_to_resume(folder: Path) -> Iterator[None]:
    """Say after Ctrl-C how to resume, once there is something to resume from."""
    from ecgstore.models.distributed import is_first_process
    from ecgstore.models.training.pretraining import state_of_pretraining
    from ecgstore.models.training.run import STATE

    try:
        yield
    except KeyboardInterrupt as error:
        state = folder / STATE
        saved = state.exists() or state_of_pretraining(state).exists()
        if saved and is_first_process():
            echo(
                f"the training is kept in {folder} as it was saved last; resume it "
                f"with: ecgstore train -o {shlex.quote(str(folder))} --resume",
                err=True,
            )
        raise click.Abort from error


def _train_hybrid(
    store: Path,
    out: Path,
    inputs: Literal["both", "handcrafted"],
    test_folds: tuple[int, ...],
    workers: int | None,
    device: str | None,
    quiet: bool,
    config_file: Path | None,
    given: dict[str, Any],
) -> None:
    """Train a hybrid, and print its scores."""
    with needs_torch():
        from ecgstore.models.checkpoint import MODEL_FILE
        from ecgstore.models.devices import chosen_device
        from ecgstore.models.hybrid.card import CARD, PART_TITLES
        from ecgstore.models.hybrid.folder import train_hybrid_into
    from ecgstore.scores.table import SCORE_TABLE
    from ecgstore.storage import Store

    with Store(store) as opened:
        settings = overridden(default_settings(opened.config.fs), config_file, given)
        if inputs == "both":
            in_file = _names_in(config_file)
            _warn_of_no_effect(settings.model.model, given, config_file, in_file)
        chosen = chosen_device(device)
        n_cores = (os.cpu_count() or 1) if chosen.type == "cpu" else 1
        hybrid = train_hybrid_into(
            out,
            opened,
            settings,
            inputs=inputs,
            test_folds=test_folds,
            device=chosen,
            n_processes=workers or n_cores,
            on_warning=lambda warning: echo(f"warning: {warning}", err=True),
            quiet=quiet,
        )
    scores = hybrid.origin["scores"]
    echo(
        f"scores of {counted(scores['n_records'], 'held-out record')}, in brackets the "
        f"{100 * scores['level']:g} % interval of {scores['n_resamples']} resamples of "
        "the patients"
    )
    print_table(
        ["", *(row.overall_heading for row in SCORE_TABLE)],
        [
            [
                PART_TITLES[name],
                *(
                    _estimate(scores["scores"][name][row.overall_name])
                    for row in SCORE_TABLE
                ),
            ]
            for name in scores["names"]
        ],
    )
    echo(f"model: {out / MODEL_FILE}; {CARD} beside it says what it is")


def _names_in(file: Path | None) -> set[str]:
    """Return the names of the options in a file, known or not."""
    return set() if file is None else {*read_toml(file, "options", "fs = 500")}


def _refuse_in_file(file: Path | None, names: Collection[str], inputs: str) -> None:
    """Refuse a file with options that need other inputs."""
    for name in sorted(names):
        raise ConfigError(
            f"{file}: option {name} needs --inputs {inputs}; leave it out"
        )


def _warn_of_no_effect(
    model: str, given: Collection[str], file: Path | None, in_file: Collection[str]
) -> None:
    """Warn of options of training steps, if the network has none."""
    from ecgstore.models.networks.create import fits_directly

    if not fits_directly(model):
        return
    reason = f"{model}, which is not trained in steps"
    _warn(None, [_flag(name) for name in given if name in _OF_STEPS], reason)
    _warn(file, sorted(_OF_STEPS.intersection(in_file)), reason)


def _warn(file: Path | None, options: Sequence[str], reason: str) -> None:
    """Warn of options, of the command line or in a file, that have no effect."""
    if options:
        where = "" if file is None else f"{file}: "
        verb = "has" if len(options) == 1 else "have"
        echo(
            f"warning: {where}{', '.join(options)} {verb} no effect on {reason}",
            err=True,
        )


def _flag(name: str) -> str:
    """Return the flag of an option."""
    return f"--{name.replace('_', '-')}"


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


def _estimate(values: Sequence[float | None]) -> str:
    """Return a score with its interval, of JSON, as text."""
    value, low, high = (math.nan if part is None else part for part in values)
    return estimate_text(value, low, high)
