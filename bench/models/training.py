"""Measure training and prediction: what waits for data, and how long one record takes.

::

    python -m bench.models.training FOLDER [--steps N] [--batch N] [--rounds N]
        [--json PATH]

Builds a store of the Challenge records of FOLDER. Trains each network for some steps of
it in every round, as `ecgstore train` does, augmentation included, and prints
which part of the steps was spent waiting for the loader. Then predicts one record from
its file, in this process, with everything imported, and the checkpoint, the record and
the network read or made anew each time.
"""

import tempfile
from pathlib import Path
from typing import Any, Final

import ecgstore
from bench.common.measuring import (
    Spread,
    add_count,
    arguments,
    in_turn,
    print_summary,
    print_table,
    shown,
    shuffled,
    spread,
    summary,
    write_json,
)
from bench.common.records import headers_in
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


def main() -> None:
    """Measure, print the tables, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with Challenge records", rounds=5)
    add_count(parser, "--steps", 20, "training steps of a round")
    add_count(parser, "--batch", 32, "records of a step")
    options = parser.parse_args()
    headers = headers_in(options.folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "store.h5")
        config = Config(select="all", beats="none")
        ecgstore.build_store([options.folder], path, config, quiet=True)
        with Store(path) as store:
            n_records = options.steps * options.batch
            if len(store) < n_records:
                raise SystemExit(
                    f"{options.folder}: {len(store)} records; expected {n_records}: "
                    f"{options.steps} steps of {options.batch}"
                )
            some = Selection(store, store.select().rows[:n_records])
            settings = TrainingSettings(epochs=1, batch_size=options.batch)
            training = _training(some, settings, options.rounds)
            prediction = _prediction(some, settings, headers[0], options.rounds)
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


def _training(
    records: Selection, settings: TrainingSettings, rounds: int
) -> dict[str, dict[str, Spread]]:
    """Train every network in every round; return steps' times and waiting."""
    n_steps = len(records) // settings.batch_size
    waiting: dict[str, list[float]] = {name: [] for name in NETWORKS}
    seconds: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for number in range(rounds + 1):
        for name in shuffled([*NETWORKS], number):
            _, history = train_extractor(records, None, NETWORKS[name], settings)
            if number > 0:  # the first round warms up
                waiting[name].append(100 * history.epochs[0].waiting)
                seconds[name].append(1e3 * history.epochs[0].seconds / n_steps)
    results = {
        name: {"step_ms": spread(seconds[name]), "waiting_%": spread(waiting[name])}
        for name in NETWORKS
    }
    print_table(
        f"training, {n_steps} steps of {settings.batch_size} records",
        ["a step in ms, median (range)", "of it waiting for data, %"],
        {
            name: [shown(each["step_ms"], 0), shown(each["waiting_%"], 2)]
            for name, each in results.items()
        },
    )
    return results


def _prediction(
    records: Selection, settings: TrainingSettings, record: Path, rounds: int
) -> dict[str, Any]:
    """Predict one record by every network; return the times."""
    some = Selection(records.store, records.rows[: settings.batch_size])
    with tempfile.TemporaryDirectory() as folder:
        for number, model in enumerate(NETWORKS.values()):
            checkpoint, _ = train_extractor(some, None, model, settings)
            checkpoint.save(Path(folder, f"{number}.pt"))

        def predicted(number: int) -> Any:
            loaded = Checkpoint.load(Path(folder, f"{number}.pt"))
            [said] = predict(loaded, [record])
            if said.probabilities is None:
                raise SystemExit(f"{record}: {said.status}: {said.detail}")
            return said

        times = in_turn(
            {
                name: lambda number=number: predicted(number)  # type: ignore[misc]
                for number, name in enumerate(NETWORKS)
            },
            rounds,
        )
    rows = summary(times, "ms")
    print_summary("predict: file to probabilities", rows, "ms", digits=1)
    return rows


if __name__ == "__main__":
    main()
