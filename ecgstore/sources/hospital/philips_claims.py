"""Refuse files of Philips whose claims would take any time or memory to read."""

import base64
from typing import Final

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start

MOST_EXPANDED: Final = 1 << 23
"""Bytes of the expanded waveforms: eleven minutes of twelve leads at 500 Hz."""

_MOST_LEADS: Final = 1000
_COUNTS: Final = ("numberchannelsallocated", "numberchannelsvalid")

_CHUNK_HEADER: Final = 8
_CODE_BITS: Final = 10


def check_claims(path: str, most_bytes: int) -> None:
    """Refuse a file that claims more leads or samples than any ECG at rest has.

    The codes of LZW may stand for 700 bytes each, so the size of the file says
    little. What cannot be understood is left to the reader. May raise anything.

    Parameters
    ----------
    path : str
        A file in Philips' XML.
    most_bytes : int
        Bytes of the file that are read.

    Raises
    ------
    RecordError
        With `Reason.TOO_LARGE`.
    """
    from ecgdatakit.parsing.codecs import LzwDecoder
    from ecgdatakit.parsing.helpers.xml import parse_xml_root

    data = read_start(path, most_bytes, Reason.UNREADABLE_HEADER)[0]
    n_expanded = 0
    for element in parse_xml_root(data).iter():
        name = str(element.tag).lower()
        claims = [element.attrib.get("numberofleads", "")]
        if name in _COUNTS:
            claims.append(element.text or "")
        if any(_is_more(text.strip(), _MOST_LEADS) for text in claims):
            raise RecordError(
                Reason.TOO_LARGE,
                f"{printable(path)}: claims more than {_MOST_LEADS} leads; expected 12",
            )
        is_compressed = any("XLI" in text.upper() for text in element.attrib.values())
        if name != "parsedwaveforms" or not is_compressed:
            continue
        content = base64.b64decode("".join((element.text or "").split()))
        begin = 0
        while begin + _CHUNK_HEADER < len(content):
            size = int.from_bytes(content[begin : begin + 4], "little", signed=True)
            if size <= 0:
                break
            begin += _CHUNK_HEADER
            decoder = LzwDecoder(content[begin : begin + size], _CODE_BITS)
            while decoder.read() >= 0:
                n_expanded += 1
                if n_expanded > MOST_EXPANDED:
                    raise RecordError(
                        Reason.TOO_LARGE,
                        f"{printable(path)}: its waveforms have more than "
                        f"{MOST_EXPANDED} bytes when expanded; expected an ECG at rest",
                    )
            begin += size


def _is_more(text: str, most: int) -> bool:
    """Return whether a text is a number above a limit."""
    try:
        return float(text) > most
    except ValueError:
        return False
