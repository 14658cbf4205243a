"""Records as a user names them: folders, headers, or signal files beside a header."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ecgstore.errors import EcgStoreError
from ecgstore.sources.find import find_headers

_SIGNAL_FILES: Final = (".mat", ".dat")


def given_headers(records: Iterable[str | Path]) -> list[Path]:
    """Return the headers of all records that were named, each once, in their order.

    Parameters
    ----------
    records : iterable of str or Path
        Folders, searched at any depth as `find_headers` does; ``.hea`` files; and
        ``.mat`` or ``.dat`` files beside a ``.hea`` file of the same name.

    Returns
    -------
    list of Path
        Each begins with what was named.

    Raises
    ------
    EcgStoreError
        If a path does not exist, is something else, or is a folder without records.
    """
    headers: dict[str, Path] = {}
    for given in map(Path, records):
        found = False
        for header in find_headers(_header_of(given)):
            headers.setdefault(os.path.abspath(header), header)
            found = True
        if not found:
            raise EcgStoreError(
                f"{given}: no .hea files below; expected records as header and signal "
                "files, at any depth"
            )
    return [*headers.values()]


def _header_of(given: Path) -> Path:
    """Return the header beside a signal file; anything else as it is."""
    if given.suffix not in _SIGNAL_FILES or not given.is_file():
        return given
    header = given.with_suffix(".hea")
    if not header.exists():
        raise EcgStoreError(
            f"{given}: there is no {header.name} beside it; expected a header that "
            "says what the signal file holds"
        )
    return header
