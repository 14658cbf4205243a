"""Check the beginning of a FLAC file before a library decodes it.

What the file claims decides how much memory and time decoding takes: 36 bits for the
number of samples, in a file of any size. The layout is that of RFC 9639, section 8.2.
"""

from typing import Final, NamedTuple

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start

_HEAD_BYTES: Final = 42  # "fLaC", and the block STREAMINFO with its own head
_BEGINNING: Final = b"fLaC"
_STREAMINFO_BYTES: Final = 34
_FRAME_BYTES: Final = 8  # of a frame's head and end, at least
_MOST_CONSTANT: Final = 1 << 20  # samples per lead: 35 min at 500 Hz


class FlacFile(NamedTuple):
    """The beginning of a FLAC file.

    Attributes
    ----------
    n_leads, bits : int
        Channels, and bits of each sample.
    n_samples : int
        Samples per lead.
    """

    n_leads: int
    bits: int
    n_samples: int


def read_flac_head(path: str) -> FlacFile:
    """Return what a FLAC file claims to hold, if a file of its size can.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    RecordError
        If it is no FLAC file, does not say its length, or is too small for it.
    """
    where = printable(path)
    head, size = read_start(path, _HEAD_BYTES, Reason.MISSING_SIGNAL_FILE)
    if (
        len(head) < _HEAD_BYTES
        or head[:4] != _BEGINNING
        or head[4] & 0x7F  # the type of the first block; the highest bit marks the last
        or int.from_bytes(head[5:8]) != _STREAMINFO_BYTES
    ):
        raise _unreadable(where, "not a FLAC file")
    largest_block = int.from_bytes(head[10:12])  # samples per lead in a frame
    numbers = int.from_bytes(head[18:26])  # rate, channels, bits, samples
    file = FlacFile(
        n_leads=(numbers >> 41 & 0x7) + 1,
        bits=(numbers >> 36 & 0x1F) + 1,
        n_samples=numbers & 0xF_FFFF_FFFF,
    )
    if file.n_samples == 0:
        raise _unreadable(where, "does not say how many samples it holds")
    # The smallest frame holds one value for each lead, which is then constant.
    frame_bits = 8 * _FRAME_BYTES + file.n_leads * (8 + file.bits)
    n_frames = 8 * (size - _HEAD_BYTES) // frame_bits
    # A lead that is not constant takes at least one bit for each sample.
    most = min(n_frames * largest_block, max(_MOST_CONSTANT, 8 * size))
    if file.n_samples > most:
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE,
            f"{where}: has {size} bytes, which hold at most {most} samples per lead; "
            f"expected {file.n_samples}, as it claims",
        )
    return file


def _unreadable(where: str, problem: str) -> RecordError:
    """Return the error for a file that is not as it should be."""
    return RecordError(
        Reason.UNREADABLE_SIGNAL,
        f"{where}: {problem}; encode it again, for example with wfdb.wrsamp",
    )
