"""Evaluate a condition over the columns of a store, reading those that it names."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
import pandas as pd

from ecgstore.arrays import BoolArray
from ecgstore.errors import EcgStoreError
from ecgstore.storage.columns import Columns

_WORDS: Final = re.compile(r"\w+")
_QUOTED: Final = re.compile(r"`([^`\n]*)`")

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
        frame = pd.DataFrame(
            {name: np.array(columns.read(name)) for name in _named(columns, query)},
            index=pd.RangeIndex(n_rows),
        )
        # Without the variables of this function, which pandas would find after an @.
        result = np.asarray(
            frame.eval(query, engine="python", local_dict={}, global_dict={})
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


def _named(columns: Columns, query: str) -> Iterator[str]:
    """Yield the columns whose names occur in a query.

    A column that it uses is in the text of the query: as a word or in backticks. Words
    in its strings may be further columns, which are then read in vain.
    """
    # Python reads names in this form of Unicode.
    text = f"{query}\n{unicodedata.normalize('NFKC', query)}"
    names = {*_WORDS.findall(text), *_QUOTED.findall(text)}
    return (name for name in columns if name in names)
