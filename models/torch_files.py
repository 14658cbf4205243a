"""Read and write PyTorch files that hold tensors and plain values only."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.file_format import FileFormat


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
    with replace_file(path, "wb") as file:
        head = {"format": format_.name, "version": format_.version}
        torch.save({**head, **content}, file)


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
    try:
        file = path.open("rb")
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); expected an {format_.name}"
        ) from error
    with file:
        try:
            content = torch.load(file, map_location=device, weights_only=True)
        # A broken file is also an OSError, a struct.error, or an IndexError.
        except Exception as error:
            raise SchemaError(
                f"{path}: no {format_.name} file, PyTorch cannot load it; expected a "
                f"file made by {format_.made_by}"
            ) from error
    if not isinstance(content, dict):
        content = {}
    format_.check(path, content.get("format"), content.get("version"))
    missing = [name for name in names if name not in content]
    if missing:
        raise SchemaError(
            f"{path}: {format_.name} file without {', '.join(missing)}; expected a "
            f"file made by {format_.made_by}"
        )
    return content
