"""Names of the array types used in this package, and arrays with masks."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
BytesArray: TypeAlias = NDArray[np.bytes_]
Float32Array: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float64]
Int16Array: TypeAlias = NDArray[np.int16]
Int32Array: TypeAlias = NDArray[np.int32]
IntArray: TypeAlias = NDArray[np.int64]
UInt8Array: TypeAlias = NDArray[np.uint8]
UInt32Array: TypeAlias = NDArray[np.uint32]
UInt64Array: TypeAlias = NDArray[np.uint64]
ComplexArray: TypeAlias = NDArray[np.complex128]


def unmasked(array: ArrayLike) -> NDArray[Any]:
    """Return an array in which masked values are NaN; `np.asarray` would show them.

    Parameters
    ----------
    array : array_like
        Any array, or a sequence of rows; either may be of `numpy.ma`.

    Returns
    -------
    ndarray
        Of the same type, or float64 if values of another type than float are masked.

    Raises
    ------
    ValueError, TypeError
        If it is no array, or has masked values that are no numbers.

    Examples
    --------
    >>> unmasked(np.ma.array([1, 2, 3], mask=[0, 1, 0]))
    array([ 1., nan,  3.])
    """
    masked: Any = array
    if isinstance(array, list | tuple) and any(map(np.ma.isMaskedArray, array)):
        masked = np.ma.array(array)
    if not np.ma.is_masked(masked):
        return np.asarray(masked)
    values = masked if masked.dtype.kind == "f" else masked.astype(np.float64)
    filled: NDArray[Any] = np.asarray(values.filled(np.nan))
    return filled
