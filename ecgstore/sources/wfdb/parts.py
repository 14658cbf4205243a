"""Headers that are parts of a multi-segment record, by header(5)."""

import os

from ecgstore.errors import RecordError
from ecgstore.sources.wfdb.header import read_header

_NOTHING = "~"  # in place of a file: no samples; of a segment: a gap


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
        header = read_header(path)
    except RecordError:
        return frozenset()
    own_name = os.path.splitext(os.path.basename(path))[0]
    if header.segments:
        return frozenset(part.name for part in header.segments) - {_NOTHING, own_name}
    if header.leads and all(lead.file_name == _NOTHING for lead in header.leads):
        return frozenset({own_name})
    return frozenset()
