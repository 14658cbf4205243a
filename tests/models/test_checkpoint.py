"""Checkpoints: what they hold, and which files and stores they refuse."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

import ecgstore
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.inference.run import run_network
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.torch_files import write_torch_file
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.history import History
from ecgstore.models.training.state import FORMAT
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=100.0, leads=("I", "II", "V2"))
SETTINGS = TrainingSettings(epochs=2, batch_size=8, learning_rate=0.03, seed=3)


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def training(store: Store) -> Selection:
    return store.select(rows=range(0, 32, 2))


@pytest.fixture(scope="module")
def validation(store: Store) -> Selection:
    return store.select(rows=range(33, 43, 2))


@pytest.fixture(scope="module")
def trained(training: Selection, validation: Selection) -> tuple[Checkpoint, History]:
    return train_extractor(training, validation, MODEL, SETTINGS)


@pytest.fixture(scope="module")
def checkpoint(trained: tuple[Checkpoint, History]) -> Checkpoint:
    return trained[0]


def test_a_checkpoint_describes_its_training(
    checkpoint: Checkpoint, training: Selection, validation: Selection, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "best.pt")
    loaded = Checkpoint.load(tmp_path / "best.pt")
    assert digest(loaded.weights) == digest(checkpoint.weights)
    assert loaded.model == MODEL
    assert loaded.config == training.store.config
    assert loaded.label_names == training.store.label_names
    assert loaded.fingerprint == training.store.fingerprint
    assert digest(loaded.origin) == digest(checkpoint.origin)
    assert loaded.origin["settings"] == SETTINGS.to_dict()
    for part, selection in (("training", training), ("validation", validation)):
        rows = loaded.origin[f"{part}_rows"]
        signals = loaded.origin[f"{part}_signals"]
        assert rows.dtype == torch.int64
        assert signals.dtype == torch.uint8
        assert rows.tolist() == selection.rows.tolist()
        hashes = selection.store.records["sha256"].iloc[selection.rows]
        assert [bytes(signal).hex() for signal in signals.tolist()] == [
            text[:16] for text in hashes
        ]
    loaded.check(training.store)


def test_a_checkpoint_has_the_weights_of_the_best_epoch(
    trained: tuple[Checkpoint, History], validation: Selection
) -> None:
    checkpoint, history = trained
    best = history.epochs[history.best - 1]
    outputs = run_network(
        checkpoint.network(),
        validation,
        transform=[checkpoint.decimate()],
        leads=MODEL.leads,
    )
    labels = torch.from_numpy(validation.store.labels(rows=outputs.rows)).double()
    loss = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(outputs.logits).double(), labels
    )
    assert best.validation_loss == pytest.approx(float(loss), rel=1e-5)


def test_a_checkpoint_is_loaded_from_its_folder(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(EcgStoreError, match="expected an ecgstore model"):
            Checkpoint.load(path)
    checkpoint.save(tmp_path / "best.pt")
    assert digest(Checkpoint.load(tmp_path).weights) == digest(checkpoint.weights)
    torch.save({"format": "ecgstore training state"}, tmp_path / "last.pt")
    with pytest.raises(SchemaError, match="not an ecgstore model"):
        Checkpoint.load(tmp_path / "last.pt")


def test_a_checkpoint_of_another_version_or_with_missing_entries_is_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save(path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 1}, path)
    with pytest.raises(SchemaError, match=r"version 1; this ecgstore reads version 2"):
        Checkpoint.load(tmp_path)
    for name in content:
        torch.save({key: content[key] for key in content if key != name}, path)
        with pytest.raises(SchemaError, match=r"best\.pt: "):
            Checkpoint.load(path)


class Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("planted",)


def test_loading_a_checkpoint_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"format": "ecgstore model", "version": 2, "model": Malicious()}
    torch.save(content, tmp_path / "best.pt")
    with pytest.raises(SchemaError, match="no ecgstore model"):
        Checkpoint.load(tmp_path)
    assert not (tmp_path / "planted").exists()


def test_an_old_file_stays_until_the_new_one_is_complete(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save(path)
    content = path.read_bytes()

    def save_a_part(_: object, file: Any) -> None:
        file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", save_a_part)
    with pytest.raises(EcgStoreError, match="No space left"):
        checkpoint.save(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]
    with pytest.raises(EcgStoreError, match="cannot be written"):
        write_torch_file(tmp_path / "none" / "a.pt", FORMAT, {})


def test_a_checkpoint_refuses_other_stores(
    checkpoint: Checkpoint, store: Store
) -> None:
    names = (*checkpoint.label_names[:-1], "other")
    with pytest.raises(EcgStoreError, match="build the store with the same --classes"):
        replace(checkpoint, label_names=names).check(store)
    config = replace(store.config, high_hz=100.0)
    with pytest.raises(EcgStoreError, match=r"its high_hz is 40.0; .* 100.0"):
        replace(checkpoint, config=config).check(store)
    replace(checkpoint, config=replace(store.config, duration_s=5.0)).check(store)


def test_the_digest_identifies_the_weights(checkpoint: Checkpoint) -> None:
    digest_of_weights = checkpoint.weights_sha256()
    reversed_order = dict(reversed(checkpoint.weights.items()))
    assert (
        replace(checkpoint, weights=reversed_order).weights_sha256()
        == digest_of_weights
    )
    for name, weight in checkpoint.weights.items():
        other = weight.clone()
        other.view(-1)[0] += 1
        for changed in (other, weight[None], weight.to(torch.float64)):
            weights = {**checkpoint.weights, name: changed}
            changed_checkpoint = replace(checkpoint, weights=weights)
            assert changed_checkpoint.weights_sha256() != digest_of_weights


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("model", None),
        ("model", {"model": "cnn", "leads": 1}),
        ("model", {"model": "cnn", "leads": ["I"], "depth": 3}),
        ("weights", None),
        ("weights", {}),
        ("weights", {"head.bias": "x"}),
        ("weights", {1: torch.zeros(1)}),
        ("label_names", 7),
        ("label_names", ["AF"]),
        ("config", "["),
        ("config", "[" * 100_000),
        ("config", 500),
        ("origin", None),
        ("origin", {"training_signals": [1]}),
        ("origin", {"training_rows": "x"}),
    ],
)
def test_a_file_with_unusable_content_is_refused(
    checkpoint: Checkpoint, entry: str, content: Any, tmp_path: Path
) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save(path)
    torch.save({**torch.load(path, weights_only=True), entry: content}, path)
    with pytest.raises(SchemaError, match="unusable content") as raised:
        Checkpoint.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool])
def test_weights_of_another_type_are_refused(
    checkpoint: Checkpoint, dtype: torch.dtype
) -> None:
    weights = {**checkpoint.weights, "head.bias": torch.zeros(7, dtype=dtype)}
    with pytest.raises(SchemaError, match=r"head\.bias is torch\..*float32"):
        replace(checkpoint, weights=weights).check_weights()


def test_loading_draws_no_random_numbers(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "best.pt")
    before = torch.get_rng_state()
    Checkpoint.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
