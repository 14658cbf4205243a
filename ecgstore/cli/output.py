"""Print lines and results, so that nothing from outside acts on the terminal."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from ecgstore.system.visible import visible, visible_json


def echo(line: object, *, err: bool = False) -> None:
    """Print one line; a line end in it is shown as an escape, as it is from outside.

    Parameters
    ----------
    line : object
        The text.
    err : bool
        Print to standard error.
    """
    click.echo(visible(line), err=err)


def print_json(value: Any) -> None:
    """Print a result as JSON, for other programs."""
    print_json_text(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_text(text: str) -> None:
    """Print JSON that a library wrote."""
    click.echo(visible_json(text))


@contextlib.contextmanager
def pipes_may_close() -> Iterator[None]:
    """Let commands finish as usual when nobody reads their output any more.

    In ``ecgstore info demo.h5 | head -1``, writing fails once ``head`` has ended. What
    is written from then on is discarded, so that the command does all of its work, and
    ends with the exit code that it has without the pipe.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_discarding_if_closed, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _discarding_if_closed(stream: TextIO) -> TextIO:
    """Return a stream to the same file that bears a closed pipe."""
    own = (sys.__stdout__, sys.__stderr__)
    if not isinstance(stream, io.TextIOWrapper) or all(
        stream is not one for one in own
    ):
        return stream  # such as that of a notebook
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_ClosablePipe(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
    )


class _ClosablePipe(io.FileIO):
    """A file that discards what is written once it is a pipe that nobody reads."""

    def write(self, data: Any) -> int:
        """Write bytes; return how many were written or discarded."""
        try:
            return super().write(data)
        except BrokenPipeError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return len(data)


class ShownTable:
    """Standard output for a CSV table.

    Other programs get exact values; on a terminal, lines are shown as by `echo`.
    """

    def write(self, line: str) -> int:
        """Write one line, with its end."""
        if sys.stdout.isatty():
            line = f"{visible(line[:-1])}\n"
        return sys.stdout.write(line)
