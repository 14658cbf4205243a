"""One of several processes that load together: a loader per command from its input.

python rank_process.py STORE INIT_FILE RANK N_RANKS
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch.distributed as dist

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store

N_ROWS = 35
ORDERS: dict[str, Callable[[int], Order]] = {
    "shuffled": lambda n: pipes.Shuffled(n, 4),
    "blocks": lambda n: pipes.BlockShuffled(n, 4, 3, 2),
    "weighted": lambda n: pipes.Weighted(np.arange(n) + 1, 4, n_draws=n + 2),
    "balanced": lambda n: pipes.ClassBalanced(np.eye(n, 3), 4),
    "repeated": lambda n: pipes.Repeated(pipes.Shuffled(n, 4), 2),
}


def make_loader(
    store: Store,
    batch_size: int,
    n_rows: int = N_ROWS,
    order: str = "shuffled",
    **options: Any,
) -> Loader:
    """Make a loader with random crops and augmentations, and the default ranks."""
    return pipes.loader(
        store.select(rows=range(n_rows)),
        batch_size,
        order=ORDERS[order](n_rows),
        seed=4,
        fields=("signals", "features"),
        window=pipes.RandomCrop(2000),
        transform=pipes.Augment(pipes.Gain(), pipes.WhiteNoise(), pipes.TimeShift()),
        **options,
    )


def records_of(batch: pipes.Batch) -> list[tuple[int, str]]:
    """Return row and digest of all data of each record of a batch."""
    assert batch.signals is not None
    assert batch.features is not None
    return [
        (row, digest([batch.signals[place], batch.features[place], batch.seeds[place]]))
        for place, row in enumerate(batch.rows.tolist())
    ]


def main() -> None:
    """Run the commands, one JSON object per line of standard input."""
    store_path, init = sys.argv[1:3]
    rank, n_ranks = map(int, sys.argv[3:5])
    dist.init_process_group(
        "gloo",
        init_method=f"file://{init}",
        rank=rank,
        world_size=n_ranks,
        timeout=timedelta(minutes=2),
    )
    store = ecgstore.open(store_path)
    for line in sys.stdin:
        command = json.loads(line)
        loader = make_loader(store, **command["options"])
        if command["state"] is not None:
            loader.load_state_dict(command["state"])
        steps: list[list[tuple[int, str]]] = []
        states: list[dict[str, Any]] = []
        for batch in chain.from_iterable(repeat(loader, command["n_epochs"])):
            steps.append(records_of(batch))
            states.append(loader.state_dict())
            if len(steps) == command["n_steps"]:
                break
        # Every rank waits for all others here: forever, if one took another number of
        # steps.
        states_of_ranks: list[Any] = [None] * n_ranks
        dist.all_gather_object(states_of_ranks, states)
        answer = {"steps": steps, "states": states_of_ranks, "len": len(loader)}
        print(json.dumps(answer), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
