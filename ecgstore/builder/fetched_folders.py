"""The sources of a build that are URLs: copies of their records on the disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgstore.builder.scan import Folders
from ecgstore.errors import EcgStoreError
from ecgstore.remote_records.copies import RecordsCopy, copies_of
from ecgstore.sources import OnUnreadable, find_headers
from ecgstore.system.urls import shown, url_of


@contextmanager
def opened_folders(
    sources: str | Path | Sequence[str | Path], *, quiet: bool
) -> Iterator[Folders]:
    """Return the source folders of a build; the records of URLs are fetched first.

    Parameters
    ----------
    sources : str, Path, or sequence of them
        Folders, or URLs of folders.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        As `Folders.of` and `copies_of`, or if there are folders and URLs.
    """
    if isinstance(sources, str | Path):
        sources = [sources]
    urls = [url for source in sources if (url := url_of(source)) is not None]
    if not urls:
        yield Folders.of(sources)
        return
    if len(urls) != len(sources):
        raise EcgStoreError(
            f"{shown(urls[0])}: is a URL, but other sources are folders, and paths in "
            "a store have one beginning; build two stores and collect them (`ecgstore "
            "collect`)"
        )
    with copies_of(urls, quiet=quiet) as (place, copies):
        plain = Folders.of([copy.root for copy in copies])
        title = ", ".join(copy.url for copy in copies)
        yield FetchedFolders(plain.roots, plain.base, title, place, tuple(copies))


@dataclass(frozen=True, slots=True)
class FetchedFolders(Folders):
    """Copies of records below URLs.

    Attributes
    ----------
    copies : tuple of RecordsCopy
        The copy of each root.
    """

    copies: tuple[RecordsCopy, ...] = ()

    def headers(self, on_unreadable: OnUnreadable) -> Iterator[tuple[int, str]]:
        """Yield the records that the URLs list; see `Folders.headers`."""

        def note(path: str | Path, problem: str) -> None:
            on_unreadable(Path(path).relative_to(self.base).as_posix(), problem)

        for number, copy in enumerate(self.copies):
            for path, problem in copy.left_out:
                note(path, problem)
            for header in find_headers(copy.root, note):
                if copy.holds(header):
                    yield number, header.relative_to(self.base).as_posix()

    def __reduce__(self) -> tuple[Any, ...]:
        """Workers need to know where the files are, and no list of them."""
        return Folders, (self.roots, self.base, self.title, self.top)
