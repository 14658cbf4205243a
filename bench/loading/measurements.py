"""The measurements of loaders; each function prints a table and returns its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.common.page_cache import cached_fraction, drop_from_page_cache
from bench.common.processes import private_mb, resident_mb
from bench.common.tables import Spread, print_table, ratios, spread, spread_text
from bench.loading.subprocesses import (
    Answers,
    LoaderClass,
    LoaderProcess,
    answers_in_rounds,
    opened,
)
from bench.loading.workloads import BATCH_SIZE, WORKLOADS, Files, Workload

MEMCPY: Final = "memcpy"
MEMMAP: Final = "np.memmap"
PREADV: Final = "preadv, 32 threads"

CONSUMERS: Final = {"idle consumer": False, "consumer reads every byte": True}

LoaderClasses = Mapping[str, LoaderClass]
Row = dict[str, Spread]

SHUFFLED: Final = WORKLOADS["shuffled int16"]
IN_MV: Final = WORKLOADS["shuffled float32 mV"]

_POLL_S: Final = 0.01
_MAX_CACHED: Final = 0.01
"""Fraction of a file that may stay in the page cache of a "cold" measurement."""


def throughput(
    loaders: LoaderClasses,
    files: Files,
    workload: Workload,
    rounds: int,
    seconds: float | None = None,
) -> dict[str, dict[str, Row]]:
    """Time epochs of page-cached files: records/s with both consumers, and % of memcpy.

    An epoch ends after `seconds`, if given: slower loaders are timed on the batches
    that they have yielded by then. The content of a whole epoch is checked before.
    """
    results = {}
    with opened(loaders, files, workload) as processes:
        for name, process in processes.items():
            if name != MEMCPY:
                check(name, process)
        for consumer, consume in CONSUMERS.items():

            def epoch(name: str, consume: bool = consume) -> dict[str, Any]:
                return processes[name].run("epoch", consume=consume, seconds=seconds)

            answers = answers_in_rounds([*processes], epoch, rounds)
            heading = f"{workload.name}, {files.n_rows} rows, {consumer}"
            results[consumer] = rates(answers, heading)
    return results


def check(name: str, process: LoaderProcess, ignored: Sequence[str] = ()) -> None:
    """End the program if an epoch of a loader differs from the reference.

    `ignored` are parts of a digest: each of several workers has a smaller last batch.
    """
    digests = process.run("digest")
    for key, expected in digests["expected"].items():
        if key in ignored:
            continue
        actual = digests["actual"][key]
        if actual != expected:
            raise SystemExit(
                f"{name}: {key} is {actual}; expected {expected}, so nothing was timed"
            )


def rates(answers: Answers, heading: str) -> dict[str, Row]:
    """Print and return the rates, and their ratios round by round."""
    speeds = {
        name: [answer["records"] / answer["wall"] for answer in loader_answers]
        for name, loader_answers in answers.items()
    }
    results, table = {}, {}
    for name, loader_answers in answers.items():
        row = {
            "records_per_s": spread(speeds[name]),
            "processor_cores": _cores(loader_answers),
            "cpu_us_a_record": spread(
                1e6 * answer["cpu"] / answer["records"] for answer in loader_answers
            ),
            "peak_rss_mb": spread(_column(loader_answers, "peak_rss_mb")),
        }
        for reference, key in (
            (MEMCPY, "percent_of_memcpy"),
            (MEMMAP, "percent_of_memmap"),
        ):
            if reference in speeds:
                row[key] = ratios(
                    [100 * speed for speed in speeds[name]], speeds[reference]
                )
        results[name] = row
        table[name] = [
            spread_text(values, 2 if key == "processor_cores" else 0)
            for key, values in row.items()
        ]
    columns = [
        "records/s",
        "cores",
        "CPU, us a record",
        "peak RSS, MB",
        "% of memcpy",
        "% of np.memmap",
    ]
    print_table(heading, columns, table)
    return results


def cold(loaders: LoaderClasses, files: Files, rounds: int) -> dict[str, Row]:
    """Time one epoch after its files left the page cache, in new processes."""
    paths = [Path(name) for name in (files.store, files.signals, files.contiguous)]

    def epoch(name: str) -> dict[str, Any]:
        with LoaderProcess(loaders[name], files, SHUFFLED) as process:
            process.run("load")
            for path in paths:
                drop_from_page_cache(path)
                if cached_fraction(path) > _MAX_CACHED:
                    raise SystemExit(
                        f"{path}: stays in the page cache; expected that it can be "
                        "dropped, so close other programs that read it, or use a "
                        "scratch folder on a disk"
                    )
            process.run("open")
            return process.run("epoch", consume=False)

    answers = answers_in_rounds([*loaders], epoch, rounds)
    results, table = {}, {}
    preadv = _column(answers[PREADV], "wall")
    for name, loader_answers in answers.items():
        walls = _column(loader_answers, "wall")
        results[name] = {
            "records_per_s": spread(
                answer["records"] / answer["wall"] for answer in loader_answers
            ),
            "processor_cores": _cores(loader_answers),
            "percent_of_readers": ratios([100 * wall for wall in preadv], walls),
        }
        table[name] = [
            spread_text(values, 2 if key == "processor_cores" else 0)
            for key, values in results[name].items()
        ]
    columns = ["records/s", "cores", f"% of {PREADV}"]
    print_table(f"cold: {SHUFFLED.name}, {files.n_rows} rows", columns, table)
    return results


def resume(
    loaders: LoaderClasses, files: Files, rounds: int
) -> dict[str, dict[str, Any]]:
    """Resume in the middle of an epoch, in new processes: time it, compare the rest."""
    halves = {}
    for name, loader in loaders.items():
        with opened({name: loader}, files, SHUFFLED) as processes:
            halves[name] = processes[name].run("half")

    def first_batch(name: str) -> dict[str, Any]:
        with LoaderProcess(loaders[name], files, SHUFFLED) as process:
            process.run("load")
            open_s = process.run("open")["wall"]
            answer = process.run("resume", state=halves[name]["state"])
            return {"open": open_s, **answer}

    answers = answers_in_rounds([*loaders], first_batch, rounds)
    results: dict[str, dict[str, Any]] = {}
    table = {}
    for name, loader_answers in answers.items():
        same = all(answer["rest"] == halves[name]["rest"] for answer in loader_answers)
        results[name] = {
            "open_ms": _ms(loader_answers, "open"),
            "first_batch_ms": _ms(loader_answers, "wall"),
            "state_bytes": halves[name]["state_bytes"],
            "rest_is_the_same": same,
        }
        row = results[name]
        table[name] = [
            *(spread_text(row[key], 1) for key in ("open_ms", "first_batch_ms")),
            f"{row['state_bytes']} bytes",
            "same SHA-256" if same else "DIFFERENT",
        ]
    columns = ["open, ms", "first batch, ms", "state", "rest"]
    print_table(f"resume at 50 %, {files.n_rows} rows", columns, table)
    return results


def start_up(loaders: LoaderClasses, files: Files, rounds: int) -> dict[str, Row]:
    """Time import, open, first batch, and the first batch of the next epoch."""

    def start(name: str) -> dict[str, Any]:
        with LoaderProcess(loaders[name], files, SHUFFLED) as process:
            answer = {"import": process.run("load")["wall"]}
            answer["open"] = process.run("open")["wall"]
            answer["first_batch"] = process.run("first_batch")["wall"]
            answer["a_batch"] = process.run("rest")["a_batch"]
            answer["next_epoch"] = process.run("first_batch")["wall"]
            return answer

    answers = answers_in_rounds([*loaders], start, rounds)
    columns = ["import", "open", "first_batch", "total", "a_batch", "next_epoch"]
    for loader_answers in answers.values():
        for answer in loader_answers:
            parts = (answer["import"], answer["open"], answer["first_batch"])
            answer["total"] = sum(parts)
    results = {
        name: {f"{column}_ms": _ms(loader_answers, column) for column in columns}
        for name, loader_answers in answers.items()
    }
    table = {
        name: [spread_text(values, 1) for values in row.values()]
        for name, row in results.items()
    }
    heading = f"start, ms; {SHUFFLED.name}, {files.n_rows} rows"
    print_table(heading, [column.replace("_", " ") for column in columns], table)
    return results


def training(
    loaders: LoaderClasses, files: Files, rounds: int, steps: int
) -> dict[str, Row]:
    """Train a small network: share of the time spent waiting, cores of the loader."""
    with opened(loaders, files, IN_MV) as processes:
        answers = answers_in_rounds(
            [*processes], lambda name: processes[name].run("train", steps=steps), rounds
        )
    results = {
        name: {
            "step_ms": spread(
                1e3 * answer["wall"] / steps for answer in loader_answers
            ),
            "stall_percent": spread(
                100 * answer["waited"] / answer["wall"] for answer in loader_answers
            ),
            "slower_than_replayed_percent": spread(
                100 * max(0.0, answer["wall"] / answer["replayed"] - 1)
                for answer in loader_answers
            ),
            "loader_cores": spread(_column(loader_answers, "loader_cores")),
        }
        for name, loader_answers in answers.items()
    }
    table = {
        name: [spread_text(values, 2) for values in row.values()]
        for name, row in results.items()
    }
    columns = [
        "step, ms",
        "stall, %",
        "slower than one batch replayed, %",
        "loader, cores",
    ]
    heading = f"training, batches of {BATCH_SIZE}, {IN_MV.name}"
    print_table(heading, columns, table)
    return results


def memory(loaders: LoaderClasses, files: Files, rounds: int) -> dict[str, Row]:
    """Measure the peak memory of one epoch beyond the imports, in new processes."""

    def epoch(name: str) -> dict[str, Any]:
        with LoaderProcess(loaders[name], files, SHUFFLED) as process:
            process.run("load")
            before = private_mb(process.session)
            process.run("open")
            process.send("epoch", consume=True)
            peak = private_mb(process.session)
            while not process.has_answer(_POLL_S):
                peak = max(peak, private_mb(process.session))
            process.answer()
            return {"private": peak - before, "rss": resident_mb(process.session)}

    answers = answers_in_rounds([*loaders], epoch, rounds)
    results = {
        name: {
            "peak_private_mb": spread(
                max(0.0, answer["private"]) for answer in loader_answers
            ),
            "peak_rss_mb": spread(_column(loader_answers, "rss")),
        }
        for name, loader_answers in answers.items()
    }
    table = {
        name: [spread_text(values, 1) for values in row.values()]
        for name, row in results.items()
    }
    columns = ["private, beyond imports", "RSS with mapped files"]
    print_table(f"peak memory in MB, {files.n_rows} rows", columns, table)
    return results


def _column(answers: list[dict[str, Any]], key: str) -> list[float]:
    """Return one number of every round."""
    return [answer[key] for answer in answers]


def _cores(answers: list[dict[str, Any]]) -> Spread:
    """Return the processor time of every round, per second."""
    return spread(answer["cpu"] / answer["wall"] for answer in answers)


def _ms(answers: list[dict[str, Any]], key: str) -> Spread:
    """Return median and range of a time, in ms."""
    return spread(1e3 * seconds for seconds in _column(answers, key))
