"""A store has its name only when it is complete and on the disk."""

import ast
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import ecgstore
import ecgstore.models
import ecgstore.pipes
from ecgstore.builder import one_file, pipeline
from ecgstore.builder.journal import Journal
from ecgstore.builder.seal import seal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.verify import verify

FAST = Config(beats="none")

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]


def failing(error: OSError) -> Callable[..., None]:
    """Return a function that raises an error, whatever it is called with."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("overwrite", [False, True])
def test_store_is_whole_before_it_has_its_name(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    overwrite: bool,
) -> None:
    out = tmp_path / "out.h5"
    damages: list[list[object]] = []
    name = "replace" if overwrite else "link"
    original = getattr(os, name)

    def watched(source: Path, target: Path) -> None:
        if Path(target) == out:
            damages.append(list(verify(source)))
        original(source, target)

    monkeypatch.setattr(os, name, watched)
    build(few_records, out, overwrite=overwrite)
    assert damages == [[]]


def test_data_are_on_the_disk_before_they_count(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    """Watch the system calls: data, sync, state; sync, name, sync of the folder."""
    calls: list[str | int] = []  # for a write, its offset
    out = tmp_path / "out.h5"

    def watch(name: str, describe: Callable[..., str | int]) -> None:
        original = getattr(os, name)

        def watched(*arguments: Any) -> Any:
            calls.append(describe(*arguments))
            return original(*arguments)

        monkeypatch.setattr(os, name, watched)

    def file_name(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name

    watch("pwrite", lambda descriptor, data, offset: offset)
    watch("fdatasync", lambda descriptor: "datasync")
    watch("fsync", lambda descriptor: f"sync {file_name(descriptor)}")
    watch("replace", lambda source, target: f"rename {Path(target).name}")
    watch("link", lambda source, target: f"link {Path(target).name}")
    build(few_records, out)
    with h5py.File(out) as file:
        begin = file["state"].id.get_offset()
        state = range(begin, begin + len(file["state"]))
    writes_of_state = [place for place, call in enumerate(calls) if call in state]
    assert writes_of_state
    assert all(calls[place - 1] == "datasync" for place in writes_of_state)
    partial = "out.h5.partial"
    planned = calls.index(f"rename {partial}")
    assert calls[planned - 1] == f"sync {partial}.planning"
    assert calls[-3:] == [f"sync {partial}", "link out.h5", f"sync {tmp_path.name}"]


def test_existing_store_stays_until_the_new_one_is_complete(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = build(few_records, tmp_path / "out.h5")
    before = out.read_bytes()
    with pytest.raises(EcgStoreError, match="--overwrite"):
        build(few_records, out)
    other = Config(beats="none", high_hz=30.0)
    stopped_build(one_file, "seal", few_records, out, other, overwrite=True)
    assert out.read_bytes() == before
    build(few_records, out, other, overwrite=True)
    assert out.read_bytes() != before


def test_partial_file_is_no_store(
    few_records: Path, tmp_path: Path, stopped_build: StoppedBuild
) -> None:
    stopped_build(one_file, "seal", few_records, tmp_path / "out.h5")
    with pytest.raises(SchemaError, match="unfinished build"):
        ecgstore.open(tmp_path / "out.h5.partial")


def test_two_builds_of_one_store_do_not_mix(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    with (
        Journal(tmp_path / "out.h5.partial.scan"),
        pytest.raises(EcgStoreError, match="another build"),
    ):
        build(few_records, tmp_path / "out.h5")


def test_a_build_does_not_replace_a_store_made_while_it_was_slow(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    """Its name is free when it looks, and taken when it locks the journal."""
    out = tmp_path / "out.h5"

    def slow(path: Path) -> Journal:
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "Journal", Journal)
            build(few_records, out)
        return Journal(path)

    monkeypatch.setattr(pipeline, "Journal", slow)
    with pytest.raises(EcgStoreError, match="exists already"):
        build(few_records, out, Config(beats="none", high_hz=30.0))
    with ecgstore.open(out) as store:
        assert store.config == FAST
    assert {path.name for path in tmp_path.iterdir()} == {"out.h5", "training"}


@pytest.mark.parametrize("links", [None, errno.EPERM, errno.EOPNOTSUPP])
def test_a_build_does_not_replace_a_file_made_before_it_published(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    links: int | None,
) -> None:
    """With links, and on file systems without."""
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:

        def sealing(*arguments: Any, **options: Any) -> None:
            out.write_text("precious")
            seal(*arguments, **options)

        patch.setattr(one_file, "seal", sealing)
        if links is not None:
            patch.setattr(os, "link", failing(OSError(links, "no links")))
        with pytest.raises(EcgStoreError, match="made by another program"):
            build(few_records, out)
    assert out.read_text() == "precious"
    build(few_records, out, overwrite=True)
    with ecgstore.open(out) as store:
        assert len(store) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"out.h5", "training"}


def test_a_store_is_published_on_a_file_system_without_links(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    monkeypatch.setattr(os, "link", failing(OSError(errno.EPERM, "no links")))
    build(few_records, tmp_path / "out.h5")
    assert {path.name for path in tmp_path.iterdir()} == {"out.h5", "training"}


@pytest.mark.parametrize("has_both_names", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_kill_after_publishing_left_is_removed_by_the_next_build(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
    has_both_names: bool,
    overwrite: bool,
) -> None:
    out = tmp_path / "out.h5"
    if has_both_names:  # stopped between the two steps of its renaming
        stopped_build(os, "unlink", few_records, out, calls=2)
        assert (tmp_path / "out.h5.partial").samefile(out)
    else:
        with monkeypatch.context() as patch:
            close = Journal.close
            patch.setattr(Journal, "close", lambda journal, **_: close(journal))
            build(few_records, out)
    assert (tmp_path / "out.h5.partial.scan").exists()
    content = out.read_bytes()
    if overwrite:
        build(few_records, out, overwrite=True)
    else:
        with pytest.raises(EcgStoreError, match="exists already"):
            build(few_records, out)
    assert out.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {"out.h5", "training"}


def test_a_stopped_replacement_is_kept_when_the_store_may_not_be_replaced(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = build(few_records, tmp_path / "out.h5")
    before = out.read_bytes()
    other = Config(beats="none", high_hz=30.0)
    for phase in ("plan", "seal"):
        stopped_build(one_file, phase, few_records, out, other, overwrite=True)
        names = {path.name for path in tmp_path.iterdir()}
        with pytest.raises(EcgStoreError, match="exists already"):
            build(few_records, out, other)
        assert {path.name for path in tmp_path.iterdir()} == names
        assert out.read_bytes() == before


def test_a_half_made_plan_is_removed_even_if_nothing_can_be_built(
    tmp_path: Path, write_record: Callable[..., Path], build: Build
) -> None:
    folder = write_record("A0001", dx="270492004").parent
    (tmp_path / "out.h5.partial.planning").write_bytes(b"half")
    with pytest.raises(EcgStoreError, match="not selected"):
        build(folder, tmp_path / "out.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


# -- file systems without locks ---------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_store_is_built_on_a_file_system_without_locks(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
    number: int,
) -> None:
    """Locks of Python fail as there; those of SQLite and HDF5 are not used at all."""
    direct = build(few_records, tmp_path / "direct.h5")
    fcntl = pytest.importorskip("fcntl")
    for name in ("flock", "lockf", "fcntl"):
        monkeypatch.setattr(fcntl, name, failing(OSError(number, "no locks")))
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out)
    build(few_records, out)
    assert out.read_bytes() == direct.read_bytes()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"direct.h5", "out.h5", "training"}


LOCK_ALL = """
import fcntl, pathlib, sys
files = [open(path, "ab") for path in sys.argv[1:]]
fcntl.flock(files[0], fcntl.LOCK_EX)  # of HDF5
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)  # of SQLite
print("locked", flush=True)
input()
"""


@pytest.mark.skipif(os.name != "posix", reason="other locks")
def test_no_file_is_locked_but_by_ecgstore_itself(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    """The libraries neither lock nor wait: another process has locked every file."""
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out)
    other = [sys.executable, "-c", LOCK_ALL, f"{out}.partial", f"{out}.partial.scan"]
    with subprocess.Popen(
        other, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        build(few_records, out)
        with ecgstore.open(out) as store:
            assert len(store) > 0
        assert list(verify(out)) == []
        process.communicate("\n")


def test_every_file_is_opened_without_a_lock_of_hdf5() -> None:
    """Its locks fail on some network file systems."""
    package = Path(ecgstore.__file__).parent
    folders = [package, Path(ecgstore.models.__path__[0])]
    folders.append(Path(ecgstore.pipes.__path__[0]))
    n_opened = 0
    for path in {path.resolve() for folder in folders for path in folder.rglob("*.py")}:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "h5py.File":
                n_opened += 1
                if "h5f.create" in ast.unparse(call):  # see `access` in layout.py
                    continue
                options = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert options.get("locking") == "False", (path, call.lineno)
    assert n_opened >= 6
