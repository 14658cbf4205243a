"""Whether a store may be written to a place, or would replace what is read."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.storage.collection.parts import path_of_part, read_parts
from ecgstore.storage.format.hdf5 import is_collection, open_hdf5
from ecgstore.storage.label_file import label_file_path


def check_place(final: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Refuse to replace a file unasked, or one that is read.

    Parameters
    ----------
    final : Path
        The file to write.
    sources : sequence of Path
        The stores that are read; of collections, their parts count, too.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    EcgStoreError
        If the file cannot or must not be written.
    """
    if not final.parent.is_dir():
        raise EcgStoreError(
            f"{final.parent}: no such folder; create it, or choose another output"
        )
    if not os.path.lexists(final):
        return
    if os.path.exists(final):
        for source in sources:
            _check_is_other(final, source)
    if not overwrite:
        raise EcgStoreError(
            f"{final}: exists already; choose another output, or replace it with "
            "--overwrite (overwrite=True)"
        )
    beside = label_file_path(final)
    if beside.exists():
        raise EcgStoreError(
            f"{beside}: holds labels of the store that is to be replaced; delete it "
            "first, or choose another output"
        )


def check_room(final: Path, needed: int) -> None:
    """Raise an error if the disk has no room for a store of so many bytes."""
    free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise EcgStoreError(
            f"{final.parent}: the store needs {needed / 1e6:,.0f} MB and the disk has "
            f"{free / 1e6:,.0f} MB free; make room or choose another folder"
        )


def _check_is_other(final: Path, source: Path) -> None:
    """Refuse to replace a store that is read, or a part of it."""
    for file in _files_of(source):
        if os.path.exists(file) and os.path.samefile(final, file):
            name = "the store itself" if file == source else f"a part of {source}"
            raise EcgStoreError(
                f"{final}: is {name}, which is read; choose another output"
            )


def _files_of(store: Path) -> Iterator[Path]:
    """Yield the file of a store, and those of the parts of a collection."""
    yield store
    with open_hdf5(store) as file:
        paths = read_parts(file).paths if is_collection(file) else ()
    for path in paths:
        yield path_of_part(store, path)
