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
  ecgstore classes ptbxl_database.csv --classes ptbxl-super
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

    SOURCES are folders of records, or tables (CSV or Parquet) that `build --labels`
    reads, such as ptbxl_database.csv: with a column of codes, or one for every class. A
    column source (or tranche_name) names the database of each record.
    """
    from ecgstore.diagnoses import class_set, count_diagnoses
    from ecgstore.errors import EcgStoreError

    chosen = class_set(name)
    if not sources:
        _print_sets(as_json)
        return
    config = Config(classes=chosen)
    unreadable: list[Path] = []
    counts = count_diagnoses(chosen, _records(sources, config, unreadable))
    if not counts.records and not unreadable:
        raise EcgStoreError(
            f"{', '.join(map(str, sources))}: no records; expected .hea files at any "
            "depth, or a table of labels"
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
    sources: Iterable[Path], config: Config, unreadable: list[Path]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield source and diagnoses of every record of the folders and files."""
    from ecgstore.diagnoses import shown_dx
    from ecgstore.errors import RecordError
    from ecgstore.label_tables import header_labels, read_label_table
    from ecgstore.sources import find_headers, read_header, source_name
    from ecgstore.system.progress import with_progress
    from ecgstore.system.table_files import TABLE_SUFFIXES

    for root in sources:
        if root.suffix.lower() in TABLE_SUFFIXES:
            for row in read_label_table(root, config).rows:
                unknown = [shown_dx(text, str(root)) for text in row.unknown]
                yield row.source or root.stem, (*row.codes, *unknown)
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
            labels = header_labels(header.notes, config.label_key)
            unknown = [
                shown_dx(text, "headers")
                for text in (*header.dx_unknown, *labels.unknown)
            ]
            yield source_name(path, root), (*header.dx, *labels.codes, *unknown)


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
            in_parts=False,
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
        echo("records by code in no table of diagnoses and not in the classes:")
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
