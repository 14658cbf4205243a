"""Time the training of a hybrid, and its predictions of records from their files.

Example::

    python -m bench.models.hybrids data/challenge-2020/training --rounds 5

Builds a store of the Challenge records in the folder, and trains the default hybrid on
all of them, once. Then, in every round, predicts one record from its file, with the
model loaded and everything imported; four copies of all records, with one process for
each core; and the records with a single process, which computes networks with a thread
for each core. Processes are started in every round.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import ecgstore
from bench.common.command_line import benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import (
    print_table,
    print_time_rows,
    spread,
    spread_text,
    time_rows,
)
from bench.common.timing import time_in_rounds
from ecgstore.config import Config
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import default_settings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.inference.prediction import predict
from ecgstore.storage import Store

N_COPIES: Final = 4
"""Copies of the records for several processes, whose start takes seconds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.models.hybrids",
        __doc__,
        folder="folder with Challenge records",
        rounds=5,
    )
    options = parser.parse_args(arguments)
    headers = headers_in(options.folder)
    n_cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "store.h5")
        ecgstore.build_store([options.folder], path, Config(select="all"), quiet=True)
        with Store(path) as store:
            began = time.perf_counter()
            hybrid = train_hybrid(
                store,
                store.select().rows,
                default_settings(store.config.fs),
                n_processes=n_cores,
            )
            training_s = time.perf_counter() - began
            n_trained = len(store)
        print(f"training on {n_trained} records: {training_s:.0f} s\n", flush=True)
        for number in range(N_COPIES):
            shutil.copytree(options.folder, Path(scratch, "copies", str(number)))
        copies = headers_in(Path(scratch, "copies"))
        several = f"{len(copies)} records, {n_cores} processes"
        single = f"{len(headers)} records, 1 process"
        numbers = {several: len(copies), single: len(headers)}
        times = time_in_rounds(
            {
                "one record": partial(_predict, hybrid, headers[:1], 1),
                several: partial(_predict, hybrid, copies, n_cores),
                single: partial(_predict, hybrid, headers, 1),
            },
            options.rounds,
        )
    one = time_rows({"one record": times.pop("one record")}, "ms")
    print_time_rows("predict: file to probabilities", one, "ms", digits=1)
    rates = {
        name: spread(numbers[name] / seconds for seconds in measured.wall)
        for name, measured in times.items()
    }
    print_table(
        "predict",
        ["records/s, median (range)"],
        {name: [spread_text(rate, 0)] for name, rate in rates.items()},
    )
    write_json(
        options.json,
        {
            "rounds": options.rounds,
            "records": len(headers),
            "trained_on": n_trained,
            "training_s": training_s,
            "one_record": one,
            "records_per_s": rates,
        },
    )


def _predict(hybrid: Hybrid, headers: Sequence[Path], n_processes: int) -> None:
    """Predict records; stop if one is not usable."""
    for prediction in predict(hybrid, headers, n_processes=n_processes):
        if prediction.probabilities is None:
            raise SystemExit(
                f"{prediction.path}: {prediction.status}: {prediction.detail}"
            )


if __name__ == "__main__":
    main()
