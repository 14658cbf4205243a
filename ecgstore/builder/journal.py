"""The records found by a scan, on disk so that memory does not grow with them."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, fields
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Self

from ecgstore.builder.entry import Entry, Status, ecg_key
from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.reasons import Reason
from ecgstore.system.claims import FileClaim

_COLUMNS = tuple(column.name for column in fields(Entry))

_NOT_PLANNED = ("stamp", "n_bytes", "dx_unknown")
"""Columns that the content of a store does not depend on."""


class Journal:
    """Entries of one build in an SQLite file, locked while it is open.

    Parameters
    ----------
    path : Path or None
        The file; None keeps the journal in memory.

    Raises
    ------
    EcgStoreError
        If another process has it open, or it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._claim: FileClaim | None = None
        try:
            self._claim = FileClaim(path) if path is not None else None
            self._connection = _connect(path)
            with self._transaction():
                self._create()
        except BlockingIOError as error:
            raise EcgStoreError(
                f"{path}: another build is writing this store; wait for it, or choose "
                "another output"
            ) from error
        except (OSError, sqlite3.OperationalError) as error:
            self._release()
            reason = f" ({cause_of(error)})" if isinstance(error, OSError) else ""
            raise EcgStoreError(
                f"{path}: cannot be written{reason}; check that the folder is writable "
                "and has room"
            ) from error
        except sqlite3.DatabaseError as error:
            self._release()
            raise EcgStoreError(
                f"{path}: the journal of an unfinished build is damaged; "
                "delete it to start again"
            ) from error

    def _create(self) -> None:
        """Create the tables, unless they exist with the columns of this version."""
        execute = self._connection.execute
        columns = [row[1] for row in execute("PRAGMA table_info(entries)")]
        if columns and columns != [*_COLUMNS, "seen", "name_in_header"]:
            execute("DROP TABLE entries")
            execute("DROP TABLE IF EXISTS facts")
        execute(
            "CREATE TABLE IF NOT EXISTS facts (name PRIMARY KEY, value TEXT NOT NULL)"
        )
        execute("CREATE TABLE IF NOT EXISTS same_ecg (number INTEGER, path TEXT)")
        execute(
            f"CREATE TABLE IF NOT EXISTS entries ({', '.join(_COLUMNS)}, "
            "seen DEFAULT 1, name_in_header, PRIMARY KEY (path))"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self, *, remove: bool = False) -> None:
        """Close the journal, and remove its files if they are not needed any more."""
        self._connection.close()
        if remove and self.path is not None:
            leftover = self.path.with_name(f"{self.path.name}-journal")
            leftover.unlink(missing_ok=True)
        self._release(remove=remove)

    def _release(self, *, remove: bool = False) -> None:
        """Let other builds have the file."""
        if self._claim is not None:
            self._claim.release(remove=remove)
            self._claim = None

    # -- the build ----------------------------------------------------------

    @property
    def identity(self) -> str | None:
        """The settings of the build that began this journal; None for a new one."""
        return self._fact("identity")

    @property
    def planned(self) -> str | None:
        """Digest of the entries that the partial file was planned from."""
        return self._fact("planned")

    @property
    def is_sealed(self) -> bool:
        """Whether the partial file was complete, so that only its name was missing."""
        return self._fact("sealed") is not None

    def _fact(self, name: str) -> str | None:
        """Return a fact about the build; None if it is not known."""
        row = self._connection.execute(
            "SELECT value FROM facts WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def begin_plan(self, digest: str) -> None:
        """Note the entries of a plan before it is made."""
        with self._transaction():
            self._connection.execute("DELETE FROM facts WHERE name = 'sealed'")
            self._connection.execute(
                "INSERT OR REPLACE INTO facts VALUES ('planned', ?)", (digest,)
            )

    @property
    def n_moved_folds(self) -> int:
        """Number of records that have another fold than a table gives them."""
        return int(self._fact("moved_folds") or 0)

    def set_moved_folds(self, number: int) -> None:
        """Note how many records have another fold than a table gives them."""
        self._connection.execute(
            "INSERT OR REPLACE INTO facts VALUES ('moved_folds', ?)", (str(number),)
        )

    def begin_seal(self) -> None:
        """Note that all rows are filled."""
        self._connection.execute(
            "INSERT OR REPLACE INTO facts VALUES ('sealed', 'yes')"
        )

    def begin(self, identity: str) -> None:
        """Delete all entries, and store the settings of a new build."""
        with self._transaction():
            self._connection.execute("DELETE FROM entries")
            self._connection.execute("DELETE FROM same_ecg")
            self._connection.execute("DELETE FROM facts")
            self._connection.execute(
                "INSERT INTO facts VALUES ('identity', ?)", (identity,)
            )

    def _transaction(self) -> "_Transaction":
        """Return a context whose changes are written together, or not at all."""
        return _Transaction(self._connection)

    # -- scanning -----------------------------------------------------------

    def begin_scan(self) -> None:
        """Mark all entries as not seen yet; undo what the last scan's end decided."""
        with self._transaction():
            self._connection.execute("UPDATE entries SET seen = 0")
            self._connection.execute(
                "UPDATE entries SET status = ?, reason = '', detail = '' "
                "WHERE reason = ? OR status = ?",
                (Status.SELECTED, Reason.DUPLICATE_RECORD_ID, Status.COPY),
            )
            self._connection.execute(
                "UPDATE entries SET record_id = name_in_header, name_in_header = NULL "
                "WHERE name_in_header IS NOT NULL"
            )

    def entry(self, path: str) -> Entry | None:
        """Return the entry of a header, if there is one."""
        row = self._connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM entries WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else Entry(**dict(zip(_COLUMNS, row, strict=True)))

    def keep(self, paths: Iterable[str]) -> None:
        """Mark entries of unchanged files as seen."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE entries SET seen = 1 WHERE path = ?",
                ((path,) for path in paths),
            )

    def add(self, entries: Iterable[Entry]) -> None:
        """Write entries; they replace older ones of the same headers."""
        marks = ", ".join("?" * len(_COLUMNS))
        with self._transaction():
            self._connection.executemany(
                f"INSERT OR REPLACE INTO entries ({', '.join(_COLUMNS)}) "
                f"VALUES ({marks})",
                map(astuple, entries),
            )

    def add_unreadable(self, path: str, problem: str) -> None:
        """Note a folder that cannot be read; a later scan drops it if it can."""
        self.add(
            [
                Entry(
                    path=path,
                    status=Status.UNREADABLE,
                    source="",
                    record_id="",
                    detail=problem,
                )
            ]
        )

    def end_scan(self, fs: float) -> None:
        """Drop entries not seen; select one record of every ECG; make names unique.

        Of the records of one ECG (`ecg_key`), one with diagnoses stays rather than one
        without, then the one with the lowest sampling rate of at least `fs`, or else
        the highest one, then the first path. Others of its name go to quarantine, those
        of other names are copies. Records that still share their source and name get
        their path as name.

        Parameters
        ----------
        fs : float
            Sampling rate of the store in Hz.
        """
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE seen = 0")
            self._connection.execute(
                "UPDATE entries SET "
                "status = CASE record_id WHEN best_id THEN ? ELSE ? END, "
                "reason = CASE record_id WHEN best_id THEN ? ELSE '' END, detail = "
                "'record ' || record_id || ' of ' || source || ' is also in ' || best "
                "FROM (SELECT path AS twin, FIRST_VALUE(path) OVER ranked AS best, "
                "FIRST_VALUE(record_id) OVER ranked AS best_id "
                "FROM entries WHERE status = ? WINDOW ranked AS ("
                "PARTITION BY ecg_key(source, record_id, sha256, path) "
                "ORDER BY dx = '', COALESCE(fs, 0) < ?, ABS(fs - ?), path)) "
                "WHERE path = twin AND path != best",
                (
                    Status.QUARANTINED,
                    Status.COPY,
                    Reason.DUPLICATE_RECORD_ID,
                    Status.SELECTED,
                    fs,
                    fs,
                ),
            )
            self._connection.execute(
                "UPDATE entries SET name_in_header = record_id, record_id = path "
                "WHERE status = ?1 AND (source, record_id) IN ("
                "SELECT source, record_id FROM entries WHERE status = ?1 "
                "GROUP BY source, record_id HAVING COUNT(*) > 1)",
                (Status.SELECTED,),
            )

    def forget_failures(self) -> None:
        """Let the next scan try again all records that could not be used.

        Their files may have been unreadable for a reason that no stamp shows, such as
        a permission, or a disk that was not there.
        """
        self._connection.execute(
            "UPDATE entries SET stamp = '' WHERE status = ? AND reason != ?",
            (Status.QUARANTINED, Reason.DUPLICATE_RECORD_ID),
        )
        self._connection.execute("UPDATE entries SET stamp = '' WHERE n_left_out > 0")

    def forget(self, paths: Iterable[str]) -> None:
        """Let the next scan read these records again."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE entries SET stamp = '' WHERE path = ?",
                ((path,) for path in paths),
            )

    def quarantine(self, path: str, reason: str, detail: str) -> None:
        """Quarantine a record that failed after the scan, if it is still selected."""
        with self._transaction():
            self._connection.execute(
                "UPDATE entries SET status = ?, reason = ?, detail = ? "
                "WHERE path = ? AND status = ?",
                (Status.QUARANTINED, reason, detail, path, Status.SELECTED),
            )

    def set_windows(self, entry: Entry) -> None:
        """Change the windows of a record to those of an entry."""
        with self._transaction():
            self._connection.execute(
                "UPDATE entries SET windows = ?, n_rows = ?, n_left_out = ? "
                "WHERE path = ?",
                (entry.windows, entry.n_rows, entry.n_left_out, entry.path),
            )

    # -- planning and reporting ---------------------------------------------

    def set_same_ecg(self, groups: Iterable[Iterable[str]]) -> None:
        """Write which entries, by their paths, hold the same ECG."""
        with self._transaction():
            self._connection.execute("DELETE FROM same_ecg")
            self._connection.executemany(
                "INSERT INTO same_ecg VALUES (?, ?)",
                (
                    (number, path)
                    for number, paths in enumerate(groups)
                    for path in paths
                ),
            )

    def same_ecg(self) -> list[list[str]]:
        """Return the names of the records that hold the same ECG, ECG by ECG."""
        cursor = self._connection.execute(
            "SELECT number, record_id FROM same_ecg JOIN entries USING (path) "
            "ORDER BY number, source, record_id, path"
        )
        return [
            [str(record_id) for _, record_id in members]
            for _, members in groupby(cursor, key=itemgetter(0))
        ]

    def entries(self, status: Status) -> Iterator[Entry]:
        """Yield entries in the order of a store's rows: by source, then record_id."""
        return self._entries("status = ? ORDER BY source, record_id, path", status)

    def entries_left_out(self) -> Iterator[Entry]:
        """Yield entries in quarantine, and those with windows there, in that order."""
        return self._entries(
            "status = ? OR (status = ? AND n_left_out > 0) "
            "ORDER BY source, record_id, path",
            Status.QUARANTINED,
            Status.SELECTED,
        )

    def _entries(self, condition: str, *values: str) -> Iterator[Entry]:
        """Yield the entries for which a condition holds."""
        columns = ", ".join(_COLUMNS)
        for row in self._connection.execute(
            f"SELECT {columns} FROM entries WHERE {condition}", values
        ):
            yield Entry(**dict(zip(_COLUMNS, row, strict=True)))

    def digest(self) -> str:
        """Return a digest of everything that a plan takes from the entries."""
        columns = ", ".join(name for name in _COLUMNS if name not in _NOT_PLANNED)
        digest = hashlib.sha256()
        for row in self._connection.execute(
            f"SELECT {columns} FROM entries WHERE status IN (?, ?) ORDER BY path",
            (Status.SELECTED, Status.QUARANTINED),
        ):
            digest.update(repr(row).encode())
        return digest.hexdigest()

    def count(self, status: Status | None = None) -> int:
        """Return the number of entries of one status, or of all records."""
        query = "SELECT COUNT(*) FROM entries WHERE status"
        cursor = (
            self._connection.execute(f"{query} != ?", (Status.UNREADABLE,))
            if status is None
            else self._connection.execute(f"{query} = ?", (status,))
        )
        return int(cursor.fetchone()[0])

    def n_rows(self) -> int:
        """Return the number of rows: of selected records, or of their windows."""
        return self._sum("n_rows")

    def n_windows_left_out(self) -> int:
        """Return the number of windows of selected records in quarantine."""
        return self._sum("n_left_out")

    def _sum(self, column: str) -> int:
        """Return the sum of a column over the selected records."""
        cursor = self._connection.execute(
            f"SELECT COALESCE(SUM({column}), 0) FROM entries WHERE status = ?",
            (Status.SELECTED,),
        )
        return int(cursor.fetchone()[0])

    def count_by(self, column: str, status: Status) -> Mapping[str, int]:
        """Return the number of entries of a status for each value of a column."""
        cursor = self._connection.execute(
            f"SELECT {column}, COUNT(*) FROM entries WHERE status = ? "
            f"GROUP BY {column} ORDER BY {column}",
            (status,),
        )
        return {str(value): int(count) for value, count in cursor}

    def widths(self, status: Status, columns: Iterable[str]) -> dict[str, int]:
        """Return the longest value of text columns, in bytes of UTF-8."""
        names = list(columns)
        longest = ", ".join(f"MAX(LENGTH(CAST({name} AS BLOB)))" for name in names)
        row = self._connection.execute(
            f"SELECT {longest} FROM entries WHERE status = ?", (status,)
        ).fetchone()
        return {name: int(width or 0) for name, width in zip(names, row, strict=True)}

    def unreadable(self) -> Iterator[tuple[str, str]]:
        """Yield path and problem of every folder or link that cannot be read."""
        return self._connection.execute(
            "SELECT path, detail FROM entries WHERE status = ? ORDER BY path",
            (Status.UNREADABLE,),
        )

    def count_with(self, column: str) -> int:
        """Return the number of selected entries that have a text in a column."""
        cursor = self._connection.execute(
            f"SELECT COUNT(*) FROM entries WHERE status = ? AND {column} != ''",
            (Status.SELECTED,),
        )
        return int(cursor.fetchone()[0])

    def any_dx(self) -> bool:
        """Return whether any header that was read has a code, or denies one."""
        query = "SELECT 1 FROM entries WHERE dx != '' OR denied != '' LIMIT 1"
        return self._connection.execute(query).fetchone() is not None

    def records(self) -> Iterator[Entry]:
        """Yield every record, selected or not, in no particular order."""
        return self._entries("status != ?", Status.UNREADABLE)

    def unknown_dx(self) -> Iterator[str]:
        """Yield the diagnoses that were not understood, of every entry with some."""
        cursor = self._connection.execute(
            "SELECT dx_unknown FROM entries WHERE dx_unknown != ''"
        )
        return (str(texts) for (texts,) in cursor)


def _connect(path: Path | None) -> sqlite3.Connection:
    """Open a database whose file this process has locked; None keeps it in memory."""
    connection = sqlite3.connect(
        # Not every file system has the locks of SQLite.
        ":memory:" if path is None else f"{path.as_uri()}?nolock=1",
        uri=True,
        isolation_level=None,
    )
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.create_function("ecg_key", 4, ecg_key, deterministic=True)
    return connection


class _Transaction:
    """Commit at the end of a block, or roll back when it fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(self, error: object, *rest: object) -> None:
        if error is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:  # a full disk has rolled back already
            self._connection.execute("ROLLBACK")
