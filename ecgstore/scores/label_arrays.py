"""Checks of the arrays that scores are computed from."""

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray, unmasked


def as_labels(array: ArrayLike, name: str) -> BoolArray:
    """Return labels or decisions as bool.

    Parameters
    ----------
    array : array_like of shape (n_records, n_classes)
        Whether each record has each class, as bool, or 0 and 1 of any type.
    name : str
        Name of the array in error messages.

    Raises
    ------
    ValueError
        If the array is not two-dimensional, is empty, or contains values other than 0
        and 1.

    Examples
    --------
    >>> as_labels([[0, 1]], "labels")
    array([[False,  True]])
    """
    values = unmasked(array)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(
            f"{name} has shape {values.shape}, expected (n_records, n_classes), at "
            "least one of each"
        )
    if values.dtype == np.bool_:
        return values
    positive = values == 1
    if not (positive | (values == 0)).all():
        raise ValueError(f"{name} contains values other than 0 and 1")
    return np.asarray(positive, dtype=np.bool_)


def as_probabilities(
    array: ArrayLike, name: str, shape: tuple[int, ...], *, allow_nan: bool = False
) -> FloatArray:
    """Return probabilities as float64.

    Parameters
    ----------
    array : array_like of shape (n_records, n_classes)
        Values from 0 to 1.
    name : str
        Name of the array in error messages.
    shape : tuple of int
        Shape of the labels.
    allow_nan : bool
        Whether NaN is allowed, for missing probabilities.

    Raises
    ------
    ValueError
        If the shape differs from `shape`, or a value is NaN, below 0 or above 1.
    """
    values = unmasked(array).astype(np.float64, copy=False)
    check_shape(values, name, shape)
    valid = (values >= 0) & (values <= 1) | (allow_nan & np.isnan(values))
    if not valid.all():
        row, column = np.argwhere(~valid)[0]
        raise ValueError(
            f"{name} contains {values[row, column]:g} in row {row}, column {column}, "
            "expected 0 to 1; convert logits by 1 / (1 + exp(-logit))"
        )
    return values


def check_shape(array: np.ndarray, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError if an array does not have the shape of the labels."""
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, expected that of labels, {shape}"
        )
