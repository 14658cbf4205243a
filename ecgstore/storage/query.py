"""Evaluate a condition over the columns of a store, reading those that it names."""

from itertools import islice
from typing import Final

import numpy as np
import pandas as pd

from ecgstore.arrays import BoolArray
from ecgstore.errors import EcgStoreError
from ecgstore.storage.columns import Columns
from ecgstore.storage.conditions import read_condition, require_no_sums_of_texts

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
        condition = read_condition(query)
        frame = pd.DataFrame(
            {
                name: np.array(columns.read(column))
                for name, column in condition.names.items()
                if column in columns
            },
            index=pd.RangeIndex(n_rows),
        )
        require_no_sums_of_texts(
            condition, {name for name in frame if frame[name].dtype == object}
        )
        # Without the variables of this function, which pandas would find.
        result = np.asarray(
            frame.eval(condition.text, engine="python", local_dict={}, global_dict={})
        )
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
