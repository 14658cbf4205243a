"""The waves and keys of a signature, in integers: the same on every machine."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.system.kernels import kernel

RATE: Final = 200
"""Sampling rate in Hz at which all records are compared."""

STORED_RATE: Final = 50
"""Sampling rate of the stored waves in Hz; above 25 Hz, they have almost nothing."""

SMOOTHING: Final = (8, 7)
"""Lengths of two moving sums, 40 and 35 ms: no response at 25 Hz, at 50 Hz and at
57 Hz, and little above."""

DISTANCE: Final = 8
"""Of each value, the mean of the values 40 ms before and after is subtracted: the
response falls with the square of the frequency, to 1 % at 0.5 Hz."""

N_LOST: Final = sum(SMOOTHING) - len(SMOOTHING) + 2 * DISTANCE
"""Samples that the band-pass takes from a record."""

SUM_LENGTH: Final = RATE // STORED_RATE
N_SUMS: Final = 3 * STORED_RATE
"""A key describes this many sums of this many samples of each channel: 3 s."""

GAP: Final = RATE // 4
"""Samples between a landmark and what its keys describe."""

RADIUS: Final = RATE // 5
"""The energy has no larger value within so many samples of a landmark."""

_COUNT_BITS: Final = 25
_LEAST_COUNTS: Final = 4096  # rounding alone gives 224
_TOP: Final = 4095
_STORED_TOP: Final = 127
_REACH: Final = 4
_FRACTION: Final = 6
_EDGE: Final = RATE // 5


@kernel
def describe(
    channels: FloatArray,
    step: int,
    signs: NDArray[np.int32],
    work: tuple[
        IntArray, IntArray, NDArray[np.int32], IntArray, IntArray, NDArray[np.int32]
    ],
    keys: NDArray[np.uint32],
    places: NDArray[np.uint16],
    limits: NDArray[np.uint16],
    waves: NDArray[np.int8],
) -> bool:
    """Compute the fields of a signature.

    One kernel calls all others, because each that is called from Python takes 10 ms to
    load.

    Parameters
    ----------
    channels : ndarray of shape (2, n_samples)
        Voltages; not finite where a sample is missing. Overwritten.
    step : int
        Samples in 1/200 s, times 2**20.
    signs : ndarray of shape (2 * N_SUMS, n_bits)
        See `make_keys`.
    work : tuple of ndarray
        Working memory of shapes (n_samples + 1,), (2, n + N_LOST), (2, 2, n), (n,),
        (2, n // RADIUS + 2) and (n_bits,) for `n` samples after the band-pass.
    keys, places, limits, waves : ndarray
        Result: the fields of `ecgstore.signals.signature.SIGNATURE`.

    Returns
    -------
    bool
        Whether there is any key.
    """
    sums, values, both, energy, landmarks, total = work
    amplitudes, fours = both[0], both[1]
    n = amplitudes.shape[1]
    largest = fill_missing(channels)
    if not 0 < largest < math.inf:
        return False
    exponent = max(math.frexp(largest)[1], -900)  # 2**925 is finite
    bring_to_rate(channels, math.ldexp(1.0, _COUNT_BITS - exponent), step, sums, values)
    highest = band_pass(values, SMOOTHING, DISTANCE)
    if highest < _LEAST_COUNTS:
        return False
    compress(values, highest, _TOP, amplitudes)
    begin, end = active_range(amplitudes, RATE, _FRACTION)
    # Where padding begins or ends, the signal can have a step.
    if begin > 0:
        begin += _EDGE
    if end < n:
        end -= _EDGE
    count = find_landmarks(amplitudes, _REACH, RADIUS, energy, landmarks[0])
    n_found = make_keys(
        amplitudes,
        begin,
        end,
        landmarks[0, :count],
        energy,
        (GAP, N_SUMS, SUM_LENGTH),
        signs,
        (fours, total, landmarks[1]),
        keys,
        places,
    )
    compress(values, highest, _STORED_TOP, amplitudes)
    waves[:] = 0
    for channel in range(2):
        for i in range(0, n, SUM_LENGTH):
            waves[channel, i // SUM_LENGTH] = amplitudes[channel, i]
    limits[0] = (begin + SUM_LENGTH - 1) // SUM_LENGTH
    limits[1] = (end + SUM_LENGTH - 1) // SUM_LENGTH
    return n_found > 0


@kernel
def fill_missing(channels: FloatArray) -> float:
    """Fill missing samples, and subtract the first value of each channel.

    Parameters
    ----------
    channels : ndarray of shape (2, n_samples)
        Input and output. A missing sample gets the value before it; those at the
        beginning get the first value. A channel without a sample becomes 0.

    Returns
    -------
    float
        The largest magnitude of the result.
    """
    n_channels, n_samples = channels.shape
    largest = 0.0
    for channel in range(n_channels):
        last = 0.0
        for i in range(n_samples):
            if math.isfinite(channels[channel, i]):
                last = channels[channel, i]
                break
        origin = last
        for i in range(n_samples):
            if math.isfinite(channels[channel, i]):
                last = channels[channel, i]
            channels[channel, i] = last - origin
            largest = max(largest, abs(last - origin))
    return largest


@kernel
def bring_to_rate(
    channels: FloatArray,
    scale: float,
    step: int,
    sums: IntArray,
    out: IntArray,
) -> None:
    """Round the channels and average them over equal intervals of time.

    Parameters
    ----------
    channels : ndarray of shape (2, n_samples)
        Finite values.
    scale : float
        A power of 2, so that scaling is exact.
    step : int
        Length of an interval in samples, times 2**20.
    sums : ndarray of shape (n_samples + 1,)
        Working memory.
    out : ndarray of shape (2, n_intervals)
        Result: integral of each interval; a sample counts until the next one.
    """
    n_samples = channels.shape[1]
    for channel in range(2):
        sums[0] = 0
        for i in range(n_samples):
            sums[i + 1] = sums[i] + int(np.rint(channels[channel, i] * scale))
        before = 0
        for interval in range(out.shape[1]):
            position = (interval + 1) * step
            i = position >> 20
            integral = sums[i]
            if i < n_samples:
                part = position & 0xFFFFF
                integral += (sums[i + 1] - sums[i]) * part >> 20
            out[channel, interval] = integral - before
            before = integral


@kernel
def band_pass(values: IntArray, lengths: tuple[int, ...], distance: int) -> int:
    """Smooth by moving sums, then subtract the mean of the values on both sides.

    Parameters
    ----------
    values : ndarray of shape (2, n)
        Input and output; the last ``sum(lengths) - len(lengths) + 2 * distance`` of
        each channel are undefined afterwards.
    lengths : tuple of int
        Values in each moving sum.
    distance : int
        Distance of the values on both sides.

    Returns
    -------
    int
        The largest absolute result.
    """
    largest = 0
    for channel in range(2):
        n = values.shape[1]
        for length in lengths:
            total = 0
            for i in range(length - 1):
                total += values[channel, i]
            for i in range(n - length + 1):
                first = values[channel, i]
                total += values[channel, i + length - 1]
                values[channel, i] = total
                total -= first
            n -= length - 1
        for i in range(n - 2 * distance):
            sides = values[channel, i] + values[channel, i + 2 * distance]
            values[channel, i] = 2 * values[channel, i + distance] - sides
            largest = max(largest, abs(values[channel, i]))
    return largest


@kernel
def compress(values: IntArray, largest: int, top: int, out: NDArray[np.int32]) -> None:
    """Replace values by their square roots with the sign, in units of ``1 / top``.

    Parameters
    ----------
    values : ndarray of shape (2, at least n)
        Values of magnitude up to `largest`.
    largest : int
        The value that becomes `top`.
    top : int
        The largest result.
    out : ndarray of shape (2, n)
        Result.
    """
    for channel in range(2):
        for i in range(out.shape[1]):
            value = values[channel, i]
            # Division, square root and product are each rounded correctly, and nothing
            # is added: the result has the same bits on every machine.
            root = int(np.rint(top * math.sqrt(abs(value) / largest)))
            out[channel, i] = root if value > 0 else -root


@kernel
def active_range(
    amplitudes: NDArray[np.int32], block: int, fraction: int
) -> tuple[int, int]:
    """Return where the signal begins and ends: what is almost zero is padding.

    Parameters
    ----------
    amplitudes : ndarray of shape (2, n)
        Values of both channels.
    block : int
        Samples in a block.
    fraction : int
        The signal lies between the first and the last value of at least one
        `fraction`-th of the largest magnitude in the block where it is third highest.

    Returns
    -------
    begin, end : int
        First index, and the index after the last.
    """
    n = amplitudes.shape[1]
    first, second, third = 0, 0, 0
    for start in range(0, n, block):
        height = 0
        for i in range(start, min(start + block, n)):
            height = max(height, abs(amplitudes[0, i]), abs(amplitudes[1, i]))
        third = max(third, min(second, height))
        second = max(second, min(first, height))
        first = max(first, height)
    begin, end = n, 0
    for i in range(n):
        if fraction * max(abs(amplitudes[0, i]), abs(amplitudes[1, i])) >= third:
            begin = min(begin, i)
            end = i + 1
    return begin, end


@kernel
def find_landmarks(
    amplitudes: NDArray[np.int32],
    reach: int,
    radius: int,
    energy: IntArray,
    places: IntArray,
) -> int:
    """Find where the energy is largest in its neighbourhood: mostly at QRS complexes.

    Parameters
    ----------
    amplitudes : ndarray of shape (2, n)
        Values of both channels.
    reach : int
        The energy at `i` is the sum of the squares from ``i - reach`` to ``i + reach``.
    radius : int
        No energy within this distance of a landmark is larger.
    energy : ndarray of shape (n,)
        Result: the energy; 0 for the first and the last `reach`.
    places : ndarray of int
        Result: sixteenths of samples, in ascending order; at least
        ``n // radius + 1`` long.

    Returns
    -------
    int
        The number of landmarks.
    """
    n = amplitudes.shape[1]
    energy[:] = 0
    total = 0
    for i in range(n):
        total += int(amplitudes[0, i]) ** 2 + int(amplitudes[1, i]) ** 2
        if i >= 2 * reach:
            energy[i - reach] = total
            first = i - 2 * reach
            total -= int(amplitudes[0, first]) ** 2
            total -= int(amplitudes[1, first]) ** 2
    count = 0
    for i in range(1, n - 1):
        before, here, after = energy[i - 1], energy[i], energy[i + 1]
        if not before < here >= after:
            continue
        largest = True
        for other in range(max(i - radius, 0), min(i + radius + 1, n)):
            if energy[other] > here or (energy[other] == here and other < i):
                largest = False
                break
        if largest:
            # The top of the parabola through three values.
            places[count] = 16 * i + 8 * (after - before) // (2 * here - before - after)
            count += 1
    return count


@kernel
def make_keys(
    amplitudes: NDArray[np.int32],
    begin: int,
    end: int,
    places: IntArray,
    energy: IntArray,
    window: tuple[int, int, int],
    signs: NDArray[np.int32],
    work: tuple[NDArray[np.int32], NDArray[np.int32], IntArray],
    out_keys: NDArray[np.uint32],
    out_places: NDArray[np.uint16],
) -> int:
    """Describe the signal after and before the strongest landmarks by bits.

    Parameters
    ----------
    amplitudes : ndarray of shape (2, n)
        Values of both channels.
    begin, end : int
        Range of the signal; a window lies in it.
    places : ndarray of shape (n_landmarks,)
        Landmarks in sixteenths of samples.
    energy : ndarray of shape (n,)
        The strength of a landmark is the energy at its rounded place.
    window : tuple of int
        Samples between a landmark and its windows, sums in a window, and samples in a
        sum.
    signs : ndarray of shape (2 * n_sums, n_bits)
        Each bit is the sign of a sum of the window's values with these signs: first
        those of channel 0, then those of channel 1.
    work : tuple of ndarray
        Working memory of shapes (2, n) and (n_bits,), and (n_landmarks,).
    out_keys, out_places : ndarray of shape (n_keys,)
        Result: in the first half those of windows after landmarks, in the second half
        those of windows before. Where there are fewer, the place is 65535.

    Returns
    -------
    int
        The number of keys.
    """
    n = amplitudes.shape[1]
    gap, n_sums, length = window
    sums, total, rank = work
    for channel in range(2):
        for i in range(n - length + 1):
            value = 0
            for j in range(length):
                value += amplitudes[channel, i + j]
            sums[channel, i] = value
    n_keys = len(out_keys)
    out_keys[:] = 0
    out_places[:] = 65535
    n_made = 0
    for direction in range(2):
        n_found = 0
        for landmark in range(len(places)):
            place = places[landmark] - 16 * gap * (2 * direction - 1)
            if direction == 1:
                place -= 16 * n_sums * length
            first = place >> 4
            if first < begin or first + n_sums * length + 1 > end:
                continue
            rank[n_found] = landmark
            n_found += 1
        for number in range(min(n_found, n_keys // 2)):
            # Bring the strongest landmark that is left to this place.
            for other in range(number + 1, n_found):
                strength = energy[places[rank[other]] + 8 >> 4]
                best = energy[places[rank[number]] + 8 >> 4]
                if strength > best or (strength == best and rank[other] < rank[number]):
                    rank[number], rank[other] = rank[other], rank[number]
            place = places[rank[number]] - 16 * gap * (2 * direction - 1)
            if direction == 1:
                place -= 16 * n_sums * length
            first = place >> 4
            part = np.int32(place & 15)
            total[:] = 0
            for channel in range(2):
                for j in range(n_sums):
                    i = first + length * j
                    value = (np.int32(16) - part) * sums[channel, i]
                    value += part * sums[channel, i + 1]
                    row = channel * n_sums + j
                    for bit in range(len(total)):
                        total[bit] += signs[row, bit] * value
            key = np.uint32(direction)
            for bit in range(len(total)):
                key = np.uint32(key << np.uint32(1) | np.uint32(total[bit] > 0))
            where = direction * (n_keys // 2) + number
            out_keys[where] = key
            out_places[where] = places[rank[number]]
            n_made += 1
    return n_made
