"""Find the rows of records by name, and suggest names similar to an unknown one."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

_MAX_COMPARED: Final = 10_000  # comparing with all names of a large store takes seconds


class RecordNames:
    """The names of a store's records, which are unique within a source.

    Parameters
    ----------
    record_ids, sources : sequence of str
        Name and source of the record in each row.

    Examples
    --------
    >>> names = RecordNames(["1", "2", "1"], ["ludb", "ludb", "ptb"])
    >>> [*names]
    ['ludb/1', '2', 'ptb/1']
    >>> names.rows("1"), names.rows("ptb/1")
    ([0, 2], [2])
    """

    def __init__(self, record_ids: Sequence[str], sources: Sequence[str]) -> None:
        self._record_ids = record_ids
        self._sources = sources
        self._rows: dict[str, list[int]] = {}
        for row, record_id in enumerate(record_ids):
            self._rows.setdefault(record_id, []).append(row)

    def __iter__(self) -> Iterator[str]:
        """Yield the name of every record, ``source/name`` where sources share it."""
        for row, record_id in enumerate(self._record_ids):
            is_unique = len(self._rows[record_id]) == 1
            yield record_id if is_unique else self.full_name(row)

    def full_name(self, row: int) -> str:
        """Return ``source/name`` of the record in a row."""
        return f"{self._sources[row]}/{self._record_ids[row]}"

    def rows(self, name: str) -> list[int]:
        """Return the rows of the records called ``name`` or ``source/name``."""
        rows = list(self._rows.get(name, []))
        slash = name.find("/")
        while slash != -1:  # names may be paths
            source, record_id = name[:slash], name[slash + 1 :]
            rows += [
                row
                for row in self._rows.get(record_id, [])
                if self._sources[row] == source
            ]
            slash = name.find("/", slash + 1)
        return rows

    def hint(self, name: str) -> str:
        """Return advice for a name that no single record has."""
        rows = self.rows(name)
        if rows:
            return f"expected one of {', '.join(map(self.full_name, rows))}"
        record_id = name.rpartition("/")[2]
        candidates = [
            known
            for known in self._rows
            if known[:1].casefold() == record_id[:1].casefold()
            and abs(len(known) - len(record_id)) <= 2
        ]
        similar = [
            known for known in candidates if known.casefold() == record_id.casefold()
        ] or difflib.get_close_matches(record_id, candidates[:_MAX_COMPARED])
        if similar:
            return f"did you mean {', '.join(similar)}?"
        return "`ecgstore info --records` lists all names"
