"""No kernel of beats and features reads or writes outside its arrays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from ecgstore.beats import find_beats
from ecgstore.features import compute, q_s_peaks
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

header = sorted(sample_folder().rglob("HR*.hea"))[0]
record = read_record(header)
signal = bandpass(record.signal[:, :5000], record.fs, 0.5, 40.0, 3)
for fs, voltages in (
    (500.0, signal),
    (500.0, signal[:, 321:1100]),   # cut within beats
    (257.0, signal[:, ::2]),
    (500.0, signal[:, :7]),
    (500.0, np.where(np.arange(12)[:, None] % 4 == 0, signal, np.nan)),
):
    beats = find_beats(voltages, fs, max_beats=200)
    values = compute(voltages, beats, fs)
    q_s_peaks(voltages, beats.fiducials)
    print(len(beats.r_peaks), int(np.isfinite(values).sum()))
"""


@pytest.mark.slow
def test_no_kernel_leaves_its_arrays(tmp_path: Path) -> None:
    """All kernels are compiled anew, so that each access is checked."""
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    counts = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    has_beats = [n_beats > 0 for n_beats, _ in counts]
    assert has_beats == [True, True, True, False, True]
    assert counts[0][1] > 500  # defined features
