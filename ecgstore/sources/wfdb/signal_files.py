"""Which files hold the samples of a record."""

import os
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable
from ecgstore.sources.wfdb.header import LeadHeader


class SignalFile(NamedTuple):
    """A file with the samples of one or more leads.

    Attributes
    ----------
    path : str
        Where it is.
    first : int
        Position of its first lead among the leads of the header.
    leads : list of LeadHeader
        All leads in it, also those that are not wanted: their samples lie between
        those of the others. They share the format and the byte offset.
    """

    path: str
    first: int
    leads: list[LeadHeader]


def signal_files(
    leads: Sequence[LeadHeader], positions: Sequence[int], where: str
) -> list[SignalFile]:
    """Return the files that hold the leads at some positions.

    Parameters
    ----------
    leads : sequence of LeadHeader
        The leads of a record.
    positions : sequence of int
        Positions in `leads` of those that are wanted.
    where : str
        The header's path: signal files stand beside it.

    Returns
    -------
    list of SignalFile
        The files in the header's order.

    Raises
    ------
    RecordError
        If the leads of a file do not follow each other or disagree about its format,
        or a name is not that of a file beside the header.
    """
    wanted = set(positions)
    files = []
    names = set()
    first = 0
    for name, group in groupby(leads, attrgetter("file_name")):
        members = list(group)
        if not wanted.isdisjoint(range(first, first + len(members))):
            if name in names:
                raise _not_allowed(where, f"the lines about {name!r} are not together")
            if len({(lead.format, lead.byte_offset) for lead in members}) > 1:
                raise _not_allowed(where, f"{name!r} has two formats or byte offsets")
            if "/" in name or "\\" in name:
                raise _not_allowed(where, f"{name!r} is no file beside the header")
            path = os.path.join(os.path.dirname(where), name)
            files.append(SignalFile(path, first, members))
        names.add(name)
        first += len(members)
    return files


def _not_allowed(where: str, problem: str) -> RecordError:
    """Return the error for leads that the format does not allow."""
    return RecordError(Reason.UNREADABLE_HEADER, f"{printable(where)}: {problem}")
