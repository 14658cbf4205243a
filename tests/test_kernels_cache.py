"""Compiled code that numba has stored is never older than the sources it came from."""

import ast
import hashlib
import os
from pathlib import Path

import pytest

import ecgstore
from ecgstore.beats.unet import _network_kernels as unet

PACKAGE = Path(ecgstore.__file__).resolve().parent
KERNELS = sorted(PACKAGE.rglob("_*kernels.py"))


def kernels_used(path: Path) -> list[Path]:
    """Return the other files of kernels that a file imports from."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return [other for other in KERNELS if module_of(other) in modules]


def module_of(path: Path) -> str:
    """Return the import name of a file of the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


@pytest.mark.parametrize("path", KERNELS, ids=list(map(module_of, KERNELS)))
def test_files_name_the_contents_of_the_kernels_they_call(path: Path) -> None:
    """Numba compares a file's own contents only, and compiles callees into callers."""
    for other in kernels_used(path):
        contents = other.read_text(encoding="utf-8").encode()
        line = f"# {module_of(other)} {hashlib.sha256(contents).hexdigest()[:16]}"
        assert line in path.read_text(encoding="utf-8").splitlines(), (
            f"{path}: expected the line {line!r}; write it in place of the old one, "
            "and then see to the files that call this one"
        )


def test_some_kernels_call_others() -> None:
    users = {module_of(path) for path in KERNELS if kernels_used(path)}
    assert {
        "ecgstore.beats.unet._network_kernels",
        "ecgstore.features.waves._kernels",
        "ecgstore.features.leads._kernels",
    } <= users


def test_tests_run_kernels_of_these_sources() -> None:
    """Also before the names above are written: conftest.py sees to it."""
    path = Path(str(unet.forward.stats.cache_path))
    assert path.is_relative_to(os.environ["NUMBA_CACHE_DIR"])
