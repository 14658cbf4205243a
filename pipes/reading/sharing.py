"""Work that a thread waiting for a batch shares with the thread that makes it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class WorkSharing:
    """Work that several threads can do together, and a wait that takes part in it.

    While the consumer of batches computes, the thread that makes batches works alone
    and the two overlap. When the consumer waits for a batch, or the thread for room,
    its processor core would be idle: it helps to copy records instead.

    Attributes
    ----------
    lock : threading.RLock
        The lock of `condition`. Use ``with lock``, not ``with condition``: only the
        former cannot be interrupted by Ctrl-C between locking and entering.
    condition : threading.Condition
        Notified when there is work, when the work is done, and by users of this class
        when the state that `wait_for` waits for has changed.
    min_bytes : int
        Work on fewer bytes is not shared: waking another thread would take longer than
        copying them.
    """

    min_bytes: ClassVar[int] = 1_000_000

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self._work: Callable[[], None] | None = None
        self._helpers: set[int] = set()  # identifiers of threads

    @contextmanager
    def share(self, work: Callable[[], None], n_bytes: int) -> Iterator[None]:
        """Offer work to waiting threads; at the end of the block it is done.

        Parameters
        ----------
        work : callable
            Does pieces of the work until none is left. One thread or several may call
            it at the same time; the work is done when every call has returned.
        n_bytes : int
            Bytes that the work copies; see `min_bytes`.
        """
        if n_bytes < self.min_bytes:
            work()
            yield
            return
        with self.lock:
            self._work = work
            self.condition.notify_all()
        try:
            yield
        finally:
            try:
                work()
            finally:
                with self.lock:
                    self._work = None
                    self.condition.wait_for(lambda: not self._helpers)

    def leave(self) -> None:
        """Remove this thread from the helpers that `share` waits for."""
        with self.lock:
            self._helpers.discard(threading.get_ident())
            self.condition.notify_all()

    def wait_for(
        self, ready: Callable[[], bool], timeout_s: float | None = None
    ) -> None:
        """Wait until a condition is true, and help with shared work meanwhile.

        Parameters
        ----------
        ready : callable
            Returns whether the condition is true; called with `lock` held.
        timeout_s : float, optional
            End after so many seconds without work, too.
        """
        this_thread = threading.get_ident()
        work: Callable[[], None] | None
        while True:
            try:
                with self.lock:
                    self.condition.wait_for(lambda: ready() or self._work, timeout_s)
                    if self._work is None or ready():
                        return
                    work, self._work = self._work, None
                    self._helpers.add(this_thread)
                work()
            finally:
                work = None  # this thread may wait for long, and keeps no batch
                if this_thread in self._helpers:
                    # First and without `lock`: if Ctrl-C came between locking and
                    # this line, the thread that shares the work would wait forever.
                    self._helpers.discard(this_thread)
                    with self.lock:
                        self.condition.notify_all()
