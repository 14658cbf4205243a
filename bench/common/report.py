"""The JSON file of a benchmark: its results, and the machine that they depend on."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

LIBRARIES: Final = ("ecgstore", "h5py", "neurokit2", "numba", "numpy", "scipy", "wfdb")
"""Distributions whose versions are part of every report."""


def machine(*libraries: str) -> dict[str, Any]:
    """Return processor, number of cores, versions and commit.

    `libraries` are distributions whose versions matter besides `LIBRARIES`.
    """
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (*LIBRARIES, *libraries)},
        "commit": _commit(),
    }


def _processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Return the commit of this checkout, marked if files differ; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        git = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return git.stdout.strip()


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write the results and the machine, if there is a path to write to."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**machine(), **results}, indent=2, allow_nan=False)
        path.write_text(f"{text}\n", encoding="utf-8")
