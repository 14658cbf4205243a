"""Checks of the arrays that scores are computed from."""

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray


def as_labels(array: ArrayLike, name: str) -> BoolArray:
    """Return labels or decisions as bool.

    Parameters
    ----------
    array : array_like of shape (n_records, n_classes)
        Whether each record has each class, as bool, or 0 and 1 of any type.
    name : str
        What an error calls it.

    Raises
    ------
    ValueError
        If it holds no record or no class, is not of two dimensions, or holds something
        else than 0 and 1.

    Examples
    --------
    >>> as_labels([[0, 1]], "labels")
    array([[False,  True]])
    """
    given = np.asarray(array)
    if given.ndim != 2 or given.size == 0:
        raise ValueError(
            f"{name} has shape {given.shape}, expected (n_records, n_classes), at "
            "least one of each"
        )
    if given.dtype == np.bool_:
        return given
    yes = given == 1
    if not (yes | (given == 0)).all():
        raise ValueError(f"{name} holds other values than 0 and 1")
    return np.asarray(yes, dtype=np.bool_)


def as_probabilities(
    array: ArrayLike, name: str, shape: tuple[int, ...], *, or_nan: bool = False
) -> FloatArray:
    """Return probabilities as float64.

    Parameters
    ----------
    array : array_like of shape (n_records, n_classes)
        Values from 0 to 1.
    name : str
        What an error calls it.
    shape : tuple of int
        Shape of the labels.
    or_nan : bool
        Whether NaN may stand where there is no probability.

    Raises
    ------
    ValueError
        If the shape is another, or a value is NaN, below 0 or above 1.
    """
    given = np.asarray(array, dtype=np.float64)
    check_shape(given, name, shape)
    fits = (given >= 0) & (given <= 1) | (or_nan & np.isnan(given))
    if not fits.all():
        row, column = np.argwhere(~fits)[0]
        raise ValueError(
            f"{name} holds {given[row, column]:g} in row {row}, column {column}, "
            "expected 0 to 1; logits become probabilities by 1 / (1 + exp(-logit))"
        )
    return given


def check_shape(array: np.ndarray, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an array that is not of the labels' shape."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, the labels have {shape}")
