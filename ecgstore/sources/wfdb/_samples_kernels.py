"""Loops over the samples of a record; callers check, kernels trust them."""

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray, Int16Array, IntArray
from ecgstore.system.kernels import kernel

_BLOCK = 512  # samples of a lead at a time: source and block stay in the L1 cache
_MISSING = np.int16(-32768)  # WFDB's missing sample in 16-bit formats


@kernel
def adc_to_mv(
    words: Int16Array | IntArray,
    rows: IntArray,
    adc_gain: FloatArray,
    baseline: FloatArray,
    signal: FloatArray,
    column: int,
    sums: IntArray,
) -> None:
    """Scale interleaved counts to mV lead by lead, and sum the counts of each lead.

    `words` holds the counts of some frames: as int16 or, where the number of leads is a
    multiple of four, as int64, because four at a time are faster to pick apart.
    Lead k of a frame goes to row ``rows[k]`` of `signal` (n_rows, n_samples), from
    `column` on, and is added to ``sums[rows[k]]``; nowhere if that is negative.
    Division, not multiplication by the inverse, makes the result that of the definition
    to the last bit.
    """
    block = np.empty(_BLOCK, words.dtype)
    parts = block.view(np.int16)
    counts = np.empty(_BLOCK, np.int16)
    n_parts = block.itemsize // counts.itemsize
    n_words = rows.size // n_parts
    n_samples = words.size // n_words
    for start in range(0, n_samples, _BLOCK):
        length = min(_BLOCK, n_samples - start)
        for word in range(n_words):
            first = start * n_words + word
            for k in range(length):
                block[k] = words[first + k * n_words]
            for part in range(n_parts):
                lead = rows[word * n_parts + part]
                if lead < 0:
                    continue
                # Each of the following loops is simple enough to become vector code.
                for k in range(length):
                    counts[k] = parts[k * n_parts + part]
                total = np.int32(0)
                lowest = np.int16(0)
                for k in range(length):
                    total = np.int32(total + counts[k])
                    lowest = min(lowest, counts[k])
                sums[lead] += total
                gain = adc_gain[lead]
                zero = baseline[lead]
                row = signal[lead, column + start : column + start + length]
                for k in range(length):
                    row[k] = (np.float64(counts[k]) - zero) / gain
                if lowest == _MISSING:
                    for k in range(length):
                        if counts[k] == _MISSING:
                            row[k] = np.nan


@kernel
def mv_to_microvolts(
    signal: FloatArray, first: int, microvolts: NDArray[np.int32]
) -> None:
    """Round mV to microvolts, sample by sample; NaN becomes the lowest number.

    `microvolts` is (n, n_leads), for the samples of `signal` (n_leads, n_samples) from
    `first` on.
    """
    n_samples, n_leads = microvolts.shape
    block = np.empty((n_leads, 64), np.int32)
    for start in range(0, n_samples, 64):
        length = min(64, n_samples - start)
        for lead in range(n_leads):
            row = signal[lead, first + start : first + start + length]
            for k in range(length):
                value = min(max(np.rint(row[k] * 1000.0), -2147483647.0), 2147483647.0)
                block[lead, k] = (
                    np.int32(value) if row[k] == row[k] else np.int32(-2147483648)
                )
        for k in range(length):
            for lead in range(n_leads):
                microvolts[start + k, lead] = block[lead, k]


@kernel
def interpolate(
    values: FloatArray,
    first: int,
    begin: int,
    down: int,
    taps: FloatArray,
    result: FloatArray,
) -> None:
    """Interpolate a lead at the sampling rate of another lead.

    ``values[j]`` is the lead's sample ``first + j``, NaN where it is missing. Sample
    ``begin + k`` of the result lies at ``(begin + k) * down / up`` samples of the lead;
    `up` is ``len(taps)``. Row p of `taps` weighs the samples around a position p / up
    behind one of them: half of them before and at that position, half of them behind.

    A sample of the lead is copied. Between two samples the result is missing if one of
    them is; behind a missing sample, and behind either end of `values`, the last sample
    is held, so that nothing spreads over a gap.
    """
    up, n_taps = taps.shape
    half = n_taps // 2
    for k in range(result.size):
        position = (begin + k) * down
        phase = position % up
        left = position // up - first
        if phase == 0:
            result[k] = values[left]
            continue
        held = values[left]
        total = taps[phase, half - 1] * held
        for m in range(1, half):
            if left - m >= 0 and values[left - m] == values[left - m]:
                held = values[left - m]
            total += taps[phase, half - 1 - m] * held
        right = min(left + 1, values.size - 1)
        held = values[right]
        for m in range(half):
            if right + m < values.size and values[right + m] == values[right + m]:
                held = values[right + m]
            total += taps[phase, half + m] * held
        result[k] = total
