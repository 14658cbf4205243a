"""Numbers by which Python tells kernels what to do; without numba, which loads slowly.

The name of this file lets kernels be compiled again when a number changes.
"""

from typing import Final

STANDARDISE: Final = 0
GAIN: Final = 1
SHIFT: Final = 2
DROP_LEADS: Final = 3
MASK: Final = 4
WANDER: Final = 5
POWERLINE: Final = 6
NOISE: Final = 7
NOISE_AT_SNR: Final = 8
ELECTRODE_NOISE: Final = 9
DECIMATE: Final = 10

N_SINUSOIDS: Final = 3
"""Sinusoids of baseline wander."""

ZERO_CROSSINGS: Final = 10
"""Zero crossings of the filter of decimation per side, as in SciPy's
``decimate(ftype="fir")``."""

ROOM: Final = 64
"""Samples of memory beyond those of a lead: as many are decimated at a time."""

# Noise. The factors, and the shifts in `_noise_kernels`, are those of the functions
# "lowbias32" and "triple32" of Chris Wellons' search for good integer hashes
# (github.com/skeeto/hash-prospector).
FACTOR_1: Final = 0x21F0AAAD
FACTOR_2: Final = 0x735A2D97
FACTOR_3: Final = 0x846CA68B
INCREMENT: Final = 0x9E3779B9
"""From the golden ratio: neighbouring counters end up far apart."""

CODE, COLUMN, CONSTANT, SIZE, SCRATCH = range(5)
"""The columns of a program."""
