"""Read and write PyTorch files that hold tensors and plain values only.

The file that `torch.save` would write is followed by a line with its SHA-256. So every
damage is noticed; `torch.load` skips the line.
"""

import hashlib
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.file_format import FileFormat
from ecgstore.system.known_files import known_file, known_format
from ecgstore.system.regular_files import require_regular_file

_BEFORE_DIGEST: Final = b"\necgstore sha256 "
_LINE_BYTES: Final = len(_BEFORE_DIGEST) + 64 + len(b"\n")
_BEGIN: Final = b"PK\x03\x04"
"""First bytes of what `torch.save` writes: those of a zip file."""


def write_torch_file(path: Path, format_: FileFormat, content: dict[str, Any]) -> None:
    """Write a file atomically: it appears whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format, which is stored in the file.
    content : dict
        Tensors and plain values by name.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    head = {"format": format_.name, "version": format_.version}
    saved = io.BytesIO()  # PyTorch hides what fails when it writes to a file itself
    torch.save({**head, **content}, saved)
    with replace_file(path, "wb") as file:
        file.write(saved.getbuffer())
        file.write(_line_with_digest(saved.getbuffer()))


def _line_with_digest(saved: bytes | memoryview) -> bytes:
    """Return the line that follows what `torch.save` has written."""
    return b"%b%b\n" % (_BEFORE_DIGEST, hashlib.sha256(saved).hexdigest().encode())


def read_torch_file(
    path: Path,
    format_: FileFormat,
    device: torch.device | str = "cpu",
    names: Collection[str] = (),
) -> dict[str, Any]:
    """Return the content of a file of a known format, without running code from it.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format that the file must have.
    device : torch.device or str
        Device of its tensors.
    names : collection of str
        Entries that it must have.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is damaged, incomplete, or of another format or version.
    """
    require_regular_file(path, SchemaError)
    try:
        with path.open("rb") as file:
            content = file.read(len(_BEGIN))
            if content == _BEGIN:  # not a store of 100 GB, given by mistake
                file.seek(0)
                content = file.read()
    except FileNotFoundError as error:
        raise EcgStoreError(
            f"{path}: no such file or folder; expected an {format_.name}, made by "
            f"{format_.made_by}"
        ) from error
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); expected an {format_.name}"
        ) from error
    saved, line = memoryview(content)[:-_LINE_BYTES], content[-_LINE_BYTES:]
    has_digest = line.startswith(_BEFORE_DIGEST)
    if has_digest and line != _line_with_digest(saved):
        raise SchemaError(
            f"{path}: {format_.name} file that is damaged, its SHA-256 differs; "
            f"restore it from a copy, or make it again with {format_.made_by}"
        )
    try:
        values = torch.load(io.BytesIO(content), device, weights_only=True)
    # A broken file is also an OSError, a struct.error, or an IndexError.
    except Exception as error:
        known = known_file(path)
        is_another = known not in ("", known_format(format_.name))
        problem = (
            f"is {known}"
            if is_another
            else f"no {format_.name} file, PyTorch cannot load it"
        )
        raise SchemaError(
            f"{path}: {problem}; expected a file made by {format_.made_by}"
        ) from error
    if not isinstance(values, dict):
        values = {}
    format_.check(path, values.get("format"), values.get("version"))
    if not has_digest:
        raise SchemaError(
            f"{path}: {format_.name} file without its SHA-256 at the end, it is "
            f"damaged; restore it from a copy, or make it again with {format_.made_by}"
        )
    missing = [name for name in names if name not in values]
    if missing:
        raise SchemaError(
            f"{path}: {format_.name} file without {', '.join(missing)}; expected a "
            f"file made by {format_.made_by}"
        )
    return values
