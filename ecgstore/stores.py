"""Open a store, a collection, or several stores as one."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from ecgstore.builder.collect import write_collection
from ecgstore.builder.output_place import check_output_place
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store
from ecgstore.storage.remote.opening import open_mirror
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.open_files import allow_open_stores
from ecgstore.system.progress import Progress
from ecgstore.system.urls import url_of

_MB: Final = 10**6

_PIECE_BYTES: Final = 8 << 20
"""Bytes of a fetched store that are copied at once."""


def open(  # noqa: A001
    path: str | Path | Sequence[str | Path],
    *,
    verify: Literal["off", "first-touch"] = "off",
    labels: Literal["beside", "built"] = "beside",
) -> Store:
    """Open a store or a collection; or several stores as one.

    Parameters
    ----------
    path : str, Path, or sequence of them
        The file made by ``ecgstore build`` or ``ecgstore collect``, or the URL of a
        store, such as ``https://host/challenge.h5``: see docs/remote.md. Several stores
        are collected into a temporary file, as `collect` does, which is deleted when
        the result is not used any more. Where there are many, make a collection once.
    verify, labels
        See `Store`.

    Raises
    ------
    EcgStoreError
        If a file does not exist, or the stores do not fit each other.
    SchemaError
        If a file is not a finished ecgstore file of a known version.
    """
    if isinstance(path, str | Path):
        return Store(path, verify=verify, labels=labels)
    if not path:
        raise EcgStoreError("no store is given; expected one or more paths")
    folder = Path(tempfile.mkdtemp(prefix="ecgstore-"))
    try:
        allow_open_stores(folder, len(path))
        paths = [Path(one) for one in path]
        write_collection(paths, folder / "collection.h5", None, labels=labels)
        store = Store(folder / "collection.h5", verify=verify)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(store, _remove, folder, os.getpid())
    return store


def fetch(
    url: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path | None:
    """Fetch the store at a URL as a whole.

    Parameters
    ----------
    url : str
        The URL.
    out : str or Path, optional
        The file to write; if left out, only the cache is filled.
    overwrite : bool
        Replace a file of that name.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path or None
        The file.

    Raises
    ------
    EcgStoreError
        If it is no URL, the file exists, or the store cannot be read.
    """
    address = url_of(url)
    if address is None:
        raise EcgStoreError(
            f"{url}: is no URL; expected one such as https://host/challenge.h5"
        )
    final = None if out is None else Path(os.path.abspath(out))
    if final is not None:
        check_output_place(final, [], overwrite)
    mirror = open_mirror(address)
    try:
        total = len(mirror.bytes) // _MB
        with Progress("fetch", total, unit="MB", quiet=quiet) as progress:
            done = 0
            for n_bytes in mirror.need_all():
                progress.update(n_bytes // _MB - done)
                done = n_bytes // _MB
        if final is not None:
            with replace_file(final, "wb") as file:
                for begin in range(0, len(mirror.bytes), _PIECE_BYTES):
                    file.write(mirror.bytes[begin : begin + _PIECE_BYTES])
    finally:
        mirror.close()
    return final


def _remove(folder: Path, process: int) -> None:
    """Remove a folder that this process made: a forked one must leave it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
