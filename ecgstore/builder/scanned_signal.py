"""Check the signal of a record, and all windows of it, while it is read once."""

from dataclasses import replace

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.builder.changes import content_checksum
from ecgstore.builder.entry import Entry
from ecgstore.builder.pieces import OnePass
from ecgstore.builder.rows import Window, with_windows
from ecgstore.config import Config
from ecgstore.errors import RecordError
from ecgstore.record import LEADS, lead_mask
from ecgstore.signals.signature import CHANNELS, signature
from ecgstore.signals.stored_form import (
    absent_leads,
    check_usable,
    leads_to_leave_out,
    samples_to_store,
    span_to_store,
)
from ecgstore.sources import RecordHeader, RecordSignal, SignalHash


def scanned(
    entry: Entry, header: RecordHeader, signal: RecordSignal, config: Config
) -> Entry:
    """Return the entry of a record, completed from its signal.

    Parameters
    ----------
    entry : Entry
        What is known from the header.
    header : RecordHeader
        The header.
    signal : RecordSignal
        The signal, none of which is read yet.
    config : Config
        Options of the build.

    Raises
    ------
    RecordError
        If the record cannot be used, or none of its windows.
    """
    n_samples, fs = signal.n_samples, header.fs
    n_first = samples_to_store(n_samples, fs, config)
    signal_hash = SignalHash()
    one_pass = OnePass(signal, 0, n_samples, signal_hash)
    beginning = one_pass.read(0, n_first)
    if config.windows_of_records is None:
        missing = leads_to_leave_out(beginning, fs, config)
        check_usable(beginning, fs, config, missing)
        content = content_checksum(header, n_samples, beginning)
        windows = []
    else:
        windows = _checked_windows(header, one_pass, n_samples, config)
        lacking = {lead for one in windows for lead in one.missing_leads.split(",")}
        missing = tuple(lead for lead in config.leads if lead in lacking)
        content = ""
    found = signature(_to_describe(beginning, missing, config), fs)
    one_pass.read_rest()
    complete = replace(
        entry,
        fs=fs,
        n_samples=n_samples,
        sha256=signal_hash.hexdigest(),
        content=content,
        checksum_differs=_bits(signal.checksum_differs),
        first_value_differs=_bits(signal.first_value_differs),
        derived_leads=",".join(
            lead for lead in signal.leads.derived if windows or lead not in missing
        ),
        missing_leads=",".join(missing),
        signature=found,
    )
    return with_windows(complete, windows) if windows else complete


def _checked_windows(
    header: RecordHeader, one_pass: OnePass, n_samples: int, config: Config
) -> list[Window]:
    """Return the windows of a record; raise if none can be used."""
    windows: list[Window] = []
    first_failure: RecordError | None = None
    division = config.windows_of_records
    assert division is not None
    begins = division.begins(n_samples, header.fs, config.min_duration_s)
    for number, begin in enumerate(begins):
        span = span_to_store(begin, n_samples, header.fs, config)
        samples = one_pass.read(span.first, span.end)
        window = Window(
            division.name("", number),
            begin,
            content_checksum(header, n_samples, samples),
            "",
        )
        try:
            stored = samples[:, span.n_before :]
            missing = leads_to_leave_out(stored, header.fs, config)
            check_usable(stored, header.fs, config, missing)
            window = window._replace(missing_leads=",".join(missing))
        except RecordError as failure:
            first_failure = first_failure or failure
            window = window._replace(
                reason=str(failure.reason), detail=f"{window.suffix}: {failure.detail}"
            )
        windows.append(window)
    if first_failure is not None and all(window.reason for window in windows):
        raise first_failure
    return windows


def _to_describe(
    signal: FloatArray, missing: tuple[str, ...], config: Config
) -> FloatArray:
    """Return a signal for its signature, with zeros in the leads that are absent.

    So a sum of two leads, of which one is there, describes that one. If a store has
    none of the leads that a channel describes, another lead takes their place.
    """
    absent = absent_leads(config, missing)
    if not absent:
        return signal
    signal = signal.copy()
    signal[lead_mask(absent)] = 0.0
    described = {lead for channel in CHANNELS for lead in channel}
    others = [lead for lead in config.leads if lead not in described]
    for channel in CHANNELS:
        if others and not {*channel}.intersection(config.leads):
            signal[LEADS.index(channel[0])] = signal[LEADS.index(others.pop(0))]
    return signal


def _bits(flags: BoolArray) -> int:
    """Return flags as the bits of an integer; the first flag is the lowest bit."""
    return sum(1 << place for place, flag in enumerate(flags) if flag)
