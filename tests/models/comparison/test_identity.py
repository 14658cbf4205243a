"""What predictions of a fold depend on: every input, and not the tested labels."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import scipy
import sklearn
import torch

from ecgstore.models.comparison import identity
from ecgstore.models.comparison.identity import prediction_identity
from ecgstore.models.comparison.protocols import OuterFold, by_patient
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.inner_folds import InnerFold, inner_folds
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.storage import Store

SETTINGS = ComparisonSettings(n_inner_folds=2)
OUTPUTS = [Path("of-a.npz"), Path("of-b.npz"), Path("of-c.npz")]


@pytest.fixture(scope="module")
def folds(sample_store: Path) -> tuple[OuterFold, list[InnerFold]]:
    with Store(sample_store) as store:
        outer = by_patient(store, 3)[0]
        return outer, inner_folds(store, outer.training, 2)


def identity_of(
    path: Path, folds: tuple[OuterFold, list[InnerFold]], **changes: Any
) -> dict[str, Any]:
    """Return the identity, with some arguments changed."""
    arguments = {
        "settings": SETTINGS,
        "seed": 0,
        "outer": folds[0],
        "inner": folds[1],
        "outputs": OUTPUTS,
        "with_joined": True,
        **changes,
    }
    with Store(path) as store:
        return prediction_identity(store, **arguments)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": replace(SETTINGS, age_sex=False)},
        {"settings": replace(SETTINGS, deep_inputs="features")},
        {"settings": replace(SETTINGS, model=ModelSettings(model="cnn"))},
        {"settings": replace(SETTINGS, training=TrainingSettings(epochs=3))},
        {"settings": replace(SETTINGS, fusion=TrainingSettings(epochs=3))},
        {"settings": replace(SETTINGS, n_inner_folds=3)},
        {"seed": 1},
        {"outputs": [OUTPUTS[0], OUTPUTS[2], OUTPUTS[1]]},
        {"with_joined": False},
    ],
)
def test_predictions_of_other_settings_have_another_name(
    sample_store: Path,
    folds: tuple[OuterFold, list[InnerFold]],
    changes: dict[str, Any],
) -> None:
    assert identity_of(sample_store, folds) == identity_of(sample_store, folds)
    assert identity_of(sample_store, folds, **changes) != identity_of(
        sample_store, folds
    )


def test_predictions_of_other_records_have_another_name(
    sample_store: Path, folds: tuple[OuterFold, list[InnerFold]]
) -> None:
    outer, inner = folds
    first = identity_of(sample_store, folds)
    others = [
        replace(outer, training=outer.training[1:]),
        replace(outer, test=outer.test[1:]),
    ]
    for other in others:
        assert identity_of(sample_store, folds, outer=other) != first
    for name in ("training", "validation", "held_out"):
        less = replace(inner[0], **{name: getattr(inner[0], name)[1:]})
        assert identity_of(sample_store, folds, inner=[less, *inner[1:]]) != first


def _other(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bytes):
        return b"F" if value == b"M" else b"M"
    return value ^ 1 if value.dtype.kind in "iu" else np.nan_to_num(value) + 1


@pytest.mark.parametrize(
    ("table", "rows", "is_other"),
    [
        ("labels", "training", True),
        ("labels", "test", False),
        ("features", "training", True),
        ("features", "test", True),
        ("records/age", "training", True),
        ("records/age", "test", True),
        ("records/sex", "test", True),
        ("records/source", "training", True),
        ("records/source", "test", True),
        # Signals are in the names of the extractors' outputs.
        ("checksums", "training", False),
    ],
)
def test_predictions_of_a_changed_store_have_another_name(
    sample_store: Path,
    folds: tuple[OuterFold, list[InnerFold]],
    tmp_path: Path,
    table: str,
    rows: str,
    is_other: bool,
) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "store.h5"))
    with h5py.File(path, "r+") as file:
        values = file[table][:]
        place = getattr(folds[0], rows)[3]
        values[place] = _other(values[place])
        file[table][...] = values
    changed = identity_of(path, folds) != identity_of(sample_store, folds)
    assert changed == is_other


def test_predictions_of_other_patients_have_another_name(
    sample_store: Path,
    folds: tuple[OuterFold, list[InnerFold]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = identity_of(sample_store, folds)
    groups = Store.groups

    def other(store: Store, rows: Any = None) -> Any:
        return groups(store, rows) + (np.arange(len(rows)) == 0)

    monkeypatch.setattr(Store, "groups", other)
    assert identity_of(sample_store, folds) != first


@pytest.mark.parametrize("library", [np, scipy, sklearn, torch])
def test_predictions_of_other_libraries_have_another_name(
    sample_store: Path,
    folds: tuple[OuterFold, list[InnerFold]],
    monkeypatch: pytest.MonkeyPatch,
    library: ModuleType,
) -> None:
    first = identity_of(sample_store, folds)
    monkeypatch.setattr(library, "__version__", "other")
    assert identity_of(sample_store, folds) != first


def test_predictions_of_other_versions_of_the_code_have_another_name(
    sample_store: Path,
    folds: tuple[OuterFold, list[InnerFold]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = identity_of(sample_store, folds)
    monkeypatch.setattr(identity, "PREDICTION_VERSION", 0)
    assert identity_of(sample_store, folds) != first
    monkeypatch.undo()
    monkeypatch.setattr(identity, "HYBRIDS", {"another": None})
    assert identity_of(sample_store, folds) != first
