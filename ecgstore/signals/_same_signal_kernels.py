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
    spread: NDArray[np.int32],
    totals: NDArray[np.int32],
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
    spread : ndarray of shape (2, 2, n_channels, stride, n_places)
        Working memory. Only every `stride` th sample is compared.
    totals : ndarray of shape (n_places,)
        Working memory.

    Returns
    -------
    float
        -1 to 1; 0 if one of them is zero.
    """
    _spread(waves, spread[0])
    _spread(other_waves, spread[1])
    lengths = waves.shape[1], min_overlap
    return _correlation(
        spread[0], ranges, spread[1], other_ranges, lag, taps, lengths, totals
    )


@kernel
def _spread(waves: NDArray[np.int8], spread: NDArray[np.int32]) -> None:
    """Bring every `stride` th sample of waves together: a loop over them is fast.

    Parameters
    ----------
    waves : ndarray of shape (n_channels, n)
        Square roots with a sign.
    spread : ndarray of shape (2, n_channels, stride, n_places)
        Result: the waves, and their squares with the sign.
    """
    stride = spread.shape[2]
    for channel in range(waves.shape[0]):
        for phase in range(stride):
            wave = waves[channel, phase::stride]
            values = spread[0, channel, phase]
            squares = spread[1, channel, phase]
            for place in range(len(wave)):
                value = np.int32(wave[place])
                values[place] = value
                squares[place] = value * abs(value)


@kernel
def _correlation(
    spread: NDArray[np.int32],
    ranges: NDArray[np.uint16],
    other_spread: NDArray[np.int32],
    other_ranges: NDArray[np.uint16],
    lag: int,
    taps: NDArray[np.int32],
    lengths: tuple[int, int],
    totals: NDArray[np.int32],
) -> float:
    """Return the `similarity` of waves that are spread, for samples and an overlap."""
    n, min_overlap = lengths
    n_parts, n_taps = taps.shape
    stride = spread.shape[2]
    # Sample j of the waves is at j * n_parts - lag parts of the others: just after
    # sample j + whole.
    whole = -lag // n_parts
    part = -lag - whole * n_parts
    before = n_taps // 2 - 1
    begin = max(int(ranges[0]), int(other_ranges[0]) - whole, before - whole)
    end = min(int(ranges[1]), int(other_ranges[1]) - whole, n - n_taps // 2 - whole)
    if end - begin < min_overlap:
        return 0.0
    count = (end - begin + stride - 1) // stride
    place = begin // stride
    total = totals[:count]
    products, squares, other_squares = 0, 0, 0
    for channel in range(spread.shape[1]):
        for i in range(count):
            total[i] = 0
        for tap in range(n_taps):
            sample = begin + whole - before + tap
            first = sample // stride
            values = other_spread[1, channel, sample % stride, first : first + count]
            weight = taps[part, tap]
            for i in range(count):
                total[i] = np.int32(total[i] + weight * values[i])
        # In 32 bits, twice as many at a time: at most 500 squares below 2**19. And a
        # single-precision root of an integer below 2**23 is rounded as the exact one.
        of_channel = np.int32(0)
        own, others = np.int32(0), np.int32(0)
        waves = spread[0, channel, begin % stride, place : place + count]
        for i in range(count):
            # 4 times the square root, as is the value of the other wave.
            magnitude = np.float32(abs(total[i])) * np.float32(1 / 16)
            other = np.int32(np.rint(np.sqrt(magnitude)))
            if total[i] < 0:
                other = np.int32(-other)
            wave = np.int32(4 * waves[i])
            of_channel = np.int32(of_channel + wave * other)
            own = np.int32(own + wave * wave)
            others = np.int32(others + other * other)
        products += int(of_channel)
        squares += int(own)
        other_squares += int(others)
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
    least: tuple[float, float],
    work: tuple[
        NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]
    ],
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
    taps, min_overlap
        See `similarity`.
    least : tuple of float
        Least similarity at every `stride` th sample, which is computed first, and at
        all.
    work : tuple of ndarray
        Working memory: `spread` of `similarity` for each of ``1 + n_neighbours`` keys
        with a stride, shape (1 + n_neighbours, 2, n_channels, stride, n_places), the
        same for two with stride 1, `totals`, and one number per key. Each key is
        compared with the `n_neighbours` equal keys before it.
    parents : ndarray of shape (n_records,)
        Input and result: for each record the lowest number of a record that it is
        linked with, directly or through others; its own number at first.
    """
    spread, whole_spread, totals, spread_key = work
    n_kept = len(spread)
    lengths = waves.shape[2], min_overlap
    for place in range(n_kept):
        spread_key[place] = -1
    first = 0  # with the same key
    for other_number in range(len(keys)):
        if keys[other_number] != keys[first]:
            first = other_number
        other = rows[other_number]
        for number in range(max(first, other_number - n_kept + 1), other_number):
            row = rows[number]
            root = _root(parents, row)
            other_root = _root(parents, other)
            if root == other_root:
                continue
            for one in (number, other_number):
                if spread_key[one % n_kept] != one:
                    spread_key[one % n_kept] = one
                    _spread(waves[rows[one]], spread[one % n_kept])
            lag = places[number] - places[other_number]
            first_look = _correlation(
                spread[number % n_kept],
                ranges[row],
                spread[other_number % n_kept],
                ranges[other],
                lag,
                taps,
                lengths,
                totals,
            )
            if first_look < least[0]:
                continue
            pair = waves[row], ranges[row], waves[other], ranges[other]
            found = similarity(*pair, lag, taps, min_overlap, whole_spread, totals)
            if found >= least[1]:
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
