"""Write figures to files, atomically and reproducibly."""

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
"""By suffix, metadata that matplotlib would write by default and that is left out."""


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG or SVG, chosen by the suffix of the file name.

    The file is written under a temporary name in the same folder and then renamed,
    so that a reader never sees an incomplete file. The same figure gives the same
    bytes: neither the date nor random identifiers are written.

    Parameters
    ----------
    figure : Figure
        The figure; its size and resolution are kept.
    path : str or Path
        The file, ending in ``.png`` or ``.svg``. An existing file is replaced.

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
            f"{path.parent}: no such folder; create it, or choose another output"
        )
    with (
        mpl.rc_context(
            {
                "savefig.bbox": None,  # "tight" would change the size, hence the scale
                "svg.fonttype": "path",  # text looks the same on every system
                "svg.hashsalt": "ecgstore",  # without it, identifiers are random
            }
        ),
        replace_file(path, "wb") as file,
    ):
        figure.savefig(
            file, format=suffix[1:], dpi="figure", metadata=_METADATA[suffix]
        )
