"""Raise the number of files that this process may open."""

import os
import sys
from pathlib import Path
from typing import Final

from ecgstore.errors import EcgStoreError

_DESCRIPTORS_OF_STORE: Final = 2
_OTHER_DESCRIPTORS: Final = 256
_LIST_OF_OPEN: Final = "/dev/fd"


def allow_open_stores(path: Path, n_stores: int) -> None:
    """Let this process open some more stores, if the system allows it.

    Parameters
    ----------
    path : Path
        The collection that they are parts of, for messages.
    n_stores : int
        Number of stores that will be open at the same time, besides those that are.

    Raises
    ------
    EcgStoreError
        If the system does not allow so many.
    """
    if sys.platform == "win32":
        return
    import resource  # Windows has none

    try:
        n_open = len(os.listdir(_LIST_OF_OPEN))
    except OSError:  # not every system has it, nor a descriptor left to read it
        n_open = 0
    needed = n_open + n_stores * _DESCRIPTORS_OF_STORE + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise EcgStoreError(
            f"{path}: has {n_stores} parts, but this process may open {hard} files "
            f"only; expected {needed}: raise the limit (ulimit -n), or collect fewer, "
            "larger stores"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
