"""``ecgstore report``: one self-contained HTML file."""

import json
import shlex
from contextlib import nullcontext
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from ecgstore.cli.options.common import DEVICE, OWN_MODEL, QUIET
from ecgstore.cli.options.folds import folds_if_given, folds_option
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.cli.view_needed import needs_view
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import EcgStoreError

if TYPE_CHECKING:
    from ecgstore.reports.published import Publication

_OPTIONS: Final = {
    "store": (
        *("croissant", "card", "name", "description", "licence", "url", "citation"),
        *("date", "examples", "checksum"),
    ),
    "comparison": ("store",),
    "run": ("store", "model", "folds", "validation_folds", "device"),
}
"""Options that are for one kind of report, besides those of all kinds."""

_KINDS: Final = {"store": "STORE", "comparison": "COMPARISON", "run": "RUN"}


@click.command(
    epilog="""\b
Examples:
  ecgstore report challenge.h5 -o report.html
  ecgstore report challenge.h5 --name "My ECGs" --license CC-BY-4.0
  ecgstore report challenge.h5 --croissant croissant.json --card README.md
  ecgstore report s3://bucket/challenge.h5
  ecgstore report comparison --store challenge.h5
  ecgstore report runs/hybrid --store challenge.h5 -o hybrid.html
"""
)
@click.argument(
    "place", metavar="STORE|COMPARISON|RUN", type=click.Path(path_type=Path)
)
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
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="Of a comparison: its store, for pictures of the hardest records. Of a run: "
    "the store to evaluate it on; without it, JSON files of `ecgstore evaluate` in its "
    "folder are reported.",
)
@folds_option(
    "--folds", TEST_FOLD, "Of a run: folds of --store to evaluate on, such as 9 or 0-7."
)
@folds_option(
    "--validation-folds",
    VALIDATION_FOLD,
    "Of a run: folds on which the thresholds of a network are chosen; a hybrid has its "
    "own.",
)
@OWN_MODEL
@DEVICE
@QUIET
def report(
    place: Path,
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
    store: Path | None,
    folds: tuple[int, ...],
    validation_folds: tuple[int, ...],
    model: str | None,
    device: str | None,
    quiet: bool,
) -> None:
    """Report a store, a comparison or a training as one self-contained HTML file.

    Of a STORE, a file or a URL (see docs/remote.md): a data set card. What the records
    are and from where, licences, classes, ages and sexes, quality, records left out,
    folds, examples. The same store gives the same file, byte for byte.

    Of a COMPARISON, a folder of `ecgstore compare`: scores and differences with
    intervals, computed again from the predictions, learning curves, reliability,
    confusion, sources, thresholds, and the hardest records.

    Of a RUN, a folder of `ecgstore train`: the model, its training, and its scores on
    records that it has not seen.

    Every report has what is needed to make it again. See docs/reports.md.
    """
    with needs_view():
        from ecgstore.reports.kinds import kind_of
    from ecgstore.reports.published import Publication
    from ecgstore.system.atomic_files import check_writable

    kind = kind_of(place)
    _refuse_options_of_others(kind)
    if kind == "store":
        _report_store(
            place,
            out,
            croissant,
            card,
            Publication(name, description, licence, url, citation, date),
            examples,
            checksum,
            quiet,
        )
        return
    check_writable(out)
    if kind == "comparison":
        _report_comparison(place, store, out)
        return
    _report_run(
        place,
        store,
        out,
        model=model,
        folds=folds,
        validation_folds=validation_folds,
        device=device,
        quiet=quiet,
    )


def _refuse_options_of_others(kind: str) -> None:
    """Refuse options that have no effect on a report of this kind."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        kinds = [other for other, names in _OPTIONS.items() if name in names]
        source = context.get_parameter_source(name)
        if kinds and kind not in kinds and source is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"{parameter.opts[0]} is for a report of "
                f"{' or '.join(_KINDS[other] for other in kinds)}; leave it out: this "
                f"is a {_KINDS[kind]}."
            )


def _report_comparison(folder: Path, store: Path | None, out: Path) -> None:
    """Report a comparison."""
    from ecgstore.reports.comparison import comparison_report
    from ecgstore.reports.page import write
    from ecgstore.storage import Store

    with nullcontext() if store is None else Store(store) as opened:
        made = comparison_report(folder, opened)
    write(out, made)
    echo(out)


def _report_run(
    run: Path,
    store: Path | None,
    out: Path,
    *,
    model: str | None,
    folds: tuple[int, ...],
    validation_folds: tuple[int, ...],
    device: str | None,
    quiet: bool,
) -> None:
    """Report a training."""
    with needs_torch():
        from ecgstore.models.devices import chosen_device
        from ecgstore.reports.run import run_report
    from ecgstore.reports.page import write
    from ecgstore.storage import Store

    if store is None:
        for flag, value in (
            ("--folds", folds_if_given("folds", folds)),
            (
                "--validation-folds",
                folds_if_given("validation_folds", validation_folds),
            ),
            ("--device", device),
        ):
            if value is not None:
                raise click.UsageError(f"{flag} needs --store.")
    with nullcontext() if store is None else Store(store) as opened:
        made = run_report(
            run,
            opened,
            model=model,
            folds=folds,
            validation_folds=validation_folds,
            device=str(chosen_device(device)),
            quiet=quiet,
        )
    write(out, made)
    echo(out)


def _report_store(
    store: Path,
    out: Path,
    croissant: Path | None,
    card: Path | None,
    publication: "Publication",
    examples: int,
    checksum: bool | None,
    quiet: bool,
) -> None:
    """Report a store: a data set card."""
    with needs_view():
        from ecgstore.reports.data_set import data_set_card
        from ecgstore.reports.page import write
    from ecgstore.storage import Store
    from ecgstore.system.atomic_files import check_writable, replace_file

    _check(publication.url, publication.date)
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
            publication,
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
        if parameter.name not in _OPTIONS["store"] or is_output:
            continue
        if value == parameter.get_default(context):
            continue
        if isinstance(value, bool):
            no = "" if value else "no-"
            words.append(f"--{no}{parameter.name}")
        else:
            words += [parameter.opts[-1], str(value)]
    return f"{shlex.join(words)} -o report.html"
