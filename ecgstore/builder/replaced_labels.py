"""What other labels of a store take away from earlier ones, for messages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore.arrays import BoolArray
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, counted
from ecgstore.storage import Store
from ecgstore.storage.format import schema

if TYPE_CHECKING:
    import pandas as pd

_COMPARED: Final = ("dx", "patient_id", "age", "sex")
"""Columns of every store that labels beside it may change."""


def what_is_replaced(path: Path, config: Config, labels: Path) -> list[str]:
    """Return what of the labels beside a store will be gone, once others are written.

    Parameters
    ----------
    path : Path
        The store.
    config : Config
        Options of the new labels.
    labels : Path
        The file beside the store.

    Returns
    -------
    list of str
        Classes, columns and targets that the new labels do not have, and how many
        records have another value than the build's; empty if there is no file.
    """
    if not labels.exists():
        return []
    try:
        with Store(path) as earlier, Store(path, labels="built") as built:
            return [*_names(earlier.config, config), *_values(earlier, built)]
    except EcgStoreError:
        return ["labels that cannot be read"]


def _names(before: Config, config: Config) -> list[str]:
    """Return the classes, columns and targets that are only in earlier labels."""
    gone = []
    if before.classes != config.classes:
        gone.append(f"classes {before.classes.name}")
    for what, had, has in (
        ("column", schema.extra_columns(before), schema.extra_columns(config)),
        ("target", before.targets, config.targets),
    ):
        gone += [f"{what} {name}" for name in had if name not in has]
    return gone


def _values(earlier: Store, built: Store) -> list[str]:
    """Return how many records had other values than the build gave them."""
    one, two = earlier.records, built.records
    names = (*_COMPARED, *schema.extra_columns(built.config))
    changed = {name: ~_same(one[name], two[name]) for name in names}
    for place, name in enumerate(built.target_names):
        values = earlier.targets()[:, earlier.target_names.index(name)]
        stored = built.targets()[:, place]
        changed[name] = ~np.isclose(values, stored, rtol=0, atol=0, equal_nan=True)
    changed["fold"] = earlier.table(schema.FOLDS) != built.table(schema.FOLDS)
    return [
        f"{name} of {counted(int(rows.sum()), 'record')}"
        for name, rows in changed.items()
        if rows.any()
    ]


def _same(one: "pd.Series[Any]", two: "pd.Series[Any]") -> BoolArray:
    """Return where two columns have the same values; NaN is the same as NaN."""
    return np.asarray((one == two) | (one.isna() & two.isna()), bool)
