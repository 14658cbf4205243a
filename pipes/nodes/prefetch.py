"""The node that makes batches in a thread while the consumer uses earlier ones."""

import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from torchdata.nodes import BaseNode

from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.storage.remote.line import FETCHING

T = TypeVar("T")

State = dict[str, Any]

_PATIENCE_S: Final = 2e-4
"""A consumer that comes back within this time makes the next item itself."""


class Prefetch(BaseNode[T]):
    """A node that runs its source in one thread, ahead of the consumer.

    The items, their order and every state are those of the source. The thread ends at
    the end of an epoch, after an error, by `shutdown`, and when the node is garbage. An
    error of the source is raised after the items before it were yielded.

    Parameters
    ----------
    source : BaseNode
        The node that yields the items.
    depth : int
        Number of items to be ahead. One is enough unless the time per item varies
        greatly; fewer batches in memory also fit better into the processor's cache.
    sharing : WorkSharing, optional
        That of the `RecordReader`, so that a waiting consumer helps to read.
    in_consumer : bool
        Let a consumer that comes back at once make the next item itself, with the help
        of the thread: to hand over each item would take longer. Only if the items do
        not depend on settings of a thread, as what PyTorch does in users' functions.
    begins_next : bool
        Make the first item of the next epoch at the end of an epoch, so that it begins
        at once. Only where nothing sets the source to another epoch meanwhile.
    is_near : callable, optional
        Returns whether the source needs no network now: only then does a consumer make
        items, and does the next epoch begin at the end of one. Always, if left out.
    """

    def __init__(
        self,
        source: BaseNode[T],
        depth: int = 1,
        sharing: WorkSharing | None = None,
        *,
        in_consumer: bool = False,
        begins_next: bool = False,
        is_near: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is {depth}; expected 1 or more items to prefetch")
        self._source = source
        self._depth = depth
        self._sharing = WorkSharing() if sharing is None else sharing
        self._in_consumer = in_consumer
        self._begins_next = begins_next
        self._is_near = is_near
        self._state: State | None = None
        self._run: _Run[T] | None = None
        self._begun: _Begun[T] | None = None  # the next epoch
        self._first: tuple[T, State] | None = None  # the first item of this epoch

    def reset(self, initial_state: State | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        if initial_state is None and self._begun is not None:
            super().reset(initial_state)
            self._state = self._begun.state
            self._first, self._begun = self._begun.first, None
            return
        self.shutdown()
        super().reset(initial_state)
        if initial_state is None and self._state is not None:
            # The source is ahead; the next epoch depends on the consumer's position.
            self._source.reset(self._state)
        self._source.reset(initial_state)
        self._state = self._source.state_dict()

    def next(self) -> T:
        """Return the next item."""
        if self._run is None:
            # The thread starts when `stop` can already be called, even if Ctrl-C comes
            # in between.
            run: _Run[T] = _Run(
                self._source,
                self._depth,
                self._sharing,
                in_consumer=self._in_consumer,
                begins_next=self._begins_next,
                is_near=self._is_near,
            )
            self._finalizer = weakref.finalize(self, run.stop)
            self._run = run
        try:
            self._run.start()
            if self._first is not None:
                (item, self._state), self._first = self._first, None
            else:
                item, self._state = self._run.take(self._source)
        except StopIteration:
            self._begun = self._run.begun
            self._end()
            raise
        except BaseException:
            self.shutdown()
            raise
        return item

    def get_state(self) -> State:
        """Return the state that the source had after the last item yielded."""
        assert self._state is not None  # reset was called
        return self._state

    def shutdown(self) -> None:
        """End the thread; `next` continues after the last item yielded."""
        if self._run is not None or self._begun is not None or self._first is not None:
            self._end()
            self._begun = self._first = None
            self._source.reset(self._state)

    def _end(self) -> None:
        """End the thread."""
        if self._run is not None:
            self._run.stop()  # not the finalizer, which can be called only once
            self._finalizer.detach()
            self._run = None


@dataclass(frozen=True, slots=True)
class _Begun(Generic[T]):
    """An epoch whose first item is made.

    Attributes
    ----------
    state : dict
        The state of the source before the item.
    first : tuple
        The item, and the state of the source after it.
    """

    state: State
    first: tuple[T, State]


class _Run(Generic[T]):
    """One thread, and the items it has made that the consumer has not taken yet."""

    def __init__(
        self,
        source: BaseNode[T],
        depth: int,
        sharing: WorkSharing,
        *,
        in_consumer: bool,
        begins_next: bool,
        is_near: Callable[[], bool],
    ) -> None:
        self.begun: _Begun[T] | None = None
        self._in_consumer = in_consumer
        self._begins_next = begins_next
        self._is_near = is_near
        self._sharing = sharing
        self._lock, self._condition = sharing.lock, sharing.condition
        self._depth = depth
        self._ready: deque[tuple[T, State]] = deque()
        self._error: BaseException | None = None
        self._stopped = False
        self._is_making = False  # one of the two threads
        self._is_waited_for = False
        self._is_patient = False  # the consumer came back at once the last time
        self._taken_at = -_PATIENCE_S
        self._process = os.getpid()
        # The thread refers to this object and to the source, but not to the node. So
        # the node can be garbage while the thread runs, and its finalizer ends it.
        self._thread = threading.Thread(
            target=self._produce, args=(source,), name="ecgstore-prefetch", daemon=True
        )
        self._is_started = False

    def start(self) -> None:
        """Start the thread, unless it was started.

        Raises
        ------
        RuntimeError
            If it was started by a process from which this one was forked.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                "this process was forked while its parent was iterating, and threads "
                "do not survive that; make the loader in the process that uses it"
            )
        if not self._is_started:
            self._is_started = True
            self._thread.start()

    def take(self, source: BaseNode[T]) -> tuple[T, State]:
        """Return the next item, with the state after it; wait for it, or make it."""
        self._is_waited_for = True
        self._is_patient = time.monotonic() < self._taken_at + _PATIENCE_S
        try:
            return self._make(source) if self._may_make() else self._wait()
        finally:
            self._taken_at = time.monotonic()
            self._is_waited_for = False

    def _may_make(self) -> bool:
        """Return whether the consumer is to make the next item; then only it does."""
        if not (self._in_consumer and self._is_near()):
            return False
        with self._lock:
            is_free = not (
                self._ready or self._error or self._stopped or self._is_making
            )
            self._is_making = self._is_making or is_free
        return is_free

    def _make(self, source: BaseNode[T]) -> tuple[T, State]:
        """Make the next item in the thread of the consumer.

        After an error, and at the end of an epoch, nobody makes any more: what the
        thread would take from the source would be lost.
        """
        try:
            made = next(source), source.state_dict()
        except StopIteration:
            self._begin_next(source)
            raise
        with self._lock:
            self._is_making = False
            self._condition.notify_all()
        return made

    def _wait(self) -> tuple[T, State]:
        """Wait for the next item and return it, with the state after it."""
        self._sharing.wait_for(
            lambda: bool(self._ready or self._error or self._stopped)
        )
        with self._lock:
            if self._ready:
                item = self._ready.popleft()
                self._condition.notify_all()
                return item
            error, self._error = self._error, None
        if error is None:
            raise RuntimeError(
                "the loader was closed while this thread waited for a batch; make a "
                "new one"
            )
        try:
            raise error
        finally:
            # Its traceback refers to this frame, and the frame to the whole pipe.
            del error

    def stop(self) -> None:
        """End the thread and drop the items that were not taken."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._stopped = True
            self._ready.clear()
            self.begun = None
            self._error = None  # its traceback refers to the source
            self._condition.notify_all()
        # This may be the consumer itself, in a signal handler during `wait_for`.
        self._sharing.leave()
        # A thread that Ctrl-C kept from starting will see `_stopped` if it starts.
        here = threading.current_thread()
        # Garbage is collected in any thread: what the other waits for may come by this.
        is_waited_for = here is self._thread or here.name.startswith(FETCHING)
        if self._thread.is_alive() and not is_waited_for:
            self._thread.join()

    def _produce(self, source: BaseNode[T]) -> None:
        """Make items of the source while there is room for them."""
        try:
            while self._has_room():
                self._put(next(source), source.state_dict())
        except BaseException as error:
            if isinstance(error, StopIteration):
                self._begin_next(source)
            with self._lock:
                self._is_making = False
                self._error = None if self._stopped else error
                self._condition.notify_all()

    def _begin_next(self, source: BaseNode[T]) -> None:
        """Make the first item of the next epoch, if that is wanted."""
        if self._begins_next and not self._stopped and self._is_near():
            # An error is raised by the next epoch, which makes the item again.
            with contextlib.suppress(Exception):
                source.reset(None)
                state = source.state_dict()
                self.begun = _Begun(state, (next(source), source.state_dict()))

    def _has_room(self) -> bool:
        """Wait until this thread is to make an item, and help meanwhile.

        Returns
        -------
        bool
            False if it is to end.
        """
        while True:
            with self._lock:
                if self._stopped:
                    return False
                rest_s = self._rest_s() if self._is_free() else None
                if rest_s == 0:
                    self._is_making = True
                    return True
            if rest_s is None:
                self._sharing.wait_for(lambda: self._stopped or self._is_free())
            else:
                self._sharing.wait_for(lambda: self._stopped, rest_s)

    def _is_free(self) -> bool:
        """Return whether there is room for an item, and nobody makes one."""
        return len(self._ready) < self._depth and not self._is_making

    def _rest_s(self) -> float:
        """Return for how long the consumer may still come back to make an item."""
        if not (self._in_consumer and self._is_patient and self._is_near()):
            return 0.0
        if self._is_waited_for:
            return _PATIENCE_S
        return max(0.0, self._taken_at + _PATIENCE_S - time.monotonic())

    def _put(self, item: T, state: State) -> None:
        """Hand an item over; this thread keeps no reference to it."""
        with self._lock:
            self._is_making = False
            if not self._stopped:
                self._ready.append((item, state))
            self._condition.notify_all()
