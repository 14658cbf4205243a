"""The rows that a record becomes: one, or one for each of its windows."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ecgstore.builder.entry import Entry, Status
from ecgstore.builder.journal import Journal
from ecgstore.config import Config
from ecgstore.signals.gaps import whole_samples

OF_ROWS: Final = ("record_id", "derived_leads", "missing_leads")
"""Texts of `/records` that the windows of a record may differ in."""


class Window(NamedTuple):
    """A part of a record that is a row, or in quarantine.

    Attributes
    ----------
    suffix : str
        End of its name, after that of the record.
    begin : int
        Its first sample in the record.
    content, missing_leads : str
        As in `Entry`.
    reason, detail : str
        Why it is in quarantine; else empty.
    """

    suffix: str
    begin: int
    content: str
    missing_leads: str
    reason: str = ""
    detail: str = ""


class LeftOut(NamedTuple):
    """A record or a window in quarantine: a row of `/quarantine`."""

    path: str
    source: str
    record_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a store.

    Attributes
    ----------
    entry : Entry
        The record, without its windows and its signature.
    window : Window
        The part of it that the row holds.
    """

    entry: Entry
    window: Window

    @property
    def record_id(self) -> str:
        """Name of the row."""
        return self.entry.record_id + self.window.suffix

    @property
    def start_s(self) -> float:
        """Time of the first sample in the record in s."""
        return self.window.begin / self.entry.fs if self.window.begin else 0.0

    @property
    def missing_leads(self) -> str:
        """Leads that the row lacks, separated by commas."""
        return self.window.missing_leads

    @property
    def derived_leads(self) -> str:
        """Leads of the row that were derived from others, separated by commas."""
        missing = self.missing_leads.split(",")
        leads = self.entry.derived_leads.split(",")
        return ",".join(lead for lead in leads if lead not in missing)


def with_windows(entry: Entry, windows: Iterable[Window]) -> Entry:
    """Return an entry with windows."""
    windows = [*windows]
    n_left_out = sum(1 for window in windows if window.reason)
    return replace(
        entry,
        windows=json.dumps(windows),
        n_rows=len(windows) - n_left_out,
        n_left_out=n_left_out,
    )


def rows_of(entry: Entry) -> list[Row]:
    """Return the rows of a record, in the order of time."""
    bare = replace(entry, windows="", signature=b"")
    return [Row(bare, window) for window in _windows(entry) if not window.reason]


def seconds_left_out(entry: Entry, config: Config) -> float:
    """Return how much of a record is in no row and no window, in s.

    It is 0 if the signal was not looked at, as when records are only counted.
    """
    if not entry.n_samples:
        return 0.0
    n_row = -whole_samples(-config.duration_s, entry.fs)
    seen = n_stored = 0
    for window in _windows(entry):
        end = min(window.begin + n_row, entry.n_samples)
        n_stored += max(0, end - max(seen, window.begin))
        seen = max(seen, end)
    return (entry.n_samples - n_stored) / entry.fs


def stored_rows(journal: Journal) -> Iterator[Row]:
    """Yield all rows of a store, in their order."""
    for entry in journal.entries(Status.SELECTED):
        yield from rows_of(entry)


def all_left_out(journal: Journal) -> Iterator[LeftOut]:
    """Yield all records and windows in quarantine, in their order."""
    for entry in journal.entries_left_out():
        if entry.status == Status.QUARANTINED:
            yield LeftOut(
                entry.path, entry.source, entry.record_id, entry.reason, entry.detail
            )
            continue
        for window in _windows(entry):
            if window.reason:
                name = entry.record_id + window.suffix
                yield LeftOut(
                    entry.path, entry.source, name, window.reason, window.detail
                )


def leave_out(
    journal: Journal, path: str, begin: int, reason: str, detail: str
) -> None:
    """Quarantine the row of a record that begins at a sample of it.

    A record without another row is in quarantine as a whole.
    """
    entry = journal.entry(path)
    if entry is None:
        return
    windows = [
        window._replace(reason=reason, detail=detail)
        if window.begin == begin
        else window
        for window in _windows(entry)
    ]
    if all(window.reason for window in windows):
        journal.quarantine(path, reason, detail)
    else:
        journal.set_windows(with_windows(entry, windows))


def _windows(entry: Entry) -> list[Window]:
    """Return the windows of a record; the only one if it is not divided."""
    if not entry.windows:
        return [Window("", 0, entry.content, entry.missing_leads)]
    return [Window(*values) for values in json.loads(entry.windows)]
