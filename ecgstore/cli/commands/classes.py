"""``ecgstore classes``: class sets, their codes, and counts of records."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ecgstore.cli.options.common import JSON
from ecgstore.cli.output import echo, print_json
from ecgstore.cli.tables import print_table
from ecgstore.config import Config

if TYPE_CHECKING:
    from ecgstore.diagnoses import DiagnosisCounts

_MAX_WORDS: Final = 20
"""Number of unknown words that are printed; the result as JSON has all."""


@click.command(
    epilog="""\b
Examples:
  ecgstore classes
  ecgstore classes training/ --classes cinc2020
  ecgstore classes diagnoses.csv --codes
"""
)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--classes",
    "name",
    metavar="NAME|FILE",
    default=Config().classes.name,
    show_default=True,
    help="Class set to count: its name or a TOML file.",
)
@click.option("--codes", is_flag=True, help="Count every code too.")
@JSON
def classes(sources: tuple[Path, ...], name: str, codes: bool, as_json: bool) -> None:
    """List class sets and their codes, or count the records of each class.

    SOURCES are folders of records, or CSV files with the columns record_id (or
    record), source (or tranche_name) and dx (or diagnosis). The last contains SNOMED
    CT codes, or the Challenge's abbreviations or names, separated by semicolons or
    commas.
    """
    from ecgstore.diagnoses import class_set, count_diagnoses
    from ecgstore.errors import EcgStoreError

    chosen = class_set(name)
    if not sources:
        _print_sets(as_json)
        return
    unreadable: list[Path] = []
    counts = count_diagnoses(chosen, _records(sources, unreadable))
    if not counts.records and not unreadable:
        raise EcgStoreError(
            f"{', '.join(map(str, sources))}: no records; expected .hea files at any "
            "depth, or a CSV file of labels"
        )
    if as_json:
        from dataclasses import asdict

        print_json({"unreadable_headers": len(unreadable), **asdict(counts)})
        return
    _print_counts(chosen.name, counts, codes)
    if unreadable:
        echo(
            f"{len(unreadable)} headers or folders cannot be read, such as "
            f"{unreadable[0]}"
        )


def _records(
    sources: Iterable[Path], unreadable: list[Path]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield source and diagnoses of every record of the folders and files."""
    from ecgstore.diagnoses import read_labels_csv
    from ecgstore.errors import RecordError
    from ecgstore.sources import find_headers, read_header, source_name
    from ecgstore.system.progress import with_progress

    for root in sources:
        if root.suffix == ".csv":
            for row in read_labels_csv(root):
                yield row.source, (*row.dx, *row.dx_unknown)
            continue
        headers = find_headers(
            root, lambda path, problem: unreadable.append(Path(path))
        )
        for path in with_progress(headers, str(root), unit="headers"):
            try:
                header = read_header(path)
            except RecordError:
                unreadable.append(path)
                continue
            yield source_name(path, root), (*header.dx, *header.dx_unknown)


def _print_sets(as_json: bool) -> None:
    """Print every built-in class set with its classes and codes."""
    from ecgstore.diagnoses import CLASS_SETS, class_set

    sets = [class_set(name) for name in CLASS_SETS]
    if as_json:
        print_json([built_in.to_json() for built_in in sets])
        return
    for built_in in sets:
        echo(f"{built_in.name} ({len(built_in.classes)} classes)")
        print_table(
            ["class", "codes", "description"],
            [
                (label.name, " ".join(label.codes), label.description)
                for label in built_in.classes
            ],
        )
    echo(
        'For a set of your own, write a TOML file with name = "..." and a table '
        '[classes] with lines such as AF = ["164889003"], and give --classes FILE.'
    )


def _print_counts(name: str, counts: "DiagnosisCounts", codes: bool) -> None:
    """Print counts by class and source, and by code if `codes` is set."""
    head = [*counts.sources, "total"]
    echo(f"records by class of {name} (one record can be in several):")
    rows = [(row.key, *row.counts, row.total) for row in counts.classes]
    rows.append(("none of them", *counts.without_class, sum(counts.without_class)))
    rows.append(("records", *counts.records, sum(counts.records)))
    print_table(["class", *head], rows)
    if codes:
        echo("records by code:")
        print_table(
            ["code", "name", *head],
            [(row.key, row.name, *row.counts, row.total) for row in counts.codes],
        )
    if counts.unknown:
        echo("records by code outside the Challenge's table of diagnoses:")
        print_table(
            ["code", *head],
            [(row.key, *row.counts, row.total) for row in counts.unknown],
        )
    if counts.unknown_words:
        echo("records by words in Dx that are no diagnosis ecgstore knows:")
        print_table(
            ["words", *head],
            [
                (row.key, *row.counts, row.total)
                for row in counts.unknown_words[:_MAX_WORDS]
            ],
        )
        n_more = len(counts.unknown_words) - _MAX_WORDS
        if n_more > 0:
            echo(f"  ... and {n_more} more: --json lists them")
