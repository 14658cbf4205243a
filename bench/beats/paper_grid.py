"""Compare the beats of paper layouts with those of the whole records.

On paper, each lead is shown for 2.5 s, in a grid of 3 x 4, and lead II for 10 s below.
Digitised layouts are zero elsewhere.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.beats.counts import match
from bench.beats.detectors import Detect, Leads
from bench.common.records import accepted_records, headers_in, options_for
from bench.common.tables import print_table
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.record import LEADS
from ecgstore.signals.preprocess import preprocess

SAME_S: Final = (0.05, 0.15)
"""Largest distances of a beat in the grid from that of the whole record, in s.

The second is that of EC57. The R-peak of a wide complex lies where most leads have it,
so with other leads it may lie more than 50 ms from it.
"""

GRID: Final = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
"""Rows of leads; a column is shown for 2.5 s of 10 s. Lead II is also whole."""

BLOCK_S: Final = 2.5


def measure_paper_grids(folder: Path, engine: Detect, config: Config) -> dict[str, Any]:
    """Print and return how many beats are found and invented in paper layouts.

    The records are those of the Challenge in a folder. The beats in the whole record
    are the reference.
    """
    n_records = n_beats = 0
    found = dict.fromkeys(SAME_S, 0)
    invented, different = found.copy(), found.copy()
    options = options_for(preprocess, config)
    for path, record in accepted_records(headers_in(folder), config):
        beats = []
        for signal in (record.signal, in_grid(record.signal, record.fs)):
            prepared = preprocess(signal, record.fs, **options)
            filtered = prepared.signal[:, : prepared.n_real_samples]
            detected = engine(Leads(path.stem, config.fs, filtered, filtered)).beats
            beats.append(np.empty(0) if detected is None else detected)
        whole, grid = beats
        n_records += 1
        n_beats += len(whole)
        for same_s in SAME_S:
            n_same = len(match(whole, grid, same_s * config.fs))
            found[same_s] += n_same
            invented[same_s] += len(grid) - n_same
            different[same_s] += n_same < max(len(whole), len(grid))
    columns = ("beats of the whole records", "found", "invented", "records that differ")
    rows = {
        f"within {1000 * same_s:g} ms": [
            str(n_beats),
            f"{found[same_s]} ({found[same_s] / n_beats:.2%})",
            f"{invented[same_s]} ({invented[same_s] / n_beats:.2%})",
            f"{different[same_s]} of {n_records}",
        ]
        for same_s in SAME_S
    }
    print_table("in paper layout", columns, rows)
    within = {
        f"{1000 * same_s:g}": {
            "found": found[same_s],
            "invented": invented[same_s],
            "records_with_a_difference": different[same_s],
        }
        for same_s in SAME_S
    }
    return {"records": n_records, "beats": n_beats, "within_ms": within}


def in_grid(signal: FloatArray, fs: float) -> FloatArray:
    """Return a record of 12 leads in paper layout: 0 where a lead is not shown.

    The last column lasts to the end of the record.
    """
    grid = np.zeros_like(signal)
    n_columns = len(GRID[0])
    edges = [round(k * BLOCK_S * fs) for k in range(n_columns)]
    ends = [*edges[1:], signal.shape[1]]
    for row in GRID:
        for lead, begin, end in zip(row, edges, ends, strict=True):
            k = LEADS.index(lead)
            grid[k, begin:end] = signal[k, begin:end]
    ii = LEADS.index("II")
    grid[ii] = signal[ii]
    return grid
