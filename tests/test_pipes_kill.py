"""Law 1 with real kills: the rest comes exactly, record by record."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.testing import digest

PROGRAM = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_pipes_kill import make_loader, records_of

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


def make_loader(store: str, batch_size: int, **options: Any) -> Loader:
    """A loader with everything that is random about records."""
    return pipes.loader(
        ecgstore.open(store).select(folds=range(8)),
        batch_size,
        shuffle=True,
        seed=9,
        fields=("signals", "labels", "features", "r_peaks", "source"),
        window=pipes.RandomCrop(1500),
        transform=pipes.Augment(
            pipes.Gain(), pipes.BaselineWander(), pipes.WhiteNoise(), pipes.TimeShift()
        ),
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
        shared = Path("/dev/shm")
        return {
            *(shared.iterdir() if shared.is_dir() else ()),
            *sample_store.parent.iterdir(),
        }

    before = around()
    content = sample_store.read_bytes()
    consume_and_kill(sample_store, tmp_path, 3, 0.001, batch_size=4, prefetch=2)
    assert around() == before
    assert sample_store.read_bytes() == content
