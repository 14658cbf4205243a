"""Read the header or the whole of a record, in any of the formats."""

import os
from pathlib import Path

from ecgstore.record import Record
from ecgstore.sources.formats import RecordHeader, format_of


def read_header(path: str | Path) -> RecordHeader:
    """Read the header of a record.

    Only the syntax is checked; `read_record` decides whether the values make sense.

    Parameters
    ----------
    path : str or Path
        The record's ``.hea`` file.

    Returns
    -------
    RecordHeader
        The parsed header.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`. Nothing else is raised, whatever the file
        holds.
    """
    name = os.fspath(path)
    return format_of(name).read_header(name)


def read_record(path: str | Path, *, max_samples: int | None = None) -> Record:
    """Read a record in any of the formats of the PhysioNet Challenges and of WFDB.

    Sampling rate, gains, baselines, units and length come from the header, and are
    compared with the signal file before memory is allocated for the signal.

    Parameters
    ----------
    path : str or Path
        The record's ``.hea`` file; its signal files are in the same folder.
    max_samples : int, optional
        Read only this many samples per lead from the beginning. Checksums are compared
        only if that is the whole record.

    Returns
    -------
    Record
        The twelve standard leads in mV, in the order of `LEADS`.

    Raises
    ------
    RecordError
        If the record cannot be used; `reason` says why. Nothing else is raised,
        whatever the files hold.
    ValueError
        If `max_samples` is not positive.
    """
    if max_samples is not None and max_samples < 1:
        raise ValueError(f"max_samples is {max_samples}; expected 1 or more")
    name = os.fspath(path)
    return format_of(name).read_record(name, max_samples)
