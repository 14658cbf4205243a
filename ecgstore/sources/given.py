"""Records given by a user: folders, headers, or signal files beside a header."""

import os
from collections.abc import Iterable
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.sources.files import with_its_suffix
from ecgstore.sources.find import OnUnreadable, find_headers
from ecgstore.sources.formats import header_files, known_formats


def given_headers(
    records: str | Path | Iterable[str | Path],
    on_unreadable: OnUnreadable | None = None,
) -> list[Path]:
    """Return the headers of all given records, without repeats and in their order.

    Every header is a record of its own here, also if one ECG is in several files, as
    those of PTB-XL at two sampling rates are: their paths tell them apart. Segments
    that are found in a folder are no records; one that is given itself is.

    Parameters
    ----------
    records : str, Path, or iterable of them
        Folders, searched at any depth as `find_headers` does; ``.hea`` files; and
        ``.mat`` or ``.dat`` files beside a ``.hea`` file of the same name.
    on_unreadable : callable, optional
        Called for what cannot be read below a folder, as `find_headers` does.

    Returns
    -------
    list of Path
        Each begins with the given path.

    Raises
    ------
    EcgStoreError
        If a path does not exist, is something else, or is a folder without records; if
        a folder cannot be read, unless `on_unreadable` is given.
    """
    if isinstance(records, str | Path):
        records = [records]
    headers: dict[str, Path] = {}
    for path in map(Path, records):
        is_empty = True
        for header in find_headers(_header_beside(path), on_unreadable):
            headers.setdefault(os.path.abspath(header), header)
            is_empty = False
        if is_empty:
            raise EcgStoreError(
                f"{path}: no {header_files()} files below; expected records as header "
                "and signal files, at any depth"
            )
    return [*headers.values()]


def _header_beside(path: Path) -> Path:
    """Return the header beside a signal file; any other path unchanged."""
    headers = [
        Path(with_its_suffix(str(path.with_suffix(suffix))))
        for suffix, format_ in known_formats().items()
        if path.suffix.lower() in format_.signal_suffixes and path.is_file()
    ]
    if not headers:
        return path
    for header in headers:
        if header.exists():
            return header
    names = " or ".join(header.name for header in headers)
    raise EcgStoreError(
        f"{path}: there is no {names} beside it; expected a header that describes the "
        "signal file"
    )
