"""``ecgstore features``: the handcrafted features and their definitions."""

import shutil
import textwrap

import click

from ecgstore.cli.options.common import JSON
from ecgstore.cli.output import echo, print_json


@click.command(
    context_settings={"allow_extra_args": True},  # for an error that names export
    epilog="""\b
Examples:
  ecgstore features
  ecgstore features --markdown > docs/features.md
""",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print as Markdown.")
@JSON
@click.pass_context
def features(context: click.Context, as_markdown: bool, as_json: bool) -> None:
    """Print the definition of every handcrafted feature.

    Its name, unit, range, formula, when it is undefined, its source in the literature,
    and the function that computes it.
    """
    from dataclasses import asdict

    from ecgstore.features import FEATURES, markdown
    from ecgstore.features.page import range_text

    if context.args:
        path = context.args[0]
        raise click.UsageError(
            f"this command prints definitions and reads no file, but got {path}; for "
            f"the values in a store: ecgstore export {path} FOLDER writes features.csv"
        )
    if as_markdown and as_json:
        raise click.UsageError("give --markdown or --json, not both")
    if as_markdown:
        for line in markdown().splitlines():
            echo(line)
    elif as_json:
        print_json([asdict(feature) for feature in FEATURES])
    else:
        width = shutil.get_terminal_size().columns
        for feature in FEATURES:
            echo(f"{feature.name} [{feature.unit}] {range_text(feature.valid_range)}")
            for line in (
                feature.formula,
                f"NaN where {feature.undefined}",
                f"{feature.source}; {feature.function}",
            ):
                indent = "    "
                for part in textwrap.wrap(
                    line,
                    max(40, min(width, 100)),
                    initial_indent=indent,
                    subsequent_indent=indent,
                ):
                    echo(part)
