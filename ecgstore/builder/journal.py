"""The records found by a scan, on disk so that memory does not grow with them."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.builder.blocks import in_blocks
from ecgstore.builder.entry import Entry, Found, Status, ecg_key
from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.reasons import Reason
from ecgstore.system.claims import FileClaim

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_COLUMNS: Final = tuple(column.name for column in fields(Entry))

_STORED: Final = tuple(name for name in _COLUMNS if name != "signature")
"""Columns of the table of entries. Signatures, which take more room than all of them,
are in a table of their own, so that a pass over entries need not read them."""

_SELECT: Final = (
    ", ".join(
        f"entries.{name}" if name in _STORED else "COALESCE(signature, x'')"
        for name in _COLUMNS
    )
    + " FROM entries LEFT JOIN signatures ON signatures.entry = entries.rowid"
)
"""All columns, in the order of `Entry`."""

_NOT_PLANNED: Final = ("stamp", "n_bytes", "dx_unknown", "signature")
"""Columns that the content of a store does not depend on beyond what others tell: the
signature is a function of the signal, which has a hash."""

_DECIDED_LATER: Final = (
    "status",
    "record_id",
    "windows",
    "n_rows",
    "n_left_out",
    "reason",
    "detail",
)
"""Columns that may change after an entry was written."""

_PLANNED: Final = "||','||".join(
    ["hex(digest)", *(f"quote(entries.{name})" for name in _DECIDED_LATER)]
)
"""Everything that a plan takes from an entry as one text."""

_stored_values: Final = attrgetter(*_STORED)
_planned_values: Final = attrgetter(
    *(name for name in _COLUMNS if name not in (*_NOT_PLANNED, *_DECIDED_LATER))
)


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
        if columns and columns != [*_STORED, "digest", "seen", "name_in_header"]:
            execute("DROP TABLE entries")
            execute("DROP TABLE IF EXISTS facts")
            execute("DROP TABLE IF EXISTS signatures")
        execute(
            "CREATE TABLE IF NOT EXISTS facts (name PRIMARY KEY, value TEXT NOT NULL)"
        )
        execute("CREATE TABLE IF NOT EXISTS same_ecg (number INTEGER, path TEXT)")
        execute("CREATE TABLE IF NOT EXISTS shards (name PRIMARY KEY)")
        execute(
            f"CREATE TABLE IF NOT EXISTS entries ({', '.join(_STORED)}, digest, "
            "seen DEFAULT 1, name_in_header, PRIMARY KEY (path))"
        )
        execute(
            "CREATE TABLE IF NOT EXISTS signatures "
            "(entry INTEGER PRIMARY KEY, signature)"
        )
        # Emptied and filled again where they are needed: to drop a table, no other
        # table may be read at the same time.
        execute(
            "CREATE TABLE IF NOT EXISTS numbered "
            "(number INTEGER PRIMARY KEY, entry, n_rows)"
        )
        execute("CREATE TABLE IF NOT EXISTS twins (ecg PRIMARY KEY)")

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
            self._connection.execute("DELETE FROM signatures")
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
            f"SELECT {_SELECT} WHERE path = ?", (path,)
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
        columns = (*_STORED, "digest")
        marks = ", ".join("?" * len(columns))
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
        with self._transaction():
            for block in in_blocks(entries):
                self._connection.executemany(
                    f"INSERT INTO entries ({', '.join(columns)}) VALUES ({marks}) "
                    f"ON CONFLICT (path) DO UPDATE SET {changes}, seen = 1, "
                    "name_in_header = NULL",
                    ((*_stored_values(one), _digest(one)) for one in block),
                )
                self._connection.executemany(
                    "INSERT OR REPLACE INTO signatures "
                    "SELECT rowid, ?2 FROM entries WHERE path = ?1",
                    ((one.path, one.signature) for one in block),
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
                "DELETE FROM signatures WHERE entry NOT IN (SELECT rowid FROM entries)"
            )
            self._connection.execute(
                "INSERT INTO twins "
                "SELECT ecg_key(source, record_id, sha256, path) AS ecg FROM entries "
                "WHERE status = ? GROUP BY ecg HAVING COUNT(*) > 1",
                (Status.SELECTED,),
            )
            self._connection.execute(
                "UPDATE entries SET "
                "status = CASE record_id WHEN best_id THEN ? ELSE ? END, "
                "reason = CASE record_id WHEN best_id THEN ? ELSE '' END, detail = "
                "'record ' || record_id || ' of ' || source || ' is also in ' || best "
                "FROM (SELECT path AS twin, FIRST_VALUE(path) OVER ranked AS best, "
                "FIRST_VALUE(record_id) OVER ranked AS best_id "
                "FROM (SELECT *, ecg_key(source, record_id, sha256, path) AS ecg "
                "FROM entries WHERE status = ?) WHERE ecg IN (SELECT ecg FROM twins) "
                "WINDOW ranked AS (PARTITION BY ecg "
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
            self._connection.execute("DELETE FROM twins")
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

    def add_shards(self, names: Iterable[str]) -> None:
        """Note shards that belong to this build or to the store that it replaces."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR IGNORE INTO shards VALUES (?)", ((name,) for name in names)
            )

    def shards(self) -> set[str]:
        """Return all shards noted, also of plans that were given up."""
        return {name for (name,) in self._connection.execute("SELECT * FROM shards")}

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
        for row in self._connection.execute(
            f"SELECT {_SELECT} WHERE {condition}", values
        ):
            yield Entry(**dict(zip(_COLUMNS, row, strict=True)))

    def digest(self) -> str:
        """Return a digest of everything that a plan takes from the entries."""
        digest = hashlib.sha256()
        cursor = self._connection.execute(
            f"SELECT {_PLANNED} FROM entries WHERE status IN (?, ?) ORDER BY rowid",
            (Status.SELECTED, Status.QUARANTINED),
        )
        _extend(digest, cursor)
        return digest.hexdigest()

    def number_entries(self) -> None:
        """Give numbers to what is stored or left out, in the order of a store's rows.

        Further methods go by these numbers, without sorting again.
        """
        with self._transaction():
            self._connection.execute("DELETE FROM numbered")
            self._connection.execute(
                "INSERT INTO numbered (entry, n_rows) "
                "SELECT rowid, CASE status WHEN ?1 THEN n_rows ELSE 0 END FROM entries "
                "WHERE status IN (?1, ?2) ORDER BY source, record_id, path",
                (Status.SELECTED, Status.QUARANTINED),
            )

    def numbered_rows(self) -> IntArray:
        """Return the rows of each numbered entry; 0 for one in quarantine."""
        cursor = self._connection.execute("SELECT n_rows FROM numbered ORDER BY number")
        return np.fromiter((n for (n,) in cursor), np.int64)

    def found(self) -> Iterator[Found]:
        """Yield what folds depend on of the numbered entries that have rows."""
        cursor = self._connection.execute(
            f"SELECT {', '.join(f'entries.{name}' for name in Found._fields)} "
            "FROM numbered JOIN entries ON entries.rowid = numbered.entry "
            "WHERE numbered.n_rows ORDER BY number"
        )
        return map(Found._make, cursor)

    def signatures(self) -> Iterator[bytes]:
        """Yield the signatures of the numbered entries that have rows."""
        cursor = self._connection.execute(
            "SELECT signature FROM numbered JOIN signatures USING (entry) "
            "WHERE n_rows ORDER BY number"
        )
        return (signature for (signature,) in cursor)

    def copy_numbered(self, begin: int, end: int, path: Path, digest: "Hash") -> None:
        """Write a journal of some of the numbered entries, without signatures.

        Parameters
        ----------
        begin, end : int
            Their numbers, from 0.
        path : Path
            The journal to write.
        digest : hash
            Gets everything that a plan takes from them.
        """
        with Journal(path):
            pass  # it has all tables now
        columns = (*_STORED, "digest")
        these = (
            "FROM numbered JOIN entries ON entries.rowid = numbered.entry "
            "WHERE number > ?1 AND number <= ?2 ORDER BY number"
        )
        _extend(
            digest,
            self._connection.execute(f"SELECT {_PLANNED} {these}", (begin, end)),
        )
        self._connection.execute("ATTACH ? AS part", (_uri(path),))
        try:
            with self._transaction():
                self._connection.execute(
                    f"INSERT INTO part.entries ({', '.join(columns)}) "
                    f"SELECT {', '.join(f'entries.{name}' for name in columns)} "
                    f"{these}",
                    (begin, end),
                )
        finally:
            self._connection.execute("DETACH part")

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


def _digest(entry: Entry) -> bytes:
    """Return a digest of what a plan takes from an entry and is not decided later."""
    values = repr(_planned_values(entry)).encode()
    return hashlib.blake2b(values, digest_size=16).digest()


def _extend(digest: "Hash", cursor: Iterable[tuple[str]]) -> None:
    """Add texts to a digest, and where each of them ends."""
    for rows in in_blocks(cursor):
        digest.update("".join(f"{text}\n" for (text,) in rows).encode())


def _uri(path: Path) -> str:
    """Return the name of a database that this process has locked, or has made.

    Not every file system has the locks of SQLite.
    """
    return f"{path.as_uri()}?nolock=1"


def _connect(path: Path | None) -> sqlite3.Connection:
    """Open a database whose file this process has locked; None keeps it in memory."""
    connection = sqlite3.connect(
        ":memory:" if path is None else _uri(path),
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
