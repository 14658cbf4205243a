"""Find the files that hold the samples of a record."""

import os
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, with_its_suffix
from ecgstore.sources.wfdb.header import LeadHeader


class SignalFile(NamedTuple):
    """A file with the samples of one or more leads.

    Attributes
    ----------
    path : str
        Path of the file.
    first : int
        Position of the file's first lead among the leads of the header.
    leads : list of LeadHeader
        All leads in it, because the samples of the wanted leads alternate with those of
        the others. All have the same format and byte offset.
    """

    path: str
    first: int
    leads: list[LeadHeader]

    @property
    def frame_size(self) -> int:
        """Samples of all leads in a frame."""
        return sum(lead.samples_per_frame for lead in self.leads)


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
        The header's path; signal files are in its folder.

    Returns
    -------
    list of SignalFile
        The files in the header's order.

    Raises
    ------
    RecordError
        If the leads of a file are not consecutive or differ in format or byte offset,
        or if a file is not in the header's folder.
    """
    wanted = set(positions)
    files = []
    names = set()
    first = 0
    for name, group in groupby(leads, attrgetter("file_name")):
        members = list(group)
        if not wanted.isdisjoint(range(first, first + len(members))):
            if name in names:
                raise _not_allowed(
                    where, f"the lines about {short_repr(name)} are not together"
                )
            if len({(lead.format, lead.byte_offset) for lead in members}) > 1:
                raise _not_allowed(
                    where, f"{short_repr(name)} has two formats or byte offsets"
                )
            if _is_elsewhere(name):
                raise _not_allowed(
                    where,
                    f"{short_repr(name)} is no file beside the header; expected its "
                    "name without a folder",
                )
            path = with_its_suffix(os.path.join(os.path.dirname(where), name))
            files.append(SignalFile(path, first, members))
        names.add(name)
        first += len(members)
    return files


def _is_elsewhere(name: str) -> bool:
    """Return whether a file's name leads out of the header's folder."""
    # Where names have drives, such as C:a.dat, `basename` drops them.
    return (
        name in (os.curdir, os.pardir)
        or not {"/", "\\"}.isdisjoint(name)
        or os.path.basename(name) != name
    )


def _not_allowed(where: str, problem: str) -> RecordError:
    """Return the error for leads that header(5) does not allow."""
    return RecordError(Reason.UNREADABLE_HEADER, f"{printable(where)}: {problem}")
