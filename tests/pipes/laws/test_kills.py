"""Resume law with processes that are killed: the rest is exact, record by record."""

import json
import multiprocessing
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import ecgstore
from ecgstore import pipes
from tests.pipes.laws.killed_process import (
    PLACES,
    SEED,
    End,
    Record,
    consume,
    make_loader,
    records_of,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

PROGRAM = Path(__file__).with_name("killed_process.py")


class Uninterrupted:
    """Any range of records of a loader that is never interrupted, over all epochs."""

    def __init__(self, store: Path) -> None:
        self._loader = make_loader(str(store), 8, prefetch=0)
        selection = ecgstore.open(store).select(folds=range(8))
        self.n = len(selection)
        self._rows = selection.rows
        self._records: list[Record] = []

    def __call__(self, begin: int, end: int) -> list[Record]:
        while len(self._records) < end:
            epoch = self._loader.epoch
            records = [record for batch in self._loader for record in records_of(batch)]
            indices = pipes.Shuffled(self.n, SEED).indices(epoch, 0, self.n)
            assert [row for row, _ in records] == self._rows[indices].tolist()
            if epoch == 1:
                # Order, crops and augmentations differ between epochs.
                rows = [row for row, _ in self._records]
                assert [row for row, _ in records] != rows
                assert not set(records) & set(self._records)
            self._records += records
        return self._records[begin:end]


@pytest.fixture(scope="module")
def whole(sample_store: Path) -> Uninterrupted:
    return Uninterrupted(sample_store)


# -- killed by the parent at any moment -------------------------------------


def consume_and_kill(
    store: Path, folder: Path, n_states: int, pause_s: float, **options: Any
) -> None:
    """Start a process, and kill it soon after it has saved some states."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(1 + n_states % 2)}
    process = subprocess.Popen(
        [sys.executable, PROGRAM, store, folder, json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(n_states):
        assert process.stdout.readline()
    time.sleep(pause_s)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def saved_state(folder: Path) -> dict[str, Any]:
    """The state that the last process saved, complete whenever it was killed."""
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


@pytest.mark.parametrize("kill", range(4))
def test_a_process_killed_at_any_moment_is_resumed_exactly(
    sample_store: Path, tmp_path: Path, whole: Uninterrupted, kill: int
) -> None:
    choice = random.Random(kill)
    n_states = choice.randrange(1, 20)  # up to the third epoch
    options = {"batch_size": 5, "prefetch": kill % 3}
    consume_and_kill(
        sample_store, tmp_path, n_states, choice.uniform(0, 0.01), **options
    )
    if kill % 2:  # resumed in another process, which is killed as well
        options = {"batch_size": 3, "prefetch": 3}
        consume_and_kill(
            sample_store, tmp_path, choice.randrange(1, 9), 0.002, **options
        )
    state = saved_state(tmp_path)
    begin = state["epoch"] * whole.n
    for batch_size, prefetch in ((4, 0), (7, 1), (35, 3)):
        loader = make_loader(str(sample_store), batch_size, prefetch=prefetch)
        loader.load_state_dict(state)
        rest = [record for batch in loader for record in records_of(batch)]
        assert rest == whole(begin + state["consumed"], begin + whole.n)
        following = [record for batch in loader for record in records_of(batch)]
        assert following == whole(begin + whole.n, begin + 2 * whole.n)
        loader.close()


def test_a_kill_leaves_store_and_folder_unchanged(
    sample_store: Path, tmp_path: Path
) -> None:
    def neighbours() -> set[Path]:
        return {*sample_store.parent.iterdir()}

    before = neighbours()
    content = sample_store.read_bytes()
    consume_and_kill(sample_store, tmp_path, 3, 0.001, batch_size=4, prefetch=2)
    assert neighbours() == before
    assert sample_store.read_bytes() == content


# -- killed at certain places, with the number of records counted -----------


def consume_in_a_fork(receiving: Connection, *arguments: Any) -> None:
    """Close the parent's end of the pipe, so that the child's end can break."""
    receiving.close()
    consume(*arguments)


def run_process(
    method: str,
    store: Path,
    folder: Path,
    end: End,
    save_every: int,
    **options: Any,
) -> list[Record]:
    """Run a process until its end; return the records that it sent."""
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    arguments = (sending, str(store), folder, end, save_every, options)
    if method == "fork":
        process = context.Process(
            target=consume_in_a_fork, args=(receiving, *arguments)
        )
    else:
        # By path, because a new interpreter does not know the name of this module.
        known = {"arguments": arguments}
        process = context.Process(
            target=runpy.run_path, args=(str(PROGRAM), known, "a new process")
        )
    process.daemon = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork with threads
        process.start()
    sending.close()  # so that the pipe ends with the process
    records: list[Record] = []
    n_messages = 0
    try:
        while True:
            records += receiving.recv()
            n_messages += 1
            if end == ("by its parent", n_messages):
                process.kill()
    except (EOFError, OSError):  # the last message may be incomplete
        process.join()
    receiving.close()
    is_killed = end[0] != "after records"
    assert process.exitcode == (-signal.SIGKILL if is_killed else 0)
    process.close()
    return records


def n_saved(folder: Path) -> int:
    """Number of records before the last saved state, counted over all processes."""
    saved = folder / "saved.json"
    return int(json.loads(saved.read_text())["n_seen"]) if saved.exists() else 0


def check_process(
    whole: Uninterrupted,
    method: str,
    store: Path,
    folder: Path,
    *rest: Any,
    **options: Any,
) -> None:
    """Run a process, which must resume exactly at the last saved state."""
    begin = n_saved(folder)
    records = run_process(method, store, folder, *rest, **options)
    assert records == whole(begin, begin + len(records))
    assert begin <= n_saved(folder) <= begin + len(records)


OPTIONS = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 20), "prefetch": st.sampled_from([0, 1, 3])}
)
ENDS = st.tuples(st.sampled_from(("by its parent", *PLACES)), st.integers(1, 7))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="forks"
)
@settings(max_examples=15)
@given(processes=st.lists(st.tuples(ENDS, st.integers(1, 3), OPTIONS), max_size=3))
def test_processes_killed_any_number_of_times_are_resumed_exactly(
    sample_store: Path,
    whole: Uninterrupted,
    processes: list[tuple[End, int, dict[str, int]]],
) -> None:
    """Every process is killed at another place; the last one crosses two epochs."""
    last = ("after records", 2 * whole.n + 3), 1, {"batch_size": 4, "prefetch": 1}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for end, save_every, options in (*processes, last):
            check_process(
                whole, "fork", sample_store, folder, end, save_every, **options
            )


def test_new_interpreters_resume(
    sample_store: Path,
    tmp_path: Path,
    whole: Uninterrupted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With other numbers of threads and other batch sizes; one ends mid-epoch."""
    processes: tuple[tuple[str, End, str, dict[str, Any]], ...] = (
        ("spawn", ("in a transform", 14), "1", {"batch_size": 3, "prefetch": 3}),
        ("fork", ("by its parent", 4), "1", {"batch_size": 7, "prefetch": 0}),
        ("spawn", ("after records", 50), "2", {"batch_size": 5, "prefetch": 1}),
    )
    for method, end, n_threads, options in processes:
        if method not in multiprocessing.get_all_start_methods():
            continue
        monkeypatch.setenv("NUMBA_NUM_THREADS", n_threads)
        monkeypatch.setenv("PYTHONHASHSEED", n_threads)
        check_process(whole, method, sample_store, tmp_path, end, 1, **options)
    assert n_saved(tmp_path) > whole.n
