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
    lock : threading.RLock
        To be held where `condition` is used. Hold it by name: unlike a condition's
        ``with``, its own cannot be interrupted by Ctrl-C between locking and entering.
    condition : threading.Condition
        Notified when there is work, when it is done, and by users of this class when
        anything else changes that one may wait for.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self._work: Callable[[], None] | None = None
        self._helpers: set[int] = set()  # threads

    @contextmanager
    def share(self, work: Callable[[], None]) -> Iterator[None]:
        """Offer some work to whoever waits; at the end of the block it is done.

        Parameters
        ----------
        work : callable
            Takes pieces of the work until none is left, when called by one thread or
            by several at the same time. All is done when every call has returned.
        """
        with self.lock:
            self._work = work
            self.condition.notify_all()
        try:
            yield
        finally:
            work()
            with self.lock:
                self._work = None
                self.condition.wait_for(lambda: not self._helpers)

    def leave(self) -> None:
        """Let nobody wait for this thread's help, which it has ended."""
        with self.lock:
            self._helpers.discard(threading.get_ident())
            self.condition.notify_all()

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so, and help meanwhile.

        Parameters
        ----------
        ready : callable
            Whether it is so; called with `lock` held.
        """
        me = threading.get_ident()
        while True:
            try:
                with self.lock:
                    self.condition.wait_for(lambda: ready() or self._work)
                    if ready():
                        return
                    work, self._work = self._work, None
                    assert work is not None
                    self._helpers.add(me)
                work()
            finally:
                if me in self._helpers:
                    # At once and without `lock`: were Ctrl-C to come between,
                    # the thread that shares the work would wait for ever.
                    self._helpers.discard(me)
                    with self.lock:
                        self.condition.notify_all()
