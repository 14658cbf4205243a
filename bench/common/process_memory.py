"""Memory of a process and its children, and which of a file's pages are in memory."""

import contextlib
import ctypes
import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np

_PRIVATE: Final = ("Pss_Anon:", "Pss_Shmem:")


def processes_of(session: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    found.append(int(folder.name))
    return found


def private_mb(session: int) -> float:
    """Return the memory of a session's processes that is no file's, in MB.

    Pages that several of them share count once.
    """
    return sum(map(_private_kb, processes_of(session))) * 1024 / 1e6


def _private_kb(process: int) -> int:
    """Return the private and shared anonymous memory of one process."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(_PRIVATE))
    return 0


def resident_mb(session: int) -> float:
    """Return the sum of the largest resident memory of a session's processes, in MB.

    Mapped pages of files count, and what several processes share counts for each.
    """
    return sum(map(peak_mb, processes_of(session)))


def peak_mb(process: int) -> float:
    """Return the largest resident memory that a process ever had, in MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def forget_peaks(session: int) -> None:
    """Let the largest resident memory of a session's processes begin anew.

    A process otherwise begins with that of the process that it was started from.
    """
    for process in processes_of(session):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")


def drop_from_memory(path: Path) -> None:
    """Drop a file from the page cache; nobody may have it mapped."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # what is not on the disk yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def part_in_memory(path: Path) -> float:
    """Return how much of a file is in the page cache, from 0 to 1."""
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
