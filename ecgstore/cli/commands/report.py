"""``ecgstore report``: one self-contained HTML file about a store."""

import json
import shlex
from datetime import date as Date
from pathlib import Path

import click

from ecgstore.cli.options.common import QUIET, store_or_url
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo
from ecgstore.cli.view_needed import needs_jinja
from ecgstore.errors import EcgStoreError


@click.command(
    epilog="""\b
Examples:
  ecgstore report challenge.h5 -o report.html
  ecgstore report challenge.h5 --name "My ECGs" --license CC-BY-4.0
  ecgstore report challenge.h5 --croissant croissant.json --card README.md
  ecgstore report s3://bucket/challenge.h5
"""
)
@store_or_url()
@click.option(
    "-o",
    "--out",
    type=ReportFile(),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="The HTML file, replaced if it exists.",
)
@click.option(
    "--croissant",
    type=ReportFile(),
    metavar="FILE",
    help="Also write the Croissant description (JSON-LD), which is in the report too.",
)
@click.option(
    "--card",
    type=ReportFile(),
    metavar="FILE",
    help="Also write a card for the Hugging Face Hub, such as README.md.",
)
@click.option(
    "--name",
    default="",
    metavar="TEXT",
    help="What the data set is called.  [default: the file's name]",
)
@click.option(
    "--description", default="", metavar="TEXT", help="What it is, in a few sentences."
)
@click.option(
    "--license",
    "licence",
    default="",
    metavar="TEXT",
    help="Its licence, best as an SPDX identifier such as CC-BY-4.0.  [default: not "
    "stated]",
)
@click.option("--url", default="", metavar="URL", help="Where it is published.")
@click.option("--citation", default="", metavar="TEXT", help="How to cite it.")
@click.option(
    "--date",
    default="",
    metavar="YYYY-MM-DD",
    help="When it was published; no other date is in the report.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=12,
    show_default=True,
    metavar="N",
    help="Records of each class to show, drawn by lot.",
)
@click.option(
    "--checksum/--no-checksum",
    default=None,
    help="Read the whole file for its checksum, without which Croissant describes no "
    "file.  [default: up to 16 GB]",
)
@QUIET
def report(
    store: Path,
    out: Path,
    croissant: Path | None,
    card: Path | None,
    name: str,
    description: str,
    licence: str,
    url: str,
    citation: str,
    date: str,
    examples: int,
    checksum: bool | None,
    quiet: bool,
) -> None:
    """Report what is in STORE, as one self-contained HTML file.

    A data set card: what the records are and from where, licences, classes, ages and
    sexes, quality, records left out, folds, examples, and what is needed to make it
    again. The same store gives the same file, byte for byte.
    """
    with needs_jinja():
        from ecgstore.reports.data_set import data_set_card
        from ecgstore.reports.page import write
    from ecgstore.reports.published import Publication
    from ecgstore.storage import Store
    from ecgstore.system.atomic_files import check_writable, replace_file

    _check(url, date)
    outputs = [path for path in (out, croissant, card) if path is not None]
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise click.UsageError("-o, --croissant and --card name one file twice")
    for path in outputs:
        check_writable(path)
    with Store(store) as opened:
        if croissant is not None and (opened.is_remote or checksum is False):
            raise EcgStoreError(
                f"{opened.place}: Croissant needs the checksum of the whole file; "
                "fetch it first (ecgstore fetch URL -o FILE), and do not give "
                "--no-checksum"
            )
        made = data_set_card(
            opened,
            Publication(name, description, licence, url, citation, date),
            command=_command(click.get_current_context(), opened.file_name),
            n_examples=examples,
            checksum=True if croissant is not None else checksum,
            quiet=quiet,
        )
    write(out, made.report)
    echo(out)
    if croissant is not None:
        with replace_file(croissant) as file:
            json.dump(made.metadata, file, indent=2, ensure_ascii=False)
            file.write("\n")
        echo(croissant)
    if card is not None:
        with replace_file(card) as file:
            file.write(made.markdown)
        echo(card)


def _check(url: str, date: str) -> None:
    """Refuse addresses that are none, and dates that are none."""
    if url and not url.startswith(("https://", "http://")):
        raise click.BadParameter(
            f"{url!r} is no address; expected one that begins with https://",
            param_hint="--url",
        )
    if date:
        try:
            Date.fromisoformat(date)
        except ValueError as error:
            raise click.BadParameter(
                f"{date!r} is no date; expected one such as 2026-01-31",
                param_hint="--date",
            ) from error


def _command(context: click.Context, file_name: str) -> str:
    """Return the command with the options that shape the report."""
    words = ["ecgstore", "report", file_name]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        is_output = isinstance(parameter.type, ReportFile)
        if not isinstance(parameter, click.Option) or is_output:
            continue
        if value == parameter.get_default(context) or parameter.name == "quiet":
            continue
        if isinstance(value, bool):
            no = "" if value else "no-"
            words.append(f"--{no}{parameter.name}")
        else:
            words += [parameter.opts[-1], str(value)]
    return f"{shlex.join(words)} -o report.html"
