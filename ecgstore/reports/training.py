"""How a model was trained, and how to train it again."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.config import N_FOLDS
from ecgstore.errors import SchemaError, counted
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.history import Epoch, History
from ecgstore.plots import plot_training_curves
from ecgstore.reports.page import (
    Block,
    Cell,
    Facts,
    Paragraph,
    Section,
    Table,
)
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.settings import rerun_blocks
from ecgstore.scores.texts import number_text
from ecgstore.storage import Store
from ecgstore.system.json_files import JsonValue, plain_settings

REMEDY: Final = "restore the file from a copy, or train again with `ecgstore train`"
_MOST_EPOCHS: Final = 40
"""Rows of the table of epochs."""


def rows_of(trained: Checkpoint | Hybrid, part: str) -> IntArray:
    """Return the rows that a model has seen in a part of its training."""
    rows = trained.origin.get(f"{part}_rows")
    return np.asarray([] if rows is None else rows, np.int64)


def model_section(
    trained: Checkpoint | Hybrid, origin: JsonValue, store: Store | None
) -> Section:
    """Return what the model is, and what it was trained on.

    Parameters
    ----------
    trained : Checkpoint or Hybrid
        The model.
    origin : JsonValue
        What its file says of its training.
    store : Store or None
        The store of its training.
    """
    blocks: list[Block] = [Facts([*_facts(trained, origin)])]
    if store is not None:
        blocks.append(_records_table(trained, store))
    else:
        blocks.append(
            Paragraph(
                "Folds and sources of the training records are in their store: give "
                "it with --store."
            )
        )
    return Section("The model", blocks)


def _facts(
    trained: Checkpoint | Hybrid, origin: JsonValue
) -> Iterator[tuple[str, Cell]]:
    """Yield what the model is in short."""
    config = trained.config
    if isinstance(trained, Hybrid):
        yield "kind", "hybrid: a weighted sum of the logits of its parts"
    else:
        yield "network", trained.name
    yield "classes", ", ".join(trained.label_names)
    yield "leads", ", ".join(trained.leads)
    yield (
        "records",
        f"{config.duration_s:g} s at {config.fs:g} Hz, band-pass {config.low_hz:g} to "
        f"{config.high_hz:g} Hz",
    )
    if trained.target_names:
        yield "targets", ", ".join(trained.target_names)
    deep = trained.extractor if isinstance(trained, Hybrid) else trained
    if deep is not None:
        yield "input of the network", f"{deep.name}: signals at {deep.fs:g} Hz"
    if isinstance(trained, Hybrid):
        yield "handcrafted features", counted(len(trained.columns), "column")
        for name, number in trained.versions.items():
            yield f"version of {name}", number
    yield "training records", len(rows_of(trained, "training"))
    yield "validation records", len(rows_of(trained, "validation"))
    yield "fingerprint of its store", trained.fingerprint
    yield "SHA-256 of what was fitted", trained.weights_sha256()
    yield "software", _text(origin, "software")


def _text(origin: JsonValue, name: str) -> str:
    """Return a text of a model's origin, if it is there."""
    return origin[name].text() if name in origin.names() else "not known"


def _records_table(trained: Checkpoint | Hybrid, store: Store) -> Table:
    """Return the numbers of records by fold, and their part in the training."""
    fold, source = store.column("fold"), store.column("source")
    parts: dict[str, IntArray] = {}
    seen = np.zeros(len(store), bool)
    for part in ("training", "validation"):
        rows = rows_of(trained, part)  # within the store: the evaluation has checked it
        parts[part] = rows
        seen[rows] = True
    parts["held out"] = np.flatnonzero(~seen)
    rows_of_table: list[list[Cell]] = []
    for part, rows in parts.items():
        by_source = Counter(source[rows].tolist())
        rows_of_table.append(
            [
                part,
                len(rows),
                ", ".join(map(str, sorted({*fold[rows].tolist()}))) or "none",
                ", ".join(f"{name} {n:,}" for name, n in sorted(by_source.items()))
                or "none",
            ]
        )
    return Table(
        f"Records of {store.file_name} in the training",
        ["part", "records", "folds", "sources"],
        rows_of_table,
        "Records that were held out may be of folds that were not used at all.",
    )


def training_sections(origin: JsonValue, pictures: Pictures) -> Iterator[Section]:
    """Yield the training, and the pretraining before it, as far as they have epochs."""
    for name, title, task in (
        ("pretraining", "Pretraining", "without labels"),
        ("history", "Training", "on the classes"),
    ):
        if name not in origin.names():
            continue
        history = _history(origin[name])
        if not history.epochs:
            yield Section(title, [Paragraph("It has no epochs: it is fitted at once.")])
            continue
        best = history.epochs[history.best - 1]
        yield Section(
            f"{title}: {task}",
            [
                Paragraph(
                    f"Epoch {best.epoch} of {len(history.epochs)} was kept: validation "
                    f"loss {number_text(best.validation_loss)}, validation macro AUROC "
                    f"{number_text(best.validation_auroc)}."
                ),
                pictures.add(
                    plot_training_curves(
                        [one.epoch for one in history.epochs],
                        [one.training_loss for one in history.epochs],
                        [one.validation_loss for one in history.epochs],
                        [one.validation_auroc for one in history.epochs],
                        history.best,
                        title=title,
                    ),
                    f"Curves of the {title.lower()}",
                    "Losses, and macro AUROC of the validation records, by epoch; the "
                    "epoch that was kept is marked. The table of epochs has the "
                    "numbers.",
                ),
                _epochs_table(history),
            ],
        )


def _history(stored: JsonValue) -> History:
    """Return a history; what is no finite number is undefined."""
    try:
        history = History.from_dict(stored.value)
        return History(
            [
                Epoch(
                    one.epoch,
                    *(
                        float(value) if math.isfinite(value) else math.nan
                        for value in (
                            one.learning_rate,
                            one.training_loss,
                            one.validation_loss,
                            one.validation_auroc,
                            one.seconds,
                            one.waiting,
                        )
                    ),
                )
                for one in history.epochs
            ],
            int(history.best),
        )
    except (SchemaError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise SchemaError(
            f"{stored.file}: {stored.key} is no history of a training; expected epochs "
            f"and the best of them; {REMEDY}"
        ) from error


def _epochs_table(history: History) -> Table:
    """Return the table of epochs; of many, some, and the best."""
    epochs = history.epochs
    step = math.ceil(len(epochs) / _MOST_EPOCHS)
    shown = {*range(0, len(epochs), step), len(epochs) - 1, history.best - 1}
    return Table(
        "Epochs" if step == 1 else f"Epochs: every {step}th, the last and the best",
        [
            "epoch",
            "learning rate",
            "training loss",
            "validation loss",
            "validation macro AUROC",
            "seconds",
            "waiting for data",
        ],
        [
            [
                f"{one.epoch}, kept" if one.epoch == history.best else str(one.epoch),
                f"{one.learning_rate:.3g}",
                *(
                    number_text(value)
                    for value in (
                        one.training_loss,
                        one.validation_loss,
                        one.validation_auroc,
                    )
                ),
                f"{one.seconds:.1f}",
                f"{one.waiting:.1%}",
            ]
            for one in (epochs[at] for at in sorted(shown))
        ],
        "Training and validation losses are not comparable: the training loss has "
        "class weights and augmented signals.",
    )


def retraining_section(
    trained: Checkpoint | Hybrid, origin: JsonValue, store: Store | None
) -> Section:
    """Return what is needed to train the model again.

    Parameters
    ----------
    trained, origin, store
        See `model_section`.
    """
    settings = plain_settings(origin["settings"]) if _has_settings(origin) else {}
    folds = None if store is None else _folds(trained, store)
    flags = "".join(
        f" --{name} {','.join(map(str, numbers))}"
        for name, numbers in (folds or {}).items()
    )
    if isinstance(trained, Hybrid):
        inputs = "handcrafted" if trained.extractor is None else "both"
        command = f"ecgstore train STORE -o RUN --inputs {inputs}{flags}"
        if trained.extractor is None:
            settings = _without_signals(settings)
        blocks = rerun_blocks(command, (HybridSettings(), settings))
    else:
        blocks = rerun_blocks(
            f"ecgstore train STORE -o RUN{flags}",
            (ModelSettings(), trained.model.to_dict()),
            (TrainingSettings(), settings),
        )
    return Section(
        "Run it again",
        [
            Paragraph(
                f"STORE is the store of fingerprint {trained.fingerprint}. "
                f"{_folds_explained(store, folds)}"
            ),
            *blocks,
            Facts([("software", _text(origin, "software"))]),
        ],
    )


def _folds_explained(
    store: Store | None, folds: Mapping[str, tuple[int, ...]] | None
) -> str:
    """Return from where the folds of the command are, or how to get them."""
    if folds is not None:
        return (
            "The folds in the command are those of the records that the model lists. "
            "Give them beside --config too."
        )
    if store is None:
        return (
            "The command lacks the folds that were held out: `ecgstore report RUN "
            "--store STORE` finds them by the records that the model lists, and "
            "writes them into the command."
        )
    return (
        "The records that the model lists are not whole folds of STORE, so that "
        "`ecgstore train` cannot choose them. Their rows are `training_rows` and "
        "`validation_rows` in `ecgstore.models.load(RUN).origin`."
    )


def _folds(
    trained: Checkpoint | Hybrid, store: Store
) -> dict[str, tuple[int, ...]] | None:
    """Return the held-out folds by option, None if records are not whole folds."""
    fold = store.column("fold")
    of_parts = []
    for part in ("training", "validation"):
        rows = rows_of(trained, part)
        numbers = np.unique(fold[rows])
        if not np.array_equal(np.sort(rows), np.flatnonzero(np.isin(fold, numbers))):
            return None
        of_parts.append(tuple(numbers.tolist()))
    training, validation = of_parts
    test = tuple(n for n in range(N_FOLDS) if n not in {*training, *validation})
    if not test:
        return None
    return ({"validation-folds": validation} if validation else {}) | {
        "test-folds": test
    }


def _has_settings(origin: JsonValue) -> bool:
    """Return whether the settings of the training are known."""
    return "settings" in origin.names()


def _without_signals(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a hybrid that has no network on signals."""
    seed = {"seed": settings["training"]["seed"]} if "training" in settings else {}
    return {
        **{name: one for name, one in settings.items() if name != "model"},
        "training": seed,
    }
