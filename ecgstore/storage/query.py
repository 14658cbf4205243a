"""Evaluate a condition over the columns of a store, reading those that it names."""

from itertools import islice
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray
from ecgstore.errors import EcgStoreError
from ecgstore.storage.columns import Columns
from ecgstore.storage.conditions import (
    Condition,
    read_condition,
    require_no_sums_of_texts,
)

_SHOWN: Final = 9
"""Columns that an error names."""


def fulfils(columns: Columns, query: str, n_rows: int, place: str) -> BoolArray:
    """Return where a condition over all columns holds.

    Parameters
    ----------
    columns : Columns
        Columns of the store.
    query : str
        An expression as for `pandas.DataFrame.query`; see `Store.select`.
    n_rows : int
        Number of rows of the store.
    place : str
        Path or URL of the store, for messages.

    Returns
    -------
    ndarray of shape (n_rows,)
        The result, which equals that over a frame of all columns.

    Raises
    ------
    EcgStoreError
        If the expression fails or is not a condition.
    """
    try:
        result = _evaluated(columns, read_condition(query), n_rows)
    except EcgStoreError:
        raise
    except Exception as error:  # pandas raises many types of errors here
        raise EcgStoreError(
            f"{place}: query {query!r} failed ({error}); expected an expression "
            f"over columns such as {', '.join(islice(columns, _SHOWN))}"
        ) from error
    if result.shape != (n_rows,) or result.dtype != bool:
        raise EcgStoreError(
            f"{place}: query {query!r} is not a condition; expected one that is "
            "true or false for every record, such as: age < 40"
        )
    return result


def _evaluated(columns: Columns, condition: Condition, n_rows: int) -> NDArray[Any]:
    """Return what pandas makes of a condition."""
    known = {
        name: column for name, column in condition.names.items() if column in columns
    }
    if condition.is_of_values and len(condition.names) == len(known) == 1:
        [(name, column)] = known.items()
        texts = columns.distinct_texts(column)
        if texts is not None:  # each text once, instead of once for each of its rows
            values, numbers = texts
            require_no_sums_of_texts(condition, {name})
            result = _eval(condition.text, pd.DataFrame({name: values}))
            return result[numbers] if result.shape == values.shape else result
    frame = {name: np.array(columns.read(column)) for name, column in known.items()}
    require_no_sums_of_texts(
        condition, {name for name, values in frame.items() if values.dtype == object}
    )
    return _eval(condition.text, pd.DataFrame(frame, pd.RangeIndex(n_rows)))


def _eval(text: str, frame: pd.DataFrame) -> NDArray[Any]:
    """Evaluate an expression without the variables of callers, which pandas finds."""
    return np.asarray(frame.eval(text, engine="python", local_dict={}, global_dict={}))
