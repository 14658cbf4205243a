"""Compiled code that numba has stored is never older than the sources it came from."""

import ast
import hashlib
import os
from pathlib import Path

import pytest

import ecgstore
from ecgstore.features import _unet_kernels as unet

PACKAGE = Path(ecgstore.__file__).resolve().parent
KERNELS = sorted(PACKAGE.rglob("_*_kernels.py"))


def kernels_used(path: Path) -> list[Path]:
    """Return the other files of kernels that a file imports from."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names = [f"{each.rpartition('.')[2]}.py" for each in modules]
    return [other for other in KERNELS if other.name in names]


@pytest.mark.parametrize("path", KERNELS, ids=[path.stem for path in KERNELS])
def test_files_name_the_contents_of_the_kernels_they_call(path: Path) -> None:
    """Numba compares a file's own contents only, and compiles callees into callers."""
    for other in kernels_used(path):
        contents = other.read_text(encoding="utf-8").encode()
        line = f"# {other.name} {hashlib.sha256(contents).hexdigest()[:16]}"
        assert line in path.read_text(encoding="utf-8").splitlines(), (
            f"{path}: expected the line {line!r}; write it in place of the old one, "
            "and then see to the files that call this one"
        )


def test_some_kernels_call_others() -> None:
    users = {path.stem for path in KERNELS if kernels_used(path)}
    assert {"_unet_kernels", "_wave_kernels", "_vector_kernels"} <= users


def test_tests_run_kernels_of_these_sources() -> None:
    """Also before the names above are written: conftest.py sees to it."""
    path = Path(str(unet.forward.stats.cache_path))
    assert path.is_relative_to(os.environ["NUMBA_CACHE_DIR"])
