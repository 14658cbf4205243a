"""Open a store, a collection, or several stores as one."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from ecgstore.builder.collect import write_collection
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store
from ecgstore.system.open_files import allow_open_stores


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
        The file made by ``ecgstore build`` or ``ecgstore collect``. Several stores are
        collected into a temporary file, as `collect` does, which is deleted when
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
        with ExitStack() as opened:
            stores = [opened.enter_context(Store(one, labels=labels)) for one in path]
            write_collection(stores, folder / "collection.h5", None)
        store = Store(folder / "collection.h5", verify=verify)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(store, _remove, folder, os.getpid())
    return store


def _remove(folder: Path, process: int) -> None:
    """Remove a folder that this process made: a forked one must leave it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
