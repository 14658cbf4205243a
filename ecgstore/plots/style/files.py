"""Writing a figure to a file, whole or not at all, and the same bytes every time."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.system.atomic_files import replace_file

_METADATA: Final[dict[str, dict[str, str | None]]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
"""By suffix, what matplotlib would add of its own and must not."""


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG or SVG, by the suffix of the file's name.

    The file is written under a temporary name in the same folder and then renamed,
    so that a reader never sees half of it. The same figure gives the same bytes:
    neither the date nor random names are written.

    Parameters
    ----------
    figure : Figure
        What to write, at its own size and resolution.
    path : str or Path
        Where to; ends in ``.png`` or ``.svg``. An existing file is replaced.

    Raises
    ------
    ConfigError
        If the suffix is neither ``.png`` nor ``.svg``.
    EcgStoreError
        If the folder does not exist or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise ConfigError(
            f"{path}: a figure cannot be saved as {path.suffix!r}; end the name in "
            f"{' or '.join(_METADATA)}"
        )
    if not path.parent.is_dir():
        raise EcgStoreError(
            f"{path}: the folder {path.parent} does not exist; make it first"
        )
    with (
        mpl.rc_context(
            {
                "savefig.bbox": None,  # "tight" would change the size, hence the scale
                "svg.fonttype": "path",  # text looks the same wherever it is opened
                "svg.hashsalt": "ecgstore",  # names of elements are random without one
            }
        ),
        replace_file(path, "wb") as file,
    ):
        figure.savefig(
            file, format=suffix[1:], dpi="figure", metadata=_METADATA[suffix]
        )
