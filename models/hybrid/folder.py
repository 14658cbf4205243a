"""Train a hybrid into a folder that is a model: weights, card and scores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch

from ecgstore.config import N_FOLDS, TEST_FOLD
from ecgstore.errors import EcgStoreError, require_type
from ecgstore.models.checkpoint import MODEL_FILE
from ecgstore.models.hybrid.card import CARD, write_card
from ecgstore.models.hybrid.file import save_hybrid
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import HybridSettings, Inputs, default_settings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.model_folder import copy_source, require_no_model
from ecgstore.models.store_check import check_has_features
from ecgstore.models.training.missing_classes import class_warnings
from ecgstore.storage import Selection, Store
from ecgstore.system.atomic_files import folder_for_files
from ecgstore.system.csv_files import write_csv
from ecgstore.system.locks import only_writer

SCORES: Final = "scores.csv"


def train_hybrid_into(
    folder: str | Path,
    store: Store,
    settings: HybridSettings | None = None,
    *,
    inputs: Inputs = "both",
    test_folds: Sequence[int] = (TEST_FOLD,),
    device: torch.device | str = "cpu",
    n_processes: int = 1,
    on_warning: Callable[[str], None] | None = None,
    quiet: bool = True,
) -> Hybrid:
    """Train a hybrid on all folds but the test folds, and write a folder.

    The folder gets ``model.safetensors``, which `ecgstore.models.load` reads,
    ``README.md``, a model card, and ``scores.csv``, the scores of held-out records. A
    network of one's own is there as a copy of its file.

    Parameters
    ----------
    folder : str or Path
        The folder; created if it does not exist.
    store : Store
        The store.
    settings : HybridSettings, optional
        The settings; by default those of `default_settings` for the store.
    inputs : {"both", "handcrafted"}
        With an extractor on the signals, or handcrafted features alone.
    test_folds : sequence of int
        Folds that are held out for `evaluate`; may be empty.
    on_warning : callable, optional
        Called with a sentence about classes that no training record has.
    device, n_processes, quiet
        See `train_hybrid`.

    Raises
    ------
    EcgStoreError
        If the folder holds a model already, there are no records to train on, the store
        has no features, another process trains into the folder, or a file cannot be
        written.
    ConfigError
        If the settings do not fit the store.
    """
    folder = Path(folder)
    require_type("store", store, Store, "a store: ecgstore.open(path)")
    training = [number for number in range(N_FOLDS) if number not in set(test_folds)]
    rows = store.select(folds=training).rows
    if not len(rows):
        raise EcgStoreError(
            f"{store.place}: no records outside of the test folds; give other test "
            "folds, or a larger store"
        )
    check_has_features(store)
    if on_warning is not None:
        nobody = Selection(store, rows[:0])
        for warning in class_warnings(Selection(store, rows), nobody):
            on_warning(warning)
    require_no_model(folder)
    with folder_for_files(folder), only_writer(folder, "training"):
        hybrid = train_hybrid(
            store,
            rows,
            settings or default_settings(store.config.fs),
            inputs=inputs,
            device=device,
            n_processes=n_processes,
            quiet=quiet,
        )
        write_card(hybrid, store, folder / CARD)
        _write_scores(hybrid, folder / SCORES)
        if hybrid.extractor is not None:
            copy_source(folder, hybrid.extractor.source)
        # Last: a folder with this file is a whole one.
        save_hybrid(hybrid, folder / MODEL_FILE)
    return hybrid


def _write_scores(hybrid: Hybrid, path: Path) -> None:
    """Write a row for each part and score, of all records and of each class."""
    scores = hybrid.origin["scores"]
    rows = []
    for part in scores["names"]:
        rows += [[part, name, "", *of] for name, of in scores["scores"][part].items()]
        for name, of_classes in scores["class_scores"][part].items():
            rows += [
                [part, name, label, *of]
                for label, of in zip(hybrid.label_names, of_classes, strict=True)
            ]
    write_csv(path, ["part", "score", "class", "value", "low", "high"], rows, ".6f")
