"""The TOML file that describes plain arrays.

::

    [ecg_arrays]
    files = "signals.npy"                # or a pattern, such as "*.csv"
    axes = ["record", "lead", "sample"]  # without "record": a file for each record
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    fs = 500
    unit = "mV"
    per_unit = 200                       # values in a unit; 1 if left out
    header_lines = 1                     # of CSV files; 0 if left out
    dataset = "ecg"                      # of HDF5 files (.h5, .hdf5): which one
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.library_guard import check_size, guarded

TABLE: Final = "ecg_arrays"
"""The table of the file."""

_AXES: Final = ("record", "lead", "sample")
MOST_TOML_BYTES: Final = 1 << 14  # its parser takes quadratic time for long keys
_MOST_LEADS: Final = 1000


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """What the TOML file says; see the module."""

    files: str
    axes: tuple[str, ...]
    leads: tuple[str, ...]
    fs: float
    unit: str
    per_unit: float
    header_lines: int
    dataset: str


def read_layout(path: str) -> ArrayLayout:
    """Return what a TOML file says."""
    check_size(path, MOST_TOML_BYTES)
    data = read_start(path, MOST_TOML_BYTES, Reason.UNREADABLE_HEADER)[0]
    what = f"a TOML file with a table [{TABLE}]"

    def call() -> Mapping[str, Any]:
        table = tomllib.loads(data.decode())[TABLE]
        return {**table}

    table = guarded(path, Reason.UNREADABLE_HEADER, what, call)
    problem = _problem(table)
    if problem:
        raise RecordError(Reason.UNREADABLE_HEADER, f"{printable(path)}: {problem}")
    return ArrayLayout(
        files=table["files"],
        axes=tuple(table["axes"]),
        leads=tuple(table["leads"]),
        fs=float(table["fs"]),
        unit=table["unit"],
        per_unit=float(table.get("per_unit", 1)),
        header_lines=table.get("header_lines", 0),
        dataset=table.get("dataset", ""),
    )


def _problem(table: Mapping[str, Any]) -> str:
    """Return what is wrong with a table; "" if nothing is."""
    checks = {
        "files": (_is_name, "the name of a file beside it, or a pattern of such names"),
        "axes": (_is_axes, "some order of lead, sample and perhaps record"),
        "leads": (_is_texts, "the names of the leads"),
        "fs": (_is_positive, "the sampling rate in Hz"),
        "unit": (lambda value: isinstance(value, str), "mV, uV or V"),
        "per_unit": (_is_positive, "the values in a unit"),
        "header_lines": (
            lambda value: type(value) is int and 0 <= value < 1000,
            "lines",
        ),
        "dataset": (
            lambda value: isinstance(value, str) and 0 < len(value) <= 1000,
            "the name of a dataset in HDF5 files",
        ),
    }
    optional = {"per_unit", "header_lines", "dataset"}
    for name in table:
        if name not in checks:
            return f"has {short_repr(name)}; expected {', '.join(checks)}"
    for name, (is_good, expected) in checks.items():
        if name not in table:
            if name not in optional:
                return f"has no {name}; expected {expected}"
        elif not is_good(table[name]):
            return f"{name} is {short_repr(table[name])}; expected {expected}"
    if table["files"].lower().endswith(".csv") and "record" in table["axes"]:
        return "describes CSV files with several records; expected a file for each"
    if is_hdf5(table["files"]) != ("dataset" in table):
        return "expected a dataset for HDF5 files (.h5, .hdf5), and for no others"
    return ""


def is_hdf5(name: str) -> bool:
    """Return whether the name of a file is that of an HDF5 file."""
    return name.lower().endswith((".h5", ".hdf5"))


def _is_name(value: object) -> bool:
    """Return whether a value names arrays in one folder."""
    if not isinstance(value, str):
        return False
    return value == os.path.basename(value) and value.lower().endswith(
        (".npy", ".csv", ".h5", ".hdf5")
    )


def _is_axes(value: object) -> bool:
    """Return whether a value is an order of axes."""
    return _is_texts(value) and sorted(value) in (  # type: ignore[call-overload]
        sorted(_AXES), sorted(_AXES[1:]),
    )  # fmt: skip


def _is_texts(value: object) -> bool:
    """Return whether a value is a list of some texts."""
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_LEADS:
        return False
    return all(isinstance(one, str) for one in value)


def _is_positive(value: object) -> bool:
    """Return whether a value is a number above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Whole numbers may be larger than any float.
    return is_number and 0 < value <= sys.float_info.max  # type: ignore[operator]
