"""The command lines of the benchmarks: help with an example, and shared options."""

import argparse
from pathlib import Path


def parser_of(program: str, documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help shows the usage and a module's docstring.

    Parameters
    ----------
    program : str
        Full name of the module that is run by ``python -m``.
    documentation : str or None
        The module's docstring, which holds an example; None under ``python -OO``.
    """
    text = (documentation or "").replace("::\n", ":\n").replace("``", "`")
    return argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def benchmark_parser(
    program: str,
    documentation: str | None,
    *,
    folder: str | None = None,
    rounds: int | None = None,
) -> argparse.ArgumentParser:
    """Return a parser with the arguments that benchmarks share.

    Parameters
    ----------
    program, documentation : str
        See `parser_of`.
    folder : str or None
        Help text of the folder argument; None for a benchmark that reads no records.
    rounds : int or None
        Default number of rounds; None for a benchmark that times nothing.
    """
    parser = parser_of(program, documentation)
    if folder is not None:
        parser.add_argument("folder", type=Path, help=folder)
    if rounds is not None:
        add_count(parser, "--rounds", rounds, "number of rounds")
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="write the results to this JSON file"
    )
    return parser


def add_count(
    parser: argparse.ArgumentParser, name: str, default: int, description: str
) -> None:
    """Add an option that takes a positive integer."""
    parser.add_argument(
        name,
        type=_positive_integer,
        default=default,
        metavar="N",
        help=f"{description} (default: {default})",
    )


def _positive_integer(text: str) -> int:
    """Return the integer that a text stands for."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected 1 or more")
    return int(text)
