"""Read and write named arrays as files of safetensors, whose bytes anyone may give.

Nothing in such a file is executed. Its metadata have one entry, ``"ecgstore"``: a text
of JSON with name and version of the format, what else describes the arrays, and a
SHA-256 over all of it and the arrays. So every damage is noticed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from ecgstore.errors import EcgStoreError, SchemaError, cause_of, short_repr
from ecgstore.models.file_content import damaged_file, read_content, wrong_file
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.file_format import FileFormat

Arrays = Mapping[str, NDArray[Any]]
Value = TypeVar("Value")

_ENTRY: Final = "ecgstore"
_LENGTH_BYTES: Final = 8
"""Bytes at the beginning that hold the length of the header, which is JSON."""

_LONGEST_REASON: Final = 300
"""Characters of the reason in a message about unusable content."""

_MOST_HEADER: Final = 2**20
_MOST_BYTES: Final = 2**32
"""Bytes of the longest header and of the largest file that are read: a billion weights
are more than networks on ECGs have."""

_MOST_DIMENSIONS: Final = 8

_TYPES: Final = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}
"""Types of arrays that are read, by their names in safetensors."""


def write_arrays(
    path: Path, format_: FileFormat, arrays: Arrays, description: Mapping[str, Any]
) -> None:
    """Write a file atomically, the same bytes for the same content.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format, which is stored in the file.
    arrays : Mapping
        Arrays by name.
    description : Mapping
        Values of JSON that describe them, by name.

    Raises
    ------
    EcgStoreError
        If it cannot be written, or is larger than what is read.
    """
    head = {"format": format_.name, "version": format_.version, **description}
    text = json.dumps({**head, "sha256": _digest(head, arrays)})
    content = save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()},
        {_ENTRY: text},
    )
    if not _begins_right(content[: _LENGTH_BYTES + 1]) or len(content) > _MOST_BYTES:
        raise EcgStoreError(
            f"{path}: {format_.name} file of {len(content)} bytes, {len(text)} of them "
            f"in its header; expected at most {_MOST_BYTES}, and {_MOST_HEADER} in the "
            "header, since larger ones are not read: use fewer or shorter names, or "
            "fewer values"
        )
    with replace_file(path, "wb") as file:
        file.write(content)


def read_arrays(
    path: Path, format_: FileFormat
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of a file of a known format, and what describes them.

    Names, types and shapes are for the caller to check.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format that the file must have.

    Returns
    -------
    arrays : dict
        Arrays by name, which cannot be written to.
    description : dict
        As `write_arrays` was given it.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is damaged, incomplete, too large, or of another format or version.
    """
    content = read_content(
        path, format_, _LENGTH_BYTES + 1, _begins_right, _MOST_BYTES + 1
    )
    if len(content) > _MOST_BYTES:
        raise wrong_file(
            path, format_, f"it has more than {_MOST_BYTES} bytes, which are too many"
        )
    try:
        found = deserialize(content)  # type: ignore[no-untyped-call]
        # In the order of names: safetensors returns another one every time.
        arrays = {name: _array(name, read) for name, read in sorted(found, key=_name)}
        head = _head(content)
        sha256 = head.pop("sha256", None)
        if sha256 is not None and sha256 != _digest(head, arrays):
            raise SchemaError("that is damaged, its SHA-256 differs")
    except SchemaError as error:
        raise damaged_file(path, format_, str(error)) from None
    # JSON may also nest too deeply, or lack an entry.
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as bad:
        raise wrong_file(path, format_, "safetensors finds no such arrays") from bad
    format_.check(path, head.pop("format", None), head.pop("version", None))
    if sha256 is None:
        raise damaged_file(path, format_, "without its SHA-256, it is damaged")
    return arrays, head


def format_of(path: Path) -> str:
    """Return the name of the format of a file; empty if it is no such file."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > _MOST_HEADER:
                return ""
            return str(_head_in(file.read(length)).get("format", ""))
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return ""


@contextmanager
def unusable_content(path: Path, format_: FileFormat) -> Iterator[None]:
    """Turn any error into one that says that a file has unusable content.

    For values of other types than those that were written: they raise many types of
    errors, also of PyTorch. Errors that already name the file pass.
    """
    try:
        yield
    except OSError:  # of the machine: the file has been read
        raise
    except Exception as error:
        if isinstance(error, EcgStoreError) and str(error).startswith(f"{path}: "):
            raise
        reason = cause_of(error).partition("\n")[0][:_LONGEST_REASON]
        raise SchemaError(
            f"{path}: {format_.name} file with unusable content ({reason}); expected a "
            f"file made by {format_.made_by}"
        ) from error


def with_prefix(arrays: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Return the arrays whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _begins_right(begin: bytes) -> bool:
    """Return whether these are the first bytes of a header of a length that is read."""
    length = int.from_bytes(begin[:_LENGTH_BYTES], "little")
    return begin[_LENGTH_BYTES:] == b"{" and length <= _MOST_HEADER


def _head(content: bytes) -> dict[str, Any]:
    """Return our entry of the metadata of a file that safetensors has read."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    return _head_in(content[_LENGTH_BYTES:end])


def _head_in(header: bytes) -> dict[str, Any]:
    """Return our entry of the metadata in a header."""
    head = json.loads(json.loads(header)["__metadata__"][_ENTRY])
    if type(head) is not dict:
        raise TypeError("not an object of JSON")
    return head


def _name(item: tuple[str, Mapping[str, Any]]) -> str:
    """Return the name of an array that safetensors has read."""
    return item[0]


def _array(name: str, read: Mapping[str, Any]) -> NDArray[Any]:
    """Return an array, from what safetensors has read."""
    type_, shape, data = (read[key] for key in ("dtype", "shape", "data"))
    if type_ not in _TYPES or len(shape) > _MOST_DIMENSIONS:
        raise SchemaError(
            f"whose array {short_repr(name)} is {type_} of {len(shape)} dimensions, "
            f"not one of {', '.join(_TYPES)} of at most {_MOST_DIMENSIONS}"
        )
    if type_ == "BOOL" and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        raise SchemaError(f"whose array {short_repr(name)} is neither true nor false")
    return np.frombuffer(data, _TYPES[type_]).reshape(shape)


def _digest(head: Mapping[str, Any], arrays: Arrays) -> str:
    """Return the SHA-256 of arrays and of what describes them."""
    described = {name: [str(a.dtype), a.shape] for name, a in arrays.items()}
    digest = hashlib.sha256(json.dumps([head, described], sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).data)
    return digest.hexdigest()
