"""Read and write PyTorch files that hold tensors and plain values only."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.atomic_files import replace_file


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write a file atomically: it appears whole or not at all.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    with replace_file(path, "wb") as file:
        torch.save(content, file)


def read_torch_file(
    path: Path,
    format_: str,
    version: int,
    device: torch.device | str = "cpu",
    names: Collection[str] = (),
) -> dict[str, Any]:
    """Return the content of a file of a known format, without running code from it.

    Parameters
    ----------
    path : Path
        The file.
    format_, version : str, int
        The format and the version that the file must have.
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
            f"{path}: cannot be read ({error.strerror}); expected an {format_}"
        ) from error
    with file:
        try:
            content = torch.load(file, map_location=device, weights_only=True)
        # A broken file is also an OSError, a struct.error, or an IndexError.
        except Exception as error:
            raise SchemaError(
                f"{path}: no {format_}; expected a whole file of PyTorch"
            ) from error
    if not isinstance(content, dict) or content.get("format") != format_:
        raise SchemaError(f"{path}: no {format_}; expected one that ecgstore wrote")
    if content.get("version") != version:
        raise SchemaError(
            f"{path}: {format_} of version {content.get('version')}; this ecgstore "
            f"reads version {version}"
        )
    missing = [name for name in names if name not in content]
    if missing:
        raise SchemaError(
            f"{path}: {format_} without {', '.join(missing)}; expected one that "
            "ecgstore wrote"
        )
    return content
