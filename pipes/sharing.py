"""Let a thread that waits for a batch help to make it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class WorkSharing:
    """Work that two threads can do together, and a way to wait that does it.

    While the consumer of batches is busy, the thread that makes them works alone and
    the two overlap. When the consumer waits, its processor would idle: it joins in.

    Attributes
    ----------
    condition : threading.Condition
        Notified when there is work, when it is done, and by users of this class when
        anything else changes that one may wait for.
    """

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self._work: Callable[[], None] | None = None
        self._n_helping = 0

    @contextmanager
    def share(self, work: Callable[[], None]) -> Iterator[None]:
        """Offer some work to whoever waits; at the end of the block it is done.

        Parameters
        ----------
        work : callable
            Takes pieces of the work until none is left, when called by one thread or
            by several at the same time. All is done when every call has returned.
        """
        with self.condition:
            self._work = work
            self.condition.notify_all()
        try:
            yield
        finally:
            work()
            with self.condition:
                self._work = None
                self.condition.wait_for(lambda: not self._n_helping)

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so, and help meanwhile; holds `condition`.

        Parameters
        ----------
        ready : callable
            Whether it is so; called with `condition` held.
        """
        while not ready():
            work, self._work = self._work, None
            if work is None:
                self.condition.wait()
            else:
                self._help(work)

    def _help(self, work: Callable[[], None]) -> None:
        """Do a share of the work without holding `condition`."""
        self._n_helping += 1
        self.condition.release()
        try:
            work()
        finally:
            self.condition.acquire()
            self._n_helping -= 1
            self.condition.notify_all()
