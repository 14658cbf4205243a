"""Write the pages, and the parts of pages, that are made from the program itself.

Usage: python docs/generate.py [--check]

With --check, exit 1 if a page is not what the program says now.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ecgstore.cli import cli
from ecgstore.cli.commands.train import TrainOptions
from ecgstore.config import Config
from ecgstore.features import markdown
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.options import options_of
from ecgstore.reasons import Reason
from ecgstore.storage.format.schema import QUALITY_TABLE

FOLDER = Path(__file__).resolve().parent
WIDTH = 88
OPTIONS = {
    "build": Config(),
    "train": TrainOptions(),
    "compare": ComparisonSettings(),
}
"""Options that are declared as fields of a dataclass, by their command."""


OVERWRITING = (
    "Output that exists: **what commands read is replaced with `--overwrite` only**:",
    "stores (`build`, `subset`), deep features (`extract`), converted networks",
    "(`convert`), annotations (`beats`); so are the tables of `export`, whose names",
    "you do not choose. A folder that holds a model is not trained into again.",
    "**Tables and plots are replaced** (`predict`, `evaluate`, `explain`, `plot`,",
    "`beats`, `report`, `extract --csv`), but they never replace a file of ecgstore,",
    "such as a store, a model or the predictions of a comparison. `compare` replaces",
    "the tables and plots in its folder, and keeps what it resumes from; `label`",
    "replaces the labels of an earlier call, and says what goes. Every file gets its",
    "name when it is complete: an older one stays until then.",
)
"""What commands do when their output exists."""


def command_page() -> str:
    """Return the help of every command."""
    context = click.Context(cli, info_name="ecgstore", **cli.context_settings)
    lines = [
        "# The command line",
        "",
        "Made by `python docs/generate.py` from `--help`. Every command exits 0 after",
        "success, 1 after an error, with one line that says what to do, 2 after a",
        "usage error, and 130 after Ctrl-C, which is how `view` ends: with 0.",
        "[options.md](options.md) lists the options that a file for `--config` may",
        "hold.",
        "",
        *OVERWRITING,
        "",
        *section(context, cli),
    ]
    for name, command in commands(context):
        child = click.Context(command, info_name=name, parent=context)
        lines += section(child, command)
    return "\n".join(lines)


def commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name."""
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command


def section(context: click.Context, command: click.Command) -> list[str]:
    """Return the help of one command under its own heading."""
    context.max_content_width = context.terminal_width = WIDTH
    help_text = command.get_help(context)
    return [f"## {context.command_path}", "", "```text", help_text, "```", ""]


def options_page() -> str:
    """Return a table of the options of builds, trainings and comparisons."""
    lines = [
        "# Options",
        "",
        "Made by `python docs/generate.py` from the dataclasses that declare them.",
        "The name is the key in a TOML file for `--config`, and the keyword in Python;",
        "with hyphens in place of underscores, it is the flag of the command. Flags",
        "override the file, and the file overrides presets. In TOML, a list is written",
        'as `leads = ["II", "V2"]`; as a flag, `--leads II,V2`.',
    ]
    for command, settings in OPTIONS.items():
        lines += ["", f"## ecgstore {command}", "", *options_table(settings)]
    return "\n".join([*lines, ""])


def options_table(settings: Any) -> list[str]:
    """Return a table of the options of one dataclass."""
    rows = [
        (f"`{name}`", option.default_text, option.expected, option.help)
        for name, option in options_of(settings).items()
    ]
    return table(("name", "default", "values", "meaning"), rows)


def format_page() -> str:
    """Return the page on the format with its tables brought up to date."""
    page = (FOLDER / "format.md").read_text(encoding="utf-8")
    quality = [
        (f"`{column.name}`", column.dtype_name, column.unit, column.definition)
        for column in QUALITY_TABLE
    ]
    page = put(page, "quality", ("column", "type", "unit", "meaning"), quality)
    reasons = [(f"`{reason}`", reason.description) for reason in Reason]
    return put(page, "reasons", ("reason", "meaning"), reasons)


def put(
    page: str, name: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> str:
    """Return a page with a table between two marks."""
    lines = "\n".join(table(head, rows))
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    between = re.compile(f"{begin}.*{end}", re.DOTALL)
    return between.sub(lambda _: f"{begin}\n{lines}\n{end}", page)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


PAGES = {
    "cli.md": command_page,
    "features.md": markdown,
    "format.md": format_page,
    "options.md": options_page,
}


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
