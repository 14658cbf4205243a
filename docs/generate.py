"""Write the pages, and the parts of pages, that are made from the program itself.

Usage: python docs/generate.py [--check]

With --check, exit 1 if a page is not what the program says now.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ecgstore.cli import cli
from ecgstore.features import markdown
from ecgstore.reasons import Reason
from ecgstore.storage.format.schema import QUALITY_TABLE

FOLDER = Path(__file__).resolve().parent
WIDTH = 88


def command_page() -> str:
    """Return the help of every command."""
    context = click.Context(cli, info_name="ecgstore", **cli.context_settings)
    lines = [
        "# The command line",
        "",
        "Made by `python docs/generate.py` from `--help`. Every command exits 0 when",
        "all went well, 1 with one line that says what to do, 2 for a wrong use of",
        "the command line, and 130 after Ctrl-C.",
        "",
        *section(context, cli),
    ]
    for name, command in cli.commands.items():
        child = click.Context(command, info_name=name, parent=context)
        lines += section(child, command)
    return "\n".join(lines)


def section(context: click.Context, command: click.Command) -> list[str]:
    """Return the help of one command under its own heading."""
    context.max_content_width = context.terminal_width = WIDTH
    help_text = command.get_help(context)
    return [f"## {context.command_path}", "", "```text", help_text, "```", ""]


def format_page() -> str:
    """Return the page on the format with its tables brought up to date."""
    page = (FOLDER / "format.md").read_text(encoding="utf-8")
    quality = [
        (f"`{each.name}`", each.dtype_name, each.unit, each.description)
        for each in QUALITY_TABLE
    ]
    page = put(page, "quality", ("column", "type", "unit", "meaning"), quality)
    reasons = [(f"`{each}`", each.description) for each in Reason]
    return put(page, "reasons", ("reason", "meaning"), reasons)


def put(
    page: str, name: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> str:
    """Return a page with a table between two marks."""
    table = [head, ("---",) * len(head), *rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in table)
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    between = re.compile(f"{begin}.*{end}", re.DOTALL)
    return between.sub(lambda _: f"{begin}\n{lines}\n{end}", page)


PAGES = {"cli.md": command_page, "features.md": markdown, "format.md": format_page}


def main() -> None:
    """Write or check every page."""
    stale = []
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path))
    if stale:
        sys.exit(f"{', '.join(stale)}: not up to date; run python docs/generate.py")


if __name__ == "__main__":
    main()
