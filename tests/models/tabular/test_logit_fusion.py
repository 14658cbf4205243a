"""Sums of logits: never worse than the first classifier by more than chance."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import expit

from ecgstore.arrays import FloatArray
from ecgstore.models.tabular import logit_fusion
from ecgstore.models.tabular.logit_fusion import LARGEST_LOGIT, fit_fusion
from ecgstore.scores import auroc

N_CLASSES = 4


def made_up(n: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return logits and the labels that they give, each class rarer than the last."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (n, N_CLASSES)) - np.arange(N_CLASSES)
    labels = (rng.random((n, N_CLASSES)) < expit(true)).astype(np.float64)
    return true, labels


def folds_of(n: int) -> np.ndarray:
    return np.arange(n) % 3


def noisy(true: FloatArray, sd: float, seed: int) -> FloatArray:
    return true + np.random.default_rng(seed).normal(0, sd, true.shape)


def macro_auroc(labels: FloatArray, logits: FloatArray) -> float:
    return float(np.mean(auroc(labels.astype(bool), expit(logits))))


def test_two_views_are_better_than_one() -> None:
    true, labels = made_up(4000)
    views = [noisy(true, 2, 1), noisy(true, 2, 2)]
    fusion = fit_fusion([v[:2000] for v in views], labels[:2000], folds_of(2000))
    new = [v[2000:] for v in views]
    alone = macro_auroc(labels[2000:], new[0])
    assert macro_auroc(labels[2000:], fusion.logits(new)) > alone + 0.02
    assert fusion.weights[1] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("n", [60, 300, 2000])
def test_noise_is_not_added(n: int) -> None:
    """The fused classifier is the first one, though it may be calibrated otherwise."""
    true, labels = made_up(n + 4000)
    views = [noisy(true, 1, 1), np.random.default_rng(3).normal(0, 3, true.shape)]
    fusion = fit_fusion([v[:n] for v in views], labels[:n], folds_of(n))
    new = [v[n:] for v in views]
    alone = macro_auroc(labels[n:], new[0])
    assert macro_auroc(labels[n:], fusion.logits(new)) > alone - 0.004
    assert np.abs(fusion.weights[1]).max() < 0.15


def test_each_part_has_its_own_weight() -> None:
    true, labels = made_up(4000)
    noise = np.random.default_rng(3).normal(0, 3, true.shape)
    fusion = fit_fusion(
        [noisy(true, 1, 1), noise, noisy(true, 1, 2)], labels, folds_of(4000)
    )
    assert np.abs(fusion.weights[1]).max() < 0.15
    assert fusion.weights[2].min() > 0.5


def test_a_shift_of_a_further_part_changes_no_probability() -> None:
    true, labels = made_up(20_000)
    views = [noisy(true, 1, 1), noisy(true, 1, 2) + 3]
    fusion = fit_fusion(views, labels, folds_of(20_000))
    mean = fusion.probabilities(views).mean(axis=0)
    np.testing.assert_allclose(mean, labels.mean(axis=0), atol=0.01)


def test_overconfident_logits_are_calibrated() -> None:
    true, labels = made_up(20_000)
    fusion = fit_fusion([3 * true + 1], labels, folds_of(20_000))
    np.testing.assert_allclose(fusion.scale, 1 / 3, rtol=0.1)
    got = fusion.probabilities([3 * true + 1])
    np.testing.assert_allclose(got, expit(true), atol=0.03)


def test_a_class_that_never_varies_does_no_harm() -> None:
    true, labels = made_up(500)
    labels[:, 1] = 0
    labels[:, 2] = 1
    views = [noisy(true, 1, 1), noisy(true, 1, 2)]
    views[0][:, 1] = -np.inf
    views[0][:, 2] = np.inf
    fusion = fit_fusion(views, labels, folds_of(500))
    logits = fusion.logits(views)
    assert np.isfinite(logits).all()
    assert (logits[:, 1] < -5).all()
    assert (logits[:, 2] > 5).all()
    assert (fusion.weights[1, 1:3] == 0).all()
    assert (fusion.offset[1:3] == 0).all()


def test_the_strongest_penalty_makes_all_classes_alike() -> None:
    true, labels = made_up(900)
    stacked = np.stack([noisy(true, 1, 1), noisy(true, 1, 2)])
    alike = logit_fusion._fit(stacked, labels, np.inf)
    assert np.ptp(alike.weights[1]) == 0
    assert np.ptp(alike.scale) == 0
    free = logit_fusion._fit(stacked, labels, 1.0)
    nearly = logit_fusion._fit(stacked, labels, 1e6)
    np.testing.assert_allclose(nearly.weights, alike.weights, atol=1e-3)
    assert np.ptp(free.weights[1]) > 0.01


def test_classes_have_no_order() -> None:
    true, labels = made_up(400)
    views = [noisy(true, 1, 1), noisy(true, 1, 2), noisy(true, 3, 4)]
    order = [2, 0, 3, 1]
    fusion = fit_fusion(views, labels, folds_of(400))
    turned = fit_fusion([v[:, order] for v in views], labels[:, order], folds_of(400))
    np.testing.assert_allclose(turned.weights, fusion.weights[:, order], atol=1e-3)
    assert turned.strength == fusion.strength


def test_the_gradient_is_that_of_the_cost() -> None:
    true, labels = made_up(50)
    labels[:, 0] = 1
    centred = np.stack([noisy(true, 1, k) for k in range(3)])
    varies = np.array([False, True, True, True])
    args = (centred, labels, varies, 7.0)
    point = np.random.default_rng(0).normal(0, 0.3, 2 + 2 * 4 + 1 + 4)

    def cost(x: FloatArray) -> float:
        return logit_fusion._cost(x, *args)[0]

    def gradient(x: FloatArray) -> FloatArray:
        return logit_fusion._cost(x, *args)[1]

    error = check_grad(cost, gradient, point)
    assert error < 1e-3


def test_certain_classifiers_have_finite_logits() -> None:
    true, labels = made_up(200)
    sure = np.where(labels > 0, np.inf, -np.inf)
    fusion = fit_fusion([sure, true], labels, folds_of(200))
    assert np.isfinite(fusion.logits([sure, true])).all()
    assert np.abs(fusion.centres).max() <= LARGEST_LOGIT


def test_a_contrary_classifier_is_not_subtracted() -> None:
    """Weights that all classes share are not negative; without folds, all share one."""
    rng = np.random.default_rng(3)
    labels = (rng.random((400, 2)) < 0.5).astype(float)
    good = 2 * labels - 1 + rng.normal(0, 2, labels.shape)
    contrary = 1 - 2 * labels + rng.normal(0, 2, labels.shape)
    fusion = fit_fusion([good, contrary], labels, np.zeros(400, np.int64))
    assert fusion.strength == np.inf
    np.testing.assert_allclose(fusion.weights, [[1, 1], [0, 0]], atol=1e-6)


def test_offsets_of_few_records_are_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    kept = {}
    for n_records in (30, 3000):
        truth = random.normal(0, 2, (n_records, 1))
        labels = (random.random(truth.shape) < expit(truth)).astype(float)
        offsets = []
        for strength in (logit_fusion._OFFSET_STRENGTH, 1e-9):
            monkeypatch.setattr(logit_fusion, "_OFFSET_STRENGTH", strength)
            fusion = fit_fusion([truth + 2.0], labels, np.arange(n_records) % 2)
            offsets.append(fusion.offset.item())
            monkeypatch.undo()
        assert offsets[1] < -1
        kept[n_records] = offsets[0] / offsets[1]
    assert 0 < kept[30] < 0.9 < kept[3000] < 1
