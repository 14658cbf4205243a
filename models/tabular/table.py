"""Numbers beside the signals: handcrafted and deep features, age and sex, by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ecgstore import pipes
from ecgstore.arrays import Float32Array
from ecgstore.errors import EcgStoreError
from ecgstore.pipes import Batch
from ecgstore.storage import Selection

Kind = Literal["handcrafted", "deep", "age_sex"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "handcrafted": ("features",),
    "deep": (),
    "age_sex": ("age", "sex"),
}
_SEX: Final = {"male": 0.0, "female": 1.0}


@dataclass(frozen=True, eq=False)
class DeepFeatures:
    """Deep features of some records of a store, as a batch transform that adds them.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_features)
        For every row of the store; NaN in the rows of records that have none.
    """

    values: Float32Array

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the column ``deep``.

        Raises
        ------
        EcgStoreError
            If one of its records has none.
        """
        found = self.values[batch.rows.cpu().numpy()]
        if np.isnan(found).any():
            row = int(batch.rows[np.flatnonzero(np.isnan(found).any(axis=1))[0]])
            raise EcgStoreError(
                f"row {row} has no deep features; expected those of every record asked "
                "for: extract them first"
            )
        deep = torch.from_numpy(found).to(batch.rows.device)
        return replace(batch, columns={**batch.columns, "deep": deep})


def fields_of(kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Return what a loader must read for some kinds of numbers."""
    return tuple(name for kind in kinds for name in _FIELDS[kind])


def table_of(batch: Batch, kinds: Sequence[Kind]) -> Tensor:
    """Return the numbers of a batch's records, kinds side by side.

    Parameters
    ----------
    batch : Batch
        With the fields of `fields_of`, and the column of `DeepFeatures` for ``"deep"``.
    kinds : sequence of str
        Which; of `KINDS`.

    Returns
    -------
    Tensor of shape (n_records, n_columns)
        float32, NaN where undefined. Sex is 0 for male and 1 for female.
    """
    return torch.cat([_numbers(batch, kind) for kind in kinds], dim=1)


def _numbers(batch: Batch, kind: Kind) -> Tensor:
    """Return one kind of numbers."""
    device = batch.rows.device
    if kind == "handcrafted":
        assert batch.features is not None  # it is among the fields
        # An infinite feature is as undefined as one that is missing.
        return torch.nan_to_num(batch.features, torch.nan, torch.nan, torch.nan)
    if kind == "deep":
        deep = batch.columns["deep"]
        assert isinstance(deep, Tensor)
        return deep
    age, sex = batch.columns["age"], batch.columns["sex"]
    assert isinstance(age, Tensor)
    is_female = torch.tensor([_SEX.get(str(each), torch.nan) for each in sex])
    return torch.stack([age.to(torch.float32), is_female.to(device)], dim=1)


def read_table(
    selection: Selection, kinds: Sequence[Kind], deep: DeepFeatures | None
) -> Float32Array:
    """Return the numbers of selected records in their order: (n_records, n_columns)."""
    with pipes.loader(
        selection,
        batch_size=1024,
        fields=fields_of(kinds),
        transform=[] if deep is None else [deep],
        prefetch=0,
    ) as loader:
        return np.concatenate([table_of(batch, kinds).numpy() for batch in loader])
