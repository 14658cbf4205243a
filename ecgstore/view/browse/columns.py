"""The columns that the page can show, filter and sort by."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.features.shown import unit_of
from ecgstore.storage import Store
from ecgstore.storage.format.schema import QUALITY_TABLE

Kind = Literal["number", "text", "bool"]
Group = Literal["records", "features", "quality", "attached", "review"]


class Column(NamedTuple):
    """What the page knows of a column.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"number", "text", "bool"}
        What its values are.
    group : {"records", "features", "quality", "attached", "review"}
        Where they come from.
    unit : str or None
        Unit; None if there is none.
    """

    name: str
    kind: Kind
    group: Group
    unit: str | None


def columns_of(store: Store) -> Iterator[Column]:
    """Yield every column of a store."""
    columns = store.columns
    records = {*columns.of_records}
    features = dict(zip(store.feature_names, store.feature_units, strict=True))
    quality = {
        name: one.unit
        for one in QUALITY_TABLE
        for name in (one.name, *(f"{one.name}_{lead}" for lead in store.leads))
    }
    no_rows = np.zeros(0, np.int64)
    for name in columns:
        kind = kind_of(columns.read(name, no_rows))
        if name in records:
            yield Column(name, kind, "records", unit_of(name))
        elif name in features:
            yield Column(name, kind, "features", _unit(features[name]))
        elif name in quality:
            yield Column(name, kind, "quality", _unit(quality[name]))
        elif name in columns.review:
            yield Column(name, kind, "review", None)
        else:
            yield Column(name, kind, "attached", None)


def _unit(unit: str | None) -> str | None:
    """Return a unit that is worth showing."""
    return None if unit in (None, "", "1") else unit


def kind_of(values: NDArray[Any]) -> Kind:
    """Return what the values of a column are."""
    kinds: dict[str, Kind] = {"O": "text", "S": "text", "U": "text", "b": "bool"}
    return kinds.get(values.dtype.kind, "number")
