"""Training of the delineation network: samples, repeatability, folds, command."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore.arrays import Float32Array
from ecgstore.beats.unet import engine
from ecgstore.models.delineator import samples, training
from ecgstore.models.delineator.network import flat_weights
from ecgstore.models.delineator.records import (
    UNKNOWN,
    TrainingRecord,
    quiet_samples,
    spans_of,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower in several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def synthetic_record(seed: int = 0) -> TrainingRecord:
    """Return a record with regular waves and their annotations."""
    rng = np.random.default_rng(seed)
    symbols, places = "", []
    for begin in range(200, 4400, 400):
        symbols += "(p)(N)(t)"
        places += [begin + d for d in (0, 20, 40, 80, 100, 120, 180, 240, 280)]
    edges, classes = spans_of(symbols, places, 5000)
    signal = np.zeros(5000)
    for place in places[4::9]:
        signal += np.exp(-(((np.arange(5000) - place) / 8) ** 2))
    signals = np.tile(signal, (7, 12, 1)) + rng.normal(0, 0.01, (7, 12, 5000))
    return TrainingRecord(
        "made",
        signals.astype(np.float32),
        [edges] * 12,
        [classes] * 12,
        quiet_samples([edges] * 12, [classes] * 12, 5000),
    )


def test_parts_without_annotations_are_unknown() -> None:
    edges, classes = spans_of(
        ["(", "N", ")", "t", ")", "N"], [5, 9, 12, 20, 25, 30], 40
    )
    assert edges.tolist() == [0, 5, 9, 12, 20, 25, 30, 40]
    assert classes.tolist() == [UNKNOWN, 3, 4, UNKNOWN, 6, UNKNOWN, UNKNOWN]


def test_samples_between_t_and_the_next_beat_are_quiet() -> None:
    quiet = synthetic_record().quiet
    assert quiet[[490, 590]].all()
    assert not quiet[[210, 350, 100]].any()


def test_labels_cover_the_annotated_waves() -> None:
    record = synthetic_record()
    labels = np.zeros((7, 400), np.float32)
    edges = record.edges[0] / 2
    samples._cover(edges, record.classes[0], 0, 800, labels)
    total = labels.sum(0)
    assert total.max() <= 1 + 1e-6
    assert (total[52:] > 0.99).all()
    assert (total[:49] == 0).all()
    # The QRS complex from 280 to 320 at 500 Hz lies in cells 70 to 80 of 8 ms.
    assert labels[3, 71:75].min() == 1
    assert labels[4, 76:80].min() == 1
    np.testing.assert_allclose(labels[3:5].sum() * 8, 80 * 4, rtol=0.01)
    part = np.zeros((7, 400), np.float32)
    cover: Any = samples._cover
    cover.py_func(edges, record.classes[0], 0, 800, part)
    np.testing.assert_allclose(part, labels, atol=1e-6)


def test_samples_are_repeatable_and_labelled() -> None:
    records = [synthetic_record(0), synthetic_record(1)]
    first = samples.Sampler(records, 3).batch(20)
    again = samples.Sampler(records, 3).batch(20)
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)
    signals, usable, labels = first
    assert np.isfinite(signals).all()
    assert np.abs(signals).max() <= 20
    assert (usable.sum(axis=1) >= 1).all()
    assert labels.min() >= 0
    assert labels.sum(axis=2).max() <= 1 + 1e-5
    assert labels.sum(axis=2).mean() > 0.9
    other = samples.Sampler(records, 4).batch(20)
    assert not np.array_equal(first[0], other[0])


def test_training_is_repeatable_and_lowers_the_loss() -> None:
    records = [synthetic_record(0), synthetic_record(1)]
    runs = []
    for _ in range(2):
        steps = [*training.train(records, 5, 0)]
        runs.append(([loss for loss, _ in steps], flat_weights(steps[-1][1])))
    assert runs[0][0] == runs[1][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    assert runs[0][0][-1] < runs[0][0][0]


def test_the_command_line_writes_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records = [replace(synthetic_record(k), record_id=f"made {k}") for k in range(3)]
    monkeypatch.setattr(training, "read_training_records", lambda folder: records)
    out = tmp_path / "w.npz"
    training.main([str(tmp_path), "-o", str(out), "--steps", "2"])
    with np.load(out) as file:
        assert len(file["weights"]) == len(engine.weights())
    training.main([str(tmp_path), "-o", str(out), "--steps", "1", "--folds", "3"])
    with np.load(out) as file:
        assert sorted(file) == ["about", "weights_0", "weights_1", "weights_2"]
        assert json.loads(str(file["about"]))["held_out"]["weights_1"] == ["made 1"]
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


def test_held_out_records_do_not_affect_the_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def weights_of_fold_1(seeds: tuple[int, ...]) -> Float32Array:
        records = [
            replace(synthetic_record(seed), record_id=f"record {k}")
            for k, seed in enumerate(seeds)
        ]
        monkeypatch.setattr(training, "read_training_records", lambda folder: records)
        out = tmp_path / "w.npz"
        options = ["--steps", "1", "--folds", "3", "--only", "1"]
        training.main([str(tmp_path), "-o", str(out), *options])
        with np.load(out) as file:
            held_out = json.loads(str(file["about"]))["held_out"]
            assert held_out == {"weights_1": ["record 1"]}
            weights: Float32Array = file["weights_1"]
        return weights

    weights = weights_of_fold_1((0, 1, 2))
    np.testing.assert_array_equal(weights, weights_of_fold_1((0, 99, 2)))
    assert (weights != weights_of_fold_1((99, 1, 2))).any()


@pytest.mark.parametrize(
    "options", [["--folds", "5", "--only", "7"], ["--only", "1"], ["--folds", "1"]]
)
def test_folds_without_held_out_records_are_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        training.main([str(tmp_path), "-o", str(tmp_path / "w.npz"), *options])
    assert "expected" in capsys.readouterr().err


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no record of LUDB; expected its headers"):
        training.main([str(tmp_path), "-o", str(tmp_path / "w.npz")])
