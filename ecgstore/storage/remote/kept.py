"""Which fetched rows stay in memory, where nothing is kept on a disk."""

import threading
import weakref
from collections import deque
from typing import Final, NamedTuple, Protocol

from ecgstore.arrays import IntArray
from ecgstore.storage.remote.copies import Rows
from ecgstore.storage.remote.units import Request

STREAM_BYTES: Final = 128 << 20
"""Bytes of fetched rows that stay in memory, of a store or of all parts together."""


class Owner(Protocol):
    """What has rows in memory: a mirror."""

    rows: Rows | None

    def forget_rows(self, request: Request) -> None:
        """Drop the rows of a request."""


class _Kept(NamedTuple):
    owner: Owner
    rows: Rows
    request: Request


class Kept:
    """The rows in memory of one store, or of all parts of a collection.

    All methods but `release_with` are called one at a time.

    Attributes
    ----------
    writing : threading.Lock
        Held while rows are written or dropped.
    """

    def __init__(self) -> None:
        self.writing = threading.Lock()
        self._queue: deque[_Kept] = deque()
        self._n_bytes = 0
        self._all_held = False
        self._released: deque[tuple[Rows, IntArray]] = deque()

    def release_with(self, held: object, rows: Rows, numbers: IntArray) -> None:
        """Release units when an object is deleted, in whatever thread that happens.

        They are noted only: the thread may hold any lock.
        """
        finalizer = weakref.finalize(held, self._released.append, (rows, numbers))
        finalizer.atexit = False

    def clear(self) -> None:
        """Forget everything, which refers to its owners."""
        self._queue.clear()
        self._released.clear()

    def note(self, owner: Owner, rows: Rows, request: Request) -> None:
        """Note that a request has arrived; columns stay for ever."""
        if not rows.stays(request):
            self._queue.append(_Kept(owner, rows, request))
            self._n_bytes += request.end - request.begin
            self._all_held = self._all_held and rows.is_held(request)

    def drop(self) -> None:
        """Drop the oldest rows that are not being read, while there are too many."""
        while self._released:
            rows, numbers = self._released.popleft()
            rows.release(numbers)
            self._all_held = False
        if self._all_held:  # looking again at thousands takes long
            return
        held: list[_Kept] = []
        while self._n_bytes > STREAM_BYTES and self._queue:
            oldest = self._queue.popleft()
            n_bytes = oldest.request.end - oldest.request.begin
            if oldest.rows.stays(oldest.request):  # decided after it had arrived
                self._n_bytes -= n_bytes
            elif oldest.rows.is_held(oldest.request):
                held.append(oldest)
            else:
                self._n_bytes -= n_bytes
                oldest.owner.forget_rows(oldest.request)
        self._all_held = bool(held) and not self._queue
        self._queue.extendleft(reversed(held))
