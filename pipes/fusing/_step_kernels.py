"""The steps of transforms, done to one lead after the other while it is in the cache.

A program lists the steps: a row for each, of its code, the column of `numbers` where
its numbers of every record begin, the place in `constants` where those of all records
begin, its size (what that is depends on the step), and its first row of scratch memory.
What the columns hold is said by each step's kernel.
"""

from typing import Any

import numpy as np

from ecgstore.arrays import (
    BoolArray,
    Float32Array,
    FloatArray,
    Int16Array,
    IntArray,
)
from ecgstore.pipes.fusing import _codes_of_kernels as codes
from ecgstore.pipes.fusing._decimate_kernels import decimate, list_taps, sorted_width
from ecgstore.pipes.fusing._noise_kernels import add_noise
from ecgstore.storage._gather_kernels import check_row, copy, take
from ecgstore.system.kernels import kernel


@kernel
def _load(
    values: Int16Array | Float32Array,
    scale: np.float32,
    x: Float32Array,
    n_samples: int,
    n_real: int,
    mean: np.float32,
    factor: np.float32,
) -> None:
    """Set `x` to samples in mV, less their mean, times a factor, up to `n_real`."""
    for t in range(n_real):
        x[t] = (np.float32(values[t]) * scale - mean) * factor
    for t in range(n_real, n_samples):
        x[t] = 0


@kernel
def _standardise(
    x: Float32Array, n_samples: int, n_real: int, mean: np.float32, factor: np.float32
) -> None:
    """Subtract the mean, and multiply by a factor."""
    for t in range(n_real):
        x[t] = (x[t] - mean) * factor
    for t in range(n_real, n_samples):
        x[t] = 0


@kernel
def _shift(x: Float32Array, n_samples: int, shift: int, memory: Float32Array) -> None:
    """Shift to the right, or to the left if negative, and fill up with zeros."""
    n_kept = max(0, n_samples - abs(shift))
    of, to = max(0, -shift), max(0, shift)
    copy(memory, x[of:], 4 * n_kept)
    copy(x[to:], memory, 4 * n_kept)
    for t in range(min(to, n_samples)):
        x[t] = 0
    for t in range(to + n_kept, n_samples):
        x[t] = 0


@kernel
def _turn(
    numbers: FloatArray, n_points: int, sines: Float32Array, cosines: Float32Array
) -> None:
    """Set sines and cosines of a sinusoid, whose angle grows evenly.

    `numbers` begins with the angle from point to point.
    """
    cosine, sine = 1.0, 0.0
    turn_cosine, turn_sine = np.cos(numbers[0]), np.sin(numbers[0])
    for point in range(n_points):
        sines[point], cosines[point] = sine, cosine
        cosine, sine = (
            cosine * turn_cosine - sine * turn_sine,
            sine * turn_cosine + cosine * turn_sine,
        )


@kernel
def _prepare_wander(
    n_samples: int, step: int, numbers: FloatArray, scratch: Float32Array
) -> None:
    """Compute the sinusoids of a record at every `step`-th sample."""
    n_points = n_samples // step + 2
    for number in range(codes.N_SINUSOIDS):
        _turn(
            numbers[2 + number :],
            n_points,
            scratch[number],
            scratch[codes.N_SINUSOIDS + number],
        )


@kernel
def _wander(
    x: Float32Array,
    lead: int,
    n_samples: int,
    step: int,
    numbers: FloatArray,
    scratch: Float32Array,
) -> None:
    """Add baseline wander: sinusoids at every `step`-th sample, lines between.

    `numbers` are: whether to add it, the number of real samples, the angle of each
    sinusoid per step, and for each sinusoid the weight of its sine and of its cosine in
    each lead.
    """
    n_real = int(numbers[1])
    weights = numbers[2 + codes.N_SINUSOIDS + 2 * codes.N_SINUSOIDS * lead :]
    n_points = n_samples // step + 2
    per_step = np.float32(np.divide(1.0, step))
    points = scratch[2 * codes.N_SINUSOIDS]
    for point in range(n_points):
        points[point] = 0
    for wave in range(2 * codes.N_SINUSOIDS):
        weight, of_wave = np.float32(weights[wave]), scratch[wave]
        for point in range(n_points):
            points[point] += of_wave[point] * weight
    for point in range((n_real + step - 1) // step):
        first = points[point]
        rise = np.float32(points[point + 1] - first)
        part = x[point * step :]
        n = min(step, n_real - point * step)
        for t in range(n):
            part[t] += rise * (np.float32(np.int32(t)) * per_step) + first


@kernel
def _prepare_powerline(
    n_samples: int,
    n_leads: int,
    n_harmonics: int,
    numbers: FloatArray,
    tones: Float32Array,
    wave: Float32Array,
) -> None:
    """Sum the harmonics of a record; see `_powerline`."""
    for t in range(n_samples):
        wave[t] = 0
    for harmonic in range(n_harmonics):
        of_harmonic = numbers[2 + n_leads + 3 * harmonic :]
        begin = int(of_harmonic[0]) * n_samples
        sines, cosines = tones[begin:], tones[begin + n_samples :]
        sine_weight = np.float32(of_harmonic[1])
        cosine_weight = np.float32(of_harmonic[2])
        for t in range(n_samples):
            wave[t] += sine_weight * sines[t]
        for t in range(n_samples):
            wave[t] += cosine_weight * cosines[t]


@kernel
def _powerline(
    x: Float32Array, lead: int, numbers: FloatArray, wave: Float32Array
) -> None:
    """Add powerline interference.

    `numbers` are: whether to add it, the number of real samples, the factor of every
    lead, and for each harmonic the number of its sine in the table (its cosine is the
    next) and the weights of both.
    """
    factor = np.float32(numbers[2 + lead])
    for t in range(int(numbers[1])):
        x[t] += wave[t] * factor


@kernel
def _mean_square(x: Float32Array, n: int) -> np.float32:
    """Return the mean of the squares, summed in four parts."""
    a = b = c = d = np.float32(0)
    n_rounds = n // 4
    for t in range(n_rounds):
        part = x[4 * t : 4 * t + 4]
        a += part[0] * part[0]
        b += part[1] * part[1]
        c += part[2] * part[2]
        d += part[3] * part[3]
    for t in range(4 * n_rounds, n):
        a += x[t] * x[t]
    total = np.float32((a + c) + (b + d))
    return np.float32(np.divide(total, np.float32(max(n, 1))))


@kernel
def _noise(
    x: Float32Array, lead: int, n_samples: int, numbers: FloatArray, at_snr: bool
) -> None:
    """Add white noise.

    `numbers` are: whether to add it, the number of real samples, two keys, and the
    standard deviation, or its ratio to the root mean square of the lead.
    """
    n_real = int(numbers[1])
    sd = np.float32(numbers[4])
    if at_snr:
        sd *= np.sqrt(_mean_square(x, n_real))
    key_1, key_2 = np.uint32(numbers[2]), np.uint32(numbers[3])
    add_noise(x, n_samples, n_real, lead, key_1, key_2, sd)


@kernel
def _prepare_electrodes(
    n_samples: int, n_electrodes: int, numbers: FloatArray, scratch: Float32Array
) -> None:
    """Compute the noise of every electrode of a record; see `_noise`."""
    key_1, key_2 = np.uint32(numbers[2]), np.uint32(numbers[3])
    for electrode in range(n_electrodes):
        of_electrode = scratch[electrode]
        for t in range(n_samples):
            of_electrode[t] = 0
        sd = np.float32(numbers[4])
        add_noise(of_electrode, n_samples, n_samples, electrode, key_1, key_2, sd)


@kernel
def _electrode_noise(
    x: Float32Array,
    lead: int,
    n_electrodes: int,
    numbers: FloatArray,
    weights: Float32Array,
    scratch: Float32Array,
) -> None:
    """Add the noise of the electrodes, by the weights of a lead's electrodes."""
    for electrode in range(n_electrodes):
        weight = weights[lead * n_electrodes + electrode]
        if weight != 0:
            of_electrode = scratch[electrode]
            for t in range(int(numbers[1])):
                x[t] += of_electrode[t] * weight


@kernel
def _prepare(
    program: IntArray,
    numbers: FloatArray,
    constants: Float32Array,
    n_leads: int,
    n_samples: int,
    scratch: Float32Array,
) -> None:
    """Compute what all leads of a record share."""
    for step in range(len(program)):
        code, size = program[step, codes.CODE], program[step, codes.SIZE]
        own = numbers[program[step, codes.COLUMN] :]
        of_all = constants[program[step, codes.CONSTANT] :]
        memory = scratch[program[step, codes.SCRATCH] :]
        if code == codes.DECIMATE:
            n_samples = (n_samples + size - 1) // size
        elif code == codes.WANDER and own[0] != 0:
            _prepare_wander(n_samples, size, own, memory)
        elif code == codes.POWERLINE and own[0] != 0:
            _prepare_powerline(n_samples, n_leads, size, own, of_all, memory[0])
        elif code == codes.ELECTRODE_NOISE and own[0] != 0:
            _prepare_electrodes(n_samples, size, own, memory)


@kernel
def _change(
    x: Float32Array,
    first: int,
    lead: int,
    is_missing: bool,
    n_leads: int,
    n_samples: int,
    program: IntArray,
    numbers: FloatArray,
    constants: Float32Array,
    scratch: Float32Array,
    taps: tuple[Any, ...],
) -> int:
    """Do the steps from `first` on to a lead; return how many samples it has then."""
    for step in range(first, len(program)):
        code, size = program[step, codes.CODE], program[step, codes.SIZE]
        own = numbers[program[step, codes.COLUMN] :]
        of_all = constants[program[step, codes.CONSTANT] :]
        memory = scratch[program[step, codes.SCRATCH] :]
        if code == codes.STANDARDISE:
            n_real = 0 if is_missing else int(own[0])
            mean, factor = of_all[lead], of_all[n_leads + lead]
            _standardise(x, n_samples, n_real, mean, factor)
        elif code == codes.GAIN:
            factor = np.float32(own[0])
            for t in range(n_samples):
                x[t] *= factor
        elif code == codes.SHIFT:
            _shift(x, n_samples, int(own[0]), memory[0])
        elif code == codes.DROP_LEADS:
            if own[lead] != 0:
                for t in range(n_samples):
                    x[t] = 0
        elif code == codes.MASK:
            for t in range(int(own[0]), int(own[1])):
                x[t] = 0
        elif code == codes.DECIMATE:
            n_before = codes.ZERO_CROSSINGS
            weights, places, by_remainder = taps
            width = sorted_width(n_samples, size, n_before)
            filter_ = of_all[: 2 * n_before * size + 1]
            n_taps = list_taps(filter_, size, width, weights, places)
            n_samples = decimate(
                x, n_samples, size, n_before, weights, places, n_taps, by_remainder
            )
            for t in range(int(own[0]), n_samples):
                x[t] = 0
        elif own[0] == 0 or is_missing:
            continue
        elif code == codes.WANDER:
            _wander(x, lead, n_samples, size, own, memory)
        elif code == codes.POWERLINE:
            _powerline(x, lead, own, memory[0])
        elif code == codes.ELECTRODE_NOISE:
            _electrode_noise(x, lead, size, own, of_all, memory)
        else:
            _noise(x, lead, n_samples, own, code == codes.NOISE_AT_SNR)
    return n_samples


@kernel
def _record(
    source: Int16Array | Float32Array,
    begin: int,
    pieces: IntArray,
    n_samples: int,
    scale: np.float32,
    missing: BoolArray,
    program: IntArray,
    numbers: FloatArray,
    constants: Float32Array,
    out: Float32Array,
    in_place: bool,
    memory: tuple[Any, ...],
) -> None:
    """Read the leads of a record from ``source[begin + pieces]``, and do the steps.

    Where signals are not decimated, a lead is changed where it is written; `in_place`,
    it is there already.
    """
    n_leads, n_out = out.shape
    lead_memory, scratch, taps = memory
    _prepare(program, numbers, constants, n_leads, n_samples, scratch)
    is_decimated = len(taps[0]) > 0
    for lead in range(n_leads):
        x = lead_memory if is_decimated else out[lead]
        first = 0
        if is_decimated or not in_place:
            values = source[begin + pieces[lead] : begin + pieces[lead] + n_samples]
            if len(program) > 0 and program[0, codes.CODE] == codes.STANDARDISE:
                n_real = 0 if missing[lead] else int(numbers[program[0, codes.COLUMN]])
                of_all = constants[program[0, codes.CONSTANT] :]
                mean, factor = of_all[lead], of_all[n_leads + lead]
                _load(values, scale, x, n_samples, n_real, mean, factor)
                first = 1
            else:
                for t in range(n_samples):
                    x[t] = np.float32(values[t]) * scale
        _change(
            *(x, first, lead, missing[lead], n_leads, n_samples),
            *(program, numbers, constants, scratch, taps),
        )
        if is_decimated:
            to = out[lead]
            for t in range(n_out):
                to[t] = x[t]


@kernel
def _memory(sizes: IntArray) -> Any:
    """Return memory for a lead, for what leads share, and for decimation."""
    return (
        np.empty(sizes[0], np.float32),
        np.empty((sizes[1], sizes[0]), np.float32),
        (
            np.empty(sizes[2], np.float32),
            np.empty(sizes[2], np.int64),
            np.empty(sizes[3], np.float32),
        ),
    )


@kernel
def run(
    source: Int16Array | Float32Array,
    begins: IntArray,
    pieces: IntArray,
    n_samples: int,
    scale: np.float32,
    missing: BoolArray,
    program: IntArray,
    numbers: FloatArray,
    constants: Float32Array,
    sizes: IntArray,
    in_place: bool,
    out: Float32Array,
    next_row: IntArray,
) -> None:
    """Do the steps of a program to records, as many as no other thread has taken.

    Lead k of record i is ``source[begins[i] + pieces[k]:][:n_samples]``, in values;
    multiplied by `scale` it is in mV. If `in_place`, `out` is the source. `sizes` are
    those of `_memory`; `next_row` holds the first record to take.
    """
    memory = _memory(sizes)
    i = take(next_row)
    while i < len(begins):
        _record(
            *(source, begins[i], pieces, n_samples, scale, missing[i]),
            *(program, numbers[i], constants, out[i], in_place, memory),
        )
        i = take(next_row)


@kernel
def run_checked(
    source: Int16Array | Float32Array,
    begins: IntArray,
    pieces: IntArray,
    n_samples: int,
    scale: np.float32,
    missing: BoolArray,
    program: IntArray,
    numbers: FloatArray,
    constants: Float32Array,
    sizes: IntArray,
    in_place: bool,
    out: Float32Array,
    next_row: IntArray,
    check: tuple[Any, ...],
) -> None:
    """Do the steps like `run`; check each stored row first, which is then in the cache.

    `check` holds the arguments of `check_row` after the first.
    """
    memory = _memory(sizes)
    i = take(next_row)
    while i < len(begins):
        check_row(i, *check)
        _record(
            *(source, begins[i], pieces, n_samples, scale, missing[i]),
            *(program, numbers[i], constants, out[i], in_place, memory),
        )
        i = take(next_row)
