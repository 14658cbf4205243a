"""Read and write trees as files of safetensors, which hold arrays and names only."""

from pathlib import Path
from typing import Any, Final

from ecgstore.errors import SchemaError
from ecgstore.models.array_files import read_arrays, write_arrays
from ecgstore.models.tabular.forest import TYPES, Forest
from ecgstore.system.file_format import FileFormat

FORMAT: Final = FileFormat(
    "ecgstore trees",
    2,
    "`write_forest(path, forest)` of ecgstore.models.tabular.forest_file, in Python",
)
_NAMES: Final = ("columns", "label_names")


def write_forest(path: str | Path, forest: Forest) -> None:
    """Write trees to a file atomically, the same bytes for the same trees.

    Parameters
    ----------
    path : str or Path
        The file, usually ``*.safetensors``.
    forest : Forest
        The trees.

    Raises
    ------
    EcgStoreError
        If it cannot be written, or is larger than what is read.
    """
    names = {name: list(getattr(forest, name)) for name in _NAMES}
    write_arrays(Path(path), FORMAT, forest.arrays, names)


def read_forest(path: str | Path) -> Forest:
    """Read a file that `write_forest` wrote; it may come from anyone.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is not such a file, damaged, or has trees that cannot be walked.
    """
    path = Path(path)
    arrays, description = read_arrays(path, FORMAT, TYPES)
    fields: dict[str, Any] = {**arrays}
    for name in _NAMES:
        names = description.get(name)
        fields[name] = tuple(names) if isinstance(names, list) else names
    try:
        return Forest(**fields)
    except SchemaError as error:
        raise SchemaError(
            f"{path}: {FORMAT.name} file with unusable content ({error}); expected a "
            f"file made by {FORMAT.made_by}"
        ) from error
