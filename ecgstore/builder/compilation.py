"""Compile the kernels of a build before it begins, once for all of its processes.

Each of several processes would otherwise compile all of them at the same time, while
the build seems to hang.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.beats._median_kernels import write_medians
from ecgstore.beats.unet import (
    _decoding_kernels as decoding,
    _marks_kernels as marks,
    _network_kernels as network,
    _presence_kernels as presence,
    _scaling_kernels as scaling,
    _silence_kernels as silence,
)
from ecgstore.beats.unet.decoding import decode
from ecgstore.beats.unet.evidence import Evidence, class_probabilities, weights
from ecgstore.beats.unet.inputs import network_input
from ecgstore.config import Config
from ecgstore.features import (
    _order_kernels as order,
    compute as compute_features,
)
from ecgstore.features.rr import _kernels as rr
from ecgstore.features.spectrum import _kernels as spectrum
from ecgstore.features.waves import _kernels as waves
from ecgstore.record import N_LEADS, Mark
from ecgstore.sample import sample_folder
from ecgstore.signals._filter_kernels import filter_forward_backward
from ecgstore.signals._quality_kernels import count_leads, sum_moments
from ecgstore.signals._resample_kernels import resample_polyphase
from ecgstore.signals._same_signal_kernels import link_similar
from ecgstore.signals._signature_kernels import describe
from ecgstore.signals.quality import measure
from ecgstore.signals.same_signal import same_signals
from ecgstore.signals.signature import signature, signature_array
from ecgstore.signals.stored_form import stored_form
from ecgstore.sources import read_record, signal_sha256
from ecgstore.sources.wfdb._samples_kernels import adc_to_mv, mv_to_microvolts
from ecgstore.system.kernels import can_be_stored, is_compiled
from ecgstore.system.progress import Progress
from ecgstore.system.workers import run_tasks

_FS: Final = 500.0
_R_PEAKS: Final = np.arange(250, 4750, 400)
_MARKS: Final = {
    Mark.P_ON: -100,
    Mark.P_PEAK: -75,
    Mark.P_OFF: -50,
    Mark.QRS_ON: -20,
    Mark.R_PEAK: 0,
    Mark.QRS_OFF: 20,
    Mark.T_ON: 80,
    Mark.T_PEAK: 120,
    Mark.T_OFF: 150,
}
"""Marks of an invented beat, in samples from the R-peak."""


def compile_kernels(
    config: Config, n_workers: int, preload: Sequence[str], quiet: bool
) -> None:
    """Compile the kernels that a build needs, unless their machine code is stored.

    Parameters
    ----------
    config : Config
        Options of the build.
    n_workers : int
        Number of processes.
    preload : sequence of str
        Modules that the processes of the build need, see `run_tasks`.
    quiet : bool
        Show no progress.

    Notes
    -----
    Rarely used kernels are left to the processes that need them, such as those of
    records whose leads differ in rate.
    """
    groups = [
        name
        for name, (_, kernels) in GROUPS.items()
        if (config.beats == "ecgstore" or name not in _OF_ENGINE)
        and not all(map(is_compiled, kernels))
    ]
    if not groups:
        return
    if n_workers > 1 and not can_be_stored(describe):
        if not quiet:
            print(
                "every process compiles the kernels (about a minute), because their "
                "machine code cannot be stored: to store it, set NUMBA_CACHE_DIR to a "
                "folder that can be written",
                file=sys.stderr,
            )
        return
    with Progress(
        "compile kernels (once, about a minute)",
        len(groups),
        unit="groups",
        announce=True,
        quiet=quiet,
    ) as progress:
        n_processes = min(n_workers, len(groups))
        for _ in run_tasks(_compiler, groups, n_processes, preload):
            progress.update()


def _compiler() -> Callable[[str], None]:
    """Return the function that compiles a group of kernels."""
    return compile_group


def compile_group(name: str) -> None:
    """Call all kernels of a group, with arguments of the types that a build passes."""
    call, _ = GROUPS[name]
    call()


def _call_network() -> None:
    leads = np.zeros((N_LEADS, network.STEP), np.float32)
    usable = np.ones((N_LEADS, 1), np.bool_)
    class_probabilities(leads, usable, weights())


def _call_features() -> None:
    compute_features(_voltages(), _beats(), _FS)


def _call_signature() -> None:
    found = signature(_voltages(), _FS)
    same_signals(signature_array([found, found]))


def _call_decoding() -> None:
    n_cells = 1250
    probabilities = np.zeros((N_LEADS, network.N_CLASSES, n_cells), np.float32)
    probabilities[:, 0] = 1
    for fiducials in _beats().fiducials[0] // 4:  # 8 ms are 4 samples
        for wave, first in enumerate(range(0, len(Mark), 3)):
            for half in range(2):
                begin, end = fiducials[first + half : first + half + 2]
                probabilities[:, 1 + 2 * wave + half, begin:end] = 1
                probabilities[:, 0, begin:end] = 0
    usable = np.ones((N_LEADS, n_cells), np.bool_)
    evidence = Evidence(np.arange(N_LEADS), probabilities, usable)
    decode(evidence, _voltages(), _FS)


def _call_input() -> None:
    network_input(_voltages(), _FS)


def _call_reading() -> None:
    record = read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")
    signal_sha256(record.signal)
    measure(record.signal, record.fs)
    for fs in (record.fs, record.fs / 2):
        stored_form(record.signal, fs, Config())


def _voltages() -> Any:
    """Return a signal of noise, mV."""
    return np.random.default_rng(0).normal(size=(N_LEADS, 5000))


def _beats() -> Beats:
    """Return beats with all marks in all leads."""
    offsets: IntArray = np.array([_MARKS[mark] for mark in Mark])
    fiducials = np.tile(_R_PEAKS[:, np.newaxis] + offsets, (N_LEADS, 1, 1))
    return Beats(_R_PEAKS, fiducials, BeatStatus.OK)


# The longest first, so that processes end at about the same time.
GROUPS: Final[dict[str, tuple[Callable[[], None], tuple[Callable[..., Any], ...]]]] = {
    "network": (_call_network, (network.forward, decoding.to_probabilities)),
    "features": (
        _call_features,
        (
            rr.n_bins_needed,
            rr.features_of_series,
            spectrum.write_segments,
            spectrum.write_power,
            spectrum.spectral_features,
            spectrum.write_residual,
            spectrum.f_wave_features,
            waves.wave_features,
            order.write_medians,
        ),
    ),
    "signature": (_call_signature, (describe, link_similar)),
    "decoding": (
        _call_decoding,
        (
            write_medians,
            decoding.wave_evidence,
            decoding.find_complexes,
            decoding.place_marks,
            presence.write_inputs,
            presence.write_scores,
            marks.settle,
        ),
    ),
    "reading": (
        _call_reading,
        (
            adc_to_mv,
            mv_to_microvolts,
            count_leads,
            sum_moments,
            resample_polyphase,
            filter_forward_backward,
        ),
    ),
    "input": (
        _call_input,
        (
            marks.resample,
            scaling.scale,
            silence.write_bends,
            silence.write_ranges,
        ),
    ),
}
"""Functions that call kernels, and all of these that Python calls in a build."""

_OF_ENGINE: Final = ("network", "decoding", "input")
