"""Compare waves of signatures, and link the records that share them."""

import math

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.system.kernels import kernel


@kernel
def similarity(
    waves: NDArray[np.int8],
    ranges: NDArray[np.uint16],
    other_waves: NDArray[np.int8],
    other_ranges: NDArray[np.uint16],
    lag: int,
    taps: NDArray[np.int32],
    min_overlap: int,
    stride: int,
    linear: NDArray[np.int32],
) -> float:
    """Return the correlation of two waves at a lag, over the time that they share.

    All sums are of integers, so that the result has the same bits on every machine.

    Parameters
    ----------
    waves, other_waves : ndarray of shape (n_channels, n)
        Square roots with a sign.
    ranges, other_ranges : ndarray of shape (2,)
        Where each signal begins and ends.
    lag : int
        Time by which the other wave is earlier, in parts of a sample: there are as many
        parts as rows of `taps`.
    taps : ndarray of shape (n_parts, n_taps)
        Interpolation: weights of the samples around a place, in units of 1/256.
    min_overlap : int
        Least number of samples in common; the result is 0 for fewer.
    stride : int
        Only every so many samples are compared.
    linear : ndarray of shape (n,)
        Working memory.

    Returns
    -------
    float
        -1 to 1; 0 if one of them is zero.
    """
    n_parts, n_taps = taps.shape
    n = waves.shape[1]
    # Sample j of the waves is at j * n_parts - lag parts of the others: just after
    # sample j + whole.
    whole = -lag // n_parts
    part = -lag - whole * n_parts
    before = n_taps // 2 - 1
    begin = max(int(ranges[0]), int(other_ranges[0]) - whole, before - whole)
    end = min(int(ranges[1]), int(other_ranges[1]) - whole, n - n_taps // 2 - whole)
    if end - begin < min_overlap:
        return 0.0
    products, squares, other_squares = 0, 0, 0
    for channel in range(waves.shape[0]):
        for i in range(n):
            value = np.int32(other_waves[channel, i])
            linear[i] = value * abs(value)
        for j in range(begin, end, stride):
            total = np.int32(0)
            for tap in range(n_taps):
                total += taps[part, tap] * linear[j + whole - before + tap]
            # 4 times the square root, as is the value of the other wave.
            other = int(np.rint(math.sqrt(abs(total) / 16)))
            if total < 0:
                other = -other
            wave = 4 * int(waves[channel, j])
            products += wave * other
            squares += wave * wave
            other_squares += other * other
    if squares == 0 or other_squares == 0:
        return 0.0
    return products / math.sqrt(squares * other_squares)


@kernel
def link_similar(
    keys: NDArray[np.uint32],
    places: IntArray,
    rows: IntArray,
    waves: NDArray[np.int8],
    ranges: NDArray[np.uint16],
    taps: NDArray[np.int32],
    min_overlap: int,
    n_neighbours: int,
    least: tuple[float, float],
    linear: NDArray[np.int32],
    parents: IntArray,
) -> None:
    """Link the records whose waves are similar where a key of theirs is equal.

    Parameters
    ----------
    keys, places, rows : ndarray of shape (n_keys,)
        Keys in ascending order, the places of their landmarks in parts of a sample, and
        their records.
    waves, ranges : ndarray of shape (n_records, n_channels, n), (n_records, 2)
        See `similarity`.
    taps, min_overlap, linear
        See `similarity`.
    n_neighbours : int
        Number of following equal keys that a key is compared with.
    least : tuple of float
        Least similarity at every 4th sample, which is computed first, and at all.
    parents : ndarray of shape (n_records,)
        Input: the numbers of the records. Result: for each record the lowest number of
        a record that it is linked with, directly or through others.
    """
    n_keys = len(keys)
    for number in range(n_keys):
        row = rows[number]
        for other_number in range(number + 1, min(number + 1 + n_neighbours, n_keys)):
            if keys[other_number] != keys[number]:
                break
            other = rows[other_number]
            root = _root(parents, row)
            other_root = _root(parents, other)
            if root == other_root:
                continue
            lag = places[number] - places[other_number]
            pair = waves[row], ranges[row], waves[other], ranges[other]
            if similarity(*pair, lag, taps, min_overlap, 4, linear) < least[0]:
                continue
            if similarity(*pair, lag, taps, min_overlap, 1, linear) >= least[1]:
                parents[max(root, other_root)] = min(root, other_root)
    for row in range(len(parents)):
        parents[row] = parents[parents[row]]


@kernel
def _root(parents: IntArray, row: int) -> int:
    """Return the root of a record's tree, and shorten the way to it."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row
