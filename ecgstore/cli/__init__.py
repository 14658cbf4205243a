"""The command line: parses arguments, calls the library, prints."""

import io
import os
import pkgutil
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from ecgstore import __version__
from ecgstore.cli import commands
from ecgstore.cli.output import echo, pipes_may_close
from ecgstore.errors import EcgStoreError

_INTERRUPTED: Final = 130  # as in shells: 128 plus the number of the signal


class _Commands(click.Group):
    """The commands in `ecgstore.cli.commands`: each file holds one of its own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(
            module.name
            for module in pkgutil.iter_modules(commands.__path__)
            if module.name.isidentifier() and not module.ispkg
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command; its file is imported now. None if it has no such one."""
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            module: Any = import_module(f"{commands.__name__}.{cmd_name}")
        except Exception as error:  # of one file, which must not hide the others
            return _unusable(cmd_name, error)
        command: click.Command | None = getattr(module, cmd_name, None)
        return command


def _unusable(name: str, cause: Exception) -> click.Command:
    """Return a command that says why the file of this name cannot be imported."""
    message = f"cannot be loaded ({type(cause).__name__}: {cause})"

    def fail() -> NoReturn:
        raise EcgStoreError(f"the command {name} {message}; repair it") from cause

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(
        name, callback=fail, short_help=message, context_settings=settings
    )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  ecgstore build --sample -o demo.h5
  ecgstore info demo.h5
  ecgstore plot demo.h5 HR00001
  ecgstore compare demo.h5 -o comparison --quick
""",
)
@click.version_option(__version__, prog_name="ecgstore")
def cli() -> None:
    """12-lead ECG datasets in one HDF5 file.

    Select records by diagnosis, resample, cut or pad, filter, label, find beats
    and compute features, all into one file that any HDF5 tool reads; train
    networks on it and compare classifiers.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command; print an error that the user can act on as one line, and exit 1.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments after the program's name; those of this process if left out.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not so in a notebook
            stream.reconfigure(errors="backslashreplace")  # names may be no text
    with pipes_may_close():
        _run(sys.argv[1:] if arguments is None else arguments)


def _run(given: list[str]) -> NoReturn:
    """Run a command, and exit."""
    try:
        if any("\0" in argument for argument in given):
            raise EcgStoreError("an argument has a NUL character; give it without")
        try:
            sys.exit(cli.main(given, prog_name="ecgstore", standalone_mode=False))
        finally:
            sys.stdout.flush()  # here, where a full disk becomes an error
    except click.ClickException as error:  # a usage error
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D
            _fail("a file, or a module of Python, ends too early; restore or repair it")
        _fail("interrupted", _INTERRUPTED)
    except EcgStoreError as error:
        _fail(error)
    except OSError as error:
        _discard_output()
        _fail(_problem(error))


def _problem(error: OSError) -> str:
    """Return the message of an error of files, in no words of a library."""
    if error.filename is None and not _has_temporary_folder():
        return (
            "no folder for temporary files can be written, which a library needs; make "
            "room in one, or name another one in the environment variable TMPDIR"
        )
    problem = "cannot be used" if error.errno is None else os.strerror(error.errno)
    return (
        f"{error.filename or 'a file or the output'}: {problem}; check that it exists, "
        "may be read and written, and has room"
    )


def _has_temporary_folder() -> bool:
    """Return whether libraries can write temporary files."""
    try:
        tempfile.gettempdir()
    except OSError:
        return False
    return True


def _discard_output() -> None:
    """Discard output that cannot be written, or Python would try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):  # of streams that are no files
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(error: click.ClickException) -> None:
    """Print a usage error, which quotes arguments, and how to use the command."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        for line in context.get_usage().split("\n"):
            echo(line, err=True)
        echo(f"Try '{context.command_path} --help' for help.", err=True)
        echo("", err=True)
    # Not `error.show`: click drops escape sequences before they can be made visible.
    echo(f"Error: {error.format_message()}", err=True)


def _fail(message: object, code: int = 1) -> NoReturn:
    """Print one line and exit."""
    echo(f"ecgstore: {message}", err=True)
    sys.exit(code)
