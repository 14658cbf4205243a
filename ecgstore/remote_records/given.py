"""Records given by a user, some of them at URLs, as headers on the disk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.remote_records.copies import RecordsCopy, copies_of
from ecgstore.sources import OnUnreadable, given_headers
from ecgstore.system.urls import url_of


@dataclass(frozen=True, slots=True)
class GivenRecords:
    """Paths that a user gives, and copies in place of URLs.

    Attributes
    ----------
    paths : tuple of Path
        Folders, headers or signal files.
    copies : tuple of RecordsCopy
        Those of the paths that are copies.
    """

    paths: tuple[Path, ...]
    copies: tuple[RecordsCopy, ...]

    def headers(self, on_unreadable: OnUnreadable | None = None) -> list[Path]:
        """Return the headers of all records; see `ecgstore.sources.given_headers`.

        Raises
        ------
        EcgStoreError
            As `given_headers`, or if a record at a URL could not be fetched, unless
            `on_unreadable` is given.
        """
        for copy in self.copies:
            for path, problem in copy.left_out:
                place = copy.with_url(str(path))
                if on_unreadable is None:
                    raise EcgStoreError(f"{place}: cannot be used ({problem})")
                on_unreadable(place, problem)
        try:
            found = given_headers(self.paths, on_unreadable)
        except EcgStoreError as error:
            raise type(error)(self.with_urls(str(error))) from error
        return [header for header in found if self._is_listed(header)]

    def with_urls(self, text: str) -> str:
        """Return a text in which URLs stand in place of the paths of copies."""
        for copy in self.copies:
            text = copy.with_url(text)
        return text

    def _is_listed(self, header: Path) -> bool:
        """Return whether a header is no leftover of another list in a copy."""
        holders = [one for one in self.copies if header.is_relative_to(one.folder)]
        return not holders or any(copy.holds(header) for copy in holders)


@contextmanager
def given_records(
    records: str | Path | Iterable[str | Path], *, quiet: bool
) -> Iterator[GivenRecords]:
    """Return the paths of given records; those at URLs are fetched first.

    Parameters
    ----------
    records : str, Path, or iterable of them
        As for `ecgstore.sources.given_headers`, or URLs, as for `copies_of`.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        As `copies_of`.
    """
    given: Sequence[str | Path] = (
        [records] if isinstance(records, str | Path) else [*records]
    )
    urls = [url for one in given if (url := url_of(one)) is not None]
    if not urls:
        yield GivenRecords(tuple(map(Path, given)), ())
        return
    with copies_of(urls, quiet=quiet) as (_, copies):
        roots = iter(copies)
        paths = tuple(
            Path(one) if url_of(one) is None else next(roots).root for one in given
        )
        yield GivenRecords(paths, tuple(copies))
