"""The linear head is penalised logistic regression, chosen on folds left out."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.training import linear_head
from ecgstore.models.training.linear_head import LinearHead, fit_linear_head


def made(
    n_records: int, n_features: int, seed: int = 0
) -> tuple[Float32Array, FloatArray, IntArray]:
    """Return features of different scales, labels of two classes, and folds."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(n_records, n_features))
    hidden = values[:, :2] + 0.7 * random.normal(size=(n_records, 2))
    scales = 10.0 ** random.integers(-2, 3, n_features)
    features = (values * scales + 3 * scales).astype(np.float32)
    return features, (hidden > 0.2).astype(float), random.integers(3, size=n_records)


def fit_with(
    monkeypatch: pytest.MonkeyPatch,
    features: Float32Array,
    labels: FloatArray,
    strength: float,
) -> LinearHead:
    monkeypatch.setattr(linear_head, "STRENGTHS", (strength,))
    return fit_linear_head(features, labels, np.zeros(len(features), np.int64))


def by_scikit_learn(
    features: Float32Array, labels: FloatArray, strength: float
) -> FloatArray:
    """Return logits (n_records, n_classes); the penalty per standardised feature."""
    scaled = StandardScaler().fit_transform(features.astype(float))
    penalty = strength * features.shape[1]
    return np.stack(
        [
            LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
            .fit(scaled, column)
            .decision_function(scaled)
            for column in labels.T
        ],
        axis=1,
    )


@pytest.mark.parametrize("strength", [1.0, 0.01])
@pytest.mark.parametrize("shape", [(80, 5), (40, 39), (40, 40), (40, 41), (30, 200)])
def test_it_is_scikit_learns_logistic_regression(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], strength: float
) -> None:
    features, labels, _ = made(*shape)
    head = fit_with(monkeypatch, features, labels, strength)
    assert head.strength == strength
    assert head.weight.dtype == head.bias.dtype == np.float32
    assert head.weight.shape == (2, shape[1])
    logits = features @ head.weight.T.astype(float) + head.bias
    expected = by_scikit_learn(features, labels, strength)
    np.testing.assert_allclose(logits, expected, atol=2e-3)
    assert np.ptp(expected) > 0.1


def test_few_records_have_the_classifier_of_the_full_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With fewer records than features it is solved in another space."""
    features, labels, _ = made(30, 200)
    in_span = fit_with(monkeypatch, features, labels, 0.1)
    monkeypatch.setattr(linear_head, "_basis", lambda _: None)
    in_full = fit_with(monkeypatch, features, labels, 0.1)
    scale = features.std(axis=0)
    np.testing.assert_allclose(
        in_span.weight * scale, in_full.weight * scale, atol=1e-4
    )
    monkeypatch.undo()
    basis = linear_head._basis(features.astype(float))
    assert basis is not None
    assert basis.shape == (200, 30)
    assert linear_head._basis(features.T.astype(float)) is None


def test_the_strength_is_the_best_on_folds_left_out() -> None:
    chosen = set()
    for seed, noise in ((0, False), (1, True)):
        features, labels, folds = made(60, 150, seed)
        if noise:
            labels = np.random.default_rng(5).permuted(labels, axis=0)
        costs = []
        for strength in linear_head.STRENGTHS:
            cost = 0.0
            for number in range(3):
                seen = folds != number
                inputs = linear_head._Inputs.of(features[seen].astype(float))
                fitted = linear_head._fit(inputs.values, labels[seen], strength)
                weight, bias = inputs.of_features(fitted)
                logits = features[~seen] @ weight.T + bias
                sign = 2 * labels[~seen] - 1
                cost += np.logaddexp(0, -sign * logits).sum()
            costs.append(cost)
        head = fit_linear_head(features, labels, folds)
        assert head.strength == linear_head.STRENGTHS[int(np.argmin(costs))]
        chosen.add(head.strength)
    assert len(chosen) > 1


def test_with_one_fold_the_strongest_penalty_is_taken() -> None:
    features, labels, folds = made(30, 4)
    assert fit_linear_head(features, labels, 0 * folds).strength == max(
        linear_head.STRENGTHS
    )


@pytest.mark.parametrize("n_features", [5, 100])
def test_a_feature_that_is_constant_has_no_weight(n_features: int) -> None:
    features, labels, folds = made(40, n_features)
    features[:, 2] = 1000.0
    head = fit_linear_head(features, labels, folds)
    assert np.isfinite(head.weight).all()
    np.testing.assert_allclose(head.weight[:, 2] * 1000, 0, atol=1e-3)


@pytest.mark.parametrize("n_features", [5, 100])
def test_classes_of_all_or_no_records_are_certain_but_finite(n_features: int) -> None:
    features, labels, folds = made(40, n_features)
    labels = np.column_stack([labels, np.zeros(40), np.ones(40)])
    head = fit_linear_head(features, labels, folds)
    logits = features @ head.weight.T + head.bias
    assert np.isfinite(logits).all()
    assert (logits[:, 2] < -3).all()
    assert (logits[:, 3] > 3).all()


def test_all_features_constant_give_the_rates() -> None:
    labels = (np.arange(40)[:, None] % 4 == 0).astype(float)
    head = fit_linear_head(np.ones((40, 3), np.float32), labels, np.arange(40) % 2)
    logits = np.ones((1, 3)) @ head.weight.T + head.bias
    assert 1 / (1 + np.exp(-logits.item())) == pytest.approx(0.25, abs=1e-3)
