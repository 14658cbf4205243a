"""Time training and prediction, and measure how long training waits for data.

Example::

    python -m bench.models.training data/challenge-2020/training --steps 20 --batch 32

Builds a store of the Challenge records in the folder. In every round, trains each
network for one epoch of some steps, as `ecgstore train` does, with augmentation, and
measures the share of time that the steps wait for the loader. Then predicts one record
from its file, in this process with everything imported; the checkpoint and the record
are read, and the network is made, in every round.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import (
    Spread,
    print_table,
    print_time_rows,
    spread,
    spread_text,
    time_rows,
)
from bench.common.timing import interleaved, time_in_rounds
from ecgstore.config import Config
from ecgstore.models import Checkpoint, ModelSettings, TrainingSettings, train_extractor
from ecgstore.models.inference.prediction import predict
from ecgstore.storage import Selection, Store

NETWORKS: Final = {
    "resnet18, 500 Hz": ModelSettings(model="resnet18"),
    "resnet18, 100 Hz": ModelSettings(model="resnet18", fs=100.0),
    "cnn, 500 Hz": ModelSettings(model="cnn"),
    "cnn, 100 Hz": ModelSettings(model="cnn", fs=100.0),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.models.training",
        __doc__,
        folder="folder with Challenge records",
        rounds=5,
    )
    add_count(parser, "--steps", 20, "training steps in a round")
    add_count(parser, "--batch", 32, "records in a batch")
    options = parser.parse_args(arguments)
    headers = headers_in(options.folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "store.h5")
        config = Config(select="all", beats="none")
        ecgstore.build_store([options.folder], path, config, quiet=True)
        with Store(path) as store:
            n_records = options.steps * options.batch
            if len(store) < n_records:
                raise SystemExit(
                    f"{options.folder}: {len(store)} records; expected at least "
                    f"{n_records}, for {options.steps} steps of {options.batch}"
                )
            records = Selection(store, store.select().rows[:n_records])
            settings = TrainingSettings(epochs=1, batch_size=options.batch)
            training = _time_training(records, settings, options.rounds)
            prediction = _time_prediction(records, settings, headers[0], options.rounds)
    write_json(
        options.json,
        {
            "rounds": options.rounds,
            "steps": options.steps,
            "batch": options.batch,
            "training": training,
            "prediction": prediction,
        },
    )


def _time_training(
    records: Selection, settings: TrainingSettings, rounds: int
) -> dict[str, dict[str, Spread]]:
    """Train every network in every round; return time per step and share of waiting."""
    n_steps = len(records) // settings.batch_size
    waiting: dict[str, list[float]] = {name: [] for name in NETWORKS}
    step_ms: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for name, counts in interleaved([*NETWORKS], rounds):
        _, history = train_extractor(records, None, NETWORKS[name], settings)
        if counts:
            waiting[name].append(100 * history.epochs[0].waiting)
            step_ms[name].append(1e3 * history.epochs[0].seconds / n_steps)
    results = {
        name: {"step_ms": spread(step_ms[name]), "waiting_%": spread(waiting[name])}
        for name in NETWORKS
    }
    print_table(
        f"training, {n_steps} steps of {settings.batch_size} records",
        ["a step in ms, median (range)", "% of it waiting for data"],
        {
            name: [spread_text(row["step_ms"], 0), spread_text(row["waiting_%"], 2)]
            for name, row in results.items()
        },
    )
    return results


def _time_prediction(
    records: Selection, settings: TrainingSettings, record: Path, rounds: int
) -> dict[str, Any]:
    """Predict one record with every network; return the times."""
    one_batch = Selection(records.store, records.rows[: settings.batch_size])
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, f"{k}.pt") for k, name in enumerate(NETWORKS)}
        for name, model in NETWORKS.items():
            checkpoint, _ = train_extractor(one_batch, None, model, settings)
            checkpoint.save(paths[name])

        def load_and_predict(path: Path) -> None:
            [prediction] = predict(Checkpoint.load(path), [record])
            if prediction.probabilities is None:
                raise SystemExit(f"{record}: {prediction.status}: {prediction.detail}")

        times = time_in_rounds(
            {name: partial(load_and_predict, path) for name, path in paths.items()},
            rounds,
        )
    rows = time_rows(times, "ms")
    print_time_rows("predict: file to probabilities", rows, "ms", digits=1)
    return rows


if __name__ == "__main__":
    main()
