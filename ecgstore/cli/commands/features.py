"""``ecgstore features``: the handcrafted features and their definitions."""

import shutil
import textwrap

import click

from ecgstore.cli.tables import print_json


@click.command(
    context_settings={"allow_extra_args": True},  # to say what a store is given to
    epilog="""\b
Examples:
  ecgstore features
  ecgstore features --markdown > docs/features.md
""",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def features(context: click.Context, as_markdown: bool, as_json: bool) -> None:
    """Print every handcrafted feature: name, unit, range, formula, source, function."""
    from dataclasses import asdict

    from ecgstore.features import FEATURES, markdown
    from ecgstore.features.page import range_text

    if context.args:
        given = context.args[0]
        raise click.UsageError(
            f"this command explains the features and reads no file, but got {given}; "
            f"their values in a store: ecgstore export {given} FOLDER writes "
            "features.csv"
        )
    if as_markdown and as_json:
        raise click.UsageError("give --markdown or --json, not both")
    if as_markdown:
        click.echo(markdown(), nl=False)
    elif as_json:
        print_json([asdict(each) for each in FEATURES])
    else:
        width = shutil.get_terminal_size().columns
        for each in FEATURES:
            click.echo(f"{each.name} [{each.unit}] {range_text(each.valid_range)}")
            for line in (
                each.formula,
                f"NaN where {each.undefined}",
                f"{each.source}; {each.function}",
            ):
                indent = "    "
                click.echo(
                    textwrap.fill(
                        line,
                        max(40, min(width, 100)),
                        initial_indent=indent,
                        subsequent_indent=indent,
                    )
                )
