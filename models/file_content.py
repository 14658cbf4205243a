"""Read whole files of a known format into memory, and say what other files are."""

from collections.abc import Callable
from pathlib import Path

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.file_format import FileFormat
from ecgstore.system.known_files import known_file, known_format
from ecgstore.system.regular_files import require_regular_file


def read_content(
    path: Path,
    format_: FileFormat,
    n_begin: int,
    begins_right: Callable[[bytes], bool],
    most_bytes: int = -1,
) -> bytes:
    """Return the bytes of a file; of one that begins otherwise, its beginning only.

    So a store of 100 GB that is given by mistake is not read.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format that it should have, for messages.
    n_begin : int
        Bytes of its beginning.
    begins_right : callable
        Whether a file of this format may begin with these bytes.
    most_bytes : int
        Bytes that are read at most; all by default.

    Raises
    ------
    EcgStoreError
        If there is no such file, or it cannot be read.
    """
    require_regular_file(path, SchemaError)
    try:
        with path.open("rb") as file:
            content = file.read(n_begin)
            if begins_right(content):
                file.seek(0)
                content = file.read(most_bytes)
    except FileNotFoundError as error:
        raise EcgStoreError(
            f"{path}: no such file or folder; expected an {format_.name}, made by "
            f"{format_.made_by}"
        ) from error
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); expected an {format_.name}"
        ) from error
    return content


def wrong_file(path: Path, format_: FileFormat, problem: str) -> SchemaError:
    """Return the error for a file that is not of a format.

    Parameters
    ----------
    path : Path
        The file.
    format_ : FileFormat
        The format that it should have.
    problem : str
        Why it has not this format; used if it is not another file of ecgstore.
    """
    known = known_file(path)
    if known in ("", known_format(format_.name)):
        found = f"no {format_.name} file, {problem}"
    else:
        found = f"is {known}"
    return SchemaError(f"{path}: {found}; expected a file made by {format_.made_by}")


def damaged_file(path: Path, format_: FileFormat, problem: str) -> SchemaError:
    """Return the error for a file of a format that was changed after it was written."""
    return SchemaError(
        f"{path}: {format_.name} file {problem}; restore it from a copy, or make it "
        f"again with {format_.made_by}"
    )
