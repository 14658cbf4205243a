"""Processes that load records, send or save what they loaded, and are killed.

As a script, `python killed_process.py STORE FOLDER OPTIONS` loads epoch after epoch and
saves the state of the loader after every batch, until it is killed.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import torch

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.batch import Transform
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.testing import digest

Record = tuple[int, str]
"""Row and digest of a record."""

SEED = 9

PLACES = ("in a transform", "before saving", "while saving", "after saving")
"""Where `consume` can kill its own process."""

End: TypeAlias = tuple[str, int]
"""Where a process ends, and at which visit of that place, counted from 1.

``"by its parent"`` counts messages, ``"after records"`` is a normal end after a number
of records.
"""


def make_loader(
    store: str, batch_size: int, then: Sequence[Transform] = (), **options: Any
) -> Loader:
    """Make a loader with random crops and augmentations."""
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
    """Return row and digest of all data of each record of a batch."""
    tensors = (batch.signals, batch.labels, batch.features, batch.r_peaks)
    records = []
    for number, row in enumerate(batch.rows.tolist()):
        values = [tensor[number] for tensor in tensors if tensor is not None]
        texts = [batch.columns["source"][number], batch.record_ids[number]]
        n_real = int(batch.n_real_samples[number])
        records.append((row, digest([*values, *texts, n_real])))
    return records


def consume(
    sending: Connection,
    store: str,
    folder: Path,
    end: End,
    save_every: int,
    options: dict[str, Any],
) -> None:
    """Send every record, and save the number of records sent with the state."""
    torch.set_num_threads(1)  # after a fork, the parent's threads do not exist
    n_visits = dict.fromkeys(PLACES, 0)

    def die(place: str) -> None:
        n_visits[place] += 1
        if (place, n_visits[place]) == end:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_in_transform(batch: pipes.Batch) -> pipes.Batch:
        die("in a transform")  # in the prefetching thread, if there is one
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


def save_after_every_batch(store: str, folder: Path, options: dict[str, Any]) -> None:
    """Load epoch after epoch; save and print the state after every batch."""
    loader = make_loader(store, **options)
    saved = folder / "state.json"
    if saved.exists():
        loader.load_state_dict(json.loads(saved.read_text()))
    print("ready", flush=True)
    while True:
        for batch in loader:
            records_of(batch)  # in place of a training step
            partial = folder / "state.partial"
            partial.write_text(json.dumps(loader.state_dict()))
            os.replace(partial, saved)
            print(json.dumps(loader.state_dict()), flush=True)


if __name__ == "__main__":
    save_after_every_batch(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))
elif __name__ == "a new process":  # run by path, with its arguments as globals
    consume(*globals()["arguments"])
