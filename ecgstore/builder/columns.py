"""The columns of `/records` that tables may fill: their widths and their values."""

from collections.abc import Iterable, Sequence
from typing import Final

import h5py

from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.features import defined_features
from ecgstore.label_tables import Description, RecordTables
from ecgstore.label_tables.cells import number_in
from ecgstore.storage.format import schema
from ecgstore.storage.format.stored_values import encoded

DESCRIBED: Final = ("dx", "patient_id", "sex")
"""Text columns of every store about which tables may say more than the header."""


def check_columns(config: Config) -> None:
    """Check that a store can have the columns that the options name.

    Raises
    ------
    ConfigError
        If one has the name of a column that every store has.
    """
    features = (
        one.name for one in defined_features(config.duration_s, config.fs, config.leads)
    )
    taken = schema.RESERVED_COLUMNS.union(features)
    for name in schema.extra_columns(config):
        if name in taken:
            raise ConfigError(
                f"option columns names {name!r}, which is a column of every store; "
                "give it another name in the table"
            )


def text_widths(
    config: Config, tables: RecordTables, known: Iterable[Description]
) -> dict[str, int]:
    """Return the bytes of the longest value of each text column that tables fill."""
    is_number = dict(zip(config.columns, tables.is_number, strict=True))
    extra = (name for name in schema.extra_columns(config) if not is_number[name])
    widths = dict.fromkeys((*DESCRIBED, *extra), 0)
    for one in known:
        texts = texts_of(config, one)
        for name, width in widths.items():
            widths[name] = max(width, len(texts[name].encode()))
    return widths


def texts_of(config: Config, known: Description) -> dict[str, str]:
    """Return the values, as texts, of the columns that tables fill."""
    return {
        **dict(zip(config.columns, known.columns, strict=True)),
        "dx": ",".join(known.dx),
        "patient_id": known.patient_id,
        "sex": known.sex,
    }


def put_column(column: h5py.Dataset, rows: slice, values: Sequence[str]) -> None:
    """Write values into a column of texts or of numbers."""
    if column.dtype.kind == "S":
        column[rows] = encoded(values, column.dtype.itemsize)
    else:
        column[rows] = [number_in(value) for value in values]
