"""Measure beats and marks: accuracy on LUDB, speed, and presence of P waves.

::

    python -m bench.beats.delineation LUDB [--records N] [--rounds N]
        [--weights FOLDS.npz]
        [--challenge FOLDER] [--json PATH] [--plot PATH.png]

LUDB is the folder with the records of the Lobachevsky University Database (``*.hea``,
``*.dat`` and one annotation file per lead). Printed are:

* the marks of all contestants against those of the cardiologists (docs/benchmarks.md
  says how they are counted), and in how many calls each raised an exception;
* the time of a record, side by side;
* with ``--challenge``, a folder with Challenge records, how well the part of the beats
  with a P wave tells atrial fibrillation from sinus rhythm.

The package's own network was trained on the records with odd numbers. With
``--weights``, the file that ``python -m ecgstore.models.delineator.training LUDB
--folds 5 -o FOLDS.npz`` writes, every record is shown to the network that has not seen
it. With ``--plot``, the errors are drawn into that file, and bad and typical cases into
one whose name ends in ``-cases``.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.beats.accuracy import ALL, RECORD, as_json, print_leads, print_scores, score
from bench.beats.contestants import (
    CLEANING,
    DWT,
    NEUROKIT_ENGINE,
    OURS,
    PROMINENCE,
    Find,
    Found,
    Recording,
    contestants,
    networks_of,
    own_network,
    recordings,
)
from bench.beats.ludb import FS, MATCH_S, read_ludb
from bench.beats.p_presence import measure_p_presence
from bench.beats.plot import draw_cases, draw_errors
from bench.common.measuring import (
    Times,
    add_count,
    arguments,
    in_turn,
    over,
    print_table,
    ratios,
    shown,
    spread,
    write_json,
)
from ecgstore.beats import find_beats
from ecgstore.beats.engines import ENGINES
from ecgstore.config import Config
from ecgstore.features import compute
from ecgstore.plots import save
from ecgstore.record import LEADS

N_TIMED_RECORDS: Final = 10
WITH_FEATURES: Final = "ecgstore, and all features"
N_MORE: Final = 10
"""How often ours run in a round for every run of the others, to be long enough."""


def main() -> None:
    """Measure, print tables, and write JSON and pictures if asked for."""
    parser = arguments(__doc__, folder="folder with the LUDB records", rounds=7)
    add_count(parser, "--records", 200, "LUDB records, the first ones")
    parser.add_argument("--weights", type=Path, help="networks of the folds")
    parser.add_argument("--challenge", type=Path, help="folder with Challenge records")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw pictures here")
    options = parser.parse_args()
    records = read_ludb(options.folder, options.records)
    if options.weights:
        networks, network = networks_of(options.weights, records)
    else:
        networks, network = {}, own_network(records)
    config = Config()
    shown_to = recordings(records, config)
    rivals = contestants(networks, config)
    with warnings.catch_warnings(action="ignore"):  # NeuroKit2 warns of single beats
        found = {who: [find(x) for x in shown_to] for who, find in rivals.items()}
    exceptions = count_exceptions(found)
    scores = score(records, found)
    print(
        f"{len(records)} LUDB records within {1000 * MATCH_S:.0f} ms of the "
        f"cardiologists' marks; ecgstore: {network}"
    )
    print_scores(scores, (RECORD, "II", ALL))
    print_leads(scores, (OURS, PROMINENCE))
    with warnings.catch_warnings(action="ignore"):
        speed = time_beats(shown_to[:N_TIMED_RECORDS], rivals, config, options.rounds)
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
        results["p_presence"] = measure_p_presence(options.challenge, ENGINES)
    write_json(options.json, results)
    if options.plot:
        cases = options.plot.with_stem(f"{options.plot.stem}-cases")
        save(draw_errors(scores, (OURS, PROMINENCE, DWT + CLEANING)), options.plot)
        save(draw_cases(shown_to, found[OURS]), cases)


def count_exceptions(found: Mapping[str, Sequence[Found]]) -> dict[str, Any]:
    """Print and return how many calls failed, and of what.

    That one of ours does ends the program.
    """
    results: dict[str, dict[str, Any]] = {}
    for who, of_records in found.items():
        told = Counter(text for each in of_records for text in each.exceptions)
        results[who] = {"exceptions": told.total(), "kinds": dict(told.most_common())}
    print_table(
        "who",
        ["exceptions", "most of them"],
        {
            who: [str(each["exceptions"]), *list(each["kinds"])[:1]]
            for who, each in results.items()
        },
    )
    for who in (OURS, NEUROKIT_ENGINE):
        if kinds := results[who]["kinds"]:
            raise SystemExit(f"{who} failed, so nothing was timed: {next(iter(kinds))}")
    return results


def time_beats(
    shown_to: Sequence[Recording],
    rivals: Mapping[str, Find],
    config: Config,
    rounds: int,
) -> dict[str, Any]:
    """Time all contestants on whole records; print a table and return it."""

    def with_features(recording: Recording) -> None:
        signal = recording.filtered
        beats = find_beats(signal, FS, max_beats=config.max_beats)
        compute(signal, beats, FS, config.rr_convention)

    works = {WITH_FEATURES: with_features, **rivals}
    repeats = {name: N_MORE if name in (WITH_FEATURES, OURS) else 1 for name in works}
    times = in_turn(
        {name: over(work, [*shown_to] * repeats[name]) for name, work in works.items()},
        rounds,
    )
    each: dict[str, Times] = {
        name: of_all.each(len(shown_to) * repeats[name])
        for name, of_all in times.items()
    }
    rows = {
        name: {
            "ms_a_record": spread(1000 * seconds for seconds in one.wall),
            "cpu_ms_a_record": spread(1000 * seconds for seconds in one.cpu),
            "ms_a_lead": spread(1000 * seconds / len(LEADS) for seconds in one.wall),
            "of_ecgstore_with_features": ratios(one.wall, each[WITH_FEATURES].wall),
        }
        for name, one in each.items()
    }
    columns = ("ms, median (range)", "CPU", "ms a lead", "times ecgstore with features")
    print_table(
        f"a record of 12 leads and 10 s ({len(shown_to)} records)",
        columns,
        {
            name: [shown(value, 1 if "of_" in key else 2) for key, value in row.items()]
            for name, row in rows.items()
        },
    )
    return {"records": len(shown_to), "a_record": rows}


if __name__ == "__main__":
    main()
