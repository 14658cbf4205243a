"""Law 1 with real kills: the rest comes exactly, record by record."""

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
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import given, settings, strategies as st

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.loading import Loader, Transform
from ecgstore.pipes.testing import digest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

PROGRAM = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_kill import make_loader, records_of

store, folder, options = sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])
loader = make_loader(store, **options)
saved = folder / "state.json"
if saved.exists():
    loader.load_state_dict(json.loads(saved.read_text()))
print("ready", flush=True)
while True:
    for batch in loader:
        for record in records_of(batch):
            pass  # as a training step: a kill may come at any moment of it
        partial = folder / "state.partial"
        partial.write_text(json.dumps(loader.state_dict()))
        os.replace(partial, saved)
        print(json.dumps(loader.state_dict()), flush=True)
"""

Record = tuple[int, str]

SEED = 9


def make_loader(
    store: str, batch_size: int, then: Sequence[Transform] = (), **options: Any
) -> Loader:
    """A loader with everything that is random about records."""
    augment = pipes.Augment(
        pipes.Gain(), pipes.BaselineWander(), pipes.WhiteNoise(), pipes.TimeShift()
    )
    return pipes.loader(
        ecgstore.open(store).select(folds=range(8)),
        batch_size,
        shuffle=True,
        seed=SEED,
        fields=("signals", "labels", "features", "r_peaks", "source"),
        window=pipes.RandomCrop(1500),
        transform=[augment, *then],
        **options,
    )


def records_of(batch: pipes.Batch) -> list[Record]:
    """Row and digest of everything that a batch has of each record."""
    parts = (batch.signals, batch.labels, batch.features, batch.r_peaks)
    found = []
    for place, row in enumerate(batch.rows.tolist()):
        values = [each[place] for each in parts if each is not None]
        text = [batch.columns["source"][place], batch.record_ids[place]]
        found.append((row, digest([*values, *text, int(batch.n_real_samples[place])])))
    return found


def uninterrupted(store: Path, n_epochs: int) -> list[list[Record]]:
    """All records of some epochs."""
    loader = make_loader(str(store), 4)
    return [
        [record for batch in loader for record in records_of(batch)]
        for _ in range(n_epochs)
    ]


def consume_and_kill(
    store: Path, folder: Path, n_states: int, pause_s: float, **options: Any
) -> None:
    """Let a process consume until it has saved some states, and kill it a bit later."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(1 + n_states % 2)}
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, here, store, folder, json.dumps(options)],
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
    """The state that the last process left, complete whenever it was killed."""
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


@pytest.mark.parametrize("kill", range(4))
def test_killed_at_any_moment(sample_store: Path, tmp_path: Path, kill: int) -> None:
    choice = random.Random(kill)
    expected = uninterrupted(sample_store, 12)
    n_states = choice.randrange(1, 20)  # up to the third epoch
    options = {"batch_size": 5, "prefetch": kill % 3}
    consume_and_kill(
        sample_store, tmp_path, n_states, choice.uniform(0, 0.01), **options
    )
    if kill % 2:  # goes on in another process, which is killed as well
        options = {"batch_size": 3, "prefetch": 3}
        consume_and_kill(
            sample_store, tmp_path, choice.randrange(1, 9), 0.002, **options
        )
    state = saved_state(tmp_path)
    epoch, consumed = state["epoch"], state["consumed"]
    for batch_size, prefetch in ((4, 0), (7, 1), (35, 3)):
        loader = make_loader(str(sample_store), batch_size, prefetch=prefetch)
        loader.load_state_dict(state)
        rest = [record for batch in loader for record in records_of(batch)]
        assert rest == expected[epoch][consumed:]
        following = [record for batch in loader for record in records_of(batch)]
        assert following == expected[epoch + 1]
        loader.close()


def test_a_kill_leaves_nothing_behind(sample_store: Path, tmp_path: Path) -> None:
    def around() -> set[Path]:
        return {*sample_store.parent.iterdir()}

    before = around()
    content = sample_store.read_bytes()
    consume_and_kill(sample_store, tmp_path, 3, 0.001, batch_size=4, prefetch=2)
    assert around() == before
    assert sample_store.read_bytes() == content


# -- counted by those who are killed ----------------------------------------

PLACES = ("in a transform", "before saving", "while saving", "after saving")
"""Where a process kills itself; "by its parent" is anywhere."""

End: TypeAlias = tuple[str, int]
"""Where a process ends, and when it comes there for which time, from 1."""


def consume(
    sending: Connection,
    store: str,
    folder: Path,
    end: End,
    save_every: int,
    options: dict[str, Any],
) -> None:
    """Send every record, and save now and then how many there were by one's own count.

    "After records" is the end without a kill, in the middle of whatever is done.
    """
    torch.set_num_threads(1)  # threads of the parent's are not there after a fork
    n_times = dict.fromkeys(PLACES, 0)

    def die(place: str) -> None:
        n_times[place] += 1
        if (place, n_times[place]) == end:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_in_transform(batch: pipes.Batch) -> pipes.Batch:
        die("in a transform")  # in the thread, if there is one
        return batch

    loader = make_loader(store, then=[die_in_transform], **options)
    n_seen = n_batches = n_sent = 0
    saved, partial = folder / "saved.json", folder / "partial.json"
    if saved.exists():
        checkpoint = json.loads(saved.read_text())
        loader.load_state_dict(checkpoint["loader"])
        n_seen = checkpoint["n_seen"]
    while True:
        for batch in loader:
            records = records_of(batch)
            sending.send(records)
            n_seen, n_batches = n_seen + len(records), n_batches + 1
            n_sent += len(records)
            if end[0] == "after records" and n_sent >= end[1]:
                return
            if n_batches % save_every == 0:
                die("before saving")
                state = loader.state_dict()
                text = json.dumps({"loader": state, "n_seen": n_seen})
                partial.write_text(text[: len(text) // 2])
                die("while saving")
                partial.write_text(text)
                partial.replace(saved)
                die("after saving")


def consume_in_a_fork(receiving: Connection, *arguments: Any) -> None:
    """Without the parent's end of the pipe, so that one notices when it is gone."""
    receiving.close()
    consume(*arguments)


def life(
    method: str,
    store: Path,
    folder: Path,
    end: End,
    save_every: int,
    **options: Any,
) -> list[Record]:
    """Let a process consume until its end; return what it said."""
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    arguments = (sending, str(store), folder, end, save_every, options)
    if method == "fork":
        process = context.Process(
            target=consume_in_a_fork, args=(receiving, *arguments)
        )
    else:
        # By path: the name of this module means nothing to a new interpreter.
        known = {"arguments": arguments}
        process = context.Process(
            target=runpy.run_path, args=(__file__, known, "a new process")
        )
    process.daemon = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads
        process.start()
    sending.close()  # what is left of it goes with the process
    said: list[Record] = []
    n_messages = 0
    try:
        while True:
            said += receiving.recv()
            n_messages += 1
            if end == ("by its parent", n_messages):
                process.kill()
    except (EOFError, OSError):  # the last message may be half a one
        process.join()
    receiving.close()
    is_killed = end[0] != "after records"
    assert process.exitcode == (-signal.SIGKILL if is_killed else 0)
    process.close()
    return said


def n_saved(folder: Path) -> int:
    """How many records the last process that saved had seen, with those before it."""
    saved = folder / "saved.json"
    return int(json.loads(saved.read_text())["n_seen"]) if saved.exists() else 0


class Uninterrupted:
    """All records of as many epochs as are asked for, one after the other."""

    def __init__(self, store: Path) -> None:
        self._loader = make_loader(str(store), 8, prefetch=0)
        selection = ecgstore.open(store).select(folds=range(8))
        self.n = len(selection)
        self._rows = selection.rows
        self._records: list[Record] = []

    def __call__(self, begin: int, end: int) -> list[Record]:
        while len(self._records) < end:
            epoch = self._loader.epoch
            found = [record for batch in self._loader for record in records_of(batch)]
            places = pipes.Shuffled(self.n, SEED).indices(epoch, 0, self.n)
            assert [row for row, _ in found] == self._rows[places].tolist()
            if epoch == 1:
                # Another order, and what is random about a record is something else.
                rows = [row for row, _ in self._records]
                assert [row for row, _ in found] != rows
                assert not set(found) & set(self._records)
            self._records += found
        return self._records[begin:end]


@pytest.fixture(scope="module")
def whole(sample_store: Path) -> Uninterrupted:
    return Uninterrupted(sample_store)


def check_life(
    whole: Uninterrupted,
    method: str,
    store: Path,
    folder: Path,
    *rest: Any,
    **shape: Any,
) -> None:
    """Let a process live, which must go on exactly where the checkpoint is."""
    begin = n_saved(folder)
    said = life(method, store, folder, *rest, **shape)
    assert said == whole(begin, begin + len(said))
    assert begin <= n_saved(folder) <= begin + len(said)


SHAPES = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 20), "prefetch": st.sampled_from([0, 1, 3])}
)
ENDS = st.tuples(st.sampled_from(("by its parent", *PLACES)), st.integers(1, 7))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="forks"
)
@settings(max_examples=15)
@given(lives=st.lists(st.tuples(ENDS, st.integers(1, 3), SHAPES), max_size=3))
def test_however_often_it_is_killed(
    sample_store: Path,
    whole: Uninterrupted,
    lives: list[tuple[End, int, dict[str, int]]],
) -> None:
    """Each process is killed somewhere else; the last one crosses the next epoch."""
    last = ("after records", 2 * whole.n + 3), 1, {"batch_size": 4, "prefetch": 1}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for end, save_every, shape in (*lives, last):
            check_life(whole, "fork", sample_store, folder, end, save_every, **shape)


def test_new_interpreters_go_on(
    sample_store: Path,
    tmp_path: Path,
    whole: Uninterrupted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With other threads and another batch size; and one ends well in mid-epoch."""
    lives: tuple[tuple[str, End, str, dict[str, Any]], ...] = (
        ("spawn", ("in a transform", 14), "1", {"batch_size": 3, "prefetch": 3}),
        ("fork", ("by its parent", 4), "1", {"batch_size": 7, "prefetch": 0}),
        ("spawn", ("after records", 50), "2", {"batch_size": 5, "prefetch": 1}),
    )
    for method, end, n_threads, shape in lives:
        if method not in multiprocessing.get_all_start_methods():
            continue
        monkeypatch.setenv("NUMBA_NUM_THREADS", n_threads)
        monkeypatch.setenv("PYTHONHASHSEED", n_threads)
        check_life(whole, method, sample_store, tmp_path, end, 1, **shape)
    assert n_saved(tmp_path) > whole.n


if __name__ == "a new process":
    consume(*globals()["arguments"])
