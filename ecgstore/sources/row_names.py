"""The names of the rows of a set of ECGs: whole numbers, or texts."""

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason

_MOST_BYTES: Final = 1 << 27
"""Bytes of a chunk of names, which HDF5 reads as a whole."""

_LONGEST_NAME: Final = 200
"""Bytes of a name."""

_MOST_DIGITS: Final = 20
"""Digits of the largest whole number of 64 bits."""

_AT_ONCE: Final = 1000
"""Texts that are read at once: rows may share one long text."""

_EXPECTED: Final = (
    "whole numbers, or printable texts without / and \\, of at most "
    f"{_LONGEST_NAME} bytes and without a dot in front"
)


def read_row_names(dataset: Any, n_rows: int, where: str) -> NDArray[Any]:
    """Return the names in a dataset of HDF5.

    Parameters
    ----------
    dataset : h5py.Dataset
        Whole numbers, also as floating-point ones, or texts in UTF-8.
    n_rows : int
        Number of rows that have a name.
    where : str
        File and dataset, for error messages.

    Returns
    -------
    ndarray of shape (n_rows,)
        Integers, or the bytes of texts; the last text may be empty.

    Raises
    ------
    RecordError
        If a row has no name, or one that no record can have.
    """
    chunk = dataset.chunks or (0,)
    kind, n_bytes = dataset.dtype.kind, dataset.dtype.itemsize
    if dataset.shape != (n_rows,):
        problem = f"is of the shape {dataset.shape}"
        expected = f"({n_rows},), a name for each row"
    elif chunk[0] * n_bytes > _MOST_BYTES or (kind == "S" and n_bytes > _LONGEST_NAME):
        problem = f"has texts of {n_bytes} bytes in chunks of {chunk[0]}"
        expected = _EXPECTED
    elif kind in "iu":
        numbers: NDArray[Any] = dataset[...]
        return numbers
    elif kind == "f":
        return _whole(dataset[...], where)
    elif kind in "SO" and _has_texts(dataset):
        return _texts(dataset, where)
    else:
        problem, expected = f"is of type {str(dataset.dtype)[:40]}", _EXPECTED
    raise RecordError(
        Reason.UNREADABLE_HEADER, f"{where} {problem}; expected {expected}"
    )


def row_texts(names: NDArray[Any]) -> list[str]:
    """Return names as texts.

    Examples
    --------
    >>> row_texts(np.array([7, 12])), row_texts(np.array([b"a7", b"a12"]))
    (['7', '12'], ['a7', 'a12'])
    """
    if names.dtype.kind == "S":
        return [name.decode() for name in names.tolist()]
    return [str(name) for name in names.tolist()]


def row_of_name(names: NDArray[Any], name: str) -> IntArray:
    """Return the numbers of all rows of a name.

    Examples
    --------
    >>> row_of_name(np.array([7, 12]), "12").tolist()
    [1]
    """
    if names.dtype.kind == "S":
        return np.flatnonzero(names == name.encode("utf-8", "replace"))
    return np.flatnonzero(names == int(name)) if _is_number(name) else np.empty(0, int)


def _has_texts(dataset: Any) -> bool:
    """Return whether a dataset has texts, of fixed or of any length."""
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _whole(values: NDArray[Any], where: str) -> IntArray:
    """Return floating-point numbers as whole ones."""
    numbers = values.astype(np.float64)
    is_whole = (np.abs(numbers) < 2.0**53) & (numbers == np.round(numbers))
    if not is_whole.all():
        row = int(np.argmin(is_whole))
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{where} has {numbers[row]:g} in row {row}; expected {_EXPECTED}",
        )
    return numbers.astype(np.int64)


def _texts(dataset: Any, where: str) -> NDArray[Any]:
    """Return the bytes of texts."""
    size = os.stat(dataset.file.filename).st_size
    step = max(1, min(_AT_ONCE, (1 << 30) // max(1, size)))
    names: list[bytes] = []
    n_rows = len(dataset)
    for begin in range(0, n_rows, step):
        for row, name in enumerate(dataset[begin : begin + step].tolist(), begin):
            if not (_is_name(name) or (row == n_rows - 1 and name == b"")):
                raise RecordError(
                    Reason.UNREADABLE_HEADER,
                    f"{where} has {short_repr(name[:40])} in row {row}; expected "
                    f"{_EXPECTED}",
                )
            names.append(name)
    return np.array(names, np.bytes_)


def _is_name(name: bytes) -> bool:
    """Return whether a text can be the last part of the path of a record."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    return (
        0 < len(name) <= _LONGEST_NAME
        and text.isprintable()
        and text == text.strip()
        and not text.startswith(".")
        and not set("/\\") & set(text)
    )


def _is_number(name: str) -> bool:
    """Return whether a name can be one of a row."""
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
