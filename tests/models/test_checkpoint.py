"""Checkpoints: what they hold, and which files and stores they refuse."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import ecgstore
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.array_files import read_arrays, write_arrays
from ecgstore.models.checkpoint import FORMAT as MODEL_FORMAT, Checkpoint
from ecgstore.models.running import run_network
from ecgstore.models.seen_records import seen_records
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.torch_files import write_torch_file
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.history import History
from ecgstore.models.training.state import FORMAT
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store
from ecgstore.system.atomic_files import _Output

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
    checkpoint.save(tmp_path / "model.safetensors")
    loaded = Checkpoint.load(tmp_path / "model.safetensors")
    assert loaded.weights_sha256() == checkpoint.weights_sha256()
    assert loaded.model == MODEL
    assert loaded.config == training.store.config
    assert loaded.label_names == training.store.label_names
    assert loaded.fingerprint == training.store.fingerprint
    assert digest(dict(sorted(loaded.origin.items()))) == digest(
        dict(sorted(checkpoint.origin.items()))
    )
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
    checkpoint.save(tmp_path / "model.safetensors")
    assert Checkpoint.load(tmp_path).weights_sha256() == checkpoint.weights_sha256()
    torch.save({"format": "ecgstore training state"}, tmp_path / "last.pt")
    with pytest.raises(SchemaError, match="is the state of a training"):
        Checkpoint.load(tmp_path / "last.pt")


def rewritten(path: Path, entry: str, content: Any) -> None:
    """Write a file again, with another entry or array, and a digest that fits."""
    arrays, described = read_arrays(path, MODEL_FORMAT)
    if isinstance(content, np.ndarray):
        arrays[entry] = content
    else:
        described[entry] = content
    write_arrays(path, MODEL_FORMAT, arrays, described)


def test_a_checkpoint_of_another_version_or_with_missing_entries_is_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    arrays, described = read_arrays(path, MODEL_FORMAT)
    write_arrays(path, replace(MODEL_FORMAT, version=5), arrays, described)
    with pytest.raises(SchemaError, match=r"version 5; this ecgstore reads version 4"):
        Checkpoint.load(tmp_path)
    for name in described:
        others = {key: described[key] for key in described if key != name}
        write_arrays(path, MODEL_FORMAT, arrays, others)
        with pytest.raises(SchemaError, match=r"model\.safetensors: .* unusable"):
            Checkpoint.load(path)
    for name in (name for name in arrays if name.startswith("weights/")):
        some = {key: arrays[key] for key in arrays if key != name}
        write_arrays(path, MODEL_FORMAT, some, described)
        missing = re.escape(name.removeprefix("weights/"))
        with pytest.raises(SchemaError, match=rf"weight {missing} is missing"):
            Checkpoint.load(path)


def test_a_file_of_pytorch_is_refused_without_being_read(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Pickles, which could run code, are in no format that is read."""
    torch.save({"format": "ecgstore model"}, tmp_path / "model.safetensors")
    with pytest.raises(SchemaError, match="no ecgstore model file, safetensors finds"):
        Checkpoint.load(tmp_path)


def test_an_old_file_stays_until_the_new_one_is_complete(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    content = path.read_bytes()

    write = _Output.write

    def write_a_part(self: _Output, part: Any) -> int:
        if self.tell():
            raise OSError(28, "No space left on device")
        return write(self, part[:100])

    monkeypatch.setattr(_Output, "write", write_a_part)
    with pytest.raises(EcgStoreError, match="No space left"):
        checkpoint.save(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(EcgStoreError, match="cannot be written"):
        write_torch_file(tmp_path / "none" / "a.pt", FORMAT, {})


def test_a_checkpoint_refuses_other_stores(
    checkpoint: Checkpoint, store: Store
) -> None:
    names = (*checkpoint.label_names[:-1], "other")
    with pytest.raises(EcgStoreError, match="build the store with the same --classes"):
        replace(checkpoint, label_names=names).check(store)
    for change in (
        {"fs": 250.0},
        {"low_hz": 0.7},
        {"high_hz": 100.0},
        {"filter_order": 4},
        {"margin_s": 1.0},
        {"max_gap_s": 0.01},
    ):
        ((option, value),) = change.items()
        config = replace(store.config, **change)
        with pytest.raises(EcgStoreError, match=rf"its {option} is .* {value}"):
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
        ("weights/head.bias", np.zeros(0, np.float32)),
        ("weights/head.bias", np.zeros((7, 1), np.float32)),
        ("weights/head", np.zeros(7, np.float32)),
        ("label_names", 7),
        ("label_names", ["AF"]),
        ("label_names", "ABCDEFG"),
        ("label_names", [1, 2, 3, 4, 5, 6, 7]),
        ("fingerprint", 7),
        ("fingerprint", None),
        ("config", "["),
        ("config", "[" * 100_000),
        ("config", 500),
        ("origin", None),
        ("origin/training_signals", np.zeros(3, np.uint8)),
        ("origin/training_rows", np.zeros(3, np.float32)),
        ("origin/validation_rows", np.zeros((3, 1), np.int64)),
    ],
)
def test_a_file_with_unusable_content_is_refused(
    checkpoint: Checkpoint, entry: str, content: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    rewritten(path, entry, content)
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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    checkpoint: Checkpoint, value: float, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    weights = {**checkpoint.weights, "head.bias": checkpoint.weights["head.bias"] * 1}
    weights["head.bias"][3] = value
    replace(checkpoint, weights=weights).save(path)
    with pytest.raises(SchemaError, match=r"head\.bias has values .* not finite"):
        Checkpoint.load(path)


def test_every_changed_bit_is_noticed(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    content = path.read_bytes()
    choose = random.Random(5)
    ends = [*range(64), *range(len(content) - 300, len(content))]
    for place in [*choose.sample(range(len(content)), 100), *choose.sample(ends, 100)]:
        changed = bytearray(content)
        changed[place] ^= 1 << choose.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(SchemaError):
            Checkpoint.load(path)
    path.write_bytes(content + b"\n")
    with pytest.raises(SchemaError):
        Checkpoint.load(path)


def test_rows_that_the_store_of_the_training_does_not_have_are_refused(
    checkpoint: Checkpoint, store: Store
) -> None:
    for row in (-1, len(store)):
        origin = {**checkpoint.origin, "validation_rows": [0, row]}
        with pytest.raises(SchemaError, match="lists validation records that"):
            seen_records(replace(checkpoint, origin=origin), store)


def test_loading_draws_no_random_numbers(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "model.safetensors")
    before = torch.get_rng_state()
    Checkpoint.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_is_shown_in_one_line(checkpoint: Checkpoint) -> None:
    text = repr(checkpoint)
    assert text.startswith("<Checkpoint of cnn, classes 7 (")
    assert "fs 100 Hz, leads 3 (I, II, V2), epoch " in text
    assert "validation macro AUROC 0." in text
    assert len(text) < 250
    named = replace(checkpoint, label_names=("<b>",))._repr_html_()
    assert "<th>fs</th><td>100 Hz</td>" in named
    assert "&lt;b&gt;" in named
    for origin in ({}, {"history": {"epochs": [], "best": 1}}, {"history": 3}):
        assert "epoch" not in repr(replace(checkpoint, origin=origin))
