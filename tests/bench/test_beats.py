"""Benchmarks of beats and waves: scores against LUDB, and of single features."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wfdb import rdann

from bench.beats import choose_rules, delineation, detectors, settings
from bench.beats.networks import RULES_FILE, held_out_networks
from bench.beats.summary import as_json
from ecgstore.arrays import Float32Array
from ecgstore.beats import Beats
from ecgstore.beats.unet import evidence
from ecgstore.beats.unet.decoding import RULES, Rules
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord, annotation
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.record import LEADS, Mark
from ecgstore.sample import sample_folder

LUDB = Path(__file__).resolve().parents[1] / "data" / "ludb"

ONE_RECORD = ("beats.delineation", "--ludb", LUDB, "--rounds=1", "--records=1")

RunBench = Callable[..., dict[str, Any]]

DELINEATORS = {
    "ecgstore",
    "ecgstore --beats neurokit",
    "NeuroKit2 prominence",
    "NeuroKit2 prominence, cleaning",
    "NeuroKit2 dwt",
    "NeuroKit2 dwt, cleaning",
}
"""The detectors of every mark; others detect R-peaks only."""


@pytest.mark.slow
def test_delineation_reports_marks_speed_and_p_presence(
    run_bench: RunBench, dozen_records: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "beats.png"
    report = run_bench(
        *("beats.delineation", "--ludb", LUDB, "--rounds=1", "--records=1"),
        *("--challenge", dozen_records, "--plot", plot),
    )
    assert report["records"] == {"ludb": 1}
    assert "trained on 1 of the records" in report["network"]
    marks = report["marks"]
    of_leads = {f"{settings.ALL}: {lead}" for lead in LEADS} | {settings.ALL}
    assert {*marks} > {*of_leads, *settings.FEWER_LEADS, *settings.BY_RHYTHM}
    for setting in of_leads:
        assert len(marks[setting]) == 9
        for name, by_detector in marks[setting].items():
            others = {*by_detector} - DELINEATORS
            assert {*by_detector} >= DELINEATORS
            assert ("wfdb xqrs" in others) == (name == "r_peak")
    for setting in (settings.ALL, settings.ALONE, *settings.FEWER_LEADS):
        for mark in marks[setting].values():
            assert mark["ecgstore"]["f1"] > 0.9
            assert mark["ecgstore"]["f1"] >= mark["ecgstore"]["f1_tight"]
            assert mark["ecgstore"]["records"] == 1
    for name in DELINEATORS:
        by_detector = marks[settings.RECORD]["r_peak"]
        assert (name in by_detector) == name.startswith("ecgstore")
    assert marks[settings.RECORD]["r_peak"]["ecgstore"]["se"] == 1
    assert report["exceptions"]["ecgstore"] == {"exceptions": 0, "messages": {}}
    times = report["speed"]["a_record"]
    assert set(times) == set(report["exceptions"]) | {"ecgstore, and all features"}
    slow = times["NeuroKit2 dwt"]["of_ecgstore_with_features"]["median"]
    assert slow > times["ecgstore"]["of_ecgstore_with_features"]["median"]
    presence = report["p_presence"]["ecgstore"]
    assert presence["sinus"] > presence["af"] >= 0
    grid = report["paper_grid"]
    assert grid["records"] == 12
    assert grid["beats"] > 100
    found = [of["found"] for of in grid["within_ms"].values()]
    assert 0 <= found[0] <= found[1] <= grid["beats"]
    for path in (plot, plot.with_stem("beats-cases")):
        assert path.read_bytes().startswith(b"\x89PNG")


MEAN_ERROR_MS = {
    "p_on": 5.0,
    "p_peak": 4.0,
    "p_off": 5.0,
    "qrs_on": 3.5,
    "r_peak": 3.0,
    "qrs_off": 4.5,
    "t_on": 16.0,
    "t_peak": 5.0,
    "t_off": 8.0,
}
"""Limits of the mean errors in ms; marks that are shifted by 4 ms exceed some."""


def test_marks_are_neither_early_nor_late() -> None:
    """Detect a constant shift, which comparisons of the engine with itself cannot."""
    results = settings.Results()
    engine = detectors.make_engine(lambda record_id: None)
    settings.judge_ludb(results, read_ludb(LUDB)[:2], engine, {}, Config())
    marks = as_json(results.scores)
    means = {
        name: by["ecgstore"]["mean_ms"] for name, by in marks[settings.ALL].items()
    }
    assert set(means) == set(MEAN_ERROR_MS)
    for name, limit in MEAN_ERROR_MS.items():
        assert abs(means[name]) < limit, name
    assert abs(marks[settings.RECORD]["r_peak"]["ecgstore"]["mean_ms"]) < 3


@pytest.fixture
def few_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most detectors: NeuroKit2 takes a second a record."""
    make_all = detectors.make_single_lead_detectors

    def make_few() -> dict[str, detectors.Detect]:
        return {detectors.PROMINENCE: make_all()[detectors.PROMINENCE]}

    monkeypatch.setattr(delineation, "make_single_lead_detectors", make_few)


@pytest.mark.usefixtures("few_detectors")
def test_shifted_annotations_change_the_scores(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late_annotations(path: str, lead: str) -> Any:
        file = rdann(path, lead)
        file.sample = file.sample + 30  # 60 ms
        return file

    monkeypatch.setattr("wfdb.rdann", late_annotations)
    report = run_bench(*ONE_RECORD)
    for name, score in report["marks"][f"{settings.ALL}: V5"]["r_peak"].items():
        assert score["mean_ms"] == pytest.approx(-60, abs=10), name
        assert score["f1"] > 0.9
        assert score["f1_tight"] < 0.1


@pytest.mark.usefixtures("few_detectors")
def test_a_broken_engine_is_not_timed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> Beats:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("ecgstore.beats.unet.engine.find_beats", broken)
    with pytest.raises(SystemExit, match="nothing was timed: ZeroDivisionError: pla"):
        run_bench(*ONE_RECORD)


@pytest.mark.usefixtures("few_detectors")
def test_records_are_analysed_by_the_network_that_holds_them_out(
    run_bench: RunBench, tmp_path: Path
) -> None:
    package = Path(evidence.__file__).with_name(evidence.WEIGHTS)
    good = np.load(package)["weights"]
    write_fold(tmp_path, 0, good, ["101"], ["1"])
    write_fold(tmp_path, 1, np.zeros_like(good), ["1"], ["101"])
    options = (*ONE_RECORD, f"--weights={tmp_path}")
    report = run_bench(*options)
    assert report["network"].startswith("2 networks")
    assert report["marks"][settings.ALL]["r_peak"]["ecgstore"]["f1"] > 0.99
    (tmp_path / "fold_0.npz").unlink()
    with pytest.raises(SystemExit, match="not trained on the records 1;"):
        run_bench(*options)
    np.savez(tmp_path / "fold_1.npz", weights=good)
    with pytest.raises(SystemExit, match="expected a file that"):
        run_bench(*options)
    (tmp_path / "fold_1.npz").unlink()
    with pytest.raises(SystemExit, match="has no networks of folds"):
        run_bench(*options)


def write_fold(
    folder: Path,
    fold: int,
    weights: Float32Array,
    records: list[str],
    held_out: list[str],
) -> None:
    """Write a network as its training does."""
    about = json.dumps({"records": records, "held_out": held_out})
    np.savez(folder / f"fold_{fold}.npz", about=np.array(about), weights=weights)


def test_records_that_no_network_was_trained_on_are_shared_out(tmp_path: Path) -> None:
    write_fold(tmp_path, 0, np.zeros(3, np.float32), ["8"], ["7"])
    write_fold(tmp_path, 1, np.ones(3, np.float32), ["7"], ["8"])
    network_of, text = held_out_networks(tmp_path, [read_ludb(LUDB)])
    used = [network_of(name) for name in ("1", "101", "119")]
    assert [network.weights[0] for network in used if network] == [0, 1, 0]
    assert "the package's own thresholds" in text


def test_each_network_has_the_thresholds_of_its_own_fold(tmp_path: Path) -> None:
    rules = [RULES._replace(qrs_mass=mass) for mass in (3.0, 4.0)]
    for fold, (own, other) in enumerate((("7", "8"), ("8", "7"))):
        write_fold(tmp_path, fold, np.zeros(3, np.float32), [other], [own])
    content = {str(fold): one._asdict() for fold, one in enumerate(rules)}
    (tmp_path / RULES_FILE).write_text(json.dumps(content))
    network_of, _ = held_out_networks(tmp_path, [])
    networks = [network_of(name) for name in ("7", "8")]
    assert [network.rules for network in networks if network] == rules


def test_thresholds_of_a_fold_do_not_depend_on_its_records(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are read again where the records of the fold are judged."""
    package = Path(evidence.__file__).with_name(evidence.WEIGHTS)
    good = np.load(package)["weights"]
    sinus = read_ludb(LUDB)[0]
    ludb = [without_p(sinus), without_p(sinus), sinus, sinus, sinus]
    ludb = [replace(record, record_id=str(k)) for k, record in enumerate(ludb)]
    names = [record.record_id for record in ludb]
    for fold, name in enumerate(names):
        write_fold(tmp_path, fold, good, [n for n in names if n != name], [name])
    monkeypatch.setattr(choose_rules, "read_ludb", lambda folder: ludb)
    monkeypatch.setattr(choose_rules, "read_qtdb", lambda folder: [])
    monkeypatch.setattr(choose_rules, "read_cpsc2019", lambda folder: [])
    monkeypatch.setattr(choose_rules, "QRS_RULES", choose_rules.QRS_RULES[:2])
    arguments = [
        *("--ludb", "x", "--qtdb", "x", "--cpsc2019", "x"),
        *("--weights", str(tmp_path)),
    ]
    choose_rules.main(arguments)
    first = json.loads((tmp_path / RULES_FILE).read_text())
    ludb[4] = without_p(ludb[4])
    choose_rules.main(arguments)
    second = json.loads((tmp_path / RULES_FILE).read_text())
    assert first["4"] == second["4"]
    assert first["1"] != second["1"]
    network_of, text = held_out_networks(tmp_path, [ludb])
    network = network_of(names[1])
    assert network is not None
    assert network.rules._asdict() == second["1"] | {
        "p_weights": tuple(second["1"]["p_weights"])
    }
    assert "thresholds chosen on other records" in text


def test_each_lead_is_judged_by_its_own_annotation(tmp_path: Path) -> None:
    package = Path(evidence.__file__).with_name(evidence.WEIGHTS)
    record = read_ludb(LUDB)[0]
    write_fold(tmp_path, 0, np.load(package)["weights"], [], [record.record_id])
    cases = [*choose_rules._cases([("LUDB", record)], tmp_path)]
    alone = [case for case in cases if case.setting == "LUDB, 1 lead"]
    assert len(alone) == len(LEADS)
    for case, own in zip(alone, record.annotations, strict=True):
        (annotation_of_lead,) = case.annotations
        assert annotation_of_lead is own


def test_thresholds_of_complexes_are_chosen_without_the_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fold with most beats decides for all others, and not for itself."""
    one, other = choose_rules.QRS_RULES[3], choose_rules.QRS_RULES[8]
    best, n_beats = {0: one, 1: other, 2: other}, {0: 100, 1: 10, 2: 10}

    def counts(case: choose_rules.Case, mark: Mark, rules: Rules) -> tuple[int, ...]:
        n = n_beats[case.fold]
        is_best = all(getattr(rules, k) == v for k, v in best[case.fold].items())
        return n, n, n if is_best else 0

    monkeypatch.setattr(choose_rules, "_counts", counts)
    cases = [
        choose_rules.Case("LUDB", 1.0, fold, 500.0, None, np.empty((0, 0)), ())
        for fold in best
    ]
    chosen = choose_rules._choose_qrs(cases, [0, 1, 2, -1])
    assert chosen == [other, one, one, one]


def without_p(record: AnnotatedRecord) -> AnnotatedRecord:
    """Return a record whose beats are annotated, but none of their P waves."""
    return replace(
        record,
        annotations=tuple(
            annotation("N" * len(beats), beats, ALL_SPANS)
            for beats in (lead.marks()[Mark.R_PEAK] for lead in record.annotations)
        ),
    )


ALL_SPANS = dict.fromkeys(("P", "QRS", "T"), np.array([[0.0, 5000.0]]))


def test_a_missing_database_is_an_error(
    run_bench: RunBench, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_bench("beats.delineation")
    assert "expected --ludb, --qtdb or --cpsc2019" in capsys.readouterr().err


def test_diagnoses_reports_auroc_and_normal_values(run_bench: RunBench) -> None:
    report = run_bench("beats.diagnoses", sample_folder())
    areas = {row["feature"]: row["auroc"] for row in report["auroc"]}
    assert areas["V1_qrs_area_mv_ms"] > 0.8
    assert all(0 <= area <= 1 for area in areas.values())
    assert 50 <= report["normal"]["mean_hr"][2] <= 100
