"""Compare detectors of beats and waves: accuracy on three databases, speed, layouts.

Example::

    python -m bench.beats.delineation --ludb data/ludb --weights folds

Databases that are given are judged (docs/benchmarks.md defines the scores):

* ``--ludb``: the Lobachevsky University Database, the marks of every lead, of all leads
  together, of fewer leads and of each lead alone, and by rhythm; the time per record is
  measured too, in interleaved rounds;
* ``--qtdb``: the QT Database, two leads;
* ``--cpsc2019``: the China Physiological Signal Challenge 2019, single leads, R-peaks;
* ``--challenge``: records of the Challenge 2020: how well the share of beats with a P
  wave separates atrial fibrillation from sinus rhythm, and the beats in paper layouts.

The package's own network was trained on records of all three databases. With
``--weights``, every record is analysed by a network that was not trained on it; the
folder is written by ``python -m ecgstore.models.delineator.training --folds 5``, with
the same databases. With ``--plot``, the errors on LUDB are drawn into that file,
and bad and typical cases into one whose name ends in ``-cases``.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.beats.counts import MATCH_S
from bench.beats.detectors import (
    CLEANING,
    DWT,
    ECGSTORE,
    NEUROKIT_ENGINE,
    NO_SLEEPECG,
    PROMINENCE,
    SLEEPECG,
    Detect,
    Leads,
    detect_with_neurokit_engine,
    leads_of,
    make_engine,
    make_single_lead_detectors,
)
from bench.beats.networks import held_out_networks, own_network
from bench.beats.overview import print_overview
from bench.beats.p_presence import measure_p_presence
from bench.beats.paper_grid import measure_paper_grids
from bench.beats.plot_cases import draw_cases
from bench.beats.plot_errors import draw_errors
from bench.beats.settings import (
    ALL,
    CPSC2019,
    LEAD_II,
    POOLED,
    QTDB,
    Results,
    false_p_waves,
    judge_cpsc2019,
    judge_ludb,
    judge_qtdb,
    pool,
)
from bench.beats.summary import as_json, print_summaries
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import for_every_row, time_in_rounds
from ecgstore.beats import find_beats
from ecgstore.beats.engines import ENGINES
from ecgstore.config import Config
from ecgstore.features import compute
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord
from ecgstore.models.delineator.databases.cpsc2019 import read_cpsc2019
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.models.delineator.databases.qtdb import read_qtdb
from ecgstore.plots import save
from ecgstore.record import LEADS

N_TIMED_RECORDS: Final = 10
WITH_FEATURES: Final = "ecgstore, and all features"
N_REPEATS: Final = 10
"""Runs of ecgstore per run of the others, so that they last long enough to time."""

OVERVIEW: Final = (LEAD_II, ALL, QTDB, CPSC2019, POOLED)
"""Settings in which ecgstore is printed beside the best of the others."""

_Read = Callable[[Path], list[AnnotatedRecord]]
_Judge = Callable[
    [Results, Sequence[AnnotatedRecord], Detect, Mapping[str, Detect], Config], None
]

DATABASES: Final[dict[str, tuple[_Read, _Judge]]] = {
    "ludb": (read_ludb, judge_ludb),
    "qtdb": (read_qtdb, judge_qtdb),
    "cpsc2019": (read_cpsc2019, judge_cpsc2019),
}
"""How the databases are read and judged, by option."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print tables, and write JSON and plots if paths are given."""
    parser = benchmark_parser("bench.beats.delineation", __doc__, rounds=7)
    for name in (*DATABASES, "challenge"):
        parser.add_argument(
            f"--{name}", type=Path, metavar="FOLDER", help="folder with its records"
        )
    add_count(parser, "--records", 1000, "records of each database, the first ones")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="weights of cross-fitted networks",
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="write plots here")
    options = parser.parse_args(arguments)
    folders = {
        name: getattr(options, name) for name in DATABASES if getattr(options, name)
    }
    if not folders:
        parser.error("no database; expected --ludb, --qtdb or --cpsc2019")
    if options.plot and "ludb" not in folders:
        parser.error("--plot draws the errors on LUDB; expected --ludb")
    records = {
        name: DATABASES[name][0](folder)[: options.records]
        for name, folder in folders.items()
    }
    if options.weights:
        network_of, network = held_out_networks(options.weights, [*records.values()])
    else:
        network_of, network = own_network([*records.values()])
    config = Config()
    engine = make_engine(network_of)
    others = make_single_lead_detectors()
    if SLEEPECG not in others:
        print(NO_SLEEPECG)
    results = Results()
    with warnings.catch_warnings(action="ignore"):  # NeuroKit2 warns of single beats
        for name, of_database in records.items():
            DATABASES[name][1](results, of_database, engine, others, config)
    exceptions = count_exceptions(results.exceptions)
    if len(records) > 1:
        pool(results.scores)
    summaries = as_json(results.scores)
    n_of = ", ".join(f"{len(rows)} of {name}" for name, rows in records.items())
    print(f"records: {n_of}; ecgstore: {network}")
    print(f"marks within {1000 * MATCH_S:.0f} ms; intervals: bootstrap over records\n")
    for setting in summaries:
        print_summaries(summaries, setting)
    for setting in OVERVIEW:
        if setting in summaries:
            print_overview(summaries, setting)
    report: dict[str, Any] = {
        "rounds": options.rounds,
        "records": {name: len(rows) for name, rows in records.items()},
        "within_ms": 1000 * MATCH_S,
        "network": network,
        "exceptions": exceptions,
        "marks": summaries,
    }
    if "ludb" in records:
        report["false_p_waves"] = false_p_waves(results.scores)
        print_false_p_waves(report["false_p_waves"])
        timed = [leads_of(r, config) for r in records["ludb"][:N_TIMED_RECORDS]]
        with warnings.catch_warnings(action="ignore"):
            report["speed"] = time_detectors(
                timed,
                {
                    ECGSTORE: engine,
                    NEUROKIT_ENGINE: detect_with_neurokit_engine,
                    **others,
                },
                config,
                options.rounds,
            )
            report["speed"]["lead_ii_alone"] = time_lead_alone(
                timed, {ECGSTORE: engine, **others}, options.rounds
            )
    if options.challenge:
        report["p_presence"] = measure_p_presence(options.challenge, [*ENGINES])
        own_engine = make_engine(lambda record_id: None)
        report["paper_grid"] = measure_paper_grids(
            options.challenge, own_engine, config
        )
    write_json(options.json, report)
    if options.plot:
        ludb = records["ludb"]
        drawn = (ECGSTORE, PROMINENCE, DWT + CLEANING)
        save(draw_errors(results.scores, ALL, drawn), options.plot)
        leads = [leads_of(record, config) for record in ludb]
        cases = options.plot.with_stem(f"{options.plot.stem}-cases")
        save(draw_cases(ludb, leads, results.detections), cases)


def count_exceptions(by_detector: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Print and return how many calls raised an exception, and which.

    Raises
    ------
    SystemExit
        If one of ecgstore's engines did.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, texts in by_detector.items():
        messages = Counter(texts)
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
        if name in results and (messages := results[name]["messages"]):
            raise SystemExit(
                f"{name} failed, so nothing was timed: {next(iter(messages))}"
            )
    return results


def print_false_p_waves(false_p: Mapping[str, Mapping[str, float]]) -> None:
    """Print the false P waves in atrial fibrillation and flutter."""
    rows = {
        f"{setting:20}{detector}": [f"{share:.3f}"]
        for setting, by_detector in false_p.items()
        for detector, share in by_detector.items()
    }
    print_table("atrial fibrillation or flutter", ["false P waves a beat"], rows)


def time_detectors(
    records: Sequence[Leads],
    detectors: Mapping[str, Detect],
    config: Config,
    rounds: int,
) -> dict[str, Any]:
    """Time all detectors on whole records; print a table and return its numbers."""

    def with_features(leads: Leads) -> None:
        signal = leads.filtered
        beats = find_beats(signal, leads.fs, max_beats=config.max_beats)
        compute(signal, beats, leads.fs, config.rr_convention)

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
            "of_ecgstore_with_features": ratios(times.wall, reference.wall),
        }
        for name, times in per_record.items()
    }
    columns = ("ms, median (range)", "CPU", "times ecgstore with features")
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


def time_lead_alone(
    records: Sequence[Leads], detectors: Mapping[str, Detect], rounds: int
) -> dict[str, Any]:
    """Time detectors on lead II alone; print a table and return its numbers.

    A lead alone takes the engine more than a twelfth of the time of twelve leads.
    """
    alone = [leads.only([LEADS.index("II")]) for leads in records]
    total = time_in_rounds(
        {name: for_every_row(detect, alone) for name, detect in detectors.items()},
        rounds,
    )
    times = {name: seconds.per_item(len(alone)).wall for name, seconds in total.items()}
    rows = {
        name: {
            "ms_a_record": spread(1000 * seconds for seconds in wall),
            "of_ecgstore": ratios(wall, times[ECGSTORE]),
        }
        for name, wall in times.items()
    }
    print_table(
        f"lead II alone, 10 s ({len(alone)} records)",
        ("ms, median (range)", "times ecgstore"),
        {
            name: [spread_text(value, 2) for value in row.values()]
            for name, row in rows.items()
        },
    )
    return rows


if __name__ == "__main__":
    main()
