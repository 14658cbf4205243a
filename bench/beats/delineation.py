"""Compare detectors of beats and waves: accuracy on LUDB, speed, presence of P waves.

Example::

    python -m bench.beats.delineation data/ludb --weights folds.npz --plot beats.png

The folder holds records of the Lobachevsky University Database (``*.hea``, ``*.dat``
and one annotation file per lead). Printed are:

* the marks of all detectors against those of the cardiologists (docs/benchmarks.md
  defines the scores), and in how many calls each detector raised an exception;
* the time per record, measured in interleaved rounds;
* with ``--challenge``, how well the share of beats with a P wave separates atrial
  fibrillation from sinus rhythm.

The package's own network was trained on the records with odd numbers. With
``--weights``, every record is analysed by a network that was not trained on it; the
file of weights is written by ``python -m ecgstore.models.delineator.training LUDB
--folds 5 -o folds.npz``. With ``--plot``, the errors are drawn into that file, and bad
and typical cases into one whose name ends in ``-cases``.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.beats.accuracy import ALL, RECORD, as_json, print_leads, print_scores, score
from bench.beats.detectors import (
    CLEANING,
    DWT,
    ECGSTORE,
    NEUROKIT_ENGINE,
    PROMINENCE,
    Detect,
    Detections,
    FilteredRecord,
    filter_records,
    make_detectors,
)
from bench.beats.ludb import FS, MATCH_S, read_ludb
from bench.beats.networks import describe_own_network, held_out_networks
from bench.beats.p_presence import measure_p_presence
from bench.beats.plot_cases import draw_cases
from bench.beats.plot_errors import draw_errors
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import for_every_row, time_in_rounds
from ecgstore.beats import find_beats
from ecgstore.beats.engines import ENGINES
from ecgstore.config import Config
from ecgstore.features import compute
from ecgstore.plots import save
from ecgstore.record import LEADS

N_TIMED_RECORDS: Final = 10
WITH_FEATURES: Final = "ecgstore, and all features"
N_REPEATS: Final = 10
"""Runs of ecgstore per run of the others, so that they last long enough to time."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print tables, and write JSON and plots if paths are given."""
    parser = benchmark_parser(
        "bench.beats.delineation",
        __doc__,
        folder="folder with the LUDB records",
        rounds=7,
    )
    add_count(parser, "--records", 200, "LUDB records, the first ones")
    parser.add_argument(
        "--weights", type=Path, metavar="PATH", help="weights of cross-fitted networks"
    )
    parser.add_argument(
        "--challenge", type=Path, metavar="FOLDER", help="folder with Challenge records"
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="write plots here")
    options = parser.parse_args(arguments)
    records = read_ludb(options.folder, options.records)
    if options.weights:
        networks, network = held_out_networks(options.weights, records)
    else:
        networks, network = {}, describe_own_network(records)
    config = Config()
    filtered = filter_records(records, config)
    detectors = make_detectors(networks, config)
    with warnings.catch_warnings(action="ignore"):  # NeuroKit2 warns of single beats
        detections = {
            name: [detect(record) for record in filtered]
            for name, detect in detectors.items()
        }
    exceptions = count_exceptions(detections)
    scores = score(records, detections)
    print(
        f"{len(records)} LUDB records within {1000 * MATCH_S:.0f} ms of the "
        f"cardiologists' marks; ecgstore: {network}"
    )
    print_scores(scores, (RECORD, "II", ALL))
    print_leads(scores, (ECGSTORE, PROMINENCE))
    with warnings.catch_warnings(action="ignore"):
        speed = time_detectors(
            filtered[:N_TIMED_RECORDS], detectors, config, options.rounds
        )
    results: dict[str, Any] = {
        "rounds": options.rounds,
        "records": len(records),
        "within_ms": 1000 * MATCH_S,
        "network": network,
        "exceptions": exceptions,
        "marks": as_json(scores),
        "speed": speed,
    }
    if options.challenge:
        results["p_presence"] = measure_p_presence(options.challenge, [*ENGINES])
    write_json(options.json, results)
    if options.plot:
        cases = options.plot.with_stem(f"{options.plot.stem}-cases")
        save(draw_errors(scores, (ECGSTORE, PROMINENCE, DWT + CLEANING)), options.plot)
        save(draw_cases(filtered, detections[ECGSTORE]), cases)


def count_exceptions(
    detections: Mapping[str, Sequence[Detections]],
) -> dict[str, Any]:
    """Print and return how many calls raised an exception, and which.

    Raises
    ------
    SystemExit
        If one of ecgstore's engines did.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, record_results in detections.items():
        messages = Counter(
            text for result in record_results for text in result.exceptions
        )
        results[name] = {
            "exceptions": messages.total(),
            "messages": dict(messages.most_common()),
        }
    print_table(
        "detector",
        ["exceptions", "the most frequent"],
        {
            name: [str(row["exceptions"]), *list(row["messages"])[:1]]
            for name, row in results.items()
        },
    )
    for name in (ECGSTORE, NEUROKIT_ENGINE):
        if messages := results[name]["messages"]:
            raise SystemExit(
                f"{name} failed, so nothing was timed: {next(iter(messages))}"
            )
    return results


def time_detectors(
    records: Sequence[FilteredRecord],
    detectors: Mapping[str, Detect],
    config: Config,
    rounds: int,
) -> dict[str, Any]:
    """Time all detectors on whole records; print a table and return its numbers."""

    def with_features(filtered: FilteredRecord) -> None:
        signal = filtered.filtered
        beats = find_beats(signal, FS, max_beats=config.max_beats)
        compute(signal, beats, FS, config.rr_convention)

    functions = {WITH_FEATURES: with_features, **detectors}
    repeats = {
        name: N_REPEATS if name in (WITH_FEATURES, ECGSTORE) else 1
        for name in functions
    }
    total = time_in_rounds(
        {
            name: for_every_row(function, [*records] * repeats[name])
            for name, function in functions.items()
        },
        rounds,
    )
    per_record = {
        name: seconds.per_item(len(records) * repeats[name])
        for name, seconds in total.items()
    }
    reference = per_record[WITH_FEATURES]
    rows = {
        name: {
            "ms_a_record": spread(1000 * seconds for seconds in times.wall),
            "cpu_ms_a_record": spread(1000 * seconds for seconds in times.cpu),
            "ms_a_lead": spread(1000 * seconds / len(LEADS) for seconds in times.wall),
            "of_ecgstore_with_features": ratios(times.wall, reference.wall),
        }
        for name, times in per_record.items()
    }
    columns = ("ms, median (range)", "CPU", "ms a lead", "times ecgstore with features")
    print_table(
        f"a record of 12 leads and 10 s ({len(records)} records)",
        columns,
        {
            name: [
                spread_text(value, 1 if "of_" in key else 2)
                for key, value in row.items()
            ]
            for name, row in rows.items()
        },
    )
    return {"records": len(records), "a_record": rows}


if __name__ == "__main__":
    main()
