"""Gathering parts of rows from a mapped file, by one thread or several."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.errors import StoreClosedError
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.rows import SignalRows, waits_for_disk

N_ROWS, N_LEADS, N_SAMPLES = 7, 3, 10
ROW = N_LEADS * N_SAMPLES


@pytest.fixture(scope="module", params=["int16", "float32"])
def rows(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Return rows stored at irregular offsets of a file, and their values."""
    rng = np.random.default_rng(0)
    values = rng.integers(-32768, 32768, (N_ROWS, N_LEADS, N_SAMPLES))
    values = values.astype(request.param)
    content, offsets = b"", []
    for row in rng.permutation(N_ROWS):
        content += bytes(2 * int(rng.integers(0, 9)) + 4)
        offsets.append((int(row), len(content)))
        content += values[row].tobytes()
    path = tmp_path_factory.mktemp("rows") / "rows.bin"
    path.write_bytes(content + b"?")  # an odd number of bytes in all
    by_row = np.array([offset for _, offset in sorted(offsets)])
    dtype = np.dtype(request.param)
    file = MemoryMap(path)
    return (
        SignalRows(file, by_row, dtype, N_LEADS, N_SAMPLES, 0.001),
        values,
    )


_rows = st.lists(st.integers(0, N_ROWS - 1), max_size=9)
_leads = st.none() | st.lists(st.integers(0, N_LEADS - 1), min_size=1, max_size=5)


@given(_rows, _leads, st.integers(1, N_SAMPLES), st.data())
def test_gather_equals_indexing(
    rows: Any, row_list: list[int], leads: list[int] | None, n_window: int, data: Any
) -> None:
    signals, values = rows
    last = N_SAMPLES - n_window
    begins = data.draw(
        st.none()
        | st.lists(st.integers(0, last), min_size=len(row_list), max_size=len(row_list))
    )
    numbers = np.arange(N_LEADS) if leads is None else np.array(leads)
    starts = np.zeros(len(row_list), int) if begins is None else np.array(begins, int)
    expected = values[
        np.array(row_list, int)[:, None, None],
        numbers[:, None],
        starts[:, None, None] + np.arange(n_window),
    ]
    for dtype in {values.dtype, np.dtype("f4")}:
        out = np.full(expected.shape, 77, dtype)
        signals.gather(
            np.array(row_list, int),
            out,
            None if leads is None else np.array(leads),
            None if begins is None else np.array(begins, int),
        )()
        if dtype == values.dtype:
            np.testing.assert_array_equal(out, expected)
        else:
            scaled = expected.astype("f4") * np.float32(0.001)
            np.testing.assert_array_equal(out, scaled)


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_share_a_batch(rows: Any, n_threads: int) -> None:
    signals, values = rows
    chosen = np.random.default_rng(1).integers(0, N_ROWS, 20_000)
    out = np.zeros((len(chosen), N_LEADS, N_SAMPLES), np.float32)
    gather = signals.gather(chosen, out)
    threads = [threading.Thread(target=gather) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = values.astype("f4")
    if values.dtype == np.int16:
        expected *= np.float32(0.001)
    np.testing.assert_array_equal(out, expected[chosen])


def test_every_row_is_copied_by_one_thread_only(rows: Any) -> None:
    """A second call copies nothing, so no row is copied twice."""
    signals, values = rows
    out = np.zeros((3, N_LEADS, N_SAMPLES), values.dtype)
    gather = signals.gather(np.arange(3), out)
    gather()
    out[:] = 5
    gather()
    assert (out == 5).all()


def test_will_need_accepts_any_range(rows: Any) -> None:
    signals, _ = rows
    signals.will_need(np.arange(N_ROWS), N_SAMPLES)
    signals.will_need(np.arange(2), 4, np.array([0, 2]), np.array([6, 0]))


@pytest.mark.parametrize("leads", [None, [2, 0]])
def test_will_need_covers_the_gathered_ranges(
    rows: Any, leads: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals, _ = rows
    ranges: list[tuple[int, int]] = []

    def note(_file: MemoryMap, offsets: Any, n_bytes: int) -> None:
        ranges.extend((begin, begin + n_bytes) for begin in offsets.tolist())

    monkeypatch.setattr(MemoryMap, "will_need", note)
    size, chosen, begins = signals.dtype.itemsize, np.array([5, 2]), np.array([6, 1])
    numbers = None if leads is None else np.array(leads)
    signals.will_need(chosen, 4, numbers, begins)
    for row, begin in zip(chosen, begins, strict=True):
        for lead in leads or range(N_LEADS):
            first = signals.offsets[row] + (lead * N_SAMPLES + begin) * size
            assert any(a <= first and first + 4 * size <= b for a, b in ranges)
    n_values = 2 * 4 if leads else (N_LEADS - 1) * N_SAMPLES + 4
    assert sum(b - a for a, b in ranges) == 2 * n_values * size  # and no more


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts them")
def test_waits_for_the_disk_are_counted_per_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import resource

    arguments: list[int] = []

    def usage(who: int) -> SimpleNamespace:
        arguments.append(who)
        return SimpleNamespace(ru_majflt=7)

    monkeypatch.setattr(resource, "getrusage", usage)
    assert waits_for_disk() == 7
    assert arguments == [resource.RUSAGE_THREAD]


def test_a_closed_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    path.write_bytes(bytes(60))
    file = MemoryMap(path)
    signals = SignalRows(file, np.zeros(1, np.int64), np.dtype("i2"), 3, 10, 1.0)
    out = np.ones((1, 3, 10), np.int16)
    prepared = signals.gather(np.zeros(1, np.int64), out)
    file.close()
    with pytest.raises(StoreClosedError, match="is closed; open it again"):
        signals.gather(np.zeros(1, np.int64), out)
    prepared()  # keeps the mapping
    assert not out.any()


def test_no_batch_compiles_kernels_of_other_types(sample_store: Path) -> None:
    # In a new process: other tests have called the kernels with other types.
    code = f"""
import ecgstore
from ecgstore import pipes
pipes.RecordReader
from ecgstore.storage import _gather_kernels as kernels
both = (kernels.gather, kernels.gather_scaled)
loaded = [len(kernel.signatures) for kernel in both]
store = ecgstore.open({str(sample_store)!r})
for dtype in ("int16", "float32"):
    for options in ({{}}, {{"leads": ["II"], "window": (3, 90)}}):
        next(iter(pipes.loader(store, 4, shuffle=True, dtype=dtype, **options)))
print(loaded, [len(kernel.signatures) for kernel in both])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[1, 1] [1, 1]\n"
