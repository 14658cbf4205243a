"""Train into a folder: checkpoint, state to resume from, history and curves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from ecgstore.config import N_FOLDS, TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import EcgStoreError, SchemaError, require_type
from ecgstore.models.checkpoint import MODEL_FILE
from ecgstore.models.distributed import is_first_process
from ecgstore.models.model_folder import copy_source, require_no_model
from ecgstore.models.networks.own import name_to_run, source_of
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.callbacks import (
    EpochCallback,
    HistoryCurves,
    HistoryTable,
    TensorBoard,
)
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.history import History
from ecgstore.models.training.missing_classes import class_warnings
from ecgstore.models.training.pretraining import state_of_pretraining
from ecgstore.models.training.state import read_arguments
from ecgstore.storage import Selection, Store
from ecgstore.system.atomic_files import folder_for_files
from ecgstore.system.identity import require_same
from ecgstore.system.locks import only_writer
from ecgstore.system.urls import url_of

STATE: Final = "last.pt"
HISTORY: Final = "history.csv"
CURVES: Final = "curves.png"


def train(
    folder: str | Path,
    store: Store | None = None,
    *,
    model: ModelSettings | None = None,
    settings: TrainingSettings | None = None,
    validation_folds: Sequence[int] | None = None,
    test_folds: Sequence[int] | None = None,
    pretrain_on: Sequence[Store | Selection] | None = None,
    resume: bool = False,
    on_warning: Callable[[str], None] | None = None,
    callbacks: Sequence[EpochCallback] = (),
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> History:
    """Train an extractor on folds of a store into a folder, or resume a training.

    The training folds are those that are neither validation nor test folds. The folder
    gets ``model.safetensors``, the checkpoint of the best epoch, and other files: see
    `train_into`.

    A training is resumed with ``train(folder, resume=True)``; whatever else is given
    must be as before, except that `settings.epochs` may be raised, and
    `settings.save_every` may change.

    Parameters
    ----------
    folder : str or Path
        The folder; created if it does not exist.
    store : Store, optional
        The store; needed unless a training is resumed, which opens it by its path.
    model : ModelSettings, optional
        The network and its inputs. To resume one of your own, give it again, or
        register it.
    settings : TrainingSettings, optional
        Hyperparameters.
    validation_folds : sequence of int, optional
        Folds on which the best epoch is chosen; fold 8 if left out.
    test_folds : sequence of int, optional
        Folds that are held out for `evaluate`; fold 9 if left out.
    pretrain_on : sequence of Store or Selection, optional
        Records of other stores for the pretraining of `settings.pretrain_epochs`; see
        `ecgstore.models.training.extractor.train_extractor`. To resume, whole stores
        are opened by their paths.
    resume : bool
        Resume the training in the folder.
    on_warning : callable, optional
        Called with reasons to distrust the result, such as a class without records, in
        the first process.
    callbacks : sequence of callable
        Called with the history after every epoch, in the first process; see
        `EpochCallback`.
    device : torch.device or str
        Device to train on.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        If the folder holds a training that is not to be resumed, or holds none that
        is; if it is to be resumed with other arguments; if folds have no records; or
        as `train_into`.
    """
    folder = Path(folder)
    if store is not None:
        require_type("store", store, Store, "a store: ecgstore.open(path)")
    defaults = {"validation_folds": [VALIDATION_FOLD], "test_folds": [TEST_FOLD]}
    given = {"validation_folds": validation_folds, "test_folds": test_folds}
    folds = {
        name: default if (value := given[name]) is None else _listed(name, value)
        for name, default in defaults.items()
    }
    if resume:
        before = saved_training(folder, None if model is None else model.model)
        model, settings = model or before.model, settings or before.settings
        folds = {
            name: saved if given[name] is None else folds[name]
            for name, saved in before.folds.items()
        }
        require_same(
            f"{before.path}, the state of a training",
            before.folds,
            folds,
            "leave these folds out to resume it, or choose another folder",
        )
    elif store is None:
        raise EcgStoreError(
            f"{folder}: no store to train on; give one, or resume a training with "
            "--resume (in Python: resume=True)"
        )
    validation, test = folds["validation_folds"], folds["test_folds"]
    training = [n for n in range(N_FOLDS) if n not in {*validation, *test}]
    if not training or set(validation) & set(test):
        raise EcgStoreError(
            "the validation folds and the test folds share a fold, or leave none for "
            "training; give others"
        )
    with ExitStack() as stack:
        if store is None:
            if isinstance(before.store, Path) and not before.store.exists():
                raise EcgStoreError(
                    f"{before.path}: its store {before.store} is not there; give "
                    "it: ecgstore train STORE -o FOLDER --resume (in Python: store)"
                )
            store = stack.enter_context(Store(before.store))
        if pretrain_on is None:
            others = before.pretrain_on if resume else ()
            pretrain_on = [stack.enter_context(Store(path)) for path in others]
        selections = store.select(folds=training), store.select(folds=validation)
        if on_warning is not None and is_first_process():
            for warning in class_warnings(*selections):
                on_warning(warning)
        return train_into(
            folder,
            *selections,
            model or ModelSettings(),
            settings or TrainingSettings(),
            pretrain_on=pretrain_on,
            arguments=folds,
            resume=resume,
            on_warning=on_warning,
            callbacks=callbacks,
            device=device,
            quiet=quiet,
        )


def _listed(name: str, folds: object) -> list[int]:
    """Return folds as a list, if they are more than a number or a text."""
    if isinstance(folds, str | bytes) or not isinstance(folds, Iterable):
        raise TypeError(f"{name} is {folds!r}; expected a list of folds, such as [8]")
    return [*folds]


@dataclass(frozen=True, slots=True)
class SavedTraining:
    """The arguments of a training that can be resumed.

    Attributes
    ----------
    path : Path
        The state file.
    store : Path or str
        The store, or its URL.
    model : ModelSettings
        The network and its inputs.
    settings : TrainingSettings
        Hyperparameters.
    folds : dict
        Validation and test folds, by the names of the parameters of `train`.
    pretrain_on : list of (Path or str)
        Other stores that it is pretrained on.
    """

    path: Path
    store: Path | str
    model: ModelSettings
    settings: TrainingSettings
    folds: dict[str, list[int]]
    pretrain_on: list[Path | str]


def saved_training(folder: Path, model: str | None = None) -> SavedTraining:
    """Return the arguments with which the training in a folder began.

    Parameters
    ----------
    folder : Path
        The folder.
    model : str, optional
        A network of one's own that the user names; another one is ignored.

    Raises
    ------
    EcgStoreError
        If there is no training that `train` began, or its network is one's own and
        neither given nor registered.
    """
    path = _newest_state(folder)
    if path is None:
        raise _no_training(folder)
    values = read_arguments(path)
    try:
        source = values["source"]
        stored = {**values["model"], "leads": tuple(values["model"]["leads"])}
        stored["model"] = name_to_run(path, stored["model"], source, model)
        folds = {name: values[name] for name in ("validation_folds", "test_folds")}
        return SavedTraining(
            path,
            _path_or_url(values["store"]),
            ModelSettings(**stored),
            TrainingSettings(**values["settings"]),
            folds,
            [_path_or_url(other) for other in values.get("pretrain_on", ())],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaError(
            f"{path}: does not contain the arguments of `ecgstore train`; expected "
            "them, to resume with: train with the function that began it"
        ) from error


def _newest_state(folder: Path) -> Path | None:
    """Return the state file of a training, or of its pretraining; None without one."""
    state_file = folder / STATE
    paths = (state_file, state_of_pretraining(state_file))
    return next((path for path in paths if path.exists()), None)


def _found_again(store: Store) -> str:
    """Return where a training that is resumed finds a store; no signature of a URL."""
    return str(store.path.absolute()) if store.url is None else store.place


def _path_or_url(place: str) -> Path | str:
    """Return where a store is, as `_found_again` has written it."""
    return url_of(place) or Path(place)


def _no_training(folder: Path) -> EcgStoreError:
    """Return the error about a folder without a training to resume."""
    has_model = (folder / MODEL_FILE).exists()
    return EcgStoreError(
        f"{folder}: holds no training to resume, there is no {STATE} (which is written "
        "at the end of the first epoch, and as --save-every says; never for a network "
        "that is trained without steps, such as minirocket); train without --resume"
        f"{', into another folder' if has_model else ''}"
    )


def train_into(
    folder: Path,
    training: Selection,
    validation: Selection,
    model: ModelSettings,
    settings: TrainingSettings,
    *,
    pretrain_on: Sequence[Store | Selection] = (),
    arguments: Mapping[str, Any] | None = None,
    resume: bool = False,
    on_warning: Callable[[str], None] | None = None,
    callbacks: Sequence[EpochCallback] = (),
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> History:
    """Train an extractor; write its checkpoint, history and curves to a folder.

    ``model.safetensors`` has the weights of the best epoch, ``last.pt`` the state that
    a stopped training is resumed from, ``pretrain-last.pt`` that of a pretraining,
    ``history.csv`` and ``curves.png`` the losses and scores of all epochs so far. A
    network of one's own is there as a copy of its file. If TensorBoard is installed,
    its event files are written too.

    Parameters
    ----------
    folder : Path
        The folder; created if it does not exist.
    training, validation, model, settings, pretrain_on, device, quiet
        See `ecgstore.models.training.extractor.train_extractor`.
    arguments : Mapping, optional
        Further arguments that the caller needs to resume, such as folds.
    resume : bool
        Resume from the state in the folder; otherwise, a folder with one, or with a
        model, is refused.
    on_warning : callable, optional
        Called with reasons to distrust the result, in the first process.
    callbacks : sequence of callable
        Called with the history after every epoch, in the first process; see
        `EpochCallback`. Epochs of a pretraining are not among them.

    Raises
    ------
    EcgStoreError
        If the folder holds a model or a training that is not to be resumed, or one with
        other settings or records, another process trains into it, or a file cannot be
        written; files of the training so far stay as they are.
    """
    state_file = folder / STATE
    is_first = is_first_process()
    model = model.for_store(training.store)
    with (
        folder_for_files(folder),
        only_writer(folder, "training") if is_first else nullcontext(),
    ):
        is_begun = _newest_state(folder) is not None
        if is_begun and not resume:
            raise EcgStoreError(
                f"{folder}: holds a training; resume it with --resume, or choose "
                "another folder"
            )
        if resume and not is_begun:
            raise _no_training(folder)
        if not resume:
            require_no_model(folder)
        source = source_of(model.model)
        others = [
            _found_again(one if isinstance(one, Store) else one.store)
            for one in pretrain_on
        ]
        files = HistoryTable(folder / HISTORY), HistoryCurves(folder / CURVES)
        checkpoint, history = train_extractor(
            training,
            validation,
            model,
            settings,
            pretrain_on=pretrain_on,
            device=device,
            state_file=state_file,
            arguments={
                "store": _found_again(training.store),
                **({"pretrain_on": others} if others else {}),
                "model": model.to_dict(),
                "settings": settings.to_dict(),
                "source": source,
                **(arguments or {}),
            },
            on_warning=on_warning if is_first else None,
            callbacks=[*files, TensorBoard(folder), *callbacks],
            quiet=quiet,
        )
        if is_first:
            checkpoint.save(folder / MODEL_FILE)
            copy_source(folder, source)
            for write in files:  # where a resumed training has no epoch left
                write(history)
    return history
