"""The engine "ecgstore": beats and waves of all leads with a small network."""

import functools
from collections.abc import Sequence

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.beats.types import Beats, BeatStatus
from ecgstore.beats.unet._network_kernels import N_WEIGHTS
from ecgstore.beats.unet.decoding import RULES, Rules, decode
from ecgstore.beats.unet.evidence import evidence_of, weights
from ecgstore.beats.unet.inputs import network_input
from ecgstore.beats.unet.pieces import Read, find_in_pieces
from ecgstore.errors import EcgStoreError


def find_beats(
    signal: FloatArray, fs: float, max_beats: int | None, leads: Sequence[str]
) -> Beats:
    """Find beats and waves.

    Parameters and results are those of `ecgstore.beats.find_beats`, which checks the
    parameters. All leads are treated alike, whatever their names.
    """
    return find_beats_with(weights(), signal, fs, max_beats)


def find_beats_with(
    values: Float32Array,
    signal: FloatArray,
    fs: float,
    max_beats: int | None = None,
    rules: Rules = RULES,
) -> Beats:
    """Find beats and waves with other weights, or by other rules."""
    return _find(
        values,
        rules,
        lambda begin, end: np.asarray(signal[:, begin:end], np.float64),
        signal.shape[1],
        fs,
        max_beats,
    )


def find_beats_read(read: Read, n_samples: int, fs: float) -> Beats:
    """Find beats and waves of a record that is read piece by piece.

    Parameters
    ----------
    read : callable
        Returns the voltages in mV from one sample to another, of shape (n_leads, n),
        band-pass filtered, NaN where a sample is missing.
    n_samples : int
        Length of the record.
    fs : float
        Sampling rate in Hz, at least 50.

    Returns
    -------
    Beats
        The same as for the whole signal, with less memory.
    """
    return _find(weights(), RULES, read, n_samples, fs, None)


def _find(
    values: Float32Array,
    rules: Rules,
    read: Read,
    n_samples: int,
    fs: float,
    max_beats: int | None,
) -> Beats:
    """Find the beats of a record in pieces, one for a short record."""
    if values.shape != (N_WEIGHTS,):  # others would be read beyond their end
        raise EcgStoreError(
            f"weights of the delineator have the shape {values.shape}; expected "
            f"({N_WEIGHTS},): train them again"
        )
    find = functools.partial(_find_at_once, values, rules, fs)
    return find_in_pieces(find, read, n_samples, fs, max_beats)


def _find_at_once(
    values: Float32Array, rules: Rules, fs: float, signal: FloatArray
) -> Beats:
    """Find all beats of a signal in memory."""
    record = network_input(signal, fs)
    if record is None:
        return Beats.none(BeatStatus.NO_BEATS, len(signal))
    beats = decode(evidence_of(record, values), record.voltages, fs, rules)
    fiducials = np.full((len(signal), *beats.fiducials.shape[1:]), -1, np.int64)
    fiducials[record.leads] = beats.fiducials
    return Beats(beats.r_peaks, fiducials, beats.status)
