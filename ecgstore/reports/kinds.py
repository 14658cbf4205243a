"""What is to be reported: a store, a comparison or a training, by its content."""

from pathlib import Path
from typing import Final, Literal

from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.models.comparison.stored import comparison_files
from ecgstore.system.known_files import known_file, known_format
from ecgstore.system.regular_files import require_regular_file
from ecgstore.system.urls import url_of

Kind = Literal["store", "comparison", "run"]

_MODEL_FILE: Final = "model.safetensors"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_EXPECTED: Final = (
    "expected a store (made by `ecgstore build`), the folder of a comparison "
    "(`ecgstore compare`), or the folder of a training (`ecgstore train`)"
)


def kind_of(place: Path) -> Kind:
    """Return what a file or folder is.

    Parameters
    ----------
    place : Path
        The file or folder, or the URL of a store.

    Raises
    ------
    EcgStoreError
        If it is none of these, is not there, or cannot be read.
    """
    if url_of(place) is not None:
        return "store"
    require_regular_file(place, EcgStoreError)
    try:
        if place.is_dir():
            return _kind_of_folder(place)
        with place.open("rb") as file:
            begin = file.read(len(_HDF5))
    except FileNotFoundError as error:
        raise EcgStoreError(f"{place}: no such file or folder; {_EXPECTED}") from error
    except (OSError, ValueError) as error:
        raise EcgStoreError(
            f"{place}: cannot be read ({cause_of(error)}); {_EXPECTED}"
        ) from error
    if begin == _HDF5:
        return "store"
    models = (known_format("ecgstore model"), known_format("ecgstore hybrid"))
    if known_file(place) in models:
        return "run"
    raise _other(place)


def _kind_of_folder(folder: Path) -> Kind:
    """Return what a folder is."""
    if (folder / _MODEL_FILE).is_file():
        return "run"
    if comparison_files(folder):
        return "comparison"
    raise _other(folder)


def _other(place: Path) -> EcgStoreError:
    """Return the error for what cannot be reported."""
    known = known_file(place)
    found = f"is {known}" if known else "is nothing that can be reported"
    return EcgStoreError(f"{place}: {found}; {_EXPECTED}")
