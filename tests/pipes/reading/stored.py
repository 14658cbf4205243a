"""Batches compared with what the HDF5 library reads of a store."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgstore import pipes
from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.reading.record_reader import ARRAYS
from ecgstore.pipes.reading.window import window_begins
from ecgstore.record import LEADS
from ecgstore.storage.format import schema

TEXTS = schema.RECORD_TEXTS

NUMBERS = (*schema.RECORD_NUMBERS, "fold")

N_SAMPLES = 5000


def row_batch(rows: Sequence[int], first_seed: int = 0) -> RowBatch:
    numbers = np.arange(first_seed, first_seed + len(rows), dtype=np.uint64)
    return RowBatch(np.array(rows, np.int64), numbers * np.uint64(0x9E3779B97F4A7C15))


def check_batch(
    batch: Batch,
    wanted: RowBatch,
    stored: dict[str, NDArray[Any]],
    fields: Sequence[str],
    leads: Sequence[str] | None,
    window: Any,
    dtype: str,
) -> None:
    """Compare a batch with plain indexing of arrays, row by row."""
    assert batch.rows.tolist() == wanted.rows.tolist()
    assert (batch.seeds == wanted.seeds).all()
    assert batch.record_ids == [
        stored["record_id"][row].decode() for row in wanted.rows
    ]
    places = slice(None) if leads is None else [LEADS.index(lead) for lead in leads]
    for name in ARRAYS:
        assert (getattr(batch, name) is not None) == (name in fields)
    assert set(batch.columns) == {name for name in fields if name not in ARRAYS}
    if "signals" in fields:
        assert batch.signals is not None
        assert batch.signals.dtype == getattr(torch, dtype)
        assert batch.signals.is_contiguous()
    begins = window_begins(
        window, N_SAMPLES - stored["pad_length"][wanted.rows], wanted.seeds
    )
    for place, row in enumerate(wanted.rows.tolist()):
        n_real = N_SAMPLES - int(stored["pad_length"][row])
        begin = 0 if begins is None else int(begins[place])
        length = N_SAMPLES
        if isinstance(window, pipes.RandomCrop):
            length = window.n_samples
            assert 0 <= begin <= max(n_real - length, 0)
        elif window is not None:
            begin, length = window[0], window[1] - window[0]
        assert int(batch.n_real_samples[place]) == min(max(n_real - begin, 0), length)
        for name in fields:
            if name in TEXTS:
                assert batch.columns[name][place] == stored[name][row].decode()
                continue
            expected = stored[name][row]
            if name == "signals":
                expected = expected[places, begin : begin + length]
                if dtype == "float32":
                    expected = expected.astype(np.float32) * stored["scale"]
            elif name == "labels":
                expected = expected.astype(np.float32)
            elif name in ("fiducials", "r_peaks"):
                expected = expected[places] if name == "fiducials" else expected
                moved = expected.astype(np.int64) - begin
                is_there = (expected >= 0) & (moved >= 0) & (moved < length)
                expected = np.where(is_there, moved, -1).astype(expected.dtype)
            if name in NUMBERS:
                values: Any = batch.columns[name]
            else:
                values = getattr(batch, name)
            read = values[place].numpy()
            assert read.dtype == expected.dtype
            # Bit for bit, because features may be NaN.
            assert read.tobytes() == np.ascontiguousarray(expected).tobytes(), name
