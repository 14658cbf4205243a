"""Open a WFDB record: header and signal together, as leads in mV."""

from dataclasses import replace

from ecgstore.errors import RecordError
from ecgstore.sources.chosen_signal import ChannelSignal, chosen_signal
from ecgstore.sources.files import printable
from ecgstore.sources.lead_choice import ChooseLeads, twelve_leads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.wfdb import header as headers
from ecgstore.sources.wfdb.frame_signal import FrameSignal
from ecgstore.sources.wfdb.header import Header
from ecgstore.sources.wfdb.interleaved import InterleavedSignal, is_interleaved
from ecgstore.sources.wfdb.leads import scaled_channels
from ecgstore.sources.wfdb.segments import (
    OpenedSegment,
    SegmentedSignal,
    first_segment,
)
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
        chosen = twelve_leads(allow_missing=True)(leads, "")
    except RecordError:
        return header  # opening the record raises it again
    per_frame = (leads[position].samples_per_frame for position in chosen.channels)
    return replace(header, samples_per_frame=max(per_frame))


def open_record(path: str, choose: ChooseLeads) -> tuple[Header, RecordSignal]:
    """Open a record; see `ecgstore.sources.open_record`.

    Parameters
    ----------
    path : str
        The record's ``.hea`` file; its signal files are in the same folder.
    choose : callable
        Chooses the leads.

    Raises
    ------
    RecordError
        If the record cannot be used.
    """
    header = headers.read_header(path)
    if not header.frame_rate > 0:  # whatever the number of samples in a frame
        check_sampling_rate(header.frame_rate, printable(path))
    signal: RecordSignal
    if header.segments:

        def open_segment(segment: Header, path: str) -> OpenedSegment:
            return _open_signal(segment, path, choose)

        signal = segmented = SegmentedSignal(header, path, open_segment)
        samples_per_frame = segmented.samples_per_frame
    else:
        signal, samples_per_frame = _open_signal(header, path, choose)
    if samples_per_frame != 1:
        header = replace(header, samples_per_frame=samples_per_frame)
    return header, signal


def _open_signal(header: Header, path: str, choose: ChooseLeads) -> OpenedSegment:
    """Open the signal of an ordinary record."""
    where = printable(path)
    chosen = choose(header.leads, where)
    channels = scaled_channels(
        header.leads, chosen.channels, where, any_scale=chosen.any_scale
    )
    samples_per_frame = {lead.samples_per_frame for lead in channels.headers}
    for per_frame in samples_per_frame:
        check_sampling_rate(header.frame_rate * per_frame, where)
    files = signal_files(header.leads, channels.positions, path)
    signal: ChannelSignal
    if is_interleaved(files):
        signal = InterleavedSignal(files[0], channels, header.n_samples)
    else:
        signal = FrameSignal(files, channels, header.n_samples, where)
    return OpenedSegment(chosen_signal(signal, chosen), max(samples_per_frame))
