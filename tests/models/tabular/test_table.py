"""Tables of handcrafted and deep features, age and sex, by record."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.models.tabular.table import (
    FEATURE_SETS,
    DeepFeatures,
    FeatureSet,
    columns_of,
    fields_of,
    read_table,
    table_of,
)
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Store

N = math.nan


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


def test_feature_sets_are_side_by_side_in_the_given_order(
    store: Store, deep: DeepFeatures
) -> None:
    some = store.select(rows=[1, 2, 5])
    parts = {name: read_table(some, (name,), deep) for name in FEATURE_SETS}
    n_columns = [parts[name].shape[1] for name in FEATURE_SETS]
    assert n_columns == [len(store.feature_names), 7, 2]
    orders: list[tuple[FeatureSet, ...]] = [
        FEATURE_SETS,
        ("age_sex", "deep"),
        ("deep", "age_sex"),
    ]
    for feature_sets in orders:
        table = read_table(some, feature_sets, deep)
        assert table.dtype == np.float32
        expected = np.concatenate([parts[of] for of in feature_sets], axis=1)
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


def test_age_is_in_years_and_sex_is_0_or_1() -> None:
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


def test_every_column_has_a_name(store: Store, deep: DeepFeatures) -> None:
    some = store.select(rows=[1, 2])
    orders: list[tuple[FeatureSet, ...]] = [FEATURE_SETS, ("age_sex", "handcrafted")]
    for feature_sets in orders:
        names = columns_of(store, feature_sets, deep)
        assert len({*names}) == read_table(some, feature_sets, deep).shape[1]
    assert names == ["age", "sex", *store.feature_names]
    assert columns_of(store, ("deep",), deep)[:2] == ["deep_000", "deep_001"]
