"""The signal of a stored record as it was before the filter, from its original file."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import EcgStoreError
from ecgstore.record import lead_rows, without_leads
from ecgstore.signals.preprocess import before_filter
from ecgstore.signals.stored_form import span_to_store
from ecgstore.sources import file_of, leads_of_build, read_record, signal_sha256
from ecgstore.sources.spooled import SUFFIX as SPOOLED
from ecgstore.storage.format import schema
from ecgstore.storage.store import Store


def original_signal(
    store: Store, row: int, folders: str | Path | Iterable[str | Path]
) -> FloatArray:
    """Return a record as it was before the band-pass filter, cut and resampled alike.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.
    folders : str, Path, or iterable of them
        Folders to search for the original record: those of the build, or folders that
        contain them.

    Returns
    -------
    ndarray of shape (n_leads, n_real_samples)
        Voltages in mV at the sampling rate of the store, without padding; NaN in leads
        that the record lacks.

    Raises
    ------
    EcgStoreError
        If the original is in none of the folders, or differs from the stored record.
    """
    folders = [folders] if isinstance(folders, str | Path) else folders
    path = _original(store, row, [Path(folder) for folder in folders])
    config, columns = store.config, store.columns
    original = read_record(path, leads_of_build(config))
    if signal_sha256(original.signal) != columns.one("sha256", row):
        raise EcgStoreError(
            f"{path}: not the signal from which {store.place} was built; give the "
            "folder of the original with --records"
        )
    missing = [name for name in columns.one("missing_leads", row).split(",") if name]
    signal = original.signal[lead_rows(store.leads)]
    signal[np.isin(store.leads, missing)] = 0.0  # as they are stored
    start_s = float(columns.one(schema.START, row))
    span = span_to_store(
        round(start_s * original.fs), signal.shape[1], original.fs, config
    )
    raw, n_before = before_filter(
        signal[:, span.first : span.end],
        original.fs,
        fs_out=config.fs,
        duration_s=config.duration_s,
        margin_s=config.margin_s,
        max_gap_s=config.max_gap_s,
        n_before=span.n_before,
    )
    n_real = store.n_samples - int(
        columns.read_quality(schema.PAD_LENGTH, np.array([row]))[0]
    )
    return without_leads(raw[:, n_before : n_before + n_real], missing, store.leads)


def _original(store: Store, row: int, folders: list[Path]) -> Path:
    """Return the header file of the original of a stored record."""
    path, name = (
        Path(store.columns.one("path", row)),
        store.columns.one("record_id", row),
    )
    if path.suffix == SPOOLED:
        raise EcgStoreError(
            f"{store.place}: {name} was given by a program, so there is no file of the "
            "original"
        )
    tails = [Path(*path.parts[begin:]) for begin in range(len(path.parts))]
    for folder in folders:
        for tail in tails:
            if os.path.isfile(file_of(str(folder / tail))):
                return folder / tail
    raise EcgStoreError(
        f"{path}: the original of {name} is not in {', '.join(map(str, folders))}; "
        "give the folder of the build with --records"
    )
