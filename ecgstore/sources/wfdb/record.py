"""Open a WFDB record: header and signal together, as twelve leads in mV."""

from dataclasses import replace

from ecgstore.errors import RecordError
from ecgstore.sources.files import printable
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.wfdb import header as headers
from ecgstore.sources.wfdb.frame_signal import FrameSignal
from ecgstore.sources.wfdb.header import Header
from ecgstore.sources.wfdb.interleaved import InterleavedSignal, is_interleaved
from ecgstore.sources.wfdb.leads import twelve_leads
from ecgstore.sources.wfdb.samples import WfdbSignal
from ecgstore.sources.wfdb.segments import SegmentedSignal, first_segment
from ecgstore.sources.wfdb.signal_files import signal_files


def read_header(path: str) -> Header:
    """Read the header of a record; see `ecgstore.sources.read_header`.

    The sampling rate is that of the standard lead that has most samples in a frame.

    Parameters
    ----------
    path : str
        The record's ``.hea`` file.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`.
    """
    header = headers.read_header(path)
    try:
        leads = first_segment(header, path).leads if header.segments else header.leads
        if all(lead.samples_per_frame == 1 for lead in leads):
            return header
        per_frame = [lead.samples_per_frame for lead in twelve_leads(leads, "").headers]
    except RecordError:
        return header  # opening the record raises it again
    return replace(header, samples_per_frame=max(per_frame))


def open_record(path: str) -> tuple[Header, WfdbSignal]:
    """Open a record; see `ecgstore.sources.open_record`.

    Parameters
    ----------
    path : str
        The record's ``.hea`` file; its signal files are in the same folder.

    Raises
    ------
    RecordError
        If the record cannot be used.
    """
    header = headers.read_header(path)
    if not header.frame_rate > 0:  # whatever the number of samples in a frame
        check_sampling_rate(header.frame_rate, printable(path))
    signal: WfdbSignal
    if header.segments:
        signal = SegmentedSignal(header, path, _open_signal)
    else:
        signal = _open_signal(header, path)
    if signal.samples_per_frame != 1:
        header = replace(header, samples_per_frame=signal.samples_per_frame)
    return header, signal


def _open_signal(header: Header, path: str) -> WfdbSignal:
    """Open the signal of an ordinary record."""
    where = printable(path)
    leads = twelve_leads(header.leads, where)
    for per_frame in {lead.samples_per_frame for lead in leads.headers}:
        check_sampling_rate(header.frame_rate * per_frame, where)
    files = signal_files(header.leads, leads.positions, path)
    if is_interleaved(files):
        return InterleavedSignal(files[0], leads, header.n_samples)
    return FrameSignal(files, leads, header.n_samples, where)
