"""A store of the sample and some damaged records, and hybrids trained on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import ecgstore
from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet, DiagnosisClass
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular import trees
from ecgstore.models.training import linear_head
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store

CONFIG = Config(
    classes=ClassSet(
        "rhythm",
        (
            DiagnosisClass("NSR", "sinus rhythm", ("426783006",)),
            DiagnosisClass("AF", "atrial fibrillation", ("164889003",)),
        ),
    ),
    leads=("I", "II", "V2"),
    select="all",
    allow_missing_leads=True,
)
SETTINGS = HybridSettings(
    n_inner_folds=2,
    model=ModelSettings(model="minirocket", fs=100.0),
    fusion=TrainingSettings(epochs=2, batch_size=8, augment=False),
)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make_fast(monkeypatch)
    with threadpool_limits(1):  # for so little work, two threads take longer
        yield


def make_fast(patch: pytest.MonkeyPatch) -> None:
    """Train few trees, and try few penalties of the linear head."""
    patch.setitem(trees.OPTIONS, "max_iter", 5)
    patch.setattr(linear_head, "STRENGTHS", (1.0, 0.1))


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of records: the sample, and parts of it.

    Some lack the lead V2, some are short, and some both.
    """
    folder = tmp_path_factory.mktemp("records") / "training"
    headers = sorted(sample_folder().rglob("*.hea"))
    for number, header in enumerate(headers):
        lines = header.read_text(encoding="utf-8").splitlines()
        matrix = header.with_suffix(".mat").read_bytes()
        adc = np.frombuffer(matrix[24:], "<i2").reshape(-1, len(LEADS)).T
        _write(folder, header.stem, lines, adc, LEADS)
        if number % 4 == 0:
            kept = LEADS[:6] if number % 8 else LEADS
            n_samples = 5000 if number % 12 == 4 else 2000 + 100 * number
            _write(folder, f"P{number:04}", lines, adc[:, :n_samples], kept)
    return folder


def _write(
    folder: Path, name: str, lines: list[str], adc: Any, leads: tuple[str, ...]
) -> None:
    """Write a record with the metadata of another one."""
    folder.mkdir(exist_ok=True)
    fs, n_samples = lines[0].split()[2], adc.shape[1]
    written = [f"{name} {len(leads)} {fs} {n_samples}"]
    kept = np.ascontiguousarray(adc[: len(leads)])
    for lead, values in zip(leads, kept, strict=True):
        gain = lines[1 + LEADS.index(lead)].split()[2]
        total = int(np.int64(values.sum(dtype=np.int64)).astype(np.int16))
        written.append(f"{name}.mat 16+24 {gain} 16 0 {values[0]} {total} 0 {lead}")
    written += [line for line in lines if line.startswith("#")]
    (folder / f"{name}.hea").write_text("\n".join([*written, ""]), encoding="utf-8")
    head = np.array([30, len(leads), n_samples, 0, 4], "<i4").tobytes()
    content = head + b"val\0" + kept.T.astype("<i2").tobytes()
    (folder / f"{name}.mat").write_bytes(content)


@pytest.fixture(scope="session")
def store_file(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of these records."""
    out = tmp_path_factory.mktemp("hybrid") / "store.h5"
    ecgstore.build_store([records], out, CONFIG, n_workers=1, quiet=True)
    return out


@pytest.fixture
def store(store_file: Path) -> Iterator[Store]:
    with Store(store_file) as opened:
        yield opened


def train(path: Path, **options: Any) -> Hybrid:
    """Return a hybrid of small trees, trained on the folds 0 to 8."""
    chosen = {"settings": SETTINGS, "n_resamples": 5, **options}
    with (
        pytest.MonkeyPatch.context() as patch,
        threadpool_limits(1),
        Store(path) as store,
    ):
        make_fast(patch)
        return train_hybrid(store, store.select(folds=range(9)).rows, **chosen)


@pytest.fixture(scope="session")
def hybrid(store_file: Path) -> Hybrid:
    """Return a hybrid of trees, network and MiniRocket."""
    return train(store_file)


@pytest.fixture(scope="session")
def small_hybrid(store_file: Path) -> Hybrid:
    """Return a hybrid of trees and network."""
    return train(store_file, inputs="handcrafted")
