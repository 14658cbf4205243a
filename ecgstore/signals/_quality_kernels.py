"""Runs of equal samples and moments of the leads."""

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel


@kernel
def sum_leads(
    signal: FloatArray,
    n_flat: int,
    n_plateau: int,
    n_plateaus: int,
    rail: float,
    out: FloatArray,
) -> None:
    """Count flat and clipped samples and sum the moments of every lead.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages; NaN where a sample is missing.
    n_flat : int
        Least length of a run of equal samples that counts as flat.
    n_plateau, n_plateaus : int
        Least length and least number of the runs at a lead's largest (or smallest)
        value that count as clipped.
    rail : float
        Samples at or beyond this voltage of either sign count as clipped.
    out : ndarray of shape (n_leads, 6)
        Result: valid samples, flat samples, clipped samples, mean, and the sums of
        the squares and of the fourth powers of the deviations from the mean. The
        sums of a constant lead are 0; the mean of an empty lead is 0.
    """
    n_leads, n_samples = signal.shape
    for lead in range(n_leads):
        n_valid = 0
        total = 0.0
        smallest = np.inf
        largest = -np.inf
        for i in range(n_samples):
            value = signal[lead, i]
            if value == value:  # not NaN
                n_valid += 1
                total += value
                smallest = min(smallest, value)
                largest = max(largest, value)
        mean = total / n_valid if n_valid > 0 else 0.0

        squares = 0.0
        fourth_powers = 0.0
        flat = 0
        beyond = 0
        at_largest = 0
        at_smallest = 0
        plateaus_largest = 0
        plateaus_smallest = 0
        run = 0
        for i in range(n_samples):
            value = signal[lead, i]
            if value != value:
                continue
            deviation = (value - mean) * (value - mean)
            squares += deviation
            fourth_powers += deviation * deviation
            run += 1
            if i + 1 < n_samples and signal[lead, i + 1] == value:
                continue
            # The run ends here: at another value, a missing sample or the end.
            if run >= n_flat:
                flat += run
            if abs(value) >= rail:
                beyond += run
            elif run >= n_plateau:
                if value == largest:
                    plateaus_largest += 1
                    at_largest += run
                elif value == smallest:
                    plateaus_smallest += 1
                    at_smallest += run
            run = 0

        if smallest == largest:  # the rounded mean may differ from the one value
            squares = 0.0
            fourth_powers = 0.0
            flat = n_valid
            at_largest = 0
        if plateaus_largest >= n_plateaus:
            beyond += at_largest
        if plateaus_smallest >= n_plateaus:
            beyond += at_smallest
        out[lead, 0] = n_valid
        out[lead, 1] = flat
        out[lead, 2] = beyond
        out[lead, 3] = mean
        out[lead, 4] = squares
        out[lead, 5] = fourth_powers
