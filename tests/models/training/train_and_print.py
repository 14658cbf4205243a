"""Train with a state file; print a line at each batch, and the result at the end.

Usage, in the root of the repository:
python -m tests.models.training.train_and_print STORE STATE_FILE
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

import ecgstore
from ecgstore.models.training.fit import fit
from tests.models.training.small_trainings import (
    AUGMENTATION,
    TRAINING_ROWS,
    VALIDATION_ROWS,
    TinyNetwork,
    count_batches,
    fast_settings,
    result_of,
)


def train_and_print(store_path: Path, state_file: Path) -> list[Any]:
    """Train; print the number of each batch; return what equal trainings share."""
    with ecgstore.open(store_path) as store:
        network = count_batches(TinyNetwork(), lambda number: print(number, flush=True))
        history = fit(
            network,
            store.select(rows=TRAINING_ROWS),
            store.select(rows=VALIDATION_ROWS),
            fast_settings(epochs=4, average_decay=0.5),
            augmentation=AUGMENTATION,
            state_file=state_file,
        )
    return result_of(network, history, state_file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = train_and_print(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(result), flush=True)
