"""An executor that behaves as that of a cluster on a bad day."""

import pickle
import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

_MOST_IN_A_ROW = 2


class Died(BaseException):
    """Ends a worker as suddenly as a kill: no handler of exceptions catches it."""


class Unreliable(Executor):
    """Does tasks in this process; workers die before, in and after them.

    Functions, arguments and results are pickled, as if they were sent.

    Parameters
    ----------
    seed : int
        Of the accidents.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.n_deaths = self._in_a_row = 0

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> Future[Any]:
        """Do a task, or a part of it, once or twice."""
        assert not named
        future: Future[Any] = Future()
        sent = pickle.dumps((function, arguments))
        accident = self._random.choice(["before", "after", "twice", "none"])
        if self._in_a_row == _MOST_IN_A_ROW:
            accident = "none"
        result = None
        if accident != "before":
            for _ in range(2 if accident == "twice" else 1):
                received, of_task = pickle.loads(sent)
                try:
                    result = received(*of_task)
                except Died:
                    accident = "in"
        if accident in ("before", "in", "after"):
            self.n_deaths += 1
            self._in_a_row += 1
            future.set_exception(RuntimeError("the worker died"))
        else:
            self._in_a_row = 0
            future.set_result(pickle.loads(pickle.dumps(result)))
        return future
