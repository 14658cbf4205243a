"""Read the header, a piece or the whole of a record, in any of the formats."""

import os
from pathlib import Path

from ecgstore.record import Record
from ecgstore.sources.formats import format_of
from ecgstore.sources.lead_choice import ChooseLeads, twelve_leads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.source import RecordHeader


def read_header(path: str | Path) -> RecordHeader:
    """Read the header of a record.

    Only the syntax is checked; `open_record` decides whether the values make sense.

    Parameters
    ----------
    path : str or Path
        The record's header, such as a ``.hea`` file.

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


def open_record(
    path: str | Path, leads: ChooseLeads | None = None
) -> tuple[RecordHeader, RecordSignal]:
    """Open a record in any of the formats of `known_formats`.

    Sampling rate, gains, units and length come from the record's files alone.

    Parameters
    ----------
    path : str or Path
        The record's header, such as a ``.hea`` file with its signal files beside it.
    leads : callable, optional
        Chooses the leads: `twelve_leads`, the default, or `ecg_channels`.

    Returns
    -------
    RecordHeader
        The parsed header.
    RecordSignal
        The signal, which is read in pieces of any length.

    Raises
    ------
    RecordError
        If the record cannot be used; `reason` says why. Nothing else is raised,
        whatever the files hold.
    """
    name = os.fspath(path)
    return format_of(name).open_record(name, leads or twelve_leads())


def read_record(
    path: str | Path,
    leads: ChooseLeads | None = None,
    *,
    max_samples: int | None = None,
) -> Record:
    """Read a record, or its beginning, in any of the formats of `open_record`.

    Parameters
    ----------
    path : str or Path
        The record's header, such as a ``.hea`` file with its signal files beside it.
    leads : callable, optional
        `twelve_leads` with options: names of leads, and whether some may be missing.
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
    header, signal = open_record(path, leads)
    n_samples = signal.n_samples
    if max_samples is not None:
        n_samples = min(n_samples, max_samples)
    return Record(
        record_id=header.record_id,
        signal=signal.read(0, n_samples),
        fs=header.fs,
        n_samples_original=signal.n_samples,
        age=header.age,
        sex=header.sex,
        dx=header.dx,
        checksum_differs=signal.checksum_differs,
        first_value_differs=signal.first_value_differs,
        derived_leads=signal.leads.derived,
        missing_leads=signal.leads.missing,
        notes=header.notes,
    )
