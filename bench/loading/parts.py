"""What is measured, part by part; every part returns its numbers and prints a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.common.measuring import Spread, print_table, ratios, shown, spread
from bench.common.process_memory import (
    drop_from_memory,
    part_in_memory,
    private_mb,
    resident_mb,
)
from bench.loading.turns import Answers, ContestantProcess, Kind, all_ready, in_turn
from bench.loading.workloads import BATCH_SIZE, WORKLOADS, Files, Workload

MEMCPY: Final = "memcpy"
MEMMAP: Final = "np.memmap"
READERS: Final = "preadv, 32 threads"

CONSUMERS: Final = {"idle consumer": False, "consumer reads every byte": True}

Kinds = Mapping[str, Kind]
Row = dict[str, Spread]

SHUFFLED: Final = WORKLOADS["shuffled int16"]
IN_MV: Final = WORKLOADS["shuffled float32 mV"]

_POLL_S: Final = 0.01
_STILL_IN_MEMORY: Final = 0.01


def throughput(
    kinds: Kinds,
    files: Files,
    workload: Workload,
    rounds: int,
    seconds: float | None = None,
) -> dict[str, dict[str, Row]]:
    """Time warm epochs: records a second, with both consumers, as part of memcpy.

    `seconds` is the longest time for one epoch: slower contestants are timed on as much
    of it as they yield until then. What all of it contains is checked before.
    """
    results = {}
    with all_ready(kinds, files, workload) as processes:
        for name, process in processes.items():
            if name != MEMCPY:
                check(name, process)
        for consumer, consume in CONSUMERS.items():

            def epoch(name: str, consume: bool = consume) -> dict[str, Any]:
                return processes[name].ask("epoch", consume=consume, seconds=seconds)

            answers = in_turn([*processes], epoch, rounds)
            heading = f"{workload.name}, {files.n_rows} rows, {consumer}"
            results[consumer] = rates(answers, heading)
    return results


def check(name: str, process: ContestantProcess) -> None:
    """End the program if a contestant yields anything but what it was asked for."""
    content = process.ask("content")
    for what, expected in content["expected"].items():
        if content["found"][what] != expected:
            raise SystemExit(
                f"{name}: {what} is {content['found'][what]}; expected {expected}, so "
                "nothing was timed"
            )


def rates(answers: Answers, heading: str) -> dict[str, Row]:
    """Return rates and their ratios, round by round; print them as a table."""
    speeds = {
        name: [each["records"] / each["wall"] for each in of_one]
        for name, of_one in answers.items()
    }
    results, table = {}, {}
    for name, of_one in answers.items():
        row = {
            "records_per_s": spread(speeds[name]),
            "processor_cores": spread(each["cpu"] / each["wall"] for each in of_one),
            "cpu_us_a_record": spread(
                1e6 * each["cpu"] / each["records"] for each in of_one
            ),
            "peak_rss_mb": spread(_column(of_one, "peak_rss_mb")),
        }
        for rival, key in (
            (MEMCPY, "percent_of_memcpy"),
            (MEMMAP, "percent_of_memmap"),
        ):
            if rival in speeds:
                parts = ratios([100 * speed for speed in speeds[name]], speeds[rival])
                row[key] = parts
        results[name] = row
        table[name] = [
            shown(values, 2 if key == "processor_cores" else 0)
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


def cold(kinds: Kinds, files: Files, rounds: int) -> dict[str, Row]:
    """Time one epoch after its files were dropped from memory, in new processes."""
    paths = [Path(each) for each in (files.store, files.signals, files.contiguous)]

    def epoch(name: str) -> dict[str, Any]:
        with ContestantProcess(kinds[name], files, SHUFFLED) as process:
            process.ask("load")
            for path in paths:
                drop_from_memory(path)
                if part_in_memory(path) > _STILL_IN_MEMORY:
                    raise SystemExit(f"{path} stays in memory; is it open elsewhere?")
            process.ask("open")
            return process.ask("epoch", consume=False)

    answers = in_turn([*kinds], epoch, rounds)
    results, table = {}, {}
    readers = _column(answers[READERS], "wall")
    for name, of_one in answers.items():
        walls = _column(of_one, "wall")
        results[name] = {
            "records_per_s": spread(each["records"] / each["wall"] for each in of_one),
            "processor_cores": spread(each["cpu"] / each["wall"] for each in of_one),
            "percent_of_readers": ratios([100 * wall for wall in readers], walls),
        }
        table[name] = [
            shown(values, 2 if key == "processor_cores" else 0)
            for key, values in results[name].items()
        ]
    columns = ["records/s", "cores", f"% of {READERS}"]
    print_table(f"cold: {SHUFFLED.name}, {files.n_rows} rows", columns, table)
    return results


def resume(kinds: Kinds, files: Files, rounds: int) -> dict[str, dict[str, Any]]:
    """Time the first batch after half an epoch, in new processes; compare the rest."""
    halves = {}
    for name, kind in kinds.items():
        with _opened(kind, files, SHUFFLED) as process:
            halves[name] = process.ask("half")

    def first_batch(name: str) -> dict[str, Any]:
        with ContestantProcess(kinds[name], files, SHUFFLED) as process:
            process.ask("load")
            opened = process.ask("open")["wall"]
            answer = process.ask("resume", state=halves[name]["state"])
            return {"open": opened, **answer}

    answers = in_turn([*kinds], first_batch, rounds)
    results: dict[str, dict[str, Any]] = {}
    table = {}
    for name, of_one in answers.items():
        same = all(each["rest"] == halves[name]["rest"] for each in of_one)
        results[name] = {
            "open_ms": _ms(of_one, "open"),
            "first_batch_ms": _ms(of_one, "wall"),
            "state_bytes": halves[name]["state_bytes"],
            "rest_is_the_same": same,
        }
        row = results[name]
        table[name] = [
            *(shown(row[key], 1) for key in ("open_ms", "first_batch_ms")),
            f"{row['state_bytes']} bytes",
            "same SHA-256" if same else "DIFFERENT",
        ]
    columns = ["open, ms", "first batch, ms", "state", "rest"]
    print_table(f"resume at 50 %, {files.n_rows} rows", columns, table)
    return results


def start_up(kinds: Kinds, files: Files, rounds: int) -> dict[str, Row]:
    """Time import, open, first batch, and the first batch of the next epoch."""

    def start(name: str) -> dict[str, Any]:
        with ContestantProcess(kinds[name], files, SHUFFLED) as process:
            answer = {"import": process.ask("load")["wall"]}
            answer["open"] = process.ask("open")["wall"]
            answer["first_batch"] = process.ask("first_batch")["wall"]
            answer["a_batch"] = process.ask("rest")["a_batch"]
            answer["next_epoch"] = process.ask("first_batch")["wall"]
            return answer

    answers = in_turn([*kinds], start, rounds)
    columns = ["import", "open", "first_batch", "total", "a_batch", "next_epoch"]
    for of_one in answers.values():
        for each in of_one:
            each["total"] = each["import"] + each["open"] + each["first_batch"]
    results = {
        name: {f"{column}_ms": _ms(of_one, column) for column in columns}
        for name, of_one in answers.items()
    }
    table = {
        name: [shown(values, 1) for values in row.values()]
        for name, row in results.items()
    }
    heading = f"start, ms; {SHUFFLED.name}, {files.n_rows} rows"
    print_table(heading, [column.replace("_", " ") for column in columns], table)
    return results


def training(kinds: Kinds, files: Files, rounds: int, steps: int) -> dict[str, Row]:
    """Train a small network: the part of the time that it waits, the loader's cores."""
    with all_ready(kinds, files, IN_MV) as processes:
        answers = in_turn(
            [*processes], lambda name: processes[name].ask("train", steps=steps), rounds
        )
    results = {
        name: {
            "step_ms": spread(1e3 * each["wall"] / steps for each in of_one),
            "stall_percent": spread(
                100 * each["waited"] / each["wall"] for each in of_one
            ),
            "slower_than_headspace_percent": spread(
                100 * max(0.0, each["wall"] / each["headspace"] - 1) for each in of_one
            ),
            "loader_cores": spread(_column(of_one, "loader_cores")),
        }
        for name, of_one in answers.items()
    }
    table = {
        name: [shown(values, 2) for values in row.values()]
        for name, row in results.items()
    }
    columns = ["step, ms", "stall, %", "slower than headspace, %", "loader, cores"]
    heading = f"training, batches of {BATCH_SIZE}, {IN_MV.name}"
    print_table(heading, columns, table)
    return results


def memory(kinds: Kinds, files: Files, rounds: int) -> dict[str, Row]:
    """Measure the memory of one epoch in new processes, beyond what imports take."""

    def epoch(name: str) -> dict[str, Any]:
        with ContestantProcess(kinds[name], files, SHUFFLED) as process:
            process.ask("load")
            before = private_mb(process.session)
            process.ask("open")
            process.tell("epoch", consume=True)
            peak = private_mb(process.session)
            while not process.has_answer(_POLL_S):
                peak = max(peak, private_mb(process.session))
            process.answer()
            return {"private": peak - before, "rss": resident_mb(process.session)}

    answers = in_turn([*kinds], epoch, rounds)
    results = {
        name: {
            "peak_private_mb": spread(max(0.0, each["private"]) for each in of_one),
            "peak_rss_mb": spread(_column(of_one, "rss")),
        }
        for name, of_one in answers.items()
    }
    table = {
        name: [shown(values, 1) for values in row.values()]
        for name, row in results.items()
    }
    columns = ["private, beyond imports", "RSS with mapped files"]
    print_table(f"peak memory in MB, {files.n_rows} rows", columns, table)
    return results


def _opened(kind: Kind, files: Files, workload: Workload) -> ContestantProcess:
    """Return a process in which the contestant is made."""
    process = ContestantProcess(kind, files, workload)
    process.ask("load")
    process.ask("open")
    return process


def _column(answers: list[dict[str, Any]], key: str) -> list[float]:
    """Return one number of every round."""
    return [each[key] for each in answers]


def _ms(answers: list[dict[str, Any]], key: str) -> Spread:
    """Return median and range of some seconds, in ms."""
    return spread(1e3 * seconds for seconds in _column(answers, key))
