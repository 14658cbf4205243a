"""Selecting the worst records: problems of marks and of signals."""

from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.plots import plot_worst, save
from ecgstore.plots.dataset.worst import (
    Problem,
    mark_problems,
    quality_problems,
    worst_records,
)
from ecgstore.record import LEADS, MARKS, Mark

FS = 500.0


def beats_of_all_leads(n_beats: int = 8) -> IntArray:
    """Return the marks of beats at the same time in all leads."""
    starts = 300 + 500 * np.arange(n_beats)
    of_lead = starts[:, None] + 30 * np.arange(len(MARKS))
    return np.tile(of_lead, (len(LEADS), 1, 1))


def severity_of(problems: list[Problem], part: str) -> list[float]:
    (problem,) = [problem for problem in problems if part in problem.text(2.0)]
    severity: list[float] = problem.severity.tolist()
    return severity


def test_problems_take_turns_and_no_record_is_selected_twice() -> None:
    first = Problem("first {:.0f}".format, np.array([5.0, 4.0, 3.0, 0.0, np.nan]))
    second = Problem("second {:.0f}".format, np.array([9.0, np.nan, 1.0, 0.0, 0.0]))
    assert worst_records([first, second], 9) == [
        (0, "first 5"),
        (2, "second 1"),
        (1, "first 4"),
    ]
    assert worst_records([first, second], 1) == [(0, "first 5")]
    assert worst_records([], 3) == []


def test_agreement_is_no_problem() -> None:
    marks = np.stack([beats_of_all_leads(), beats_of_all_leads()])
    for problem in mark_problems(marks, FS):
        assert not (problem.severity > 0).any(), problem.text(1.0)


def test_disagreement_is_measured() -> None:
    same = beats_of_all_leads()
    apart = same.copy()
    apart[:4, :, Mark.T_OFF] += 50  # 100 ms late in a third of the leads
    one_lead = same.copy()
    one_lead[3, :, Mark.T_OFF] += 50  # in one, which does not count
    no_p = same.copy()
    no_p[:, ::2, : Mark.P_OFF + 1] = -1
    no_t = same.copy()
    no_t[:6, :, Mark.T_ON :] = -1
    no_qrs = same.copy()
    no_qrs[2, :4] = -1
    nothing = np.full_like(same, -1)
    records = np.stack([same, apart, one_lead, no_p, no_t, no_qrs, nothing])
    problems = mark_problems(records, FS)
    assert severity_of(problems, "T ends")[:5] == [0, 100, 0, 0, 0]
    assert severity_of(problems, "P waves:")[:5] == [0, 0, 0, 0.5, 0]
    assert severity_of(problems, "no T wave")[4] == 0.5
    assert severity_of(problems, "no QRS")[5] == pytest.approx(4 / 96)
    assert severity_of(problems, "no beats") == [0, 0, 0, 0, 0, 0, 1]
    assert [place for place, _ in worst_records(problems, 7)][:2] == [6, 1]


def test_marks_without_records_or_beats_have_a_severity_per_record() -> None:
    for shape in ((0, 12, 5, 9), (2, 12, 0, 9)):
        for problem in mark_problems(np.full(shape, -1), FS):
            assert problem.severity.shape == (shape[0],)


def test_bad_quality_is_measured() -> None:
    names = ("flat_fraction", "clipped_fraction", "missing_fraction")
    quality: dict[str, FloatArray] = {name: np.zeros((3, 12)) for name in names}
    quality["psqi"] = np.full((3, 12), 0.8)
    quality["bassqi"] = np.full((3, 12), 0.9)
    quality["flat_fraction"][1, :3] = 1.0
    quality["psqi"][1, :3] = np.nan
    quality["clipped_fraction"][2, 4] = 0.25
    quality["missing_fraction"][0, 4] = np.nan
    quality["psqi"][2] = 0.1
    problems = quality_problems(quality)
    assert severity_of(problems, "flat") == [0, 3, 0]
    assert severity_of(problems, "clipped") == [0, 0, 0.25]
    assert severity_of(problems, "missing") == [0, 0, 0]
    assert severity_of(problems, "noise") == pytest.approx([0.2, 0.2, 0.9])


@pytest.mark.parametrize(
    ("n_flat", "words"), [(1, "1 lead is flat"), (2, "2 leads are flat")]
)
def test_flat_leads_are_counted_in_words(n_flat: int, words: str) -> None:
    names = ("flat_fraction", "clipped_fraction", "missing_fraction")
    quality: dict[str, FloatArray] = {name: np.zeros((1, 12)) for name in names}
    quality["psqi"] = quality["bassqi"] = np.ones((1, 12))
    quality["flat_fraction"][0, :n_flat] = 1.0
    assert worst_records(quality_problems(quality), 1) == [(0, words)]


def test_the_worst_records_of_a_store_are_plotted(
    sample_store: Path, tmp_path: Path
) -> None:
    with ecgstore.open(sample_store) as store:
        figure = plot_worst(store, 5)
        save(figure, tmp_path / "worst.png")
        shown = [axes.get_title("left").partition(":")[0] for axes in figure.axes]
        assert len(set(shown)) == 5
        assert all(name in store for name in shown)
        of_af = plot_worst(store, 99, "af")
        assert "atrial fibrillation" in of_af.get_suptitle()
        for axes in of_af.axes:
            name = axes.get_title("left").partition(":")[0]
            assert "164889003" in store.records["dx"][name].split(",")
        with pytest.raises(ConfigError, match="nonsense"):
            plot_worst(store, 5, "nonsense")
        with pytest.raises(EcgStoreError, match="no records with 12345 to plot"):
            plot_worst(store, 5, "12345")


def test_a_store_without_beats_is_refused(few_records: Path, tmp_path: Path) -> None:
    path = tmp_path / "signals.h5"
    config = ecgstore.Config(beats="none")
    ecgstore.build_store([few_records], path, config, n_workers=1, quiet=True)
    with (
        ecgstore.open(path) as store,
        pytest.raises(EcgStoreError, match="--beats ecgstore"),
    ):
        plot_worst(store, 5)
