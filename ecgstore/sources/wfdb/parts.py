"""Headers that are parts of a multi-segment record, by header(5)."""

import os
import re
from typing import Final

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import read_start
from ecgstore.sources.wfdb.header import MAX_HEADER_BYTES, read_header

_NOTHING: Final = "~"  # in place of a file: no samples; of a segment: a gap

# "name/3 12 500" or a line that begins with "~": few headers need to be parsed.
_HINT: Final = re.compile(rb"(?:^|[\r\n])[^\S\r\n]*(?:~|[^\s#/]+/[0-9])")


def named_parts(path: str) -> frozenset[str]:
    """Return which records in a header's folder are only parts of others, by it.

    Parameters
    ----------
    path : str
        A ``.hea`` file.

    Returns
    -------
    frozenset of str
        Names of headers without suffix: the segments and the layout of a multi-segment
        record; its own name if the header is a layout, which has no samples in any
        lead. Empty for every other record, and for a header that cannot be read.
    """
    try:
        data, _ = read_start(path, MAX_HEADER_BYTES, Reason.UNREADABLE_HEADER)
        if _HINT.search(data) is None:
            return frozenset()
        header = read_header(path)
    except RecordError:
        return frozenset()
    own_name = os.path.splitext(os.path.basename(path))[0]
    if header.segments:
        return frozenset(part.name for part in header.segments) - {_NOTHING, own_name}
    if header.leads and all(lead.file_name == _NOTHING for lead in header.leads):
        return frozenset({own_name})
    return frozenset()
