"""The names and paths by which rows of a table are found for records."""

import re
from collections.abc import Iterator
from typing import Final

from ecgstore import ptb_xl
from ecgstore.label_tables.cells import identifier_in

KEYS: Final = ("record_id", "record", "ecg_id", "study_id", "exam_id", "path")
"""Columns by which rows are found, the first ones first."""

_SUFFIX: Final = re.compile(r"\.(?:hea|mat|dat)$", re.IGNORECASE)


def without_suffix(name: str) -> str:
    """Return the name or the path of a record without the suffix of one of its files.

    Examples
    --------
    >>> without_suffix("A0001.mat"), without_suffix("a/1.HEA"), without_suffix("1.2")
    ('A0001', 'a/1', '1.2')
    """
    return _SUFFIX.sub("", name)


def names_in(column: str, cell: str, *, of_ptb_xl: bool) -> tuple[str, ...]:
    r"""Return the names of the records that a cell of a key column stands for.

    Parameters
    ----------
    column : str
        One of `KEYS`.
    cell : str
        Its content.
    of_ptb_xl : bool
        Whether the table is PTB-XL's own.

    Returns
    -------
    tuple of str
        None for a missing cell. One name of an ECG of PTB-XL stands for all three; a
        number in ``ecg_id`` does too, and, unless the table is PTB-XL's, for a record
        of that name.

    Examples
    --------
    >>> names_in("ecg_id", "1.0", of_ptb_xl=True)
    ('HR00001', '00001_hr', '00001_lr')
    >>> names_in("path", r".\records500\00000\00001_hr.hea", of_ptb_xl=True)
    ('records500/00000/00001_hr',)
    """
    if column == "path":
        path = without_suffix(cell.replace("\\", "/")).removeprefix("./").lstrip("/")
        return (path,) if path else ()
    name = without_suffix(identifier_in(cell))
    if not name:
        return ()
    if column == "ecg_id" and name.isascii() and name.isdigit():
        names = ptb_xl.record_names(int(name))
        return names if of_ptb_xl else (*names, name)
    ecg_id = ptb_xl.ecg_number(name)
    return (name,) if ecg_id is None else ptb_xl.record_names(ecg_id)


def tails(path: str) -> Iterator[str]:
    """Yield a path, and what is left of it without its first folders.

    Examples
    --------
    >>> [*tails("/data/a/1.hea")]
    ['data/a/1', 'a/1', '1']
    """
    parts = without_suffix(path.replace("\\", "/")).strip("/").split("/")
    for begin in range(len(parts)):
        yield "/".join(parts[begin:])
