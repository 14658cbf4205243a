"""Where fetched parts of stores are kept, and how much of them."""

import errno
import hashlib
import json
import os
from collections.abc import Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.storage.byte_source import MIRROR
from ecgstore.system.locks import lock_shared, try_lock
from ecgstore.system.urls import divided

DEFAULT_CACHE: Final = "default"
_OFF: Final = "off"
_DEFAULT_GB: Final = 100.0
_ABOUT: Final = "about.json"

_ATTEMPTS: Final = 100
"""How often an entry is made that other processes remove meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The folder of one version of an object.

    Attributes
    ----------
    folder : Path
        The folder.
    data : Path
        The file, with holes where nothing was fetched.
    marks : Path
        Four bytes for each unit of it, which are 0 where it was not fetched.
    descriptor : int
        The file, open and locked: until it is closed, the entry is in use.
    """

    folder: Path
    data: Path
    marks: Path
    descriptor: int


class Identity(NamedTuple):
    """What tells one object, and one version of it, from others.

    Attributes
    ----------
    url : str
        Its URL.
    n_bytes : int
        Its size.
    version : dict
        What else is known of the version, by name: an ETag, or a fingerprint.
    """

    url: str
    n_bytes: int
    version: dict[str, str]


def chosen_cache(cache: str | Path | None) -> Path | None:
    """Return the folder of a cache, or None if nothing shall be kept.

    Parameters
    ----------
    cache : str or Path, optional
        The folder; ``"default"`` is that of ``$ECGSTORE_CACHE``, where ``off`` keeps
        nothing, or one in the user's caches.
    """
    if cache is None:
        return None
    if cache != DEFAULT_CACHE:
        return Path(os.path.abspath(cache))
    chosen = os.environ.get("ECGSTORE_CACHE")
    if chosen == _OFF:
        return None
    if chosen:
        return Path(os.path.abspath(chosen))
    return default_cache()


def default_cache() -> Path:
    """Return the folder in the user's caches, which ``$XDG_CACHE_HOME`` may move."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ecgstore"


def cache_entries(folder: Path, objects: Sequence[Identity]) -> list[Entry]:
    """Open the folders for versions of objects; make them, and room for them.

    While all entries together take more than ``$ECGSTORE_CACHE_GB`` (100 by default),
    the one that was opened longest ago is removed. Those in use stay. This is done here
    only, and not when bytes arrive: a store that is being filled may exceed the limit,
    until the next one is opened. Records (``records``) and unfinished builds
    (``builds``) do not count, and are never removed.

    Parameters
    ----------
    folder : Path
        The cache.
    objects : sequence of Identity
        The objects.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    entries: list[Entry] = []
    with ExitStack() as unless_opened:
        for one in objects:
            entry = _entry(folder, one)
            unless_opened.callback(os.close, entry.descriptor)
            entries.append(entry)
        _make_room(folder, {entry.folder for entry in entries})
        unless_opened.pop_all()
    return entries


def _entry(cache: Path, of: Identity) -> Entry:
    """Open the folder for a version of an object; make it if it is missing."""
    name = divided(of.url)[1]
    key = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:24]
    folder = cache / key
    data = folder / f"{name}{MIRROR}"
    about = json.dumps(of._asdict(), indent=2)
    try:
        descriptor = _opened(data, about, of.n_bytes)
    except OSError as error:
        raise cannot_be_written(folder, error) from error
    return Entry(folder, data, folder / "marks", descriptor)


def cannot_be_written(path: Path, error: OSError) -> EcgStoreError:
    """Return the error for a cache that cannot be written."""
    return EcgStoreError(
        f"{path}: cannot be written ({cause_of(error)}); make room, or choose another "
        "folder for fetched parts of stores: set ECGSTORE_CACHE"
    )


def _opened(data: Path, about: str, n_bytes: int) -> int:
    """Open and lock the file of an entry; make it if it is missing."""
    for _ in range(_ATTEMPTS):
        data.parent.mkdir(parents=True, exist_ok=True)
        try:
            (data.parent / _ABOUT).write_text(about, encoding="utf-8")
            descriptor = os.open(data, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process is removing the entry
            continue
        try:
            lock_shared(descriptor)
            if data.exists() and os.path.samestat(os.fstat(descriptor), data.stat()):
                os.truncate(descriptor, n_bytes)
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed before it was locked
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _make_room(cache: Path, current: Set[Path]) -> None:
    """Remove what was opened longest ago, while all entries together are too large."""
    limit = _limit_gb() * 1e9
    found = []
    for about in cache.glob(f"*/{_ABOUT}"):
        with suppress(OSError):
            found.append((about.stat().st_mtime, about.parent, _bytes(about.parent)))
    total = sum(n_bytes for *_, n_bytes in found)
    for _, folder, n_bytes in sorted(found):
        if total <= limit:
            return
        with suppress(OSError):  # another process removes it, too
            if folder not in current and _remove(folder):
                total -= n_bytes


def _limit_gb() -> float:
    """Return how many GB the cache may hold."""
    chosen = os.environ.get("ECGSTORE_CACHE_GB") or str(_DEFAULT_GB)
    try:
        limit = float(chosen)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise EcgStoreError(
            f"ECGSTORE_CACHE_GB is {chosen!r}; expected a number of GB, such as 100"
        )
    return limit


def _bytes(folder: Path) -> int:
    """Return the bytes that a folder takes on the disk; holes take none."""
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


def _remove(folder: Path) -> bool:
    """Remove an entry, unless a process has it open; return whether it was removed."""
    with ExitStack() as until_removed:
        for path in folder.glob(f"*{MIRROR}"):
            descriptor = os.open(path, os.O_RDWR)
            until_removed.callback(os.close, descriptor)
            if try_lock(descriptor) is False:
                return False
        # What says that it is an entry goes last, so that a killed process leaves one.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == _ABOUT):
            path.unlink()
        folder.rmdir()
    return True
