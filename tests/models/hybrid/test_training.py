"""What a trained hybrid says of itself is what happened."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from ecgstore import pipes
from ecgstore.models.hybrid import training
from ecgstore.models.hybrid.card import write_card
from ecgstore.models.hybrid.file import load_hybrid, save_hybrid
from ecgstore.models.hybrid.fused import FittedSum, fit_sum
from ecgstore.models.hybrid.model import Hybrid, versions_of
from ecgstore.models.seen_records import short_hashes
from ecgstore.pipes.batch import Batch
from ecgstore.scores.multilabel import auroc
from ecgstore.storage import Selection, Store
from tests.models.hybrid.conftest import SETTINGS, train


def test_scores_are_those_of_held_out_predictions_by_patients(
    store_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[FittedSum] = []

    def note(*arguments: Any) -> FittedSum:
        noted.append(fit_sum(*arguments))
        return noted[-1]

    monkeypatch.setattr(training, "fit_sum", note)
    hybrid = train(store_file, inputs="handcrafted")
    rows = store.select(folds=range(9)).rows
    labels = store.labels(rows=rows)
    scores = hybrid.origin["scores"]
    expected = np.nanmean(auroc(labels, noted[0].held_out))
    assert scores["scores"]["sum"]["macro_auroc"][0] == pytest.approx(expected)
    assert scores["n_groups"] == len(set(store.groups(rows).tolist()))


def test_versions_are_those_of_the_store(store_file: Path, tmp_path: Path) -> None:
    shutil.copyfile(store_file, tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        software = str(file.attrs["software"])
        version = versions_of(software)["features"]
        older = software.replace(f"features {version},", f"features {version - 1},")
        assert older != software
        file.attrs["software"] = older
    hybrid = train(tmp_path / "old.h5", inputs="handcrafted")
    assert hybrid.versions == versions_of(older)


def test_it_lists_the_signals_it_was_trained_on(
    small_hybrid: Hybrid, store: Store
) -> None:
    hashes = torch.from_numpy(short_hashes(store.select(folds=range(9))))
    assert torch.equal(small_hybrid.origin["training_signals"], hashes)


def test_without_age_and_sex(store_file: Path, store: Store, tmp_path: Path) -> None:
    settings = replace(SETTINGS, age_sex=False)
    hybrid = train(store_file, inputs="handcrafted", settings=settings)
    assert hybrid.columns == store.feature_names
    save_hybrid(hybrid, tmp_path / "model.safetensors")
    read = load_hybrid(tmp_path / "model.safetensors")
    batch = features_of(store, np.arange(5))
    first, second = (
        model.runner(store.feature_names, "cpu")(batch).logits
        for model in (hybrid, read)
    )
    assert torch.equal(first, second)


def features_of(store: Store, rows: np.ndarray) -> Batch:
    """Return a batch of features, ages and sexes."""
    with pipes.loader(
        Selection(store, rows), len(rows), fields=("features", "age", "sex")
    ) as loader:
        (batch,) = loader
    return batch


def test_columns_are_found_by_their_names(small_hybrid: Hybrid, store: Store) -> None:
    batch, names = features_of(store, np.arange(5)), store.feature_names
    order = np.random.default_rng(0).permutation(len(names))
    assert batch.features is not None
    other = batch.replace(features=batch.features[:, order])
    turned = [names[place] for place in order]
    expected = small_hybrid.runner(names, "cpu")(batch).logits
    assert torch.equal(small_hybrid.runner(turned, "cpu")(other).logits, expected)


def test_the_card_counts_the_training_records(
    small_hybrid: Hybrid, store: Store, tmp_path: Path
) -> None:
    write_card(small_hybrid, store, tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    rows = store.select(folds=range(9)).rows
    n_patients = len(set(store.groups(rows).tolist()))
    assert f"{len(rows)} records of {n_patients} patients" in card
    for name, column in zip(store.label_names, store.labels(rows=rows).T, strict=True):
        assert f"| {name} | {int(column.sum())} |" in card
    scores = small_hybrid.origin["scores"]["scores"]
    for title, name in (("boosted trees", "trees"), ("small networks", "network")):
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {title}")]
        assert f"{scores[name]['macro_auroc'][0]:.3f}" in line
