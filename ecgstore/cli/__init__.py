"""The command line: parses arguments, calls the library, prints."""

import sys
from typing import Final, NoReturn

import click

from ecgstore import __version__
from ecgstore.cli.commands.build import build
from ecgstore.cli.commands.classes import classes
from ecgstore.cli.commands.compare import compare
from ecgstore.cli.commands.evaluate import evaluate
from ecgstore.cli.commands.export import export
from ecgstore.cli.commands.extract import extract
from ecgstore.cli.commands.features import features
from ecgstore.cli.commands.info import info
from ecgstore.cli.commands.plot import plot
from ecgstore.cli.commands.predict import predict
from ecgstore.cli.commands.train import train
from ecgstore.cli.commands.verify import verify
from ecgstore.errors import EcgStoreError

_INTERRUPTED: Final = 130  # as shells say it: 128 and the number of the signal


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  ecgstore build --sample -o demo.h5
  ecgstore build training/ -o challenge.h5 --patients ptbxl_database.csv
  ecgstore info challenge.h5
""",
)
@click.version_option(__version__, prog_name="ecgstore")
def cli() -> None:
    """12-lead ECG datasets in one HDF5 file.

    Select records by diagnosis, resample, cut or pad, filter, label, find beats
    and compute features, all into one file that any HDF5 tool reads.
    """


_COMMANDS: Final = (
    *(build, info, verify, export, plot, classes, features),
    *(train, evaluate, predict, extract, compare),
)

for _command in _COMMANDS:
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a failure that the user can act on is one line and exit 1.

    Parameters
    ----------
    arguments : list of str, optional
        What follows the program's name; that of this process if left out.
    """
    try:
        sys.exit(cli.main(arguments, prog_name="ecgstore", standalone_mode=False))
    except click.ClickException as error:  # a wrong use of the command line
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", _INTERRUPTED)
    except EcgStoreError as error:
        _fail(error)
    except OSError as error:
        _fail(
            f"{error.filename or 'a file'}: {error.strerror}; check that it is there "
            "and may be read and written"
        )


def _fail(message: object, code: int = 1) -> NoReturn:
    """Print one line and exit."""
    click.echo(f"ecgstore: {message}", err=True)
    sys.exit(code)
