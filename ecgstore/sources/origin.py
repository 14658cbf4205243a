"""The database that a record comes from, its source.

The source is metadata for tables and splits. Sampling rate, gain and length always come
from the header.
"""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from ecgstore.sources.formats import FORMATS

# Folder names in lower case without punctuation: the sources' own names, the folders of
# the Challenge's first archives of 2021 (WFDB_...), and those of the original databases
# on PhysioNet.
_FOLDERS: Final = {
    "cpsc2018": "cpsc_2018",
    "cpsc2018extra": "cpsc_2018_extra",
    "stpetersburgincart": "st_petersburg_incart",
    "ptb": "ptb",
    "ptbxl": "ptb-xl",
    "georgia": "georgia",
    "chapmanshaoxing": "chapman_shaoxing",
    "ningbo": "ningbo",
    "wfdbcpsc2018": "cpsc_2018",
    "wfdbcpsc20182": "cpsc_2018_extra",
    "wfdbstpetersburg": "st_petersburg_incart",
    "wfdbptb": "ptb",
    "wfdbptbxl": "ptb-xl",
    "wfdbga": "georgia",
    "wfdbchapmanshaoxing": "chapman_shaoxing",
    "wfdbningbo": "ningbo",
    "ptbdb": "ptb",
    "ptbdiagnosticecgdatabase100": "ptb",
    "incartdb": "st_petersburg_incart",
    "stpetersburgincart12leadarrhythmiadatabase100": "st_petersburg_incart",
    "ptbxlalargepubliclyavailableelectrocardiographydataset103": "ptb-xl",
}

# The Challenge's record names; JS is left out, because two sources share it.
_RECORD_NAME: Final = re.compile(r"(A|Q|I|S|HR|E)[0-9]+")
_PREFIXES: Final = {
    "A": "cpsc_2018",
    "Q": "cpsc_2018_extra",
    "I": "st_petersburg_incart",
    "S": "ptb",
    "HR": "ptb-xl",
    "E": "georgia",
}


def source_name(header_path: Path, root: Path) -> str:
    """Return the name of the database that a record belongs to.

    The first of these that applies:

    1. the nearest folder, up to `root`, with the name of one of the Challenge's sources
       (``ptb_xl`` and ``PTB-XL`` are ``ptb-xl``);
    2. for records with a ``.mat`` file, the source that uses record names of this form,
       so that a folder without subfolders works;
    3. the nearest folder above `root` with the name of a source;
    4. the name of `root`.

    Parameters
    ----------
    header_path : Path
        The record's ``.hea`` file.
    root : Path
        The folder (or the header) that was searched for records.

    Returns
    -------
    str
        For example ``"ptb-xl"`` or ``"ludb"``.

    Examples
    --------
    >>> source_name(Path("data/PTB_XL/g1/HR00001.hea"), Path("data"))
    'ptb-xl'
    >>> source_name(Path("data/ludb/1.hea"), Path("data/ludb"))
    'ludb'
    """
    path = os.path.abspath(header_path)
    below, above, name = _from_folders(os.path.dirname(path), os.path.abspath(root))
    return below or _from_record_name(path) or above or name


@lru_cache(maxsize=1024)
def _from_folders(folder: str, root: str) -> tuple[str | None, str | None, str]:
    """Return the sources of the folders below and above the root, and its name."""
    if root.endswith(tuple(FORMATS)):
        root = os.path.dirname(root)
    names = Path(folder).parts
    n_above = len(Path(root).parts) - 1 if Path(folder).is_relative_to(root) else 0
    return (
        _nearest(names[n_above:]),
        _nearest(names[:n_above]),
        os.path.basename(root) or "unknown",
    )


def _nearest(folders: tuple[str, ...]) -> str | None:
    """Return the source of the last folder that has the name of a source."""
    for folder in reversed(folders):
        key = "".join(filter(str.isalnum, folder.lower()))
        if key in _FOLDERS:
            return _FOLDERS[key]
    return None


def _from_record_name(path: str) -> str | None:
    """Return the source that uses names of this form, if there is a ``.mat`` file."""
    stem = os.path.splitext(path)[0]
    match = _RECORD_NAME.fullmatch(os.path.basename(stem))
    if match is None or not os.path.exists(f"{stem}.mat"):
        return None
    return _PREFIXES[match[1]]
