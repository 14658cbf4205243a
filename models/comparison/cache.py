"""Arrays in files named by a digest of everything that they depend on.

So a file need not be compared with what it was computed from: one of other inputs has
another name, and is not found.
"""

import hashlib
import io
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.atomic_files import replace_file

_DIGITS: Final = 16
"""Digits of the digest in a name: two of 2^64 digests do not meet by chance."""


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def cache_path(folder: Path, name: str, identity: Mapping[str, Any]) -> Path:
    """Return the file of a result.

    Parameters
    ----------
    folder : Path
        Folder of the cache.
    name : str
        Begin of the file's name, for people who look into the folder.
    identity : Mapping
        Everything that the result depends on, as values of JSON.
    """
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return folder / f"{name}-{digest[:_DIGITS]}.npz"


def write_cached(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name: the file appears whole or not at all.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    with replace_file(path, "wb") as file:
        # Any name may be an option of savez, for mypy; none of ours is.
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_cached(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of these names.

    Raises
    ------
    EcgStoreError
        If the file cannot be read.
    SchemaError
        If it is damaged: checksums of its arrays notice any other bytes.
    """
    try:
        file = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); remove it, and compare again"
        ) from error
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in names}
    except Exception as error:  # which one depends on how the file is damaged
        raise SchemaError(
            f"{path}: is damaged (NumPy cannot load it); remove it, and compare again"
        ) from error
