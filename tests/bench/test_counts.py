"""How detected marks are counted, and what the scores of records say."""

from pathlib import Path

import numpy as np
import pytest

from bench.beats import counts, settings
from bench.beats.counts import Counts, count, match
from bench.beats.detectors import Detections, Leads
from bench.beats.paper_grid import in_grid, measure_paper_grids
from bench.beats.summary import summarize
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import annotation
from ecgstore.record import LEADS, Mark

FS = 1000.0


def counted(detected: list[list[float]], spans: list[list[float]]) -> Counts:
    """Count R-peaks against those at 1000, 2000 and 3000 ms."""
    return count(
        Mark.R_PEAK,
        annotation("NNN", [1000, 2000, 3000], {"QRS": np.array(spans, float)}),
        [np.array(lead, float) for lead in detected],
        FS,
        0.04,
    )


WHOLE = [[900.0, 3100.0]]


def test_nearest_marks_are_pairs() -> None:
    pairs = match(np.array([0.0, 100]), np.array([60.0, 120, 300]), 150)
    assert sorted(pairs) == [(0, 0), (1, 1)]
    assert match(np.array([0.0]), np.array([151.0]), 150) == []
    assert match(np.array([0.0]), np.array([150.0]), 150) == [(0, 0)]


@pytest.mark.parametrize(
    ("detected", "n_detected", "n_tight", "errors"),
    [
        ([1000, 2000, 3000], 3, 3, [0, 0, 0]),
        ([1030, 1950, 3151], 2, 1, [30, -50]),  # the last one lies outside
        ([-1, np.nan, 2100], 1, 0, [100]),
        ([1000, 1400, 1410], 3, 1, [0]),  # of one lead, each false mark counts
        ([500, 899, 850], 1, 0, [-101]),  # a match outside counts, others do not
    ],
)
def test_marks_are_wrong_only_in_annotated_spans(
    detected: list[float], n_detected: int, n_tight: int, errors: list[float]
) -> None:
    result = counted([detected], WHOLE)
    assert result.n_annotated == 3
    assert result.n_detected == n_detected
    assert result.n_tight == n_tight
    assert result.errors_ms.tolist() == errors


def test_annotations_outside_of_the_spans_do_not_count() -> None:
    result = counted([[1060, 2000]], [[1050.0, 3100.0]])
    assert (result.n_annotated, result.n_detected) == (2, 1)
    assert result.errors_ms.tolist() == [0]


def test_of_two_leads_the_better_one_counts_for_each_mark() -> None:
    result = counted([[1010, 2090, 1500], [1090, 1980, 1560, 2500]], WHOLE)
    assert result.errors_ms.tolist() == [10, -20]
    # 1500 and 1560 are one false beat, 2500 another.
    assert (result.n_annotated, result.n_detected) == (3, 4)


def test_an_edge_that_was_left_out_of_an_annotated_wave_is_not_wrong() -> None:
    spans = {"T": np.array(WHOLE)}
    marks = annotation("(t)t)", [900, 1000, 1100, 2000, 2100], spans)
    detected = [np.array([905.0, 1850, 1200, 1500])]
    onsets = count(Mark.T_ON, marks, detected, FS, 0.05)
    assert (onsets.n_annotated, onsets.n_detected) == (1, 3)  # 1200 and 1500 are wrong
    offsets = count(Mark.T_OFF, marks, detected, FS, 0.05)
    assert (offsets.n_annotated, offsets.n_detected) == (2, 4)


def test_summaries_pool_records_and_average_their_spread() -> None:
    records = [
        Counts(4, 5, 3, np.array([-10.0, 10, -10, 10])),
        Counts(2, 1, 0, np.array([50.0])),
        Counts(0, 0, 0, np.empty(0)),  # nothing to count
    ]
    row = summarize(records)
    assert (row["records"], row["annotated"]) == (2, 6)
    assert row["se"] == pytest.approx(5 / 6)
    assert row["ppv"] == pytest.approx(5 / 6)
    assert row["f1_tight"] == pytest.approx(6 / 12)
    assert row["mean_ms"] == pytest.approx(10)
    assert row["sd_ms"] == pytest.approx(np.std([-10, 10, -10, 10, 50]))
    assert row["record_sd_ms"] == pytest.approx(10)
    low, high = row["intervals"]["se"]
    assert low == pytest.approx(1 / 2)
    assert high == pytest.approx(1)
    assert summarize(records) == row


def test_a_detector_without_marks_has_no_precision() -> None:
    row = summarize([Counts(4, 0, 0, np.empty(0))])
    assert row["se"] == 0
    assert row["ppv"] is None
    assert row["record_sd_ms"] is None
    assert summarize([])["f1"] is None


def test_false_p_waves_are_shares_of_the_beats_in_fibrillation() -> None:
    nothing = np.empty(0)
    rhythm = f"{settings.ALL}, {settings.RHYTHMS[0]}"
    beats = [Counts(8, 8, 8, np.zeros(8)), Counts(12, 12, 12, np.zeros(12))]
    false = [Counts(0, 3, 0, nothing), Counts(1, 3, 1, np.zeros(1))]
    scores = {rhythm: {Mark.P_PEAK: {"a": false}, Mark.R_PEAK: {"a": beats}}}
    assert settings.false_p_waves(scores) == {settings.ALL: {"a": 5 / 20}}


def test_pooled_scores_hold_the_records_of_all_databases() -> None:
    one = Counts(1, 1, 1, np.zeros(1))
    scores = {
        settings.LEAD_II: {Mark.R_PEAK: {"a": [one], "b": [one]}},
        settings.CPSC2019: {Mark.R_PEAK: {"a": [one, one]}},
        settings.ALL: {Mark.R_PEAK: {"a": [one]}},
    }
    settings.pool(scores)
    pooled = scores[settings.POOLED][Mark.R_PEAK]
    assert {name: len(rows) for name, rows in pooled.items()} == {"a": 3, "b": 1}


def test_a_paper_layout_shows_each_lead_for_a_quarter_and_ii_whole() -> None:
    grid = in_grid(np.ones((12, 5000)), 500.0)
    shown = {lead: np.flatnonzero(row) for lead, row in zip(LEADS, grid, strict=True)}
    assert len(shown.pop("II")) == 5000
    assert {len(places) for places in shown.values()} == {1250}
    assert [shown[lead][0] for lead in ("I", "aVL", "V3", "V6")] == [
        *(0, 1250, 2500, 3750)
    ]


def test_beats_of_paper_layouts_are_compared_with_the_whole_record(
    dozen_records: Path,
) -> None:
    def at_steps_of_ii(leads: Leads) -> Detections:
        """Find a beat per second; in a layout, an early and an additional one."""
        beats = np.arange(500.0, 4600, 500)
        if np.ptp(leads.signal[0, 2500:]) < 0.1:  # mV: lead I is not shown
            beats = np.append(beats + 10, 250.0)
            beats[0] += 50
        return Detections([{} for _ in leads.signal], beats, [])

    found = measure_paper_grids(dozen_records, at_steps_of_ii, Config())
    assert found == {
        "records": 12,
        "beats": 12 * 9,
        "within_ms": {
            "50": {
                "found": 12 * 8,
                "invented": 12 * 2,
                "records_with_a_difference": 12,
            },
            "150": {
                "found": 12 * 9,
                "invented": 12,
                "records_with_a_difference": 12,
            },
        },
    }


def test_every_mark_has_a_tight_tolerance() -> None:
    assert {*counts.TIGHT_S} == {*Mark}
    assert max(counts.TIGHT_S.values()) < counts.MATCH_S
