"""The database that a record comes from, its source.

The source is metadata for tables and splits. Sampling rate, gain and length always come
from the header.
"""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from ecgstore import ptb_xl
from ecgstore.sources.files import with_its_suffix
from ecgstore.sources.formats import known_formats
from ecgstore.sources.spooled import SUFFIX as SPOOLED

_CHAPMAN_NINGBO: Final = "chapman_shaoxing and ningbo"

# Folder names in lower case without punctuation and version: the sources' own names,
# the folders of the Challenge's first archives of 2021 (WFDB_...), and the short and
# the long names of the original databases on PhysioNet and elsewhere.
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
    "icbeb2018": "cpsc_2018",
    "ptbdb": "ptb",
    "ptbdiagnosticecgdatabase": "ptb",
    "incartdb": "st_petersburg_incart",
    "stpetersburgincart12leadarrhythmiadatabase": "st_petersburg_incart",
    "ptbxlalargepubliclyavailableelectrocardiographydataset": "ptb-xl",
    "georgia12leadecgchallengedatabase": "georgia",
    "ecgarrhythmia": _CHAPMAN_NINGBO,
    "alargescale12leadelectrocardiogramdatabaseforarrhythmiastudy": _CHAPMAN_NINGBO,
    "ludb": "ludb",
    "lobachevskyuniversityelectrocardiographydatabase": "ludb",
    "qtdb": "qtdb",
    "qtdatabase": "qtdb",
    "mimicivecg": "mimic-iv-ecg",
    "mimicivecgdiagnosticelectrocardiogrammatchedsubset": "mimic-iv-ecg",
    "code15": "code15",
    "samitrop": "sami-trop",
}

KNOWN_SOURCES: Final = frozenset(_FOLDERS.values()) - {_CHAPMAN_NINGBO}
"""Databases whose records have names of their own: the same name is the same ECG."""

# The end of a folder's name: "-1.0.3", "_v1.0", and " (1)" of a second download.
_VERSION: Final = re.compile(r"((^|[-_. ]+)v?\d+(\.\d+)+)?( ?\(\d+\))?$", re.IGNORECASE)

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

# The database of Chapman, Shaoxing and Ningbo in one; the Challenge has it as two.
_LAST_OF_CHAPMAN: Final = 10_646
_JS_NAME: Final = re.compile(r"JS([0-9]{5})")


def source_name(header_path: Path, root: Path, top: Path | None = None) -> str:
    """Return the name of the database that a record belongs to.

    The first of these that applies:

    1. the nearest folder, up to `root`, with the name of a known source, written in any
       way and with any version (``ptb_xl``, ``PTB-XL`` and ``ptb-xl-a-large-publicly-
       available-electrocardiography-dataset-1.0.3`` are ``ptb-xl``);
    2. the source that uses record names of this form, so that a folder without
       subfolders works: the Challenge's names for records with a ``.mat`` file, and
       ``nnnnn_hr`` and ``nnnnn_lr`` of PTB-XL;
    3. the nearest folder above `root` with the name of a source;
    4. the name of `root` without its version.

    Of a record that a program gave, it is the name that the program gave.

    Parameters
    ----------
    header_path : Path
        The record's ``.hea`` file.
    root : Path
        The folder (or the header) that was searched for records.
    top : Path, optional
        A folder above `root` whose name, and the names above it, say nothing.

    Returns
    -------
    str
        For example ``"ptb-xl"`` or ``"ludb"``.

    Examples
    --------
    >>> source_name(Path("data/PTB_XL/g1/HR00001.hea"), Path("data"))
    'ptb-xl'
    >>> source_name(Path("data/ludb-1.0.1/data/1.hea"), Path("data"))
    'ludb'
    >>> source_name(Path("hospital-1.2/a/1.hea"), Path("hospital-1.2"))
    'hospital'
    """
    if header_path.suffix == SPOOLED:
        return header_path.parent.parent.name
    path = os.path.abspath(header_path)
    below, above, name = _from_folders(
        os.path.dirname(path),
        os.path.abspath(root),
        0 if top is None else len(Path(os.path.abspath(top)).parts),
    )
    source = below or _from_record_name(path) or above or name
    return _of_two(path) if source == _CHAPMAN_NINGBO else source


@lru_cache(maxsize=1024)
def _from_folders(
    folder: str, root: str, n_without_meaning: int
) -> tuple[str | None, str | None, str]:
    """Return the sources of the folders below and above the root, and its name."""
    if root.lower().endswith(tuple(known_formats())):
        root = os.path.dirname(root)
    names = Path(folder).parts
    n_above = len(Path(root).parts) - 1 if Path(folder).is_relative_to(root) else 0
    return (
        _nearest(names[n_above:]),
        _nearest(names[n_without_meaning:n_above]),
        _name_of(root, n_without_meaning),
    )


def _nearest(folders: tuple[str, ...]) -> str | None:
    """Return the source of the last folder that has the name of a source."""
    for folder in reversed(folders):
        key = "".join(filter(str.isalnum, _VERSION.sub("", folder).lower()))
        if key in _FOLDERS:
            return _FOLDERS[key]
    return None


def _name_of(root: str, n_without_meaning: int) -> str:
    """Return the name of the root, or of the folder above a mere version like 1.0.3."""
    for folder in reversed(Path(root).parts[max(1, n_without_meaning) :]):
        if name := _VERSION.sub("", folder):
            return name
    return os.path.basename(root) or "unknown"


def _from_record_name(path: str) -> str | None:
    """Return the source that uses names of this form."""
    stem = os.path.splitext(path)[0]
    name = os.path.basename(stem)
    if ptb_xl.has_own_name(name):
        return ptb_xl.SOURCE
    match = _RECORD_NAME.fullmatch(name)
    if match is None or not os.path.exists(with_its_suffix(f"{stem}.mat")):
        return None
    return _PREFIXES[match[1]]


def _of_two(path: str) -> str:
    """Return the source of a record in the database that the Challenge has as two."""
    match = _JS_NAME.fullmatch(os.path.splitext(os.path.basename(path))[0])
    is_chapman = match is not None and int(match[1]) <= _LAST_OF_CHAPMAN
    return "chapman_shaoxing" if is_chapman else "ningbo"
