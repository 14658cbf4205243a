"""Write a folder of different records, as many as the whole Challenge has or more.

Copies of real records differ in how fast time goes by: the intervals between beats are
others, as in another recording, and no two copies are found to be the same ECG.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, Int16Array

_MAT_HEADER: Final = 24
"""Bytes before the samples of a Challenge record: a MATLAB 4 file with one matrix."""

_PERIODS_S: Final = (1.5, 15.0)
"""Range of the periods in which time goes by faster and slower."""

_N_WAVES: Final = 5
_STRENGTH: Final = 0.3
"""Standard deviation of the logarithm of the speed of time."""


def make_many_records(headers: Sequence[Path], folder: Path, n_records: int) -> None:
    """Write different copies of real records: header and signal of each.

    Parameters
    ----------
    headers : sequence of Path
        Headers of Challenge records: ``source/g1/NAME.hea`` with ``NAME.mat``.
    folder : Path
        The folder to create, ``source/gN/NAMENNN.hea``. It appears when it is complete;
        if it exists and has `n_records` records, nothing is done.
    n_records : int
        Number of records. They are spread evenly over the headers, and the same ones in
        every run.

    Raises
    ------
    SystemExit
        If the folder exists and has another number of records.
    """
    if folder.exists():
        n_found = sum(1 for _ in folder.rglob("*.hea"))
        if n_found != n_records:
            raise SystemExit(
                f"{folder}: has {n_found} records; expected {n_records}, or no folder"
            )
        return
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for position, header in enumerate(headers):
        n_copies = (position + 1) * n_records // len(headers)
        n_copies -= position * n_records // len(headers)
        _write_copies(header, unfinished, n_copies, position)
    unfinished.rename(folder)


def _write_copies(header: Path, folder: Path, n_copies: int, seed: int) -> None:
    """Write the copies of one record."""
    text = header.read_text(encoding="utf-8")
    content = header.with_suffix(".mat").read_bytes()
    head, adc = content[:_MAT_HEADER], content[_MAT_HEADER:]
    n_leads, fs = int(text.split()[1]), float(text.split()[2])
    samples = np.frombuffer(adc, "<i2").reshape(-1, n_leads)
    for number in range(n_copies):
        name = f"{header.stem}{number:03d}"
        group = folder / header.parents[1].name / f"g{number + 1}"
        group.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, number])
        copy = stretched(samples, _places(len(samples), fs, rng))
        new_header = _renamed(text, header.stem, name, copy)
        (group / f"{name}.hea").write_text(new_header, encoding="utf-8")
        (group / f"{name}.mat").write_bytes(head + copy.tobytes())


def stretched(samples: Int16Array, places: FloatArray) -> Int16Array:
    """Return the samples at other places, interpolated linearly.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_leads)
        Raw counts.
    places : ndarray of shape (n_samples,)
        Places from 0 to ``n_samples - 1``.
    """
    before = np.minimum(places.astype(np.int64), len(samples) - 2)
    weight = (places - before).astype(np.float32)[:, np.newaxis]
    left = samples[before].astype(np.float32)
    left += weight * (samples[before + 1] - left)
    return np.rint(left).astype("<i2")


def _places(n_samples: int, fs: float, rng: np.random.Generator) -> FloatArray:
    """Return increasing places from the first to the last sample, at varying speed."""
    times = np.arange(n_samples)[:, np.newaxis] / fs
    periods = rng.uniform(*_PERIODS_S, _N_WAVES)
    phases = rng.uniform(0, 2 * np.pi, _N_WAVES)
    waves = np.sin(2 * np.pi * times / periods + phases).sum(axis=1)
    speed = np.exp(_STRENGTH * np.sqrt(2 / _N_WAVES) * waves)
    reached = np.cumsum(speed)
    reached -= reached[0]
    places: FloatArray = reached * ((n_samples - 1) / reached[-1])
    return np.minimum(places, n_samples - 1)


def _renamed(text: str, old: str, new: str, copy: Int16Array) -> str:
    """Return a header with another name, and the first values and sums of a copy."""
    sums = copy.sum(axis=0, dtype=np.int64).astype(np.int16)
    lines = text.splitlines()
    lines[0] = lines[0].replace(old, new, 1)
    for lead, (first, total) in enumerate(zip(copy[0], sums, strict=True), 1):
        fields = lines[lead].split(" ")
        fields[0] = fields[0].replace(old, new, 1)
        fields[5:7] = [str(first), str(total)]
        lines[lead] = " ".join(fields)
    return "\n".join(lines) + "\n"
