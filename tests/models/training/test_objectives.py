"""Objectives: losses of numbers that are missing in part, and sums of objectives."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional

from ecgstore import pipes
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.networks.target_head import TargetHead, varies
from ecgstore.models.training.loss import mean_huber_loss
from ecgstore.models.training.objectives import (
    ClassObjective,
    NumberObjective,
    WeightedSum,
)
from ecgstore.models.training.pretraining import feature_objective
from ecgstore.models.training.targets import target_objective
from ecgstore.pipes import Batch
from ecgstore.storage import Selection
from tests.models.training.small_trainings import N_CLASSES

NAN = float("nan")


def batch_of(training: Selection, **changes: Any) -> Batch:
    fields = ("labels", "features")
    with pipes.loader(training, 16, fields=fields, prefetch=0) as loader:
        return next(iter(loader)).replace(**changes)


def output_of(n_records: int) -> NetworkOutput:
    return NetworkOutput(torch.randn(n_records, N_CLASSES), torch.randn(n_records, 4))


@settings(max_examples=30)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1))
def test_the_loss_is_the_mean_over_known_numbers(known: list[list[bool]]) -> None:
    mask = torch.tensor(known)
    predicted = (3 * torch.randn(mask.shape)).requires_grad_()
    expected = torch.where(mask, torch.randn(mask.shape), NAN)
    loss = mean_huber_loss(predicted, expected, mask)
    [gradient] = torch.autograd.grad(loss, predicted)
    if mask.any():
        plain = functional.huber_loss(predicted[mask], expected[mask])
        torch.testing.assert_close(loss, plain)
    else:
        assert loss == 0
    assert torch.isfinite(gradient).all()
    assert (gradient[~mask] == 0).all()


def test_numbers_are_learned_in_their_units() -> None:
    values = np.array([[1990.0, NAN], [1992.0, 7.0], [NAN, 9.0], [1994.0, np.inf]])
    head = TargetHead(4, 2)
    head.fit(values)
    np.testing.assert_array_equal(head.mean, [1992.0, 8.0])
    np.testing.assert_allclose(head.sd, [np.sqrt(8 / 3), 1.0])
    standardised = head.standardised(torch.from_numpy(values))
    known = np.isfinite(values)
    np.testing.assert_allclose(
        head.in_units(standardised).numpy()[known], values[known], rtol=1e-7
    )
    assert varies(values).tolist() == [True, True]
    assert varies(values[:2]).tolist() == [True, False]


def test_clipped_and_missing_numbers() -> None:
    head = TargetHead(4, 2)
    objective = NumberObjective(head, "targets", [2, 0], clip_sd=4.0)
    targets = torch.tensor([[100.0, 0.0, 1.0], [NAN, 0.0, torch.inf]])
    output = output_of(2)
    batch = Batch(
        rows=torch.arange(2),
        seeds=np.zeros(2, np.uint64),
        names=np.array([b"a", b"b"]),
        n_real_samples=torch.tensor([1, 1]),
        targets=targets,
    )
    predicted = head(output.features)[0]
    expected = functional.huber_loss(predicted, torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(objective(output, batch), expected)


@pytest.mark.parametrize("field", ["targets", "features"])
def test_a_number_that_one_of_two_mixed_records_lacks_is_not_learned(
    field: Literal["targets", "features"],
) -> None:
    numbers = torch.tensor([[1.0, 2.0], [NAN, 4.0], [5.0, 6.0], [7.0, 8.0]])
    labels = torch.eye(4)
    batch = Batch(
        rows=torch.arange(4),
        seeds=np.arange(4, dtype=np.uint64),
        names=np.array([b"a", b"b", b"c", b"d"]),
        n_real_samples=torch.tensor([1, 1, 1, 1]),
        labels=labels,
        **{field: numbers},  # type: ignore[arg-type]
    )
    mixed = pipes.Mixup(8.0)(batch)
    assert mixed.labels is not None
    lacks = mixed.labels[:, 1] > 0  # a part of each is of the second record
    assert lacks.sum() == 2
    known = torch.ones(4, 2, dtype=torch.bool)
    known[lacks, 0] = False
    head = TargetHead(4, 2)
    output = output_of(4)
    predicted = head(output.features)
    whole = mixed.labels @ torch.nan_to_num(numbers, nan=1e6)
    expected = functional.huber_loss(predicted[known], whole[known])
    loss = NumberObjective(head, field, [0, 1])(output, mixed)
    torch.testing.assert_close(loss, expected)


def test_a_sum_weighs_its_parts_and_reads_all_their_fields(
    training: Selection,
) -> None:
    classes = ClassObjective(torch.ones(N_CLASSES))
    features = feature_objective(4, training)
    total = WeightedSum([(1.0, classes), (0.25, features)])
    batch, output = batch_of(training), output_of(16)
    torch.testing.assert_close(
        total(output, batch), classes(output, batch) + 0.25 * features(output, batch)
    )
    assert total.fields == ("labels", "features")
    assert list(classes.state_dict()) == []  # states of class trainings are as before


def test_features_that_do_not_vary_are_left_out(training: Selection) -> None:
    objective = feature_objective(4, training)
    values = training.features().to_numpy(np.float64)
    columns = np.flatnonzero(varies(values))
    assert 0 < len(columns) < values.shape[1]
    assert len(objective.head.mean) == len(columns)
    with pytest.raises(EcgStoreError, match="no handcrafted feature varies"):
        feature_objective(4, Selection(training.store, training.rows[:1]))


def test_targets_must_be_those_of_the_store(training: Selection) -> None:
    with pytest.raises(ConfigError, match=r"no target 'age'; it has none: `ecgstore "):
        target_objective(TargetHead(4, 1), training, ["age"])
