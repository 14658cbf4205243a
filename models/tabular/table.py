"""Tables of features by record: handcrafted and deep features, age and sex."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ecgstore import pipes
from ecgstore.arrays import Float32Array
from ecgstore.errors import EcgStoreError
from ecgstore.features.shown import SEXES
from ecgstore.pipes.batch import Batch
from ecgstore.storage.deep_features.names import column_names

if TYPE_CHECKING:  # pandas is not needed to predict files
    from ecgstore.storage import Selection, Store

FeatureSet = Literal["handcrafted", "deep", "age_sex"]
FEATURE_SETS: Final[tuple[FeatureSet, ...]] = get_args(FeatureSet)
AGE_SEX: Final = ("age", "sex")
"""The columns of the set "age_sex"."""

_FIELDS: Final[Mapping[FeatureSet, tuple[str, ...]]] = {
    "handcrafted": ("features",),
    "deep": (),
    "age_sex": AGE_SEX,
}
_SEX: Final = {name: value for value, name in SEXES.items()}


@dataclass(frozen=True, eq=False)
class DeepFeatures:
    """Deep features of records of a store, as a batch transform that adds them.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_features)
        A row for every row of the store; NaN for records without deep features.
    """

    values: Float32Array

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with an additional column ``deep``.

        Raises
        ------
        EcgStoreError
            If a record of the batch has no deep features.
        """
        values = self.values[batch.rows.cpu().numpy()]
        missing = np.isnan(values).any(axis=1)
        if missing.any():
            row = int(batch.rows[np.flatnonzero(missing)[0]])
            raise EcgStoreError(
                f"row {row} has no deep features; expected them for every record: "
                "extract them first, or select other records"
            )
        deep = torch.from_numpy(values).to(batch.rows.device)
        return batch.replace(columns={**batch.columns, "deep": deep})


def fields_of(feature_sets: Sequence[FeatureSet]) -> tuple[str, ...]:
    """Return the fields that a loader must read for some feature sets."""
    return tuple(name for group in feature_sets for name in _FIELDS[group])


def table_of(batch: Batch, feature_sets: Sequence[FeatureSet]) -> Tensor:
    """Return the features of the records of a batch, the sets side by side.

    Parameters
    ----------
    batch : Batch
        With the fields of `fields_of`, and the column of `DeepFeatures` for ``"deep"``.
    feature_sets : sequence of str
        Some of `FEATURE_SETS`.

    Returns
    -------
    Tensor of shape (n_records, n_columns)
        float32, NaN where undefined. Age is in years; sex is 0 for male and 1 for
        female.
    """
    return torch.cat([_features_of(batch, group) for group in feature_sets], dim=1)


def _features_of(batch: Batch, feature_set: FeatureSet) -> Tensor:
    """Return the features of one set."""
    device = batch.rows.device
    if feature_set == "handcrafted":
        assert batch.features is not None  # it is among the fields
        # An infinite feature is as undefined as a missing one.
        return torch.nan_to_num(batch.features, torch.nan, torch.nan, torch.nan)
    if feature_set == "deep":
        deep = batch.columns["deep"]
        assert isinstance(deep, Tensor)
        return deep
    age, sex = batch.columns["age"], batch.columns["sex"]
    assert isinstance(age, Tensor)
    is_female = torch.tensor([_SEX.get(str(value), torch.nan) for value in sex])
    return torch.stack([age.to(torch.float32), is_female.to(device)], dim=1)


def columns_of(
    store: "Store", feature_sets: Sequence[FeatureSet], deep: DeepFeatures | None
) -> list[str]:
    """Return the names of the columns of `read_table`.

    Parameters
    ----------
    store : Store
        The store of the records.
    feature_sets : sequence of str
        Some of `FEATURE_SETS`.
    deep : DeepFeatures, optional
        Needed for ``"deep"``.
    """
    names: dict[FeatureSet, Sequence[str]] = {
        "handcrafted": store.feature_names,
        "deep": [] if deep is None else column_names("deep", deep.values),
        "age_sex": AGE_SEX,
    }
    return [name for feature_set in feature_sets for name in names[feature_set]]


def read_table(
    selection: "Selection",
    feature_sets: Sequence[FeatureSet],
    deep: DeepFeatures | None,
) -> Float32Array:
    """Return the features of selected records, in their order.

    Returns
    -------
    ndarray of shape (n_records, n_columns)
    """
    with pipes.loader(
        selection,
        batch_size=1024,
        fields=fields_of(feature_sets),
        transform=[] if deep is None else [deep],
        prefetch=0,
    ) as loader:
        return np.concatenate(
            [table_of(batch, feature_sets).numpy() for batch in loader]
        )
