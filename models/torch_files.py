"""Read and write PyTorch files that hold tensors and plain values only."""

import pickle
from pathlib import Path
from typing import Any

import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.durable import replace_file


def write_torch_file(path: Path, content: dict[str, Any]) -> None:
    """Write a file that appears whole or not at all.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    with replace_file(path, "wb") as file:
        torch.save(content, file)


def read_torch_file(
    path: Path, format_: str, version: int, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Return the content of a file of one format, without running code from it.

    Parameters
    ----------
    path : Path
        The file.
    format_, version : str, int
        What it must say that it is.
    device : torch.device or str
        Where its tensors go.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is something else.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); expected an {format_}"
        ) from error
    # What torch.load raises depends on how the file is not what it should be.
    except (
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
    ) as error:
        raise SchemaError(
            f"{path}: no {format_}; expected a file of PyTorch"
        ) from error
    if not isinstance(content, dict) or content.get("format") != format_:
        raise SchemaError(f"{path}: no {format_}; expected one that ecgstore wrote")
    if content["version"] != version:
        raise SchemaError(
            f"{path}: {format_} of version {content['version']}; this ecgstore reads "
            f"version {version}"
        )
    return content
