"""Read rows of signals into arrays, or one row with its checksum compared."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.storage.first_touch import damaged_row
from ecgstore.storage.format.integrity import row_checksum
from ecgstore.storage.rows import SignalRows


def read_signals(
    path: Path,
    signals: SignalRows,
    rows: IntArray,
    out: NDArray[Any] | None,
    dtype: Literal["float32", "int16"],
) -> NDArray[Any]:
    """Read signals, padding included; see `Store.signals`.

    Parameters
    ----------
    path : Path
        Path of the store, for messages.
    signals : SignalRows
        The rows of the store.
    rows : ndarray of shape (n_rows,)
        Row numbers.
    out : ndarray of shape (n_rows, 12, n_samples), optional
        Array for the result.
    dtype : {"float32", "int16"}
        Voltages in mV, or stored counts.

    Raises
    ------
    ValueError
        If `out` has another shape or type, or the store holds no counts.
    SchemaError
        If a row is checked at its first reading, and damaged.
    """
    shape = (len(rows), signals.n_leads, signals.n_samples)
    if dtype not in ("float32", "int16"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'int16'")
    if dtype == "int16" and signals.dtype != np.int16:
        raise ValueError(
            f"{path} holds float32 mV, no int16 counts; read them with dtype='float32'"
        )
    if out is None:
        out = np.empty(shape, dtype)
    elif out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"out is {out.dtype} of shape {out.shape}; expected a C-contiguous "
            f"array of {dtype} of shape {shape}"
        )
    gather = signals.gather(rows, out)
    gather()
    gather.finish()
    return out


def check_signal(
    path: Path, signals: SignalRows, row: int, record_id: str, checksum: int
) -> None:
    """Refuse a row of signals that differs from its checksum.

    Parameters
    ----------
    path : Path
        Path of the store, for messages.
    signals : SignalRows
        The rows of the store.
    row : int
        The row.
    record_id : str
        Name of the record, for messages.
    checksum : int
        Value of `/checksums` for this row.

    Raises
    ------
    SchemaError
        If the row is damaged.
    """
    stored = np.empty((1, signals.n_leads, signals.n_samples), signals.dtype)
    signals.gather(np.array([row]), stored)()
    if row_checksum(stored.tobytes()) != checksum:
        raise damaged_row(path, row, record_id)
