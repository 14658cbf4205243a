"""Decode texts that a store holds as UTF-8 bytes of a fixed width."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BytesArray
from ecgstore.distinct_texts import BLOCK, distinct
from ecgstore.errors import SchemaError

_SAMPLE: Final = 4096
"""Elements from which it is guessed whether a column repeats its texts."""


def decoded(texts: BytesArray, where: str) -> NDArray[np.object_]:
    """Return texts as Python strings.

    Repeated texts are decoded once and share one string, so that a column of ten
    million diagnoses takes 80 MB, and not a gigabyte.

    Parameters
    ----------
    texts : ndarray of shape (n,)
        UTF-8 bytes.
    where : str
        File and table, for the message of an error.

    Returns
    -------
    ndarray of shape (n,)
        Of type object.

    Raises
    ------
    SchemaError
        If a text is not UTF-8.
    """
    if not repeats(texts):
        return _decoded(texts, where)
    first, numbers = distinct(texts)
    result: NDArray[np.object_] = _decoded(texts[first], where)[numbers]
    return result


def repeats(texts: BytesArray) -> bool:
    """Return whether texts are so many, and so often repeated, that it pays to know."""
    if len(texts) <= _SAMPLE:
        return False
    sample = texts[:: len(texts) // _SAMPLE]
    return len(set(sample.tolist())) < len(sample) // 2


def _decoded(texts: BytesArray, where: str) -> NDArray[np.object_]:
    """Return texts as Python strings, each decoded for itself."""
    result: NDArray[Any] = np.empty(len(texts), object)
    for begin in range(0, len(texts), BLOCK):
        block = slice(begin, begin + BLOCK)
        try:
            result[block] = [text.decode() for text in texts[block].tolist()]
        except UnicodeDecodeError as error:
            raise SchemaError(
                f"{where} is damaged, it is not UTF-8; build the store again or "
                "restore it from a copy"
            ) from error
    return result
