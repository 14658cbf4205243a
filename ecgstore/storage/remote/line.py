"""The line to a server: which requests are under way, and how many bytes they take."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ecgstore.storage.remote.kept import Kept

_REQUESTS_AT_ONCE: Final = 64

FETCHING: Final = "ecgstore-fetch"
"""How the names of threads begin that make requests."""

AHEAD_BYTES: Final = 64 << 20
"""Bytes that are requested ahead of what is needed."""


class Line:
    """Requests of one store, or of all parts of a collection, which share a limit.

    Attributes
    ----------
    arrived : threading.Condition
        Notified when something has arrived, has failed or is closed.
    kept : Kept
        The rows in memory, where nothing is kept on a disk.
    """

    def __init__(self) -> None:
        self.arrived = threading.Condition()
        self.kept = Kept()
        self._bytes_asked = 0
        self._pool = ThreadPoolExecutor(_REQUESTS_AT_ONCE, FETCHING)

    @property
    def has_room(self) -> bool:
        """Whether more may be requested ahead of what is needed."""
        return self._bytes_asked < AHEAD_BYTES

    def submit(
        self,
        task: Callable[[], object],
        n_bytes: int,
        check_open: Callable[[], object],
        *,
        waits: bool,
    ) -> None:
        """Hand a request to a thread.

        Parameters
        ----------
        task : callable
            Makes the request; it raises nothing.
        n_bytes : int
            Bytes that it asks for.
        check_open : callable
            Raises if the store was closed meanwhile.
        waits : bool
            Wait while as many bytes are requested as may be at the same time.
        """
        with self.arrived:
            while waits and not self.has_room:
                check_open()
                self.arrived.wait()
            check_open()
            try:
                self._pool.submit(self._do, task, n_bytes)
            except RuntimeError:  # it is being closed
                check_open()
                raise
            self._bytes_asked += n_bytes

    def close(self) -> None:
        """Begin no further requests."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _do(self, task: Callable[[], object], n_bytes: int) -> None:
        """Make a request, and let others follow."""
        try:
            task()
        finally:
            with self.arrived:
                self._bytes_asked -= n_bytes
                self.arrived.notify_all()
