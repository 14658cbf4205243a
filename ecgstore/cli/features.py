"""``ecgstore features``: the handcrafted features and their definitions."""

import click

from ecgstore.cli.tables import print_json


@click.command(
    epilog="""\b
Examples:
  ecgstore features
  ecgstore features --markdown > docs/features.md
"""
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def features(as_markdown: bool, as_json: bool) -> None:
    """Print every handcrafted feature: name, unit, formula, source, function."""
    from dataclasses import asdict

    from ecgstore.features import FEATURES, markdown

    if as_markdown:
        click.echo(markdown(), nl=False)
    elif as_json:
        print_json([asdict(each) for each in FEATURES])
    else:
        for each in FEATURES:
            click.echo(f"{each.name} [{each.unit}]")
            click.echo(
                click.wrap_text(
                    f"{each.formula}\n{each.source}; {each.function}",
                    initial_indent="    ",
                    subsequent_indent="    ",
                )
            )
