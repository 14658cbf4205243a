"""Benchmarks of beats and waves: scores against LUDB, and of single features."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wfdb import rdann

from bench.beats import accuracy, detectors
from bench.beats.ludb import read_ludb
from ecgstore.beats import Beats
from ecgstore.beats.unet import engine as delineator
from ecgstore.config import Config
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder

LUDB = Path(__file__).resolve().parents[1] / "data" / "ludb"

RunBench = Callable[..., dict[str, Any]]

DELINEATORS = {
    "ecgstore",
    "ecgstore --beats neurokit",
    "NeuroKit2 prominence",
    "NeuroKit2 prominence, cleaning",
    "NeuroKit2 dwt",
    "NeuroKit2 dwt, cleaning",
}
"""The detectors of every mark; two others detect R-peaks only."""


@pytest.mark.slow
def test_delineation_reports_marks_speed_and_p_presence(
    run_bench: RunBench, dozen_records: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "beats.png"
    report = run_bench(
        *("beats.delineation", LUDB, "--rounds=1", "--records=1"),
        *("--challenge", dozen_records, "--plot", plot),
    )
    assert report["records"] == 1
    assert "trained on 1 of the records" in report["network"]
    marks = report["marks"]
    assert set(marks) == {"record", *LEADS, "all"}
    for leads in (*LEADS, "all"):
        assert len(marks[leads]) == 9
        for name, by_detector in marks[leads].items():
            others = {"sleepecg", "wfdb xqrs"} if name == "r_peak" else set()
            assert set(by_detector) == DELINEATORS | others
    for mark in marks["all"].values():
        assert mark["ecgstore"]["f1"] > 0.95
        assert mark["ecgstore"]["f1"] >= mark["ecgstore"]["f1_tight"]
        assert mark["ecgstore"]["f1"] >= mark["ecgstore"]["f1_inside"]
    for name in DELINEATORS:
        assert (name in marks["record"]["r_peak"]) == name.startswith("ecgstore")
    assert marks["record"]["r_peak"]["ecgstore"]["se"] == 1
    assert report["exceptions"]["ecgstore"] == {"exceptions": 0, "messages": {}}
    times = report["speed"]["a_record"]
    assert set(times) == set(report["exceptions"]) | {"ecgstore, and all features"}
    slow = times["NeuroKit2 dwt"]["of_ecgstore_with_features"]["median"]
    assert slow > times["ecgstore"]["of_ecgstore_with_features"]["median"]
    presence = report["p_presence"]["ecgstore"]
    assert presence["sinus"] > presence["af"] >= 0
    for path in (plot, plot.with_stem("beats-cases")):
        assert path.read_bytes().startswith(b"\x89PNG")


MEAN_ERROR_MS = {
    "p_on": 5.0,
    "p_peak": 4.0,
    "p_off": 5.0,
    "qrs_on": 3.5,
    "r_peak": 3.0,
    "qrs_off": 4.5,
    "t_on": 10.0,
    "t_peak": 5.0,
    "t_off": 8.0,
}
"""Limits of the mean errors in ms; marks that are shifted by 4 ms exceed some."""


def test_marks_are_neither_early_nor_late() -> None:
    """Detect a constant shift, which comparisons of the engine with itself cannot."""
    config = Config()
    records = read_ludb(LUDB, 2)
    detect = detectors.make_detectors({}, config)[detectors.ECGSTORE]
    detections = [
        detect(record) for record in detectors.filter_records(records, config)
    ]
    scores = accuracy.as_json(accuracy.score(records, {"ecgstore": detections}))
    means = {name: by["ecgstore"]["mean_ms"] for name, by in scores["all"].items()}
    assert set(means) == set(MEAN_ERROR_MS)
    for name, limit in MEAN_ERROR_MS.items():
        assert abs(means[name]) < limit, name
    assert abs(scores["record"]["r_peak"]["ecgstore"]["mean_ms"]) < 3


@pytest.fixture
def few_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most detectors: NeuroKit2 takes a second a record."""
    make_all = detectors.make_detectors
    names = (detectors.ECGSTORE, detectors.NEUROKIT_ENGINE, detectors.PROMINENCE)

    def make_few(*arguments: Any) -> dict[str, Any]:
        every = make_all(*arguments)
        return {name: every[name] for name in names}

    monkeypatch.setattr("bench.beats.delineation.make_detectors", make_few)


@pytest.mark.usefixtures("few_detectors")
def test_shifted_annotations_change_the_scores(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late_annotations(path: str, lead: str) -> Any:
        file = rdann(path, lead)
        file.sample = file.sample + 30  # 60 ms
        return file

    monkeypatch.setattr("wfdb.rdann", late_annotations)
    report = run_bench("beats.delineation", LUDB, "--rounds=1", "--records=1")
    for name, score in report["marks"]["V5"]["r_peak"].items():
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
        run_bench("beats.delineation", LUDB, "--rounds=1", "--records=1")


@pytest.mark.usefixtures("few_detectors")
def test_records_are_analysed_by_the_network_that_holds_them_out(
    run_bench: RunBench, tmp_path: Path
) -> None:
    package = Path(delineator.__file__).with_name(delineator.WEIGHTS)
    good = np.load(package)["weights"]
    folds = {"weights_0": good, "weights_1": np.zeros_like(good)}
    path = tmp_path / "folds.npz"
    about = json.dumps({"held_out": {"weights_0": ["1"], "weights_1": ["101"]}})
    np.savez(path, about=np.array(about), **folds)
    options = ("beats.delineation", LUDB, "--rounds=1", f"--weights={path}")
    report = run_bench(*options, "--records=1")
    assert report["network"].startswith("2 networks")
    assert report["marks"]["all"]["r_peak"]["ecgstore"]["f1"] > 0.99
    np.savez(path, about=np.array(json.dumps({"held_out": {}})), **folds)
    with pytest.raises(SystemExit, match="not trained on the records 1;"):
        run_bench(*options, "--records=1")
    np.savez(path, **folds)
    with pytest.raises(SystemExit, match="expected a file that"):
        run_bench(*options, "--records=1")


def test_diagnoses_reports_auroc_and_normal_values(run_bench: RunBench) -> None:
    report = run_bench("beats.diagnoses", sample_folder())
    areas = {row["feature"]: row["auroc"] for row in report["auroc"]}
    assert areas["V1_qrs_area_mv_ms"] > 0.8
    assert all(0 <= area <= 1 for area in areas.values())
    assert 50 <= report["normal"]["mean_hr"][2] <= 100
