"""Processor time and memory of processes, from Linux's /proc; standard library only."""

import contextlib
import multiprocessing
import os
import time
from pathlib import Path
from typing import Final

_KB: Final = 1024 / 1e6
"""Kilobytes of the system, in MB."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Return the processor time of this process and its children so far, in seconds."""
    times = os.times()
    total = time.process_time() + times.children_user + times.children_system
    for child in multiprocessing.active_children():
        try:
            fields = _stat_fields(Path(f"/proc/{child.pid}"))
        except OSError:
            continue  # it has just ended
        total += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return total


def processes_of(session: int) -> list[int]:
    """Return the ids of the processes of a session."""
    ids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if int(_stat_fields(folder)[3]) == session:
                    ids.append(int(folder.name))
    return ids


def _stat_fields(folder: Path) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def private_mb(session: int) -> float:
    """Return the anonymous and shared memory of a session's processes, in MB.

    Mapped pages of files do not count; pages that several processes share count once.
    """
    return sum(sum(_private_kb(process)) for process in processes_of(session)) * _KB


def memory_mb(session: int) -> float:
    """Return the same, with files in memory (memfd) that are not mapped, or in part."""
    kilobytes = [_private_kb(process) for process in processes_of(session)]
    anonymous = sum(kb for kb, _ in kilobytes) * _KB
    return anonymous + max(sum(kb for _, kb in kilobytes) * _KB, _files_mb(session))


def _private_kb(process: int) -> tuple[int, int]:
    """Return the anonymous and the shared memory of one process in kB."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        found = dict(line.split()[:2] for line in lines[1:])
        return int(found["Pss_Anon:"]), int(found["Pss_Shmem:"])
    return 0, 0


def _files_mb(session: int) -> float:
    """Return the size of the files in memory that a session has open, in MB."""
    found: dict[int, int] = {}
    for process in processes_of(session):
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(path.readlink()).startswith("/memfd:"):
                        status = path.stat()
                        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values()) / 1e6


def resident_mb(session: int) -> float:
    """Return the sum of the peak resident memory of a session's processes, in MB.

    Mapped pages of files count, and pages that processes share count in each of them.
    """
    return sum(map(peak_mb, processes_of(session)))


def peak_mb(process: int) -> float:
    """Return the peak resident memory of a process, in MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def reset_peaks(session: int) -> None:
    """Reset the peak resident memory of a session's processes to the current one.

    A process otherwise starts with the peak of the process that it was forked from.
    """
    for process in processes_of(session):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
