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
from ecgstore.beats.unet._network_kernels import N_WEIGHTS, STEP
from ecgstore.beats.unet.inputs import LIMIT
from ecgstore.models.delineator import disturbances, rhythms, samples, training
from ecgstore.models.delineator.databases.annotated import (
    AnnotatedRecord,
    annotation,
    beats_only,
)
from ecgstore.models.delineator.network import flat_weights
from ecgstore.models.delineator.records import (
    A_QRS,
    NO_QRS,
    UNKNOWN,
    TrainingRecord,
    groups_of,
    spans_of,
    training_record,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower in several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def annotated_record(
    seed: int = 0, n_leads: int = 12, name: str = "made"
) -> AnnotatedRecord:
    """Return a record with regular waves and their annotations."""
    rng = np.random.default_rng(seed)
    symbols, places = "", []
    for begin in range(200, 4400, 400):
        symbols += "(p)(N)(t)"
        places += [begin + d for d in (0, 20, 40, 80, 100, 120, 180, 240, 280)]
    signal = np.zeros(5000)
    for place in places[4::9]:
        signal += np.exp(-(((np.arange(5000) - place) / 8) ** 2))
    return AnnotatedRecord(
        record_id=name,
        patient=name,
        rhythm="",
        fs=500.0,
        leads=tuple(str(k) for k in range(n_leads)),
        signal=signal + rng.normal(0, 0.01, (n_leads, 5000)),
        annotations=(annotation(symbols, places, {}),) * n_leads,
    )


def synthetic_record(seed: int = 0, name: str = "made") -> TrainingRecord:
    return training_record(annotated_record(seed, name=name), "ludb")


def record_of_beats(source: str = "cpsc2019") -> TrainingRecord:
    """Return a record of one lead of which only the beats are known."""
    record = annotated_record(n_leads=1, name=source)
    r_peaks = record.annotations[0].samples[4::9]
    marks = beats_only(r_peaks, 0.0, 4999.0)
    return training_record(replace(record, annotations=(marks,)), source)


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
    labels = np.zeros((9, 400), np.float32)
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
    part = np.zeros((9, 400), np.float32)
    cover: Any = samples._cover
    cover.py_func(edges, record.classes[0], 0, 800, part)
    np.testing.assert_allclose(part, labels, atol=1e-6)


def test_only_what_is_known_of_beats_is_labelled() -> None:
    record = record_of_beats()
    labels = np.zeros((9, 2500 // 2), np.float32)
    samples._cover(record.edges[0] / 2, record.classes[0], 0, 2500, labels)
    assert not labels[:7].any()
    assert labels[A_QRS, 74:76].all()  # R at 300
    assert not labels[A_QRS, 80:150].any()
    assert labels[NO_QRS, 100:130].all()
    assert not labels[:, 78:90].any()  # it may be QRS or not
    assert not labels[:, :60].any()  # the first half second


def test_groups_of_beats_annotated_one_after_the_other() -> None:
    """Beats between two groups were not annotated, so nothing between them is known."""
    whole = annotated_record(n_leads=1)
    symbols, places = whole.annotations[0].symbols, whole.annotations[0].samples
    kept = np.r_[: 9 * 4, 9 * 7 : len(symbols)]
    marks = annotation([symbols[k] for k in kept], places[kept], {})
    groups = groups_of(replace(whole, annotations=(marks,)))
    assert [len(group.annotations[0].symbols) for group in groups] == [36, 36]
    assert groups[1].annotations[0].symbols[:4] == ("(", "p", ")", "(")
    with_u = "(p)(N)(t)(u)(p)(V)t)u)"
    marks = annotation(with_u, 100.0 * np.arange(1, len(with_u) + 1), {})
    (group,) = groups_of(replace(whole, annotations=(marks,)))
    assert "".join(group.annotations[0].symbols) == "(p)(N)(t)(p)(N)t)"


def all_sources() -> list[TrainingRecord]:
    return [
        synthetic_record(0, "a"),
        synthetic_record(1, "b"),
        training_record(annotated_record(n_leads=2, name="c"), "qtdb"),
        record_of_beats("qtdb-beats"),
        record_of_beats("cpsc2019"),
    ]


@pytest.mark.parametrize("n_leads", [*samples.BATCH])
def test_samples_are_repeatable_and_labelled(n_leads: int) -> None:
    sampler = samples.Sampler(all_sources(), 3)
    first = sampler.batch(7, n_leads)
    sampler.batch(8)
    again = sampler.batch(7, n_leads)
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)
    signals, usable, labels = first
    assert signals.shape[:2] == usable.shape[:2] == (samples.BATCH[n_leads], n_leads)
    assert np.isfinite(signals).all()
    assert np.abs(signals).max() <= LIMIT
    assert labels.min() >= 0
    assert labels.sum(axis=2).max() <= 1 + 1e-5
    assert labels.sum(axis=2).mean() > 0.4
    cells = np.repeat(usable, STEP // 2, axis=2)
    assert not labels.sum(axis=2)[cells == 0].any()  # unknown where nothing is seen
    other = samples.Sampler(all_sources(), 4).batch(7, n_leads)
    assert not np.array_equal(first.signals, other.signals)


def test_every_source_and_number_of_leads_is_drawn() -> None:
    sampler = samples.Sampler(all_sources(), 0)
    shapes = {sampler.batch(step).signals.shape[1] for step in range(60)}
    assert shapes == {*samples.BATCH}
    rng = np.random.default_rng(0)
    assert {sampler._source(1, rng) for _ in range(200)} == {
        record.source for record in all_sources()
    }


def test_without_p_waves_a_line_is_in_their_place() -> None:
    record = synthetic_record()
    rhythm = rhythms.Rhythm(False, False, False, None)
    rng = np.random.default_rng(0)
    signal, _, classes = rhythms.changed(record, np.arange(2), 0, rhythm, rng)
    assert not np.isin(classes[0], (1, 2)).any()
    # What replaces the P wave from 200 to 240 is straight.
    np.testing.assert_allclose(np.diff(signal[:, 200:240], 2), 0, atol=1e-6)
    assert (signal[:, 250:500] == record.signals[0, :2, 250:500]).all()
    assert np.isin(record.classes[0], (1, 2)).any()  # the record is not changed


@pytest.mark.parametrize("place", [0.3, 0.9, 1.2])
def test_p_waves_move_onto_t_waves(place: float) -> None:
    """At the same times in all leads; nothing but the P waves moves."""
    record = synthetic_record()
    rhythm = rhythms.Rhythm(True, False, False, place)
    rng = np.random.default_rng(0)
    signal, edges, classes = rhythms.changed(record, np.arange(2), 0, rhythm, rng)
    before_edges, before = record.edges[0], record.classes[0]
    onsets = before_edges[:-1][before == 1][1:]  # the first beat has no T before it
    moved = edges[0][:-1][classes[0] == 1][1:]
    assert len(moved) == len(onsets) > 2
    t_peaks = before_edges[:-1][before == 6][: len(moved)]
    t_ends = before_edges[1:][before == 6][: len(moved)]
    np.testing.assert_allclose(moved, t_peaks + place * (t_ends - t_peaks))
    for lead in range(2):
        assert (np.diff(edges[lead]) > 0).all()
        assert len(edges[lead]) == len(classes[lead]) + 1
        qrs = [
            borders[:-1][spans == 3].tolist()
            for borders, spans in (
                (edges[lead], classes[lead]),
                (record.edges[lead], record.classes[lead]),
            )
        ]
        assert qrs[0] == qrs[1]
        np.testing.assert_array_equal(edges[lead][:-1][classes[lead] == 1][1:], moved)
    t_begin = int(before_edges[:-1][before == 5][0])
    qrs_begin = int(before_edges[:-1][before == 3][1])
    changed = np.flatnonzero(
        (signal != record.signals[0, :2])[:, t_begin:qrs_begin].any(axis=0)
    )
    assert changed[0] + t_begin >= moved[0] - 10
    assert (signal[:, :t_begin] == record.signals[0, :2, :t_begin]).all()


def test_a_paced_complex_has_a_spike_before_it() -> None:
    record = synthetic_record()
    rhythm = rhythms.Rhythm(True, False, True, None)
    rng = np.random.default_rng(0)
    signal, _, _ = rhythms.changed(record, np.arange(3), 3, rhythm, rng)
    added = np.abs(signal - record.signals[3, :3])
    place = int(added[0, :400].argmax())
    assert 280 - 25 <= place < 280  # the first complex begins at 280
    assert (added[:, place] > 0).all()


def test_f_waves_have_the_usual_rates() -> None:
    for seed in range(20):
        waves = rhythms.f_waves(2, 2500, 250.0, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(waves[0] - waves[0].mean())) ** 2
        rates = np.fft.rfftfreq(2500, 1 / 250)
        assert power[(rates > 3) & (rates < 50)].sum() > 0.9 * power.sum()
        assert np.ptp(waves, axis=1) == pytest.approx(1, rel=0.01)


def test_leads_follow_each_other_as_on_paper() -> None:
    usable = np.ones((12, 160), np.bool_)
    rng = np.random.default_rng(2)
    disturbances._lay_out(usable, 16.0, rng)
    assert usable.any(axis=0).all()  # some lead is seen at any time
    assert not usable.all(axis=1).all()


def test_the_loss_of_known_beats_is_that_of_both_halves() -> None:
    logits = torch.randn(1, 1, 7, 3, generator=torch.Generator().manual_seed(0))
    p = torch.softmax(logits, 2)[0, 0]
    labels = torch.zeros(1, 1, 9, 3)
    labels[..., A_QRS, 0] = 1
    labels[..., NO_QRS, 1] = 1
    expected = -2 * torch.log(p[3, 0] + p[4, 0]) - torch.log(1 - p[3, 1] - p[4, 1])
    got = training.loss_of(logits, labels)
    torch.testing.assert_close(got, expected / 2)


def test_training_is_repeatable_and_lowers_the_loss() -> None:
    runs = []
    for _ in range(2):
        run = training.Training.begin(0)
        losses = [*training.train(run, samples.Sampler(all_sources(), 0), 8)]
        runs.append((losses, flat_weights(run.averaged)))
    assert runs[0][0] == runs[1][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    assert np.mean(runs[0][0][-3:]) < np.mean(runs[0][0][:3])


class Databases:
    """What the command reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records = all_sources()
        monkeypatch.setattr(training, "read_training_records", lambda *_: self.records)

    def run(self, folder: Path, *options: str) -> None:
        training.main(["--ludb", "x", "-o", str(folder), *options])


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Databases:
    return Databases(monkeypatch)


def about(path: Path) -> Any:
    with np.load(path) as file:
        assert file["weights"].shape == (N_WEIGHTS,)
        return json.loads(str(file["about"]))


def weights(path: Path) -> Float32Array:
    with np.load(path) as file:
        values: Float32Array = file["weights"]
    return values


def test_the_command_line_writes_weights(databases: Databases, tmp_path: Path) -> None:
    databases.run(tmp_path / "one", "--steps", "1")
    assert about(tmp_path / "one" / "weights.npz")["held_out"] == []
    databases.run(tmp_path / "folds", "--steps", "1", "--folds", "2")
    names = sorted(path.name for path in (tmp_path / "folds").iterdir())
    assert names == ["fold_0.npz", "fold_1.npz"]
    assert about(tmp_path / "folds" / "fold_1.npz")["held_out"] == ["b", "qtdb-beats"]
    assert about(tmp_path / "folds" / "fold_1.npz")["records"] == ["a", "c", "cpsc2019"]


def test_an_interrupted_training_ends_with_the_same_weights(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.run(tmp_path / "whole", "--steps", "4")
    monkeypatch.setattr(training, "STEPS_BETWEEN_STATES", 2)
    average = training.average
    calls = []

    def interrupted(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        average(*arguments)

    monkeypatch.setattr(training, "average", interrupted)
    with pytest.raises(KeyboardInterrupt):
        databases.run(tmp_path / "broken", "--steps", "4")
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["weights.state"]
    with pytest.raises(SystemExit, match="other options"):
        databases.run(tmp_path / "broken", "--steps", "5")
    databases.run(tmp_path / "broken", "--steps", "4")
    assert len(calls) == 6  # two steps more
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["weights.npz"]
    one, other = (tmp_path / name / "weights.npz" for name in ("whole", "broken"))
    np.testing.assert_array_equal(weights(one), weights(other))


def test_held_out_records_do_not_affect_the_weights(
    databases: Databases, tmp_path: Path
) -> None:
    def of_fold_1(name: str, first: int, second: int) -> Float32Array:
        databases.records = [
            synthetic_record(first, "a"),
            synthetic_record(second, "b"),
            synthetic_record(2, "c"),
        ]
        options = ["--steps", "1", "--folds", "3", "--only", "1"]
        databases.run(tmp_path / name, *options)
        return weights(tmp_path / name / "fold_1.npz")

    values = of_fold_1("as it is", 0, 1)
    np.testing.assert_array_equal(values, of_fold_1("held out", 0, 99))
    assert (values != of_fold_1("trained on", 99, 1)).any()


@pytest.mark.parametrize(
    "options", [["--folds", "5", "--only", "7"], ["--only", "1"], ["--folds", "1"]]
)
def test_folds_without_held_out_records_are_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        training.main(["--ludb", "x", "-o", str(tmp_path), *options])
    assert "expected" in capsys.readouterr().err


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no record of LUDB; expected its headers"):
        training.main(["--ludb", str(tmp_path), "-o", str(tmp_path)])
