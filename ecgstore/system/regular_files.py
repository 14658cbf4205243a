"""Refuse pipes and devices where a file is expected: reading one may not end."""

import os
import stat
from pathlib import Path

from ecgstore.errors import ConfigError, EcgStoreError


def require_regular_file(
    path: str | Path, error: type[EcgStoreError] = ConfigError
) -> None:
    """Refuse a path of something that is there and is no file and no folder.

    What cannot be looked at, such as a missing file, is left to who opens it.

    Parameters
    ----------
    path : str or Path
        The path.
    error : type
        Type of the error that is raised.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise error(
            f"{path}: is a pipe, a device or a socket; expected a regular file, such "
            "as a copy of what it yields"
        )
