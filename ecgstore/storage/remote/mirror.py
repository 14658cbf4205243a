"""A local file with the parts of a remote one that were fetched, mapped into memory."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial as bind
from typing import Final, Protocol

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, SchemaError, StoreClosedError
from ecgstore.storage.remote.cache import Entry, cannot_be_written
from ecgstore.storage.remote.marks import Marks, write_at
from ecgstore.storage.remote.object_reader import ObjectReader
from ecgstore.storage.remote.units import Request, Units, requests_for

_REQUESTS_AT_ONCE: Final = 64

ATTEMPTS: Final = 3
"""How often bytes are fetched that differ from their checksum."""

_AHEAD_BYTES: Final = 64 << 20
"""Bytes that are requested ahead of what is needed."""


class Check(Protocol):
    """Compares units with the checksums of a store."""

    def prepare(self, numbers: IntArray) -> None:
        """Fetch the checksums of some units."""

    def knows(self, first_unit: int) -> bool:
        """Return whether there is a checksum for a unit."""

    def is_intact(self, first_unit: int, content: UInt8Array) -> bool:
        """Return whether successive units are what they should be."""


class Mirror:
    """The bytes of an object at a URL, as far as they were fetched.

    It has the methods of `MemoryMap`. What is needed and absent is fetched, checked,
    written to a file with holes, which several processes share, and read through its
    memory map.

    Parameters
    ----------
    reader : ObjectReader
        The object.
    entry : Entry
        Its files in the cache.
    units : Units
        The units of the object.
    """

    def __init__(self, reader: ObjectReader, entry: Entry, units: Units) -> None:
        self.path = entry.data
        self.reader = reader
        self._units = units
        self._check: Check | None = None
        self._descriptor = entry.descriptor
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        # Not by its path, where another file may be by now.
        with open(entry.descriptor, "rb", closefd=False) as file:
            self._bytes: UInt8Array | None = np.asarray(np.memmap(file, np.uint8, "r"))
        self._marks = Marks(entry.marks, units)
        # What this process has fetched or checked, and what it has asked for.
        self._is_trusted = np.zeros(units.n_units, bool)
        self._is_asked = np.zeros(units.n_units, bool)
        self._n_left = units.counts  # by region: units that are not trusted
        self._bytes_asked = 0
        self._error: Exception | None = None
        self._arrived = threading.Condition()
        self._writing = threading.Lock()
        self._pool = ThreadPoolExecutor(_REQUESTS_AT_ONCE, "ecgstore-fetch")
        self._process = os.getpid()

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
                f"{self.reader.url}: the store is closed; open it again to read"
            )
        return self._bytes

    def note_first(self, content: UInt8Array) -> None:
        """Write the first bytes of the object, which were fetched already.

        As all that was written earlier, they are checked when they are needed.
        """
        numbers = np.arange(self._units.n_within(len(content)))
        for request in requests_for(self._units, numbers):
            self._keep(request, content[request.begin : request.end])

    def check_with(self, check: Check) -> None:
        """Check all units from now on; those that came before stay as they are."""
        self._check = check

    def check_unchanged(self) -> None:
        """Raise if the mirror was closed: every answer is of the version opened."""
        self.bytes  # noqa: B018  # raises after `close`

    def need(self, offsets: IntArray, n_bytes: int) -> None:
        """Wait until ranges of the object are in the mirror.

        Parameters
        ----------
        offsets : ndarray of shape (n_ranges,)
            Offsets of the first bytes.
        n_bytes : int
            Length of every range in bytes.

        Raises
        ------
        EcgStoreError
            If they cannot be fetched.
        SchemaError
            If what arrives differs from its checksum.
        """
        if not n_bytes or not len(offsets):
            return
        if self.has_table(int(offsets.min()), int(offsets.max()) + n_bytes):
            return
        numbers = self._units.of_ranges(offsets, n_bytes)
        if self._is_trusted[numbers].all():
            return
        self._ask(numbers, waits=True)
        with self._arrived:
            while not (arrived := self._is_trusted[numbers]).all():
                self.bytes  # noqa: B018  # raises after `close`
                if not self._is_asked[numbers[~arrived]].all() and self._error:
                    raise self._error
                self._arrived.wait()

    def has_table(self, begin: int, end: int) -> bool:
        """Return whether a range is here, and the whole table that it is of."""
        region = self._units.region_of(begin, end)
        return region >= 0 and not self._n_left[region]

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
        for _ in range(ATTEMPTS):
            self.need(where, n_bytes)
            problem = damage()
            if not problem:
                return
            self._forget(self._units.of_ranges(where, n_bytes))
        raise SchemaError(
            f"{self.reader.url}: is damaged ({problem}); restore it from a copy"
        )

    def _forget(self, numbers: IntArray) -> None:
        """Let units be fetched again."""
        with self._arrived:
            self._marks.clear(numbers)
            for number in numbers[self._is_trusted[numbers]].tolist():
                self._n_left[self._region(number)] += 1
            self._is_trusted[numbers] = False

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Begin to fetch ranges that will be needed soon, if not too much is asked."""
        if self._bytes_asked < _AHEAD_BYTES and n_bytes and len(offsets):
            self._ask(self._units.of_ranges(offsets, n_bytes), waits=False)

    def need_all(self) -> Iterator[int]:
        """Fetch every byte; yield the number of bytes that are there, again and again.

        Whoever takes these numbers decides how fast it goes.
        """
        n_bytes = len(self.bytes)
        for begin in range(0, n_bytes, _AHEAD_BYTES // 2):
            size = min(_AHEAD_BYTES // 2, n_bytes - begin)
            following = min(begin + size, n_bytes - 1)
            self.will_need(
                np.array([following]), min(_AHEAD_BYTES // 2, n_bytes - following)
            )
            self.need(np.array([begin]), size)
            yield begin + size

    def close(self) -> None:
        """Release the mapping and stop to fetch; whoever waits gets an error."""
        if os.getpid() != self._process:  # forked: others may hold the locks for ever
            self._bytes = None
            self._finalizer()
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.reader.close()
        with self._writing:
            self._bytes = self._check = None  # which refer to each other
            self._finalizer()
        with self._arrived:
            self._error = None  # its traceback refers to this mirror
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
        if self._check is not None:
            self._check.prepare(numbers[~self._is_trusted[numbers]])
        with self._arrived:
            numbers = numbers[~(self._is_trusted[numbers] | self._is_asked[numbers])]
            self._is_asked[numbers] = True
        requests: list[Request] = []
        try:
            is_here = self._marks.are_set(numbers)
            requests = requests_for(self._units, numbers[~is_here])
            for request in requests_for(self._units, numbers[is_here]):
                # Fetched earlier: only a crash of the machine can have lost it.
                if self._is_as_kept(request):
                    self._trust(request)
                else:
                    requests.append(request)
            for request in requests:
                self._submit(request, waits=waits)
        except BaseException as error:  # Ctrl-C, or closed meanwhile
            kind = error if isinstance(error, Exception) else None
            self._give_up(numbers, kind or EcgStoreError(f"{self.reader.url}: stopped"))
            raise

    def _submit(self, request: Request, *, waits: bool) -> None:
        """Hand a request to a thread."""
        with self._arrived:
            while waits and self._bytes_asked >= _AHEAD_BYTES:
                self.bytes  # noqa: B018  # raises after `close`
                self._arrived.wait()
            self.bytes  # noqa: B018
            self._bytes_asked += request.end - request.begin
            self._pool.submit(bind(self._fetch, request))

    def _fetch(self, request: Request) -> None:
        """Fetch a range, check it and write it to the mirror."""
        try:
            self._keep(request, self._checked(request))
            self._trust(request)
        except Exception as error:
            numbers = np.arange(request.n_units) + request.first_unit
            self._give_up(numbers, error)
        finally:
            with self._arrived:
                self._bytes_asked -= request.end - request.begin
                self._arrived.notify_all()

    def _checked(self, request: Request) -> UInt8Array:
        """Return the bytes of a range; fetch them again if they are not intact.

        Raises
        ------
        SchemaError
            If they never are.
        """
        for _ in range(ATTEMPTS):
            content: UInt8Array = np.frombuffer(
                self.reader.read(request.begin, request.end), np.uint8
            )
            if self._is_intact(request, content):
                return content
        raise SchemaError(
            f"{self.reader.url}: bytes {request.begin} to {request.end} do not have "
            f"the CRC-32C in /checksums, {ATTEMPTS} times; the store is damaged: "
            "restore it from a copy"
        )

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
            try:
                write_at(self._descriptor, content, request.begin)
                self._marks.set(request, content)
            except OSError as error:
                raise cannot_be_written(self.path, error) from error

    def _is_as_kept(self, request: Request) -> bool:
        """Return whether units that were written earlier are what they should be."""
        content = self.bytes[request.begin : request.end]
        if self._check is not None and self._check.knows(request.first_unit):
            return self._check.is_intact(request.first_unit, content)
        return self._marks.are_of(request, content)

    def _is_intact(self, request: Request, content: UInt8Array) -> bool:
        """Return whether a range has the checksums of the store, if it has some."""
        check = self._check
        return check is None or check.is_intact(request.first_unit, content)

    def _trust(self, request: Request) -> None:
        """Note that the units of a request are in the mirror."""
        with self._arrived:
            units = slice(request.first_unit, request.first_unit + request.n_units)
            n_new = int(np.count_nonzero(~self._is_trusted[units]))
            self._n_left[self._region(request.first_unit)] -= n_new
            self._is_trusted[units] = True
            self._is_asked[units] = False
            self._arrived.notify_all()

    def _region(self, unit: int) -> int:
        """Return the number of the region of a unit; a request is in one."""
        return int(np.searchsorted(self._units.first, unit, side="right")) - 1

    def _give_up(self, numbers: IntArray, error: Exception) -> None:
        """Note that units do not arrive, unless they have."""
        with self._arrived:
            self._error = None if self._bytes is None else error
            self._is_asked[numbers] = False
            self._arrived.notify_all()
