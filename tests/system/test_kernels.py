"""Stored machine code of a kernel is never older than the sources it came from."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

import ecgstore
from ecgstore.system.kernels import is_compiled, kernel

PACKAGE = Path(ecgstore.__file__).resolve().parent

CALLEE = """
from ecgstore.system.kernels import kernel

@kernel
def part(x: float) -> float:
    return x + {summand}
"""
CALLER = """
from ecgstore._callee_kernels import part
from ecgstore.system.kernels import kernel

@kernel
def whole(x: float) -> float:
    return 2 * part(x)
"""
CALL = """
from ecgstore._caller_kernels import whole
value = whole(1.0)
print(value, *("stored" for _ in whole.stats.cache_hits))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the package with two kernel files more."""
    copy = tmp_path / "ecgstore"
    skipped = shutil.ignore_patterns("__pycache__", "sample", "models", "pipes")
    shutil.copytree(PACKAGE, copy, ignore=skipped)
    (copy / "_callee_kernels.py").write_text(CALLEE.format(summand=10))
    (copy / "_caller_kernels.py").write_text(CALLER)
    return copy


def call(package: Path, cache_folder: str = "") -> list[str]:
    """Call the caller in a new process: its result, and whether code was stored."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "HOME": str(package.parent),
        "LOCALAPPDATA": str(package.parent),
        "XDG_CACHE_HOME": str(package.parent / "cache"),
    }
    environment["NUMBA_CACHE_DIR"] = cache_folder
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=package.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("installed", ["writable", "read-only"])
def test_a_changed_kernel_is_compiled_again_into_its_callers(
    package: Path, installed: str
) -> None:
    """Numba itself compares the file of the caller only."""
    if installed == "read-only":
        (package / "__pycache__").write_text("a file, so that nothing is stored here")
    assert call(package) == ["22.0"]
    assert call(package) == ["22.0", "stored"]
    in_package = [*package.rglob("*.nbc")]
    assert bool(in_package) == (installed == "writable")
    (package / "_callee_kernels.py").write_text(CALLEE.format(summand=20))
    assert call(package) == ["42.0"]
    assert call(package) == ["42.0", "stored"]


def test_damaged_machine_code_is_compiled_again(package: Path) -> None:
    """As a disk may leave it after a power failure."""
    call(package)
    damages: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("nbi", lambda content: b""),
        ("nb?", lambda content: content[: len(content) // 2]),
    ]
    for suffix, damage in damages:
        for path in package.glob(f"**/_caller_kernels*.{suffix}"):
            path.write_bytes(damage(path.read_bytes()))
        assert call(package) == ["22.0"]
    assert call(package) == ["22.0", "stored"]


def test_kernels_work_where_no_machine_code_can_be_stored(package: Path) -> None:
    (package / "__pycache__").write_text("a file, so that nothing is stored here")
    (package.parent / "cache").write_text("nor here")
    assert call(package) == ["22.0"]
    cache_folder = str(package.parent / "given")
    assert call(package, cache_folder) == ["22.0"]
    assert call(package, cache_folder) == ["22.0", "stored"]


def test_kernels_are_compiled_once_for_all_constants() -> None:
    whole(1.0)
    # Stored code of an earlier run, if it was loaded, holds that of `power`.
    cast("Dispatcher", whole).recompile()
    assert len(cast("Dispatcher", power).signatures) == 1


@kernel
def power(x: float, n: int) -> float:
    return x**n


@kernel
def whole(x: float) -> float:
    return power(x, 2) + power(x, 3) + power(x, n=4)


def test_stored_code_counts_for_its_processor_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel(one_more)(1.0)
    loaded_next = kernel(one_more)
    assert is_compiled(loaded_next)
    machine = cpu_target.target_context.codegen()
    monkeypatch.setattr(machine, "magic_tuple", lambda: ("another", "processor", ""))
    assert not is_compiled(loaded_next)


def one_more(x: float) -> float:
    return x + 1


def test_kernels_that_other_files_call_are_in_kernel_files() -> None:
    """Only those files are part of the digest that the test above depends on."""
    n_called = 0
    for found in pkgutil.walk_packages(ecgstore.__path__, "ecgstore."):
        if found.name == "ecgstore.__main__":
            continue
        for value in vars(importlib.import_module(found.name)).values():
            if not isinstance(value, Dispatcher):
                continue
            home = value.py_func.__module__
            if home != found.name:
                n_called += 1
                name = home.rpartition(".")[2]
                assert name.startswith("_"), (found.name, home)
                assert name.endswith("kernels"), (found.name, home)
    assert n_called > 10
