"""The weighted cross entropy has its minimum at the class frequencies."""

import numpy as np
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor
from torch.nn import functional

from ecgstore.diagnoses import class_weights
from ecgstore.models.training.loss import weighted_loss


@settings(max_examples=12)
@given(st.lists(st.integers(1, 39), min_size=1, max_size=4))
def test_the_minimum_is_at_unweighted_log_odds(positives: list[int]) -> None:
    labels = np.zeros((40, len(positives)), np.uint8)
    for column, n in zip(labels.T, positives, strict=True):
        column[:n] = 1
    weights = torch.from_numpy(class_weights(labels))
    best = best_probabilities(torch.from_numpy(labels).float(), weights)
    torch.testing.assert_close(best, torch.tensor(positives) / 40, atol=2e-3, rtol=0)


def test_the_minimum_of_mixed_labels_is_at_their_means() -> None:
    labels = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    best = best_probabilities(labels, torch.tensor([1.0, 3.0, 10.0]))
    torch.testing.assert_close(best, labels.mean(0), atol=2e-3, rtol=0)


@settings(max_examples=12)
@given(st.floats(0, 1), st.integers(0, 100))
def test_the_loss_of_mixed_labels_is_the_mixture_of_the_losses(
    share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(6, 4, generator=generator)
    first, second = (
        torch.randint(2, (6, 4), generator=generator).float() for _ in range(2)
    )
    weights = 1 + 9 * torch.rand(4, generator=generator)
    mixed = weighted_loss(logits, share * first + (1 - share) * second, weights)
    losses = [weighted_loss(logits, labels, weights) for labels in (first, second)]
    torch.testing.assert_close(mixed, share * losses[0] + (1 - share) * losses[1])


def best_probabilities(labels: Tensor, weights: Tensor) -> Tensor:
    """Return the probabilities, the same for all records, of the lowest loss."""
    bias = torch.zeros(labels.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        loss = weighted_loss(bias.expand(labels.shape), labels, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return bias.detach().sigmoid()


def test_positives_of_rare_classes_have_higher_weights() -> None:
    labels = np.zeros((1000, 5), np.uint8)
    for column, n in zip(labels.T, (1000, 500, 100, 1, 0), strict=True):
        column[:n] = 1
    assert class_weights(labels).tolist() == [1.0, 1.0, 3.0, 10.0, 1.0]


def test_weights_of_1_give_the_plain_cross_entropy() -> None:
    logits, labels = torch.randn(5, 3), torch.randint(2, (5, 3)).float()
    plain = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(weighted_loss(logits, labels, torch.ones(3)), plain)
