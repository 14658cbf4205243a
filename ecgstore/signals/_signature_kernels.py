"""The waves and keys of a signature, in integers: the same on every machine."""

import math

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.system.kernels import kernel


@kernel
def largest_deviation(channels: FloatArray, origin: FloatArray) -> float:
    """Fill missing samples of the channels, and return their largest deviation.

    Parameters
    ----------
    channels : ndarray of shape (2, n_samples)
        A missing sample gets the value before it; those at the beginning get the first
        value. A channel without a sample becomes 0.
    origin : ndarray of shape (2,)
        Result: the first value of each channel.

    Returns
    -------
    float
        The largest absolute difference of a sample from its channel's `origin`.
    """
    n_channels, n_samples = channels.shape
    largest = 0.0
    for channel in range(n_channels):
        last = 0.0
        for i in range(n_samples):
            if math.isfinite(channels[channel, i]):
                last = channels[channel, i]
                break
        origin[channel] = last
        for i in range(n_samples):
            if math.isfinite(channels[channel, i]):
                last = channels[channel, i]
            else:
                channels[channel, i] = last
            largest = max(largest, abs(last - origin[channel]))
    return largest


@kernel
def bring_to_rate(
    channels: FloatArray,
    origin: FloatArray,
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
    origin : ndarray of shape (2,)
        Value of each channel that becomes 0.
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
            value = (channels[channel, i] - origin[channel]) * scale
            sums[i + 1] = sums[i] + int(np.rint(value))
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
def band_pass(values: IntArray, lengths: IntArray, distance: int) -> int:
    """Smooth by moving sums, then subtract the mean of the values on both sides.

    Parameters
    ----------
    values : ndarray of shape (2, n)
        Input and output; the last ``lengths.sum() - len(lengths) + 2 * distance`` of
        each channel are undefined afterwards.
    lengths : ndarray of int
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
    amplitudes: NDArray[np.int32], block: int, fraction: int, heights: IntArray
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
        `fraction`-th of the lowest of `heights`.
    heights : ndarray of int
        Working memory: the largest magnitudes of the blocks with the largest ones.

    Returns
    -------
    begin, end : int
        First index, and the index after the last.
    """
    n = amplitudes.shape[1]
    heights[:] = 0
    for first in range(0, n, block):
        height = 0
        for i in range(first, min(first + block, n)):
            height = max(height, abs(amplitudes[0, i]), abs(amplitudes[1, i]))
        for place in range(len(heights)):
            if height > heights[place]:
                lower = heights[place]
                heights[place] = height
                height = lower
    least = heights[len(heights) - 1]
    begin, end = n, 0
    for i in range(n):
        if fraction * max(abs(amplitudes[0, i]), abs(amplitudes[1, i])) >= least:
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
) -> None:
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
