"""The scores of the Challenge 2020 are those that its own evaluation prints."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.diagnoses import challenge_weights, class_set, diagnoses
from ecgstore.scores.challenge2020 import (
    NORMAL_CODE,
    challenge_metric,
    challenge_scores,
)

GOLDEN = Path(__file__).parents[1] / "data" / "challenge2020" / "metric_golden.json"
CLASSES = class_set("cinc2020").classes
CODES = [of_class.codes[0] for of_class in CLASSES]
ALL_CODES = challenge_weights()[0]


def golden(case: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text())[case]
    return content


def golden_arrays(case: str) -> tuple[BoolArray, BoolArray, FloatArray]:
    of = golden(case)
    labels = np.array([[code in dx for code in of["codes"]] for dx in of["dx"]])
    return labels, np.array(of["binary"]) == 1, np.array(of["scalar"], np.float64)


@pytest.mark.parametrize("case", ["case0", "case1", "case2"])
def test_every_number_is_that_of_the_official_evaluation(case: str) -> None:
    of = golden(case)
    scores = challenge_scores(*golden_arrays(case), of["codes"])
    expected = of["expected"]
    assert scores.codes == tuple(expected.pop("classes"))
    assert len(expected) == 10
    for name, value in expected.items():
        np.testing.assert_allclose(
            np.array(getattr(scores, name), np.float64),
            np.array(value, np.float64),
            rtol=0,
            atol=1e-12,
            err_msg=name,
        )
    labels, decisions, _ = golden_arrays(case)
    assert challenge_metric(labels, decisions, of["codes"]) == scores.challenge_metric


def test_weights_treat_equivalent_codes_as_one() -> None:
    codes, weights = challenge_weights()
    assert codes == tuple(code for code, known in diagnoses().items() if known.scored)
    np.testing.assert_array_equal(weights, weights.T)
    np.testing.assert_array_equal(np.diag(weights), 1.0)
    for row, code in enumerate(codes):
        kept = diagnoses()[code].equivalent_to or code
        np.testing.assert_array_equal(weights[row], weights[codes.index(kept)])
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 0.0


@st.composite
def tables(draw: st.DrawFn) -> tuple[BoolArray, BoolArray, np.random.Generator]:
    """Draw labels and decisions over all 27 codes, some records without any."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 30)), len(ALL_CODES))
    share = draw(st.sampled_from([0.02, 0.1, 0.5, 1.0]))
    return rng.random(shape) < share, rng.random(shape) < 0.2, rng


@given(table=tables())
def test_the_order_of_codes_and_records_does_not_matter(
    table: tuple[BoolArray, BoolArray, np.random.Generator],
) -> None:
    labels, decisions, rng = table
    probabilities = rng.integers(0, 5, labels.shape) / 4
    rows, columns = rng.permutation(len(labels)), rng.permutation(len(ALL_CODES))
    there = np.ix_(rows, columns)
    scores = challenge_scores(labels, decisions, probabilities, ALL_CODES)
    moved = challenge_scores(
        labels[there],
        decisions[there],
        probabilities[there],
        [ALL_CODES[column] for column in columns],
    )
    assert moved.codes == scores.codes
    for name in ("auroc_classes", "auprc_classes", "f_measure_classes"):
        np.testing.assert_allclose(
            getattr(moved, name), getattr(scores, name), atol=1e-12
        )
    for name in ("accuracy", "f_beta_measure", "g_beta_measure", "challenge_metric"):
        expected = pytest.approx(getattr(scores, name), abs=1e-9, nan_ok=True)
        assert getattr(moved, name) == expected


@given(table=tables())
def test_perfect_predictions_have_1_and_sinus_rhythm_for_all_has_0(
    table: tuple[BoolArray, BoolArray, np.random.Generator],
) -> None:
    labels, _, _ = table
    normal = np.zeros_like(labels)
    normal[:, ALL_CODES.index(NORMAL_CODE)] = True
    assert challenge_metric(labels, normal, ALL_CODES) == 0.0
    # If all records have sinus rhythm only, there is nothing to earn.
    assume(labels[:, [code != NORMAL_CODE for code in ALL_CODES]].any())
    assert challenge_metric(labels, labels, ALL_CODES) == 1.0


def test_records_that_are_all_normal_earn_nothing() -> None:
    labels = np.tile([code == NORMAL_CODE for code in CODES], (3, 1))
    assert challenge_metric(labels, labels, CODES) == 0.0


@given(table=tables())
def test_any_code_of_a_class_stands_for_it(
    table: tuple[BoolArray, BoolArray, np.random.Generator],
) -> None:
    labels, decisions, _ = table

    def merged(array: BoolArray) -> BoolArray:
        columns = [[ALL_CODES.index(code) for code in of.codes] for of in CLASSES]
        return np.stack(
            [array[:, of_class].any(axis=1) for of_class in columns], axis=1
        )

    expected = challenge_metric(labels, decisions, ALL_CODES)
    last = [of_class.codes[-1] for of_class in CLASSES]
    for codes in (CODES, last):
        metric = challenge_metric(merged(labels), merged(decisions), codes)
        assert metric == pytest.approx(expected, abs=1e-12)
    with_other = np.insert(labels, 0, True, axis=1)
    metric = challenge_metric(
        with_other, np.insert(decisions, 0, False, axis=1), ["164865005", *ALL_CODES]
    )
    assert metric == expected


def test_a_class_that_all_records_have_is_defined_for_precision_only() -> None:
    labels = np.eye(len(CODES), dtype=bool)
    labels[:, 0] = True
    scores = challenge_scores(labels, labels, labels, CODES)
    assert np.isnan(scores.auroc_classes[0])
    assert scores.auprc_classes[0] == 1.0
    assert scores.auroc == scores.auprc == scores.f_measure == 1.0


def test_a_missing_probability_counts_as_0() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random((40, len(CODES))) < 0.3
    probabilities = rng.random(labels.shape)
    probabilities[::3, ::2] = np.nan
    zeros = np.nan_to_num(probabilities, nan=0.0)
    scores = challenge_scores(labels, labels, probabilities, CODES)
    expected = challenge_scores(labels, labels, zeros, CODES)
    np.testing.assert_array_equal(scores.auroc_classes, expected.auroc_classes)


def test_wrong_arguments_are_refused() -> None:
    labels = np.eye(len(CODES))
    with pytest.raises(ValueError, match="lacks 270492004"):
        challenge_metric(labels[:, 1:], labels[:, 1:], CODES[1:])
    with pytest.raises(ValueError, match="23 codes, expected one for each of the 24"):
        challenge_metric(labels, labels, CODES[1:])
    with pytest.raises(ValueError, match="has a code twice"):
        challenge_metric(labels, labels, [*CODES[:-1], CODES[0]])
    with pytest.raises(ValueError, match=r"decisions has shape \(3, 24\)"):
        challenge_metric(labels, labels[:3], CODES)
    with pytest.raises(ValueError, match="decisions contains values other than 0"):
        challenge_metric(labels, labels / 2, CODES)
    with pytest.raises(ValueError, match="probabilities contains 2 in row 0, column 0"):
        challenge_scores(labels, labels, labels * 2, CODES)
