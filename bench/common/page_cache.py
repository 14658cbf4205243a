"""Drop a file from the page cache, and measure how much of it is there."""

import ctypes
import mmap
import os
from pathlib import Path

import numpy as np


def drop_from_page_cache(path: Path) -> None:
    """Drop a file from the page cache; no process may have it mapped."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # pages that are not on the disk yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def cached_fraction(path: Path) -> float:
    """Return the fraction of a file's pages that are in the page cache, 0 to 1."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
    ):
        address = np.frombuffer(mapped, np.uint8).ctypes.data
        pages = np.zeros(-(-len(mapped) // mmap.PAGESIZE), np.uint8)
        library = ctypes.CDLL(None, use_errno=True)
        if library.mincore(
            ctypes.c_void_p(address),
            ctypes.c_size_t(len(mapped)),
            ctypes.c_void_p(pages.ctypes.data),
        ):
            raise OSError(ctypes.get_errno(), "mincore")
        return float((pages & 1).mean())
