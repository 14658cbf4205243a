"""Find records by name, and say what a wrong name might have meant."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

_MOST_COMPARED: Final = 10_000  # comparing with all names of a corpus takes seconds


class RecordNames:
    """The names of a store's records, which are unique within a source.

    Parameters
    ----------
    record_ids, sources : sequence of str
        Name and source of every row.

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
        """Yield the shortest name of every row that no other row has."""
        for row, record_id in enumerate(self._record_ids):
            yield record_id if len(self._rows[record_id]) == 1 else self.full(row)

    def full(self, row: int) -> str:
        """Return ``source/name`` of a row."""
        return f"{self._sources[row]}/{self._record_ids[row]}"

    def rows(self, name: str) -> list[int]:
        """Return the rows called ``name`` or ``source/name``."""
        source, _, record_id = name.rpartition("/")
        rows = self._rows.get(record_id, [])
        return [row for row in rows if source in ("", self._sources[row])]

    def hint(self, name: str) -> str:
        """Return what a name that is not there might have meant."""
        record_id = name.rpartition("/")[2]
        similar = [
            known
            for known in self._rows
            if known[:1].casefold() == record_id[:1].casefold()
            and abs(len(known) - len(record_id)) <= 2
        ]
        exact = [known for known in similar if known.casefold() == record_id.casefold()]
        close = exact or difflib.get_close_matches(record_id, similar[:_MOST_COMPARED])
        if close:
            return f"did you mean {', '.join(close)}?"
        return "`ecgstore info --records` lists them"
