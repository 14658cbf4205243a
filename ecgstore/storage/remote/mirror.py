"""The parts of an object at a URL that were fetched, mapped into memory."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy as copy_of
from dataclasses import dataclass
from functools import partial as bind
from typing import Final, Protocol

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, SchemaError, StoreClosedError
from ecgstore.storage.remote.copies import Copy, MemoryCopy, Rows
from ecgstore.storage.remote.line import AHEAD_BYTES, Line
from ecgstore.storage.remote.object_reader import ObjectReader
from ecgstore.storage.remote.units import Request, Units, requests_for

MOST_FETCHES: Final = 5
"""How often bytes are fetched in all that arrive, and differ from their checksum."""


class Check(Protocol):
    """Compares units with the checksums of a store."""

    def prepare(self, numbers: IntArray) -> None:
        """Fetch the checksums of some units."""

    def doubtful(self, request: Request) -> tuple[int, int]:
        """Return where checksums of a request are that may be damaged themselves."""

    @property
    def place(self) -> int:
        """Where those begin, which always stay when they were fetched."""

    def knows(self, first_unit: int) -> bool:
        """Return whether there is a checksum for a unit."""

    def is_intact(self, first_unit: int, content: UInt8Array) -> bool:
        """Return whether successive units are what they should be."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Wanted:
    """Units that are needed; they stay as long as this exists."""

    numbers: IntArray


class Mirror:
    """The bytes of an object at a URL, as far as they were fetched.

    It has the methods of `MemoryMap`. What is needed and absent is fetched, checked,
    written to a file with holes, and read through its memory map.

    Parameters
    ----------
    reader : ObjectReader
        The object.
    copy : Copy
        Where its bytes are put.
    units : Units
        The units of the object.
    line : Line
        Makes the requests; it is closed with the mirror.
    """

    def __init__(
        self, reader: ObjectReader, copy: Copy, units: Units, line: Line
    ) -> None:
        self.path = copy.path
        self.reader = reader
        self.units = units
        self._copy = copy
        self._check: Check | None = None
        self._bytes: UInt8Array | None = copy.bytes
        # What this process has fetched or checked, and what it has asked for.
        self._is_trusted = np.zeros(units.n_units, bool)
        self._is_asked = np.zeros(units.n_units, bool)
        self._n_left = units.counts  # by region: units that are not trusted
        self._whole: tuple[tuple[int, int], ...] = ()  # bounds of regions without any
        self._error: Exception | None = None
        self._line = line
        self._arrived = line.arrived
        self._process = os.getpid()
        # Where nothing is kept on a disk, rows of any part may be dropped at any time.
        self.rows = Rows(copy, units) if isinstance(copy, MemoryCopy) else None
        self._writing = threading.Lock() if self.rows is None else line.kept.writing

    @property
    def bytes(self) -> UInt8Array:
        """The whole file, with zeros where nothing was fetched.

        Raises
        ------
        StoreClosedError
            After `close`.
        """
        if self._bytes is None:
            raise StoreClosedError(
                f"{self.reader.shown}: the store is closed; open it again to read"
            )
        return self._bytes

    @property
    def is_remote(self) -> bool:
        """That it is at a URL."""
        return True

    def note_first(self, content: UInt8Array) -> None:
        """Write the first bytes of the object, which were fetched already.

        As all that was written earlier, they are checked when they are needed.
        """
        numbers = np.arange(self.units.n_within(len(content)))
        for request in requests_for(self.units, numbers):
            self._keep(request, content[request.begin : request.end])

    def check_with(self, check: Check) -> None:
        """Check all units from now on; those that came before stay as they are."""
        self._check = check
        self._let_stay(check.place)

    def _let_stay(self, place: int) -> None:
        """Let a table stay for ever that begins at a place."""
        if self.rows is not None:
            with self._arrived:
                self.rows.keep(int(self.units.numbers_at(np.array([place]))[0]))

    def check_unchanged(self) -> None:
        """Raise if the mirror was closed: every answer is of the version opened."""
        self.bytes  # noqa: B018  # raises after `close`

    def need(self, offsets: IntArray, n_bytes: int) -> object:
        """Wait until ranges of the object are in the mirror.

        Parameters
        ----------
        offsets : ndarray of shape (n_ranges,)
            Offsets of the first bytes.
        n_bytes : int
            Length of every range in bytes.

        Returns
        -------
        object
            As long as it exists, the ranges stay.

        Raises
        ------
        EcgStoreError
            If they cannot be fetched.
        SchemaError
            If what arrives differs from its checksum.
        """
        wanted = self.begin_to_need(offsets, n_bytes)
        if wanted is not None:
            self.wait_for(wanted)
        return wanted

    def begin_to_need(self, offsets: IntArray, n_bytes: int) -> "Wanted | None":
        """Request ranges that are absent; None if all are here, and stay; see `need`.

        What it returns is for `wait_for`.
        """
        if not n_bytes or not len(offsets):
            return None
        if self.rows is None:
            if self.has_table(int(offsets.min()), int(offsets.max()) + n_bytes):
                return None
            numbers = self.units.of_ranges(offsets, n_bytes)
            if self._is_trusted[numbers].all():
                return None
            wanted = Wanted(numbers)
        else:
            self.reader.check_process()  # another one may drop what this one reads
            wanted = Wanted(self.units.of_ranges(offsets, n_bytes))
            with self._arrived:
                self.rows.hold(wanted.numbers)
            self._line.kept.release_with(wanted, self.rows, wanted.numbers)
        self._ask(wanted.numbers, waits=True)
        return wanted

    def wait_for(self, wanted: "Wanted") -> None:
        """Wait until what was requested is here; see `need`."""
        numbers = wanted.numbers
        with self._arrived:
            while not (arrived := self._is_trusted[numbers]).all():
                self.bytes  # noqa: B018  # raises after `close`
                error = self._error
                if error and not self._is_asked[numbers[~arrived]].all():
                    # A copy: the traceback of each refers to what it was raised for.
                    raise copy_of(error) from error
                self._arrived.wait()

    def has_table(self, begin: int, end: int) -> bool:
        """Return whether a range is here, and the whole table that it is of."""
        for first, behind in self._whole:  # a microsecond, for every batch
            if first <= begin and end <= behind:
                return True
        region = self.units.region_of(begin, end)
        if region < 0 or self._n_left[region]:
            return False
        if self.rows is None:
            with self._arrived:
                if not self._n_left[region]:
                    self._whole = (*self._whole, self.units.bounds_of(region))
        return True

    def has_tables(self, begins: IntArray) -> bool:
        """Return whether the whole tables are here that begin at some offsets."""
        return all(self.has_table(begin, begin + 1) for begin in begins.tolist())

    def need_table(self, begin: int, n_bytes: int, damage: Callable[[], str]) -> None:
        """Wait until a whole table is in the mirror, and check it.

        Parameters
        ----------
        begin, n_bytes : int
            Where it is.
        damage : callable
            Returns what is wrong with it; empty if nothing.

        Raises
        ------
        SchemaError
            If it is damaged, however often it is fetched.
        """
        where = np.array([begin])
        problem = ""
        self._let_stay(begin)
        numbers = self.units.of_ranges(where, n_bytes)
        for _ in range(MOST_FETCHES):
            needed = self.need(where, n_bytes)
            problem = damage()
            del needed
            if not problem:
                return
            self._forget(numbers)
        error = SchemaError(
            f"{self.reader.shown}: is damaged ({problem}); restore it from a copy"
        )
        self._give_up(numbers, error)
        raise error

    def _forget(self, numbers: IntArray) -> None:
        """Let units be fetched again."""
        with self._arrived:
            self._copy.clear(numbers)
            self._whole = ()
            for number in numbers[self._is_trusted[numbers]].tolist():
                self._n_left[self.units.place_of(number)] += 1
            self._is_trusted[numbers] = False

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Begin to fetch ranges that will be needed soon."""
        if n_bytes and len(offsets):
            self._ask(self.units.of_ranges(offsets, n_bytes), waits=False)

    def pieces(self) -> Iterator[UInt8Array]:
        """Fetch every byte, in large pieces; yield each of them when it is there.

        Whoever takes the pieces decides how fast it goes.
        """
        n_bytes = len(self.bytes)
        step = AHEAD_BYTES // 2
        for begin in range(0, n_bytes, step):
            end = min(begin + step, n_bytes)
            needed = self.need(np.array([begin]), end - begin)
            if self._line.has_room:
                self.will_need(np.array([end]), min(step, n_bytes - end))
            yield self.bytes[begin:end]
            del needed

    def close(self) -> None:
        """Release the mapping and stop to fetch; whoever waits gets an error."""
        if os.getpid() != self._process:  # forked: others may hold the locks for ever
            self._bytes = None
            self._copy.close()
            return
        self._line.close()
        self.reader.close()
        with self._writing:
            self._bytes = self._check = None  # which refer to each other
            self._copy.close()
        with self._arrived:
            self._error = None  # its traceback refers to this mirror
            self._line.kept.clear()
            self._arrived.notify_all()

    def _ask(self, numbers: IntArray, *, waits: bool) -> None:
        """Request units that are neither here nor asked for.

        Parameters
        ----------
        numbers : ndarray
            The units.
        waits : bool
            Wait while as many bytes are requested as may be at the same time.
        """
        self.reader.check_process()
        check = self._check  # which another thread may close
        if check is not None:
            check.prepare(numbers[~self._is_trusted[numbers]])
        with self._arrived:
            numbers = numbers[~(self._is_trusted[numbers] | self._is_asked[numbers])]
            self._is_asked[numbers] = True
        requests: list[Request] = []
        n_submitted = -1
        try:
            is_here = self._copy.are_set(numbers)
            requests = requests_for(self.units, numbers[~is_here])
            for request in requests_for(self.units, numbers[is_here]):
                # Fetched earlier: only a crash of the machine can have lost it.
                if self._is_as_kept(request):
                    self._trust(request)
                else:
                    requests.append(request)
            n_submitted = 0
            for request in requests:
                self._line.submit(
                    bind(self._fetch, request),
                    request.end - request.begin,
                    self.check_unchanged,
                    waits=waits,
                )
                n_submitted += 1
        except BaseException as error:  # Ctrl-C, or closed meanwhile
            if n_submitted >= 0:  # those before are under way
                numbers = _units_of(requests[n_submitted:])
            self._give_up(numbers, error)
            raise

    def _may_be_there(self, numbers: IntArray) -> bool:
        """Return whether any of some units is here, or may arrive at any moment."""
        return bool((self._is_trusted[numbers] | self._is_asked[numbers]).any())

    def _fetch(self, request: Request) -> None:
        """Fetch a range, check it and write it to the mirror."""
        try:
            self._keep(request, self._checked(request))
            self._trust(request)
        except BaseException as error:
            self._give_up(_units_of([request]), error)

    def _checked(self, request: Request) -> UInt8Array:
        """Return the bytes of a range; fetch them again if they are not intact.

        Raises
        ------
        SchemaError
            If they never are.
        """
        for _ in range(MOST_FETCHES):
            content: UInt8Array = np.frombuffer(
                self.reader.read(request.begin, request.end), np.uint8
            )
            if self._is_intact(request, content):
                return content
            self._fetch_checksums_again(request)
        raise SchemaError(
            f"{self.reader.shown}: bytes {request.begin} to {request.end} do not have "
            f"the CRC-32C in /checksums, {MOST_FETCHES} times; the store is damaged: "
            "restore it from a copy"
        )

    def _fetch_checksums_again(self, request: Request) -> None:
        """Fetch again what a request was compared with, if it may be damaged."""
        check = self._check
        begin, end = (0, 0) if check is None else check.doubtful(request)
        if begin < end:
            numbers = self.units.of_ranges(np.array([begin]), end - begin)
            for one in requests_for(self.units, numbers):
                content = self.reader.read(one.begin, one.end)
                self._keep(one, np.frombuffer(content, np.uint8))

    def _keep(self, request: Request, content: UInt8Array) -> None:
        """Write a range to the mirror, and mark its units then.

        Raises
        ------
        EcgStoreError
            If the disk is full.
        StoreClosedError
            If the mirror was closed.
        """
        with self._writing:  # so that the descriptor is no other file's meanwhile
            self.bytes  # noqa: B018  # raises after `close`
            self._copy.write(request, content)

    def _is_as_kept(self, request: Request) -> bool:
        """Return whether units that were written earlier are what they should be."""
        content = self.bytes[request.begin : request.end]
        check = self._check
        if check is not None and check.knows(request.first_unit):
            return check.is_intact(request.first_unit, content)
        return self._copy.are_of(request, content)

    def _is_intact(self, request: Request, content: UInt8Array) -> bool:
        """Return whether a range has the checksums of the store, if it has some."""
        check = self._check
        return check is None or check.is_intact(request.first_unit, content)

    def _trust(self, request: Request) -> None:
        """Note that the units of a request are in the mirror."""
        with self._arrived:
            units = slice(request.first_unit, request.first_unit + request.n_units)
            n_new = int(np.count_nonzero(~self._is_trusted[units]))
            self._n_left[self.units.place_of(request.first_unit)] -= n_new
            self._is_trusted[units] = True
            self._is_asked[units] = False
            if self.rows is not None:
                self._line.kept.note(self, self.rows, request)
            self._arrived.notify_all()
        if self.rows is not None:
            with self._writing, self._arrived:
                self._line.kept.drop()

    def forget_rows(self, request: Request) -> None:
        """Drop rows from memory; see `Kept`."""
        if self.rows is None or self._bytes is None:
            return
        units = slice(request.first_unit, request.first_unit + request.n_units)
        self._is_trusted[units] = False
        self._n_left[self.units.place_of(request.first_unit)] += request.n_units
        self.rows.drop(request, self._may_be_there)

    def _give_up(self, numbers: IntArray, error: BaseException) -> None:
        """Note that units do not arrive, unless they have."""
        if not isinstance(error, Exception):  # Ctrl-C, or a panic of the library
            error = EcgStoreError(f"{self.reader.shown}: stopped ({error!r})")
        with self._arrived:
            self._error = None if self._bytes is None else error
            self._is_asked[numbers] = False
            self._arrived.notify_all()


def _units_of(requests: Sequence[Request]) -> IntArray:
    """Return the numbers of the units of some requests."""
    return np.concatenate([np.arange(one.n_units) + one.first_unit for one in requests])
