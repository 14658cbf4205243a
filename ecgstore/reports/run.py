"""The report of a training: the model, how it was trained, and how good it is.

Nothing in its folder is executed, and nothing in it is trusted.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import counted, short_list
from ecgstore.models.checkpoint import MODEL_FILE, Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.hybrid.card import CARD
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.loading import load
from ecgstore.reports.evaluations import evaluation_sections, held_out_sections
from ecgstore.reports.judged import Judged, evaluations_in
from ecgstore.reports.page import Code, Paragraph, Report, Section
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.training import (
    REMEDY,
    model_section,
    retraining_section,
    rows_of,
    training_sections,
)
from ecgstore.storage import Store
from ecgstore.system.json_files import JsonValue

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
    origin = _origin(trained, file)
    pictures = Pictures()
    unread: list[str] = []
    if store is None:
        judged, unread = evaluations_in(file.parent, trained.label_names)
    else:
        judged = [_judged(trained, store, folds, validation_folds, device, quiet)]
    same = store if store is not None and _is_of_training(trained, store) else None
    kind = _kind(trained)
    return Report(
        title=f"{kind} of {file.parent.absolute().name or 'a training'}",
        summary=(
            f"{kind} for {counted(len(trained.label_names), 'label')} "
            f"({', '.join(trained.label_names)}), trained on "
            f"{counted(len(rows_of(trained, 'training')), 'record')}. For research: it "
            "is not a medical device."
        ),
        sections=[
            model_section(trained, origin, same),
            *training_sections(origin, pictures),
            *held_out_sections(trained, origin),
            *evaluation_sections(trained, judged, store, pictures, kind),
            *_unread(unread),
            *_card(file.parent / CARD),
            _use(trained),
            retraining_section(trained, origin, same),
        ],
    )


def _judged(
    trained: Checkpoint | Hybrid,
    store: Store,
    folds: Sequence[int],
    validation_folds: Sequence[int],
    device: str,
    quiet: bool,
) -> Judged:
    """Return the evaluation of a model on a store."""
    evaluation = evaluate(
        trained,
        store,
        folds=folds,
        validation_folds=validation_folds,
        device=device,
        quiet=quiet,
    )
    listed = ", ".join(map(str, folds))
    return Judged.of(
        evaluation, f"fold{'s' * (len(folds) > 1)} {listed} of {store.file_name}"
    )


def _origin(trained: Checkpoint | Hybrid, file: Path) -> JsonValue:
    """Return what a model says of its training, without its tensors."""
    described = {
        name: value
        for name, value in trained.origin.items()
        if isinstance(value, dict | list | str | int | float | bool | None)
    }
    return JsonValue(file, "origin", described, REMEDY)


def _kind(trained: Checkpoint | Hybrid) -> str:
    """Return what a model is."""
    return "Hybrid" if isinstance(trained, Hybrid) else f"Network {trained.name}"


def _is_of_training(trained: Checkpoint | Hybrid, store: Store) -> bool:
    """Return whether a store is that of the training."""
    return trained.fingerprint == store.fingerprint


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
