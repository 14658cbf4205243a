"""Bring the leads of a record to one sampling rate, piece by piece."""

from fractions import Fraction
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray

CONTEXT: Final = 16
"""Samples on each side of a position that determine the signal there."""

_KAISER_BETA: Final = 8.0


class Interpolator:
    """Band-limited interpolation of a lead at a higher rate.

    The filter is that of `ecgstore.signals.resampling.resample`, a windowed sinc with
    16 zero crossings on each side and a Kaiser window of beta 8, with the sum of its
    weights made 1 at every position: a constant stays constant. Each sample depends on
    the lead's 32 samples around it alone, so that pieces of a record are those of the
    whole to the last bit.

    Parameters
    ----------
    ratio : Fraction
        Samples of the result for each sample of the lead; more than 1.
    """

    def __init__(self, ratio: Fraction) -> None:
        self._up, self._down = ratio.as_integer_ratio()
        fractions = np.arange(self._up)[:, None] / self._up
        distance = fractions - np.arange(1 - CONTEXT, CONTEXT + 1)
        window = np.i0(
            _KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / CONTEXT) ** 2))
        )
        taps = np.sinc(distance) * window
        self._taps = taps / taps.sum(axis=1, keepdims=True)

    def __call__(
        self, values: FloatArray, first: int, begin: int, end: int
    ) -> FloatArray:
        """Return samples `begin` to `end` of the result, (end - begin,).

        Parameters
        ----------
        values : ndarray of shape (n_values,)
            Samples of the lead from `first` on, NaN where missing; with `CONTEXT`
            samples around those between `begin` and `end`, unless the lead ends there.
        first : int
            Number of samples of the lead before `values`.
        begin, end : int
            Samples of the result.
        """
        from ecgstore.sources.wfdb._samples_kernels import interpolate

        result = np.empty(end - begin)
        interpolate(values, first, begin, self._down, self._taps, result)
        return result
