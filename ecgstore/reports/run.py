"""The report of a training: the model, how it was trained, and how good it is.

Nothing in its folder is executed, and nothing in it is trusted.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import SchemaError, counted, short_list
from ecgstore.models.checkpoint import MODEL_FILE, Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.hybrid.card import CARD, PART_TITLES
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.loading import load
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.history import Epoch, History
from ecgstore.plots import plot_confusion, plot_reliability, plot_training_curves
from ecgstore.reports.hardest import hardest_gallery, hardest_records, hardest_table
from ecgstore.reports.judged import MODEL, Judged, evaluations_in
from ecgstore.reports.page import (
    Block,
    Cell,
    Code,
    Facts,
    Paragraph,
    Report,
    Section,
    Table,
)
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.scores import (
    by_heading,
    class_table,
    score_table,
)
from ecgstore.reports.settings import rerun_blocks
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.scores.regression import REGRESSION_HEADINGS
from ecgstore.scores.stored import stored_result
from ecgstore.scores.table import SCORES_EXPLAINED
from ecgstore.scores.texts import estimate_text, number_text
from ecgstore.storage import Store
from ecgstore.system.json_files import JsonValue, plain_settings

_REMEDY: Final = "restore the file from a copy, or train again with `ecgstore train`"
_MOST_EPOCHS: Final = 40
"""Rows of the table of epochs."""

_LONGEST_CARD: Final = 100_000


def run_report(
    path: Path,
    store: Store | None = None,
    *,
    model: str | None = None,
    folds: Sequence[int] = (TEST_FOLD,),
    validation_folds: Sequence[int] = (VALIDATION_FOLD,),
    device: str = "cpu",
    quiet: bool = True,
) -> Report:
    """Return the report of a training.

    Parameters
    ----------
    path : Path
        The folder of `ecgstore train`, or the model.safetensors in it.
    store : Store, optional
        A store to evaluate the model on, that of its training or another one. Without
        it, the JSON files that `ecgstore evaluate` wrote into the folder are reported.
    model : str, optional
        A network of one's own, as ``FILE.py:NAME``.
    folds, validation_folds, device, quiet
        See `ecgstore.models.evaluation.evaluate.evaluate`.

    Raises
    ------
    EcgStoreError
        If there is no model, its network is not given, or the folds have records that
        it has seen.
    SchemaError
        If a file is damaged.
    """
    trained = load(path, model=model)
    file = path / MODEL_FILE if path.is_dir() else path
    described = {
        name: value
        for name, value in trained.origin.items()
        if isinstance(value, dict | list | str | int | float | bool | None)
    }
    origin = JsonValue(file, "origin", described, _REMEDY)
    pictures = Pictures()
    where = ""
    unread: list[str] = []
    if store is not None:
        evaluation = evaluate(
            trained,
            store,
            folds=folds,
            validation_folds=validation_folds,
            device=device,
            quiet=quiet,
        )
        listed = ", ".join(map(str, folds))
        where = f"fold{'s' * (len(folds) > 1)} {listed} of {store.file_name}"
        judged = [Judged.of(evaluation, where)]
    else:
        judged, unread = evaluations_in(file.parent, trained.label_names)
    same = store if store is not None and _is_of_training(trained, store) else None
    return Report(
        title=f"{_kind(trained)} of {file.parent.absolute().name or 'a training'}",
        summary=(
            f"{_kind(trained)} for {counted(len(trained.label_names), 'label')} "
            f"({', '.join(trained.label_names)}), trained on "
            f"{counted(_n_listed(trained, 'training'), 'record')}. For research: it is "
            "not a medical device."
        ),
        sections=[
            _model(trained, origin, same),
            *_trainings(origin, pictures),
            *_held_out(trained, origin),
            *_evaluations(trained, judged, store, pictures),
            *_unread(unread),
            *_card(file.parent / CARD),
            _use(trained),
            _run_again(trained, origin),
        ],
    )


def _kind(trained: Checkpoint | Hybrid) -> str:
    """Return what a model is."""
    return "Hybrid" if isinstance(trained, Hybrid) else f"Network {trained.name}"


def _is_of_training(trained: Checkpoint | Hybrid, store: Store) -> bool:
    """Return whether a store is that of the training."""
    return trained.fingerprint == store.fingerprint


def _n_listed(trained: Checkpoint | Hybrid, part: str) -> int:
    """Return how many records a model lists as seen in a part of its training."""
    return len(_rows(trained, part))


def _rows(trained: Checkpoint | Hybrid, part: str) -> IntArray:
    """Return the rows that a model has seen in a part of its training."""
    rows = trained.origin.get(f"{part}_rows")
    return np.asarray([] if rows is None else rows, np.int64)


def _model(
    trained: Checkpoint | Hybrid, origin: JsonValue, store: Store | None
) -> Section:
    """Return what the model is, and what it was trained on."""
    config = trained.config
    facts: list[tuple[str, Cell]] = [
        ("kind", "hybrid: a weighted sum of the logits of its parts")
        if isinstance(trained, Hybrid)
        else ("network", trained.name),
        ("classes", ", ".join(trained.label_names)),
        ("leads", ", ".join(trained.leads)),
        (
            "records",
            f"{config.duration_s:g} s at {config.fs:g} Hz, band-pass "
            f"{config.low_hz:g} to {config.high_hz:g} Hz",
        ),
    ]
    if trained.target_names:
        facts.append(("targets", ", ".join(trained.target_names)))
    deep = trained.extractor if isinstance(trained, Hybrid) else trained
    if deep is not None:
        facts.append(
            ("input of the network", f"{deep.name}: signals at {deep.fs:g} Hz")
        )
    if isinstance(trained, Hybrid):
        n_columns = len(trained.columns)
        facts.append(("handcrafted features", f"{counted(n_columns, 'column')}"))
        facts += [(f"version of {name}", n) for name, n in trained.versions.items()]
    facts += [
        ("training records", _n_listed(trained, "training")),
        ("validation records", _n_listed(trained, "validation")),
        ("fingerprint of its store", trained.fingerprint),
        ("SHA-256 of what was fitted", trained.weights_sha256()),
        ("software", _text(origin, "software")),
    ]
    blocks: list[Block] = [Facts(facts)]
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


def _text(origin: JsonValue, name: str) -> str:
    """Return a text of a model's origin, if it is there."""
    return origin[name].text() if name in origin.names() else "not known"


def _records_table(trained: Checkpoint | Hybrid, store: Store) -> Table:
    """Return the numbers of records by fold, and their part in the training."""
    fold, source = store.column("fold"), store.column("source")
    parts: dict[str, IntArray] = {}
    seen = np.zeros(len(store), bool)
    for part in ("training", "validation"):
        rows = _rows(trained, part)  # within the store: the evaluation has checked it
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


def _trainings(origin: JsonValue, pictures: Pictures) -> Iterator[Section]:
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
            f"and the best of them; {_REMEDY}"
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


def _held_out(trained: Checkpoint | Hybrid, origin: JsonValue) -> Iterator[Section]:
    """Yield the scores of a hybrid's training records, each predicted without it."""
    if not isinstance(trained, Hybrid):
        return
    scores = origin["scores"]
    names = scores["names"].texts(len(PART_TITLES))
    if not {*names} <= PART_TITLES.keys() or "sum" not in names:
        scores["names"].refuse(f"some of {', '.join(PART_TITLES)}, and sum")
    result = stored_result(scores, names, len(trained.label_names))
    yield Section(
        "Scores of training records, each held out once",
        [
            Paragraph(
                f"{counted(result.n_records, 'record')} of "
                f"{counted(result.n_groups, 'patient')}: each was predicted by "
                "trainings without it and its patient. Thresholds were chosen on the "
                "same predictions, so that F1 and subset accuracy are slightly too "
                "high."
            ),
            score_table(
                f"Scores with {result.level:.0%} intervals; macro averages over "
                f"{result.averaged_over}",
                {PART_TITLES[name]: result.scores[name] for name in names},
                first="part",
                note=_explained(),
            ),
            _class_table(
                "All parts together, by class",
                trained.label_names,
                None,
                result,
                "sum",
                trained.thresholds.tolist(),
            ),
        ],
    )


def _class_table(
    caption: str,
    label_names: Sequence[str],
    n_positive: Sequence[int] | None,
    result: BootstrapResult,
    name: str,
    thresholds: Sequence[float],
) -> Table:
    """Return scores and thresholds of the classes."""
    return class_table(
        f"{caption}, with {result.level:.0%} intervals and thresholds",
        label_names,
        n_positive,
        by_heading(result.class_scores[name]),
        thresholds=thresholds,
    )


def _explained() -> str:
    """Return how to read scores."""
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in SCORES_EXPLAINED)


def _evaluations(
    trained: Checkpoint | Hybrid,
    judged: Sequence[Judged],
    store: Store | None,
    pictures: Pictures,
) -> Iterator[Section]:
    """Yield scores and pictures of records that were held out."""
    if not judged:
        yield Section(
            "Scores of held-out records",
            [
                Paragraph(
                    "None: give a store with --store, or write an evaluation into the "
                    "folder with `ecgstore evaluate RUN STORE --json "
                    "RUN/evaluation.json`."
                )
            ],
        )
    chosen = (
        "Thresholds are those of the model."
        if trained.thresholds is not None
        else "The threshold of a class has the best F1 on the validation folds."
    )
    for one in judged:
        result = one.intervals
        blocks: list[Block] = [
            Paragraph(
                f"{counted(result.n_records, 'record')} of "
                f"{counted(result.n_groups, 'patient')}. {chosen}"
            ),
            *(Paragraph(f"Warning: {text}.") for text in one.warnings),
            score_table(
                f"Scores with {result.level:.0%} intervals; macro averages over "
                f"{result.averaged_over}",
                {"model": result.scores[MODEL]},
                first="",
                note=_explained(),
            ),
            _class_table(
                "Scores by class",
                one.label_names,
                one.labels.sum(axis=0).tolist(),
                result,
                MODEL,
                one.thresholds.tolist(),
            ),
        ]
        if one.targets:
            blocks.append(
                Table(
                    f"Scores of the targets with {result.level:.0%} intervals",
                    ["target", "records", *REGRESSION_HEADINGS.values()],
                    [
                        [
                            target.name,
                            target.n_known,
                            *(
                                estimate_text(*target.scores[score])
                                for score in REGRESSION_HEADINGS
                            ),
                        ]
                        for target in one.targets
                    ],
                    "The mean absolute error is in the unit of the target.",
                )
            )
        if one.challenge_metric is not None:
            blocks.append(
                Facts([("Challenge metric", number_text(one.challenge_metric))])
            )
        blocks += [
            pictures.add(
                plot_reliability(
                    one.labels,
                    {_kind(trained): one.probabilities},
                    one.label_names,
                    title=f"Reliability, {one.where}",
                ),
                "Reliability",
                "Observed frequency over predicted probability; the calibration errors "
                "in the table say how far the lines are from the diagonal.",
            ),
            pictures.add(
                plot_confusion(
                    one.labels,
                    one.decisions,
                    one.label_names,
                    title=f"{_kind(trained)}, {one.where}",
                ),
                "Confusion",
                "The share of the records of a class (rows) that are predicted to have "
                "each class (columns). The F1 scores in the table sum them up.",
                on_paper=True,
            ),
        ]
        hardest = hardest_records(
            one.names,
            one.label_names,
            one.labels,
            one.probabilities[None],
            np.broadcast_to(one.thresholds, (1, *one.labels.shape)),
        )
        blocks.append(hardest_table(hardest, one.where))
        if store is None:
            blocks.append(
                Paragraph(
                    "For pictures of these records, give their store with --store."
                )
            )
        else:
            blocks.append(hardest_gallery(hardest, store))
        yield Section(f"Scores of held-out records: {one.where}", blocks)


def _unread(names: Sequence[str]) -> Iterator[Section]:
    """Yield which JSON files of the folder are not reported, if there are any."""
    if names:
        text = (
            "Left out, as they are no JSON, could not be read, are too large or too "
            f"many: {short_list(names)}."
        )
        yield Section("Other JSON files in the folder", [Paragraph(text)])


def _card(path: Path) -> Iterator[Section]:
    """Yield the model card beside the model, if there is one."""
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_CARD)
    except OSError:
        return  # a copy of what is above
    yield Section("Model card", [Code(text.rstrip("\n"))])


def _use(trained: Checkpoint | Hybrid) -> Section:
    """Return how to use the model."""
    own = " --model FILE.py:NAME" if trained.runs_own_code else ""
    return Section(
        "How to use it",
        [
            Paragraph(
                "RUN is the folder of the training, or the model.safetensors in it."
            ),
            Code(
                f"ecgstore predict RUN new_records/ -o probabilities.csv{own}\n"
                f"ecgstore evaluate RUN other.h5 --folds 0-9{own}\n"
                f"ecgstore explain RUN record.hea{own}"
            ),
            Paragraph(
                "Scores for other hospitals may be much lower than those above: "
                "evaluate it on their records first."
            ),
        ],
    )


def _run_again(trained: Checkpoint | Hybrid, origin: JsonValue) -> Section:
    """Return what is needed to train the model again."""
    settings = plain_settings(origin["settings"]) if _has_settings(origin) else {}
    if isinstance(trained, Hybrid):
        inputs = "handcrafted" if trained.extractor is None else "both"
        command = f"ecgstore train STORE -o RUN --inputs {inputs}"
        options = [(HybridSettings(), settings)]
        if trained.extractor is None:
            options = [(HybridSettings(), _without_signals(settings))]
        blocks = rerun_blocks(command, *options)
    else:
        command = "ecgstore train STORE -o RUN"
        blocks = rerun_blocks(
            command,
            (ModelSettings(), trained.model.to_dict()),
            (TrainingSettings(), settings),
        )
    return Section(
        "Run it again",
        [
            Paragraph(
                f"STORE is the store of fingerprint {trained.fingerprint}; add the "
                "folds that were held out (--test-folds, --validation-folds) if they "
                "were not those of the defaults."
            ),
            *blocks,
            Facts([("software", _text(origin, "software"))]),
        ],
    )


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
