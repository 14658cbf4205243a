"""The folder of a trained model, of any kind."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import MODEL_FILE
from ecgstore.system.atomic_files import replace_file


def require_no_model(folder: Path) -> None:
    """Refuse to train into a folder that has a model, which would be lost.

    Raises
    ------
    EcgStoreError
        If there is a model.
    """
    if (folder / MODEL_FILE).exists():
        raise EcgStoreError(f"{folder}: holds a model; choose another folder")


def copy_source(folder: Path, source: Mapping[str, str] | None) -> None:
    """Copy the file of a network of one's own, if it is still that of the training.

    Parameters
    ----------
    folder : Path
        The folder of the model.
    source : Mapping or None
        Path and SHA-256 of the file; see `ecgstore.models.networks.own.source_of`.
    """
    if source is None or not source["path"]:
        return
    path = Path(source["path"])
    with suppress(OSError):  # a convenience: the training itself is saved
        content = path.read_bytes()
        target = folder / path.name
        if hashlib.sha256(content).hexdigest() == source["sha256"] and (
            not target.exists() or not target.samefile(path)
        ):
            with replace_file(target, "wb") as file:
                file.write(content)
