"""Runs of equal samples and moments of the leads."""

import math
from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel

N_VALID, N_FLAT, N_CLIPPED, MEAN, SMALLEST, LARGEST, N_COUNTS = range(7)
"""Columns of the result of `count_leads`."""

N_MOMENTS: Final = 2


@kernel
def count_leads(
    signal: FloatArray,
    n_flat: int,
    n_plateau: int,
    n_plateaus: int,
    rail: float,
    out: FloatArray,
) -> None:
    """Count flat and clipped samples of every lead, and find its mean and its range.

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
    out : ndarray of shape (n_leads, N_COUNTS)
        Result: valid samples, flat samples, clipped samples, mean, smallest and largest
        value. All valid samples of a constant lead are flat. Without a valid sample,
        the mean is 0, and smallest and largest are infinite.
    """
    for lead in range(len(signal)):
        row = signal[lead]
        n_valid = 0
        n_clipped = 0
        total = 0.0
        smallest = math.inf
        largest = -math.inf
        # Branches, because each is nearly always foreseen: the loop takes no longer
        # than its additions, which have to wait for one another.
        for value in row:
            if value == value:  # not NaN
                n_valid += 1
                total += value
                if value < smallest:
                    smallest = value
                if value > largest:
                    largest = value
                if abs(value) >= rail:
                    n_clipped += 1
        if smallest < largest:
            flat = _count_flat(row, n_flat)
            for extreme in (smallest, largest):
                if abs(extreme) < rail:
                    n_runs, n_samples = _count_plateaus(row, extreme, n_plateau)
                    if n_runs >= n_plateaus:
                        n_clipped += n_samples
        else:
            flat = n_valid
        out[lead, N_VALID] = n_valid
        out[lead, N_FLAT] = flat
        out[lead, N_CLIPPED] = n_clipped
        out[lead, MEAN] = total / n_valid if n_valid > 0 else 0.0
        out[lead, SMALLEST] = smallest
        out[lead, LARGEST] = largest


@kernel
def sum_moments(signal: FloatArray, counts: FloatArray, out: FloatArray) -> None:
    """Sum powers of the deviations of every lead from its mean.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages; NaN where a sample is missing.
    counts : ndarray of shape (n_leads, N_COUNTS)
        Result of `count_leads`.
    out : ndarray of shape (n_leads, N_MOMENTS)
        Result: the sums of the squares and of the fourth powers; 0 for a constant lead,
        whose rounded mean may differ from its value.
    """
    for lead in range(len(signal)):
        mean = counts[lead, MEAN]
        squares = 0.0
        fourth_powers = 0.0
        if counts[lead, SMALLEST] < counts[lead, LARGEST]:
            for value in signal[lead]:
                if value == value:
                    square = (value - mean) * (value - mean)
                    squares += square
                    fourth_powers += square * square
        out[lead, 0] = squares
        out[lead, 1] = fourth_powers


@kernel
def _count_flat(row: FloatArray, n_flat: int) -> int:
    """Count the samples in runs of at least `n_flat` equal values.

    Every such run holds one of the places that are looked at, `n_flat` apart.
    """
    total = 0
    place = n_flat - 1
    while place < len(row):
        begin, end = _run_around(row, place)
        if end - begin >= n_flat and row[place] == row[place]:
            total += end - begin
        place = end - 1 + n_flat
    return total


@kernel
def _count_plateaus(row: FloatArray, extreme: float, n_plateau: int) -> tuple[int, int]:
    """Count the runs of at least `n_plateau` values `extreme`, and their samples."""
    n_runs = 0
    n_samples = 0
    place = n_plateau - 1
    while place < len(row):
        if row[place] != extreme:
            place += n_plateau
            continue
        begin, end = _run_around(row, place)
        if end - begin >= n_plateau:
            n_runs += 1
            n_samples += end - begin
        place = end - 1 + n_plateau
    return n_runs, n_samples


@kernel
def _run_around(row: FloatArray, place: int) -> tuple[int, int]:
    """Return begin and end of the run of equal values at a place."""
    begin, end = place, place + 1
    while begin > 0 and row[begin - 1] == row[place]:
        begin -= 1
    while end < len(row) and row[end] == row[place]:
        end += 1
    return begin, end
