"""The China Physiological Signal Challenge 2019: single leads, R-peaks.

Hard recordings of 10 s at 500 Hz (http://2019.icbeb.org/Challenge.html).
"""

from pathlib import Path
from typing import Final

import numpy as np
import scipy.io

from ecgstore.models.delineator.databases.annotated import AnnotatedRecord, beats_only

FS: Final = 500.0
"""Sampling rate of all records in Hz."""

EDGE_S: Final = 0.5
"""Length of the ends of a record that the Challenge leaves out of its score, in s."""


def read_cpsc2019(folder: Path) -> list[AnnotatedRecord]:
    """Return the records in the order of their numbers.

    Parameters
    ----------
    folder : Path
        Folder with ``data/data_00001.mat``, ``ref/R_00001.mat``, ...

    Raises
    ------
    SystemExit
        If there is no record.
    """
    paths = sorted(folder.glob("data/data_*.mat"))
    if not paths:
        raise SystemExit(
            f"{folder}: has no record of the Challenge 2019; expected "
            "data/data_00001.mat, ... and ref/R_00001.mat, ..."
        )
    return [_read(path) for path in paths]


def _read(path: Path) -> AnnotatedRecord:
    """Return one record; whose it is is not known."""
    number = path.stem.removeprefix("data_")
    signal = np.asarray(scipy.io.loadmat(path)["ecg"], np.float64).reshape(1, -1)
    reference = scipy.io.loadmat(path.parents[1] / "ref" / f"R_{number}.mat")
    r_peaks = np.sort(reference["R_peak"].ravel())
    edge = EDGE_S * FS
    return AnnotatedRecord(
        record_id=path.stem,
        patient=path.stem,
        rhythm="",
        fs=FS,
        leads=("ECG",),
        signal=signal,
        annotations=(beats_only(r_peaks, edge, signal.shape[1] - edge),),
    )
