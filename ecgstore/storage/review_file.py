"""The decisions of a label round in a table beside a store: reading and writing it.

The table is a CSV file that people can open and edit, and that ``ecgstore label`` takes
as a table of labels; docs/labels.md explains its columns.
"""

import hashlib
import operator
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.errors import ConfigError, EcgStoreError, short_list, short_repr
from ecgstore.label_tables.cells import truth_in
from ecgstore.label_tables.keys import names_in, tails
from ecgstore.storage.byte_texts import decoded
from ecgstore.storage.format import schema
from ecgstore.storage.record_names import RecordNames
from ecgstore.storage.tables import Tables
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.csv_files import (
    MOST_COLUMNS,
    csv_columns,
    read_csv_rows,
    write_csv_rows,
)
from ecgstore.system.locks import locked_file
from ecgstore.system.regular_files import require_regular_file

SUFFIX: Final = ".review.csv"

REVIEW: Final = "review"
COMMENT: Final = "review_comment"

COLUMNS: Final = (REVIEW, COMMENT)
"""The columns that a store has by this file."""

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
DECISIONS: Final = (ACCEPTED, REJECTED)

_RECORD: Final = ("record_id", "source", "path", "sha256")
_FIXED: Final = (*_RECORD, REVIEW, COMMENT, "reviewed")
"""Columns of the file, in this order; those of classes follow."""

_DIGITS: Final = 16
"""Hexadecimal digits of the signal's SHA-256 in the file."""

_LONGEST_COMMENT: Final = 10_000
"""Characters of a comment."""

_LARGEST_WRITTEN: Final = 32 * 2**20
"""Size in bytes of a file that is written: some 200,000 decisions."""

_LARGEST_FILE: Final = 36 * 2**20
"""Size in bytes of a file that is read: people may have added to it."""

_SETTLED_NS: Final = 2 * 10**9
"""Age of a file in ns from which another change of it has another time: file systems
tell times in steps of up to 2 s."""

_WAIT_S: Final = 10.0
"""Time to wait for another process that is writing, in s."""

# What a spreadsheet takes for a formula is written with an apostrophe before it, which
# is taken away again by reading; so is that of a text that has one already.
_FORMULA: Final = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_HIDDEN: Final = re.compile("'+[=+\\-@\uff1d\uff0b\uff0d\uff20]")

_NO_TEXT: Final = re.compile("[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters that no comment has: control characters and halves of others."""


def review_file_path(store_path: Path) -> Path:
    """Return the path of the decisions about a store's records.

    Examples
    --------
    >>> review_file_path(Path("challenge.h5")).name
    'challenge.review.csv'
    """
    return store_path.with_name(f"{store_path.stem}{SUFFIX}")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reader has decided about a record.

    Attributes
    ----------
    review : str
        ``"accepted"``, ``"rejected"``, or empty if nothing is decided.
    comment : str
        What the reader has written; may be empty.
    labels : Mapping
        Whether the record is in a class, for each class that the reader corrected.
    reviewed : str
        Time of the decision in UTC, such as ``"2026-01-31T12:00:00Z"``.
    """

    review: str = ""
    comment: str = ""
    labels: Mapping[str, bool] = field(default_factory=dict)
    reviewed: str = ""


class ReviewCounts(NamedTuple):
    """How many records are decided.

    Attributes
    ----------
    accepted, rejected : int
        Records with that decision.
    corrected, commented : int
        Records with a corrected label, and with a comment.
    other_signals, unknown : int
        Lines that are ignored: about another signal of a record's name, and about
        records that the store has not.
    """

    accepted: int
    rejected: int
    corrected: int
    commented: int
    other_signals: int
    unknown: int


@dataclass(slots=True, eq=False)
class _Content:
    """One file in memory; also the lines about other signals, which writing keeps."""

    digest: bytes = b""
    stamp: tuple[int, ...] | None = None
    columns: list[str] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    number_of: dict[int, int] = field(default_factory=dict)
    decision_of: dict[int, Decision] = field(default_factory=dict)
    other_signals: int = 0
    unknown: int = 0


class Review:
    """The decisions about the records of a store; usually `Store.review`.

    The file is read at its first use. Decisions about other signals of the same names
    are ignored, and kept in the file. It can be used from several threads, and several
    processes may write one file: what another one has decided meanwhile stays.

    Parameters
    ----------
    paths : sequence of Path
        The file that is read and written, and those of the parts of a collection, which
        are only read. What the first one says counts first.
    tables : Tables
        The tables of the store.
    names : callable
        Returns the names of its records.
    classes : sequence of str
        Names of its classes.
    windows : bool
        Whether its rows are windows of records.
    expected : bool
        Whether the first file must exist when decisions are read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        tables: Tables,
        names: Callable[[], RecordNames],
        classes: Sequence[str],
        *,
        windows: bool = False,
        expected: bool = False,
    ) -> None:
        self._paths = tuple(paths)
        self._tables = tables
        self._names = names
        self._classes = tuple(name for name in classes if name not in _FIXED)
        self._windows = windows
        self._expected = expected
        self._begun = False
        self._why_not = ""
        self._lock = RLock()
        self._contents: list[_Content] | None = None
        self._columns: dict[str, NDArray[np.object_]] = {}

    @property
    def path(self) -> Path:
        """The file in which decisions are saved."""
        return self._paths[0]

    @property
    def is_there(self) -> bool:
        """Whether the store has columns of decisions."""
        with self._lock:
            known = self._begun or self._expected or self._contents is not None
        return known or any(path.exists() for path in self._paths)

    def begin(self) -> None:
        """Begin a label round: there are columns of decisions, though no file yet."""
        self._begun = True

    def refuse_saving(self, why: str) -> None:
        """Let `save` raise an error with this message."""
        self._why_not = why

    def __getitem__(self, row: int) -> Decision:
        """Return what is decided about the record in a row."""
        for content in self._read():
            if row in content.decision_of:
                return content.decision_of[row]
        return Decision()

    def column(self, name: str) -> NDArray[np.object_]:
        """Return a column of texts of shape (n_records,), not writeable.

        Parameters
        ----------
        name : str
            One of `COLUMNS`.
        """
        with self._lock:
            if name not in self._columns:
                texts: NDArray[np.object_] = np.full(self._n_rows, "", object)
                for content in reversed(self._read()):
                    for row, decision in content.decision_of.items():
                        texts[row] = _text_of(decision, name)
                self._columns[name] = texts
            texts = self._columns[name].view()
        texts.flags.writeable = False
        return texts

    def counts(self) -> ReviewCounts:
        """Return how many records are decided."""
        with self._lock:
            contents = self._read()
            decisions: dict[int, Decision] = {}
            for content in reversed(contents):
                decisions |= content.decision_of
        every = decisions.values()
        return ReviewCounts(
            sum(one.review == ACCEPTED for one in every),
            sum(one.review == REJECTED for one in every),
            sum(bool(one.labels) for one in every),
            sum(bool(one.comment) for one in every),
            sum(content.other_signals for content in contents),
            sum(content.unknown for content in contents),
        )

    def save(self, row: int, decision: Decision) -> Decision:
        """Write what is decided about the record in a row; return it with the time.

        When this returns, the decision is on the disk.

        Raises
        ------
        EcgStoreError
            If the decision is none, or the file cannot be written; it is then as it was
            before.
        """
        if self._why_not:
            raise EcgStoreError(self._why_not)
        decision = self._checked(row, decision)
        with self._lock, self._writing():
            known, *of_parts = self._read()
            known.stamp = None  # whoever wrote it must not lose anything
            old = self._current(self.path, known)
            self._take([old, *of_parts])
            columns = _joined(old.columns or _FIXED, (*_FIXED, *self._classes))
            cells, texts = old.cells, old.texts
            if columns != old.columns or len(texts) != len(cells):
                texts = _texts(columns, cells)[1:]
            line = {**self._kept(old, row), **self._cells(row, decision)}
            rows = self._rows_of(self._names(), line)
            number = self._number(old, row, rows)
            head, text = _texts(columns, [line])
            new_texts = [*texts[:number], text, *texts[number + 1 :]]
            stored = "".join((head, *new_texts)).encode()
            self._require_room(len(stored), len(columns))
            with replace_file(self.path, "wb") as file:
                file.write(stored)
            old.digest, old.stamp = hashlib.sha256(stored).digest(), None
            old.columns, old.texts = columns, new_texts
            old.cells[number : number + 1] = [line]
            for one in rows:
                if old.number_of.get(one, number) > number:
                    continue  # a later line counts
                old.number_of[one] = number
                old.decision_of[one] = decision
                for name, column in self._columns.items():
                    column[one] = _text_of(decision, name)
        return decision

    def refresh(self) -> bool:
        """Read again the files that another process has changed; return whether any is.

        Those of the parts of a collection count, too. Of a file that was not touched
        nothing but its size and times are looked at.
        """
        with self._lock:
            old = self._read()
            new = [*map(self._current, self._paths, old)]
            return self._take(new)

    @property
    def _n_rows(self) -> int:
        """Number of records of the store."""
        return len(self._tables[schema.FOLDS])

    def _read(self) -> list[_Content]:
        """Return the content of every file, read at its first use."""
        with self._lock:
            if self._contents is None:
                if self._expected and not self._begun and not self.path.exists():
                    raise EcgStoreError(
                        f"{self.path}: no such file; expected the decisions of a label "
                        "round, as `ecgstore view` writes them"
                    )
                self._contents = [
                    self._current(path, _Content()) for path in self._paths
                ]
            return self._contents

    def _current(self, path: Path, known: _Content) -> _Content:
        """Return what is in a file now: what is known of it, if it has not changed."""
        stamp = _stamp(path)
        if stamp is not None and stamp == known.stamp:
            return known
        try:
            digest = _digest(path)
        except FileNotFoundError:
            digest = b""
        content = known if digest == known.digest else self._content(path, digest)
        content.stamp = stamp
        return content

    def _take(self, contents: list[_Content]) -> bool:
        """Use the contents of the files; return whether one is new."""
        is_new = any(map(operator.is_not, contents, self._read()))
        if is_new:
            self._contents = contents
            self._columns.clear()
        return is_new

    def _content(self, path: Path, digest: bytes) -> _Content:
        """Return the content of a file; its digest is empty if there is none."""
        content = _Content(digest)
        if not digest:
            return content
        names = self._names()
        content.columns = csv_columns(path)
        if digest != hashlib.sha256().digest():  # not empty
            _require_columns(path, content.columns)
        for where, cells in read_csv_rows(path):
            decision = _decision(where, cells, self._classes)
            rows = self._rows_of(names, cells)
            for row in rows:
                content.number_of[row] = len(content.cells)
                content.decision_of[row] = decision
            if not rows:
                is_known = bool(names.rows(cells["record_id"]))
                content.other_signals += is_known
                content.unknown += not is_known
            content.cells.append(cells)
        return content

    def _rows_of(self, names: RecordNames, cells: Mapping[str, str]) -> list[int]:
        """Return the rows of the signal that a line is about; none if it is unclear."""
        source, sha256 = cells.get("source", ""), cells.get("sha256", "").lower()
        rows = [
            row
            for row in names.rows(cells["record_id"])
            if source in ("", self._text("source", row))
            and self._text("sha256", row).startswith(sha256)
        ]
        is_one = len({self._text("sha256", row) for row in rows}) == 1
        return rows if is_one else []

    def _cells(self, row: int, decision: Decision) -> dict[str, str]:
        """Return what the file says of a record, by column."""
        record_id, path = self._keys(row)
        return {
            "record_id": record_id,
            "source": self._text("source", row),
            "path": path,
            "sha256": self._text("sha256", row)[:_DIGITS],
            REVIEW: decision.review,
            COMMENT: _neutral(decision.comment),
            "reviewed": decision.reviewed,
            **{
                name: str(int(decision.labels[name])) if name in decision.labels else ""
                for name in self._classes
            },
        }

    def _number(self, content: _Content, row: int, rows: Sequence[int]) -> int:
        """Return the number of the line that a new one about some rows replaces.

        A line that counts for further rows, such as one of a name alone, stays. The new
        one is then appended: of several lines about a record, the last one counts.
        """
        number_of = content.number_of
        if row in number_of:
            number = number_of[row]
            of_line = self._rows_of(self._names(), content.cells[number])
            if not {one for one in of_line if number_of[one] == number}.difference(
                rows
            ):
                return number
        return len(content.cells)

    def _kept(self, content: _Content, row: int) -> dict[str, str]:
        """Return what a line says in further columns, such as those of a person."""
        number = content.number_of.get(row)
        return {} if number is None else content.cells[number]

    def _keys(self, row: int) -> tuple[str, str]:
        """Return name and path by which a table of labels finds this record alone.

        The name is ``source/name`` where tables would take it for another record, too.
        The path is empty where it leads to several records.
        """
        names = self._names()
        record_id, path = self._text("record_id", row), self._text("path", row)
        of_name = names_in("record_id", record_id, of_ptb_xl=False) or (record_id,)
        others = {other for one in of_name for other in names.rows(one)} - {row}
        if others:
            record_id = names.full_name(row)
        ways = [set(tails(self._text("path", other))) for other in others]
        is_shared = any(next(tails(path)) in way for way in ways)
        is_path = "/" in self._text("record_id", row)
        return record_id, "" if self._windows or is_path or is_shared else path

    def _text(self, name: str, row: int) -> str:
        """Return a text of a record."""
        path = f"{schema.RECORDS}/{name}"
        texts = self._tables[path][row : row + 1]
        return str(decoded(texts, f"{self._tables.path}: /{path}")[0])

    def _checked(self, row: int, decision: Decision) -> Decision:
        """Return a decision as it is saved, with the time, if it is one."""
        if not 0 <= row < self._n_rows:
            raise EcgStoreError(
                f"{self._tables.path}: no row {short_repr(row)}; expected 0 to "
                f"{self._n_rows - 1}"
            )
        if decision.review not in ("", *DECISIONS):
            raise EcgStoreError(
                f"the decision is {short_repr(decision.review)}; expected "
                f"{' or '.join(DECISIONS)}, or an empty text"
            )
        comment = _with_line_feeds(decision.comment).strip()
        if len(comment) > _LONGEST_COMMENT:
            raise EcgStoreError(
                f"the comment has {len(comment)} characters; expected at most "
                f"{_LONGEST_COMMENT}"
            )
        odd = _NO_TEXT.search(comment)
        if odd is not None:
            raise EcgStoreError(
                f"the comment has the character {odd[0]!r}; expected text without "
                "control characters"
            )
        for name, truth in decision.labels.items():
            if name not in self._classes or not isinstance(truth, bool):
                raise EcgStoreError(
                    f"the label {short_repr(name)}: {short_repr(truth)} is none; "
                    f"expected true or false for one of {short_list(self._classes)}"
                )
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Decision(decision.review, comment, dict(decision.labels), now)

    def _require_room(self, size: int, n_columns: int) -> None:
        """Refuse to write a file that would be too large to be read again."""
        for number, most, unit in (
            (size, _LARGEST_WRITTEN, "bytes"),
            (n_columns, MOST_COLUMNS, "columns"),
        ):
            if number > most:
                raise EcgStoreError(
                    f"{self.path}: the decision is not saved: the file would have "
                    f"{number} {unit}, of at most {most}; remove lines of records "
                    "that this store has not, long comments and further columns, or "
                    "begin another file with `ecgstore view --review FILE`"
                )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock of the file, which is created if there is none."""
        with ExitStack() as stack:
            is_locked = False
            while not is_locked:
                try:
                    stack.enter_context(locked_file(self.path, _WAIT_S))
                    is_locked = True
                except FileNotFoundError:
                    self._create()
                except OSError as error:
                    raise _unreadable(self.path, error) from error
            yield

    def _create(self) -> None:
        """Write a file without decisions, unless another process was faster."""
        try:
            with replace_file(self.path, replace=False) as file:
                write_csv_rows(file, (*_FIXED, *self._classes), ())
        except EcgStoreError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise


def _text_of(decision: Decision, name: str) -> str:
    """Return the value of a column of `COLUMNS`."""
    return decision.review if name == REVIEW else decision.comment


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what any change of a file changes; None if one just now might not."""
    try:
        found = path.stat()
    except OSError:
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    if time.time_ns() - max(times) < _SETTLED_NS:
        return None
    return found.st_dev, found.st_ino, found.st_size, *times


def _digest(path: Path) -> bytes:
    """Return the SHA-256 of a file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ConfigError
        If it is too large or cannot be read.
    """
    require_regular_file(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST_FILE:
                raise ConfigError(
                    f"{path}: has {size / 1e6:.0f} MB; expected the decisions of a "
                    f"label round, of at most {_LARGEST_FILE / 1e6:.0f} MB"
                )
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    """Return the error for a file that cannot be read."""
    return ConfigError(
        f"{path}: cannot be read ({error.strerror}); expected the decisions of a label "
        "round, in a file that may be read and written"
    )


def _require_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table that is none of decisions."""
    missing = [name for name in ("record_id", REVIEW) if name not in columns]
    if missing:
        raise ConfigError(
            f"{path}: no column {' and no column '.join(missing)}; expected the "
            f"decisions of a label round, with the columns {', '.join(_FIXED)} and one "
            "for each class"
        )


def _decision(where: str, cells: Mapping[str, str], classes: Iterable[str]) -> Decision:
    """Return what a line says.

    Raises
    ------
    ConfigError
        If a value is not understood.
    """
    review = cells[REVIEW].lower()
    if review not in ("", *DECISIONS):
        raise ConfigError(
            f"{where}: {REVIEW} is {short_repr(cells[REVIEW])}; expected "
            f"{' or '.join(DECISIONS)}, or nothing"
        )
    comment = _with_line_feeds(cells.get(COMMENT, ""))
    if _HIDDEN.match(comment):
        comment = comment[1:]
    if len(comment) > _LONGEST_COMMENT or _NO_TEXT.search(comment):
        raise ConfigError(
            f"{where}: {COMMENT} is longer than {_LONGEST_COMMENT} characters or has "
            "control characters; expected text, remove them"
        )
    labels = {}
    for name in classes:
        cell = cells.get(name, "")
        try:
            truth = truth_in(cell) if cell else None
        except ValueError:
            raise ConfigError(
                f"{where}: column {name} is {short_repr(cell)}; expected 1 or 0 for a "
                "corrected label, or nothing"
            ) from None
        if truth is not None:
            labels[name] = truth
    return Decision(review, comment, labels, cells.get("reviewed", ""))


def _with_line_feeds(comment: str) -> str:
    r"""Return a comment whose lines end with ``\n``; spreadsheets change them."""
    return comment.replace("\r\n", "\n").replace("\r", "\n")


def _neutral(comment: str) -> str:
    """Return a comment as it is written: no formula for a spreadsheet."""
    return f"'{comment}" if _FORMULA.match(comment) else comment


def _joined(columns: Iterable[str], further: Iterable[str]) -> list[str]:
    """Return the columns of a file, and those that it lacks behind them."""
    return [*dict.fromkeys((*columns, *further))]


class _Texts(list[str]):
    """The lines that are written, each as a text."""

    def write(self, line: str) -> None:
        """Append a line."""
        self.append(line)


def _texts(columns: Sequence[str], cells: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the first line of the file, and those of some decisions."""
    texts = _Texts()
    rows = ([line.get(name, "") for name in columns] for line in cells)
    write_csv_rows(texts, columns, rows)
    return texts
