"""Kernels are compiled before a build begins: all of them, and with a word about it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecgstore.builder import compilation
from ecgstore.config import Config

COMPILE_THEN_BUILD = """
import gc, sys
from numba.core.dispatcher import Dispatcher
from ecgstore.builder import build_store, compilation
from ecgstore.config import Config
from ecgstore.sample import sample_folder

def compiled():
    return {
        (kernel.py_func.__qualname__, str(signature))
        for kernel in gc.get_objects()
        if isinstance(kernel, Dispatcher)
        for signature in kernel.signatures
    }

for name, (_, kernels) in compilation.GROUPS.items():
    compilation.compile_group(name)
    print("not called:", *(k.__name__ for k in kernels if not k.signatures))
before = compiled()
build_store(sample_folder(), sys.argv[1], Config(limit=3), n_workers=1, quiet=True)
print("not compiled before:", *(compiled() - before))
"""


def test_a_build_needs_no_other_kernels(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPILE_THEN_BUILD, str(tmp_path / "out.h5")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:-1] == ["not called:"] * len(compilation.GROUPS)
    assert lines[-1] == "not compiled before:"


@pytest.mark.parametrize(("beats", "n_groups"), [("ecgstore", 6), ("none", 3)])
def test_compiling_is_announced(
    beats: str,
    n_groups: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(compilation, "is_compiled", lambda kernel: False)
    called: list[str] = []
    monkeypatch.setattr(compilation, "compile_group", called.append)
    compilation.compile_kernels(Config(beats=beats), 1, (), quiet=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "compile kernels (once, about a minute) ..."
    assert f"{n_groups}/{n_groups}" in lines[-1]
    assert len(called) == n_groups


def test_a_group_is_compiled_if_one_of_its_kernels_is_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, kernels = compilation.GROUPS["features"]
    monkeypatch.setattr(
        compilation, "is_compiled", lambda kernel: kernel is not kernels[-1]
    )
    monkeypatch.setattr(compilation, "can_be_stored", lambda kernel: False)
    called: list[str] = []
    monkeypatch.setattr(compilation, "compile_group", called.append)
    compilation.compile_kernels(Config(), 1, (), quiet=True)
    assert called == ["features"]


def test_nothing_is_said_where_machine_code_is_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation, "is_compiled", lambda kernel: True)
    compilation.compile_kernels(Config(), 2, (), quiet=False)
    assert capsys.readouterr().err == ""


def test_message_says_how_machine_code_can_be_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation, "is_compiled", lambda kernel: False)
    monkeypatch.setattr(compilation, "can_be_stored", lambda kernel: False)
    compilation.compile_kernels(Config(), 2, (), quiet=False)
    assert "set NUMBA_CACHE_DIR to a folder" in capsys.readouterr().err
