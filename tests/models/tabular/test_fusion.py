"""Numbers beside the signals: tables, the small network on them, and trees."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import ecgstore
from ecgstore import pipes
from ecgstore.arrays import Float32Array, UInt8Array
from ecgstore.errors import EcgStoreError
from ecgstore.models.comparison.classifiers import CLASSIFIERS
from ecgstore.models.inference.run import run_network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular import fusion
from ecgstore.models.tabular.fusion import FusionNetwork, train_fusion
from ecgstore.models.tabular.table import (
    KINDS,
    DeepFeatures,
    Kind,
    fields_of,
    read_table,
    table_of,
)
from ecgstore.models.tabular.table_input import TableInput
from ecgstore.models.tabular.trees import Trees
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.testing import digest
from ecgstore.scores.multilabel import auroc
from ecgstore.storage import Selection, Store

N = math.nan
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def training(store: Store) -> Selection:
    return store.select(rows=range(0, 44, 2))


@pytest.fixture(scope="module")
def deep(store: Store) -> DeepFeatures:
    """Features of each record that follow from its labels, with noise."""
    noise = np.random.default_rng(1).normal(size=(len(store), 7))
    return DeepFeatures((store.labels() + 0.2 * noise).astype(np.float32))


def fitted(table: list[list[float]]) -> TableInput:
    table_input = TableInput(len(table[0]))
    table_input.fit(np.array(table, np.float32))
    return table_input


# The input of a network: standardised columns, and where they are missing.


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999), n_columns=st.integers(1, 4))
def test_columns_are_standardised(
    data: st.DataObject, seed: int, n_columns: int
) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(3, 2, (20, n_columns)).astype(np.float32)
    may_miss = np.array(data.draw(st.lists(st.booleans(), min_size=4, max_size=4)))
    missing = (generator.random(table.shape) < 0.3) & may_miss[:n_columns]
    table[missing] = N
    table_input = TableInput(n_columns)
    table_input.fit(table)
    found = table_input(torch.from_numpy(table)).numpy()
    assert found.shape == (20, table_input.n_outputs)
    values, indicators = found[:, :n_columns], found[:, n_columns:]
    known = ~missing
    mean, sd = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    expected = np.clip((table - mean) / sd, -5, 5)
    np.testing.assert_allclose(values[known], expected[known], atol=1e-5)
    assert not values[missing].any()
    assert np.array_equal(indicators, missing.astype(np.float32))


def test_missing_numbers_are_only_told_where_some_were_missing_before() -> None:
    table_input = fitted([[1, N], [3, 5], [5, 7]])
    found = table_input(torch.tensor([[N, N], [3.0, 6.0]]))
    assert found.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_constant_and_empty_columns_are_0_whatever_comes() -> None:
    table_input = fitted([[0.1, N, 1e7, 0], [0.1, N, 1e7 + 1, 0], [N, N, 1e7, 0]])
    found = table_input(torch.tensor([[3.0, -8.0, 1e8, 1e30], [N, math.inf, N, N]]))
    assert found[:, :4].tolist() == [[0, 0, 0, 0]] * 2
    assert found[:, 4:].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert torch.isfinite(found).all()


def test_outliers_are_moved_to_5_standard_deviations() -> None:
    table_input = fitted([[-1.0], [1.0]])
    found = table_input(torch.tensor([[4.0], [7.0], [-1e30], [math.inf]]))
    assert found[:, 0].tolist() == [4.0, 5.0, -5.0, 5.0]


def test_what_was_fitted_is_in_the_weights() -> None:
    table_input, other = fitted([[1.0, N], [3.0, 2.0]]), TableInput(2)
    other.load_state_dict(table_input.state_dict())
    table = torch.tensor([[2.5, N]])
    assert torch.equal(other(table), table_input(table))
    assert not list(table_input.parameters())


def test_nothing_is_fitted_on_other_records(store: Store, training: Selection) -> None:
    network = train_fusion(training, ("age_sex",), SETTINGS)
    table = read_table(training, ("age_sex",), None)
    mean = np.nanmean(table.astype(np.float64), axis=0)
    np.testing.assert_allclose(network.table_input.mean.numpy(), mean, rtol=1e-6)
    everyone = read_table(store.select(), ("age_sex",), None)
    assert not np.allclose(np.nanmean(everyone, axis=0), mean, rtol=1e-6)


# Tables.


def test_deep_features_are_added_by_row(store: Store, deep: DeepFeatures) -> None:
    some = store.select(rows=[3, 7, 8])
    table = read_table(some, ("deep",), deep)
    assert np.array_equal(table, deep.values[[3, 7, 8]])
    shuffled = pipes.loader(some, 2, shuffle=True, fields=("labels",), transform=deep)
    for batch in shuffled:
        added = batch.columns["deep"]
        assert isinstance(added, Tensor)
        assert np.array_equal(added.numpy(), deep.values[batch.rows.numpy()])


def test_records_without_deep_features_are_refused(
    store: Store, deep: DeepFeatures
) -> None:
    values = deep.values.copy()
    values[7, 2] = N
    some = store.select(rows=[3, 7, 8])
    with pytest.raises(EcgStoreError, match=r"row 7 has no deep features; .* extract"):
        read_table(some, ("deep",), DeepFeatures(values))
    read_table(store.select(rows=[3, 8]), ("deep",), DeepFeatures(values))


def test_kinds_stand_side_by_side_in_the_order_asked_for(
    store: Store, deep: DeepFeatures
) -> None:
    some = store.select(rows=[1, 2, 5])
    parts = {kind: read_table(some, (kind,), deep) for kind in KINDS}
    assert [parts[kind].shape[1] for kind in KINDS] == [610, 7, 2]
    orders: list[tuple[Kind, ...]] = [KINDS, ("age_sex", "deep"), ("deep", "age_sex")]
    for kinds in orders:
        table = read_table(some, kinds, deep)
        assert table.dtype == np.float32
        expected = np.concatenate([parts[kind] for kind in kinds], axis=1)
        np.testing.assert_array_equal(table, expected)
    features = store.features(some.rows).to_numpy("f4")
    np.testing.assert_array_equal(parts["handcrafted"], features)
    assert fields_of(("deep", "age_sex")) == ("age", "sex")


def table_batch(**columns: Tensor | list[str]) -> Batch:
    return Batch(
        rows=torch.arange(4),
        seeds=np.zeros(4, np.uint64),
        names=np.array([b"a"] * 4),
        n_real_samples=torch.full((4,), 5),
        features=torch.tensor([[1.0, math.inf], [-math.inf, N], [0, 0], [2, 3]]),
        columns=columns,
    )


def test_age_and_sex() -> None:
    batch = table_batch(
        age=torch.tensor([40.0, N, 0.0, 90.0]), sex=["male", "female", "", "unknown"]
    )
    table = table_of(batch, ("age_sex",))
    expected = torch.tensor([[40, 0], [N, 1], [0, N], [90, N]])
    torch.testing.assert_close(table, expected, equal_nan=True)


def test_infinite_features_are_missing() -> None:
    table = table_of(table_batch(), ("handcrafted",))
    expected = torch.tensor([[1, N], [N, N], [0, 0], [2, 3]])
    torch.testing.assert_close(table, expected, equal_nan=True)


# The small network.

SETTINGS = TrainingSettings(
    epochs=2, batch_size=8, augment=False, learning_rate=0.01, seed=1
)


def test_a_relation_is_learnt(
    store: Store, training: Selection, deep: DeepFeatures
) -> None:
    others = store.select(rows=range(1, 44, 2))
    told = replace(SETTINGS, epochs=15)
    network = train_fusion(training, ("deep", "age_sex"), told, deep)
    found = run_network(network, others, transform=[deep])
    assert np.nanmean(auroc(store.labels(rows=others.rows), found.probabilities)) > 0.9


def test_first_weights_depend_on_the_seed(
    training: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def note(network: FusionNetwork, *_: object, **__: object) -> None:
        begun.append(digest(network.head.state_dict()))

    monkeypatch.setattr(fusion, "fit", note)
    for seed in (1, 1, 2):
        train_fusion(training, ("handcrafted",), replace(SETTINGS, seed=seed))
    assert begun[0] == begun[1] != begun[2]


def test_every_learner_takes_the_seed(training: Selection) -> None:
    for name in ("handcrafted", "trees"):
        mode = CLASSIFIERS[name]
        first, again, other = (
            mode.learn(training, mode.kinds, None, replace(SETTINGS, seed=seed))(
                training, None
            )
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, again, name)
        assert (first != other).any(), name


def test_the_same_seed_gives_the_same_bits(
    training: Selection, deep: DeepFeatures
) -> None:
    kinds: tuple[Kind, ...] = ("handcrafted", "deep")
    before = torch.get_rng_state()
    first, again, other = (
        digest(train_fusion(training, kinds, told, deep).state_dict())
        for told in (SETTINGS, SETTINGS, replace(SETTINGS, seed=2))
    )
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), before)


def test_other_records_change_nothing(
    store: Store, training: Selection, deep: DeepFeatures
) -> None:
    spoilt = deep.values.copy()
    spoilt[np.setdiff1d(np.arange(len(store)), training.rows)] = N
    first, second = (
        digest(train_fusion(training, ("deep",), SETTINGS, each).state_dict())
        for each in (deep, DeepFeatures(spoilt))
    )
    assert first == second


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_constant_columns_do_no_harm(
    store: Store, training: Selection, average_decay: float
) -> None:
    values = np.random.default_rng(2).normal(size=(len(store), 3)).astype(np.float32)
    values[:, 1] = 0.1
    deep = DeepFeatures(values)
    told = replace(SETTINGS, average_decay=average_decay)
    network = train_fusion(training, ("deep",), told, deep)
    found = run_network(network, training, transform=[deep])
    assert np.isfinite(found.logits).all()
    assert found.features.shape == (len(training), 64)


def test_layers_are_those_of_the_prototype() -> None:
    network = FusionNetwork(("handcrafted", "age_sex"), 5, 7)
    assert network.fields == ("features", "age", "sex", "labels")
    n_in, expected = 10, 0
    for width in (256, 128, 64):
        expected += n_in * width + 3 * width
        n_in = width
    expected += 64 * 7 + 7
    assert sum(each.numel() for each in network.parameters()) == expected


# Trees.


@pytest.fixture(scope="module")
def numbers() -> tuple[Float32Array, UInt8Array]:
    """A table with everything, and labels of which the first two follow from it."""
    generator = np.random.default_rng(0)
    table = generator.normal(size=(120, 5)).astype(np.float32)
    table[:, 1] = 3.0
    table[:, 2] = N
    table[::3, 3] = N
    table[1:, 4] = N
    labels = np.zeros((120, 4), np.uint8)
    labels[:, 0] = table[:, 0] > 0
    labels[:, 1] = np.isnan(table[:, 3])
    labels[:, 3] = 1
    return table, labels


def test_trees_learn_from_numbers_and_from_their_absence(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    probabilities = Trees(table[:80], labels[:80], 0).probabilities(table[80:])
    assert probabilities.shape == (40, 4)
    assert (auroc(labels[80:, :2], probabilities[:, :2]) > 0.95).all()
    assert (probabilities[:, 2] == 0).all()
    assert (probabilities[:, 3] == 1).all()


def test_trees_are_a_function_of_their_seed(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    # Columns are drawn for each split, and there are enough of them for that.
    wide = np.concatenate([table, np.roll(table, 7, axis=0), table[::-1]], axis=1)
    first, again, other = (
        Trees(wide, labels, seed).probabilities(wide) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("value", [3.0, N])
def test_trees_without_a_column_that_varies_know_the_rates(
    numbers: tuple[Float32Array, UInt8Array], value: float
) -> None:
    _, labels = numbers
    table = np.full((120, 2), value, np.float32)
    probabilities = Trees(table, labels, 0).probabilities(table[:3])
    np.testing.assert_allclose(probabilities, [labels.mean(axis=0)] * 3)
