"""Open a store, a collection, or several stores as one."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from ecgstore.arrays import UInt8Array
from ecgstore.builder.collect import write_collection
from ecgstore.builder.output_place import check_output_place
from ecgstore.errors import EcgStoreError
from ecgstore.remote_records.names import is_hidden, is_safe
from ecgstore.storage import Store
from ecgstore.storage.remote.cache import DEFAULT_CACHE
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.open_files import allow_open_stores
from ecgstore.system.progress import Progress
from ecgstore.system.urls import divided, url_of

_MB: Final = 10**6

_STORES: Final = (".h5", ".hdf5")
"""How names of fetched parts end: a stranger's list writes no other files."""


def open(  # noqa: A001
    path: str | Path | Sequence[str | Path],
    *,
    verify: Literal["off", "first-touch"] = "off",
    labels: Literal["beside", "built"] = "beside",
    cache: str | Path | None = DEFAULT_CACHE,
    review: str | Path | None = None,
) -> Store:
    """Open a store or a collection; or several stores as one.

    Parameters
    ----------
    path : str, Path, or sequence of them
        The file made by ``ecgstore build`` or ``ecgstore collect``, or the URL of a
        store, such as ``https://host/challenge.h5``: see docs/remote.md. Several stores
        are collected into a temporary file, as `collect` does, which is deleted when
        the result is not used any more. Where there are many, make a collection once.
    verify, labels, cache, review
        See `Store`. Of several stores, decisions beside each of them count.

    Raises
    ------
    EcgStoreError
        If a file does not exist, or the stores do not fit each other.
    SchemaError
        If a file is not a finished ecgstore file of a known version.
    """
    if isinstance(path, str | Path):
        return Store(path, verify=verify, labels=labels, cache=cache, review=review)
    if not path:
        raise EcgStoreError("no store is given; expected one or more paths")
    folder = Path(tempfile.mkdtemp(prefix="ecgstore-"))
    try:
        allow_open_stores(folder, len(path))
        paths = [Path(one) for one in path]
        write_collection(paths, folder / "collection.h5", None, labels=labels)
        store = Store(
            folder / "collection.h5", verify=verify, cache=cache, review=review
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if review is None:
        store.review.refuse_saving(
            f"{store.place}: is deleted when it is closed, and decisions with it; give "
            "a file for them: ecgstore.open([...], review=FILE)"
        )
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
        check_output_place(final, [], overwrite)  # before anything is fetched
    with Store(address, labels="built") as store:
        if final is None and store.keeps_nothing:
            raise EcgStoreError(
                f"{store.place}: cannot be fetched into the cache, because there is "
                "none (ECGSTORE_CACHE is off); give a file to write, or set it to a "
                "folder"
            )
        files = {mirror.reader.shown: mirror for mirror in store.mirrors}
        copies = {} if final is None else _copies(files, final, overwrite)
        if len(files) < len(store.mirrors):
            raise EcgStoreError(
                f"{store.place}: two of its parts have URLs that differ behind the ? "
                "only; fetch the parts one by one, and collect them"
            )
        total = sum(len(mirror.bytes) for mirror in files.values()) // _MB
        with Progress("fetch", total, unit="MB", quiet=quiet) as progress:
            done = shown = 0
            # The collection comes last: when it is there, so are its parts.
            for url, mirror in reversed(files.items()):
                with _replacing(copies.get(url)) as write:
                    for piece in mirror.pieces():
                        write(piece)
                        done += len(piece)
                        progress.update(done // _MB - shown)
                        shown = done // _MB
    return final


def _copies(urls: Iterable[str], final: Path, overwrite: bool) -> dict[str, Path]:
    """Return the file for each URL: parts lie as they do beside the collection.

    Raises
    ------
    EcgStoreError
        If a part is not below the folder of the collection, or a file exists.
    """
    first, *parts = urls
    folder = f"{divided(first)[0]}/"
    copies = {first: final}
    for url in parts:
        name = url.removeprefix(folder)
        is_below = url.startswith(folder) and is_safe(name) and not is_hidden(name)
        if not is_below or not name.endswith(_STORES):
            raise EcgStoreError(
                f"{url}: is no store below {folder} ({' or '.join(_STORES)}), so there "
                f"is no place for it beside {final}; fetch the parts one by one, and "
                "collect them"
            )
        copies[url] = final.parent / name
    if len({os.path.realpath(path) for path in copies.values()}) < len(copies):
        raise EcgStoreError(
            f"{final}: is the name of a part, too; choose another output"
        )
    below = os.path.realpath(final.parent)
    for path in copies.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        real = os.path.realpath(path.parent)
        if os.path.commonpath([real, below]) != below:
            raise EcgStoreError(
                f"{path}: a link leads out of {final.parent}; remove it, or choose "
                "another output"
            )
        check_output_place(path, [], overwrite)
    return copies


@contextmanager
def _replacing(path: Path | None) -> Iterator[Callable[[UInt8Array], object]]:
    """Yield a function that writes to a file; it does nothing if there is none."""
    if path is None:
        yield lambda _: None
        return
    with replace_file(path, "wb") as file:
        yield file.write


def _remove(folder: Path, process: int) -> None:
    """Remove a folder that this process made: a forked one must leave it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
