"""A store that is overwritten or truncated while it is open."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.format.row_offsets import row_offsets
from ecgstore.storage.memory_map import MemoryMap

MESSAGE = r"copy\.h5: changed since it was opened \(.*open it again"


def overwrite(path: Path) -> None:
    """Write another signal into the last row, as another process would do."""
    code = f"""
import os
descriptor = os.open({str(path)!r}, os.O_RDWR)
os.pwrite(descriptor, bytes(100), {path.stat().st_size - 200})
"""
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def truncate(path: Path) -> None:
    os.truncate(path, 5000)


def replace_content(path: Path) -> None:
    """Write other bytes, and set the time of the last change back."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    content[:100_000] = bytes(100_000)
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=times)


CHANGES = [overwrite, truncate, replace_content]


def change(path: Path, how: Callable[[Path], None]) -> None:
    """Change a file; the next check for changes is a millisecond after the last."""
    how(path)
    time.sleep(0.002)


@pytest.mark.parametrize("how", CHANGES)
def test_every_method_notices_a_change(copy: Path, how: Callable[[Path], None]) -> None:
    store = ecgstore.open(copy)
    dataset = store.as_dataset()
    change(copy, how)
    for read in (
        lambda: store.signals([0]),
        lambda: store.table("labels"),
        store.labels,
        lambda: store.records,
        lambda: store.quality,
        lambda: store.quarantine,
        store.features,
        store.r_peaks,
        store.fiducials,
        lambda: dataset[0],
        lambda: store.select(classes=["AF"]),
        lambda: pipes.RecordReader(store).will_need(
            [pipes.RowBatch(np.arange(3), np.zeros(3, np.uint64))]
        ),
    ):
        with pytest.raises(EcgStoreError, match=MESSAGE):
            read()
    store.close()


@pytest.mark.parametrize(
    ("how", "prefetch"),
    # A file that is truncated while the thread reads it ends the process.
    [*((how, 0) for how in CHANGES), (overwrite, 1), (replace_content, 1)],
)
def test_a_loader_notices_a_change_between_batches(
    copy: Path, how: Callable[[Path], None], prefetch: int
) -> None:
    with ecgstore.open(copy) as store:
        loader = pipes.loader(store, 4, shuffle=True, prefetch=prefetch)
        batches = iter(loader)
        next(batches)
        change(copy, how)
        with pytest.raises(EcgStoreError, match=MESSAGE):
            deque(batches, 0)  # at the latest in the batch after the prefetched ones
        with pytest.raises(EcgStoreError, match=MESSAGE):  # and in the next epoch
            next(iter(loader))


def test_a_loader_notices_a_change_during_the_last_batch(copy: Path) -> None:
    with ecgstore.open(copy) as store:
        loader = pipes.loader(store, len(store), prefetch=0)
        batches = iter(loader)
        next(batches)
        change(copy, overwrite)
        with pytest.raises(EcgStoreError, match=MESSAGE):
            next(batches)


def test_attached_features_notice_a_change(
    sample_store: Path, features_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(features_file, tmp_path / "copy.h5"))
    with ecgstore.open(sample_store) as store:
        name = store.attach(path)
        loader = pipes.loader(store, 4, fields=(name,), prefetch=0)
        next(iter(loader))
        change(path, overwrite)
        for read in (
            lambda: next(iter(loader)),
            lambda: store.attached,
            lambda: store.attached_seen,
            lambda: store.features(attached=True),
        ):
            with pytest.raises(EcgStoreError, match=MESSAGE):
                read()


def test_a_file_that_is_replaced_or_renamed_is_still_read(
    copy: Path, store: ecgstore.Store
) -> None:
    with ecgstore.open(copy) as opened:
        other = copy.with_name("other.h5")
        other.write_bytes(b"another file")
        copy.rename(copy.with_name("renamed.h5"))
        copy.with_name("renamed.h5").chmod(0o400)
        other.rename(copy)
        time.sleep(0.002)
        np.testing.assert_array_equal(opened.signals([3]), store.signals([3]))


def test_a_file_that_is_replaced_while_it_is_opened_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows would be read at the offsets of the old file."""

    def replaced(dataset: object) -> object:
        offsets = row_offsets(dataset)
        other = Path(shutil.copy(copy, copy.with_name("other.h5")))
        other.rename(copy)
        return offsets

    monkeypatch.setattr("ecgstore.storage.opening.row_offsets", replaced)
    with pytest.raises(EcgStoreError, match="another file has its name now"):
        ecgstore.open(copy)


def test_a_closed_map_keeps_no_descriptor(copy: Path) -> None:
    before = os.listdir("/dev/fd")
    maps = [MemoryMap(copy) for _ in range(9)]
    assert len(os.listdir("/dev/fd")) > len(before)
    maps[0].close()
    maps[0].close()
    del maps
    assert os.listdir("/dev/fd") == before


@pytest.mark.parametrize("another", [False, True])
def test_a_map_closed_during_a_check_is_closed_not_changed(
    copy: Path, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    """By another thread; its descriptor may be one of another file at once."""
    mapped = MemoryMap(copy)
    status = os.stat(Path(__file__))

    def closes(descriptor: int) -> os.stat_result:
        mapped.close()
        if another:
            return status
        raise OSError(9, "Bad file descriptor")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", closes)
        with pytest.raises(StoreClosedError, match="open it again"):
            mapped.check_unchanged()


def test_the_system_is_asked_for_changes_once_a_millisecond(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = MemoryMap(copy)
    now_s = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("ecgstore.storage.memory_map.time", clock)
    content.check_unchanged()
    overwrite(copy)
    now_s += 0.0009
    content.check_unchanged()  # too early to ask again
    now_s += 0.0002
    for _ in range(2):
        with pytest.raises(EcgStoreError, match="something was written into it"):
            content.check_unchanged()
    content.close()
    with pytest.raises(StoreClosedError):
        content.check_unchanged()
