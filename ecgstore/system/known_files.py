"""Recognise the files that ecgstore writes, for errors about files in a wrong place."""

import csv
import os
import zipfile
from pathlib import Path
from typing import Final

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_ZIP: Final = b"PK\x03\x04"
_SQLITE: Final = b"SQLite format 3\0"
_SAFETENSORS_LENGTH: Final = 8
"""Bytes with the length of the JSON at the beginning of a file of safetensors."""

_BEGINNING: Final = 4096
"""Bytes at the beginning of a file or of an entry that name its format."""

_LONGEST_VALUE: Final = 64
"""Bytes of the longest pickled name of a format, and of what precedes it."""

_REVIEW_SUFFIX: Final = ".review.csv"
_REVIEW_COLUMNS: Final = frozenset({"record_id", "review"})
"""Columns that every table of decisions has, in the line that begins it."""

_REVIEW: Final = (
    "the decisions of a label round; they are used with the store beside them, and "
    "commands take them as --labels or --review"
)
_JOURNAL: Final = (
    "the journal of an unfinished build; the same `ecgstore build` command finishes it"
)
_STORE: Final = (
    "a store; commands take it as STORE, and ecgstore.open(...) opens it in Python"
)
_UNFINISHED_STORE: Final = (
    "a store that is not finished; the same `ecgstore build` command finishes it"
)
_OUTPUTS: Final = (
    "outputs of an extractor, which `ecgstore compare` keeps to resume its comparison"
)
_FOLD: Final = (
    "predictions of a fold, which `ecgstore compare` keeps to resume its comparison"
)
_TRAINING: Final = (
    "the folder of a training; `ecgstore evaluate`, predict and extract take it as "
    "CHECKPOINT"
)
_UNFINISHED_TRAINING: Final = (
    "the folder of a training that is not finished; `ecgstore train -o FOLDER "
    "--resume` finishes it"
)
_COMPARISON: Final = (
    "the folder of a comparison, with tables, plots and predictions for the user; "
    "`ecgstore compare STORE -o FOLDER` resumes it"
)
_FORMATS: Final = {
    "ecgstore": _STORE,
    "ecgstore collection": (
        "a collection of stores; commands take it as STORE, and ecgstore.open(...) "
        "opens it in Python"
    ),
    "ecgstore features": (
        "deep features that `ecgstore extract` wrote; store.attach(...) in Python "
        "makes them columns of their store"
    ),
    "ecgstore labels": (
        "labels that `ecgstore label` wrote beside a store, which are used with it"
    ),
    "ecgstore model": (
        "a checkpoint; `ecgstore evaluate`, predict and extract take it as CHECKPOINT"
    ),
    "ecgstore hybrid": (
        "a hybrid; `ecgstore evaluate`, predict, extract and explain take it as "
        "CHECKPOINT"
    ),
    "ecgstore training state": (
        "the state of a training; `ecgstore train -o FOLDER --resume` resumes it, and "
        "model.safetensors beside it, written at the end, is the checkpoint"
    ),
    "ecgstore comparison": (
        "the predictions of a comparison; `ecgstore report` takes their folder"
    ),
    "ecgstore standardisation": (
        "a fitted standardisation; its class's `load` reads it, in Python"
    ),
}


def known_format(name: object) -> str:
    """Return what a format is and what takes its files; "" if it is not known.

    Parameters
    ----------
    name : object
        The name in a file, such as ``"ecgstore features"``.
    """
    return _FORMATS.get(name, "") if isinstance(name, str) else ""


def known_file(path: str | Path) -> str:
    """Return what a file or folder of ecgstore is and what takes it; "" for others.

    Nothing but the beginning of a file is read, and nothing in it is executed. A file
    that cannot be read is not known.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _folder(path)
        return _file(path) if path.is_file() else ""
    except (OSError, ValueError, csv.Error, zipfile.BadZipFile):
        return ""


def _folder(path: Path) -> str:
    """Return what a folder is, by the files in it."""
    names = set(os.listdir(path))
    if "model.safetensors" in names:
        return _TRAINING
    if names & {"last.pt", "pretrain-last.pt"}:
        return _UNFINISHED_TRAINING
    return _COMPARISON if "extracted" in names else ""


def _file(path: Path) -> str:
    """Return what a file is, by its beginning."""
    with path.open("rb") as file:
        begin = file.read(_BEGINNING)
    if begin.startswith(_SQLITE):
        return _JOURNAL if path.name.endswith(".partial.scan") else ""
    if begin.startswith(_HDF5):
        return _hdf5(path)
    if begin.startswith(_ZIP):
        return _zip(path)
    if begin[_SAFETENSORS_LENGTH:].startswith(b"{"):
        return _named_in(begin.replace(b'\\"', b'"'))  # JSON in a text of JSON
    if begin.startswith(b"{"):
        return _named_in(begin)
    return _REVIEW if _is_review(path, begin) else ""


def _is_review(path: Path, begin: bytes) -> bool:
    """Return whether a file is a table of decisions, by its name or its first line."""
    if path.name.endswith(_REVIEW_SUFFIX):
        return True
    lines = begin.decode("utf-8-sig", errors="replace").splitlines()
    return any(
        {name.strip() for name in names} >= _REVIEW_COLUMNS
        for delimiter in ",;\t"
        for names in csv.reader(lines[:1], delimiter=delimiter)
    )


def _hdf5(path: Path) -> str:
    """Return what an HDF5 file is, by its attribute."""
    import h5py

    if path.name.endswith(".partial"):
        return _UNFINISHED_STORE
    with h5py.File(path, "r", locking=False) as file:
        name = file.attrs.get("format", b"")
    return known_format(name.decode() if isinstance(name, bytes) else name)


def _zip(path: Path) -> str:
    """Return what a file of PyTorch or NumPy is."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if {"rows.npy", "logits.npy", "features.npy"} == set(names):
            return _OUTPUTS
        if {"names.npy", "probabilities.npy", "thresholds.npy"} == set(names):
            return _FOLD
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            return ""
        with archive.open(pickles[0]) as entry:
            return _named_in(entry.read(_BEGINNING))


def _named_in(begin: bytes) -> str:
    """Return what the format is that a beginning names, in JSON or pickled."""
    json_value = begin.partition(b'"format": "')[2]
    pickled_value = begin.partition(b"X\x06\0\0\0format")[2][:_LONGEST_VALUE]
    for name, meaning in _FORMATS.items():
        text = name.encode()
        pickled = b"X" + len(text).to_bytes(4, "little") + text
        if json_value.startswith(text + b'"') or pickled in pickled_value:
            return meaning
    return ""
