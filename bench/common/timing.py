"""Time functions in interleaved rounds, so that their times can be compared."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Times:
    """Seconds of every round.

    Attributes
    ----------
    wall : list of float
        Elapsed time.
    cpu : list of float
        Processor time of this process, summed over its threads.
    """

    wall: list[float]
    cpu: list[float]

    def per_item(self, n_items: int) -> Self:
        """Return the seconds per item, where every round processes `n_items`."""
        return type(self)(
            [seconds / n_items for seconds in self.wall],
            [seconds / n_items for seconds in self.cpu],
        )


def interleaved(names: Sequence[str], rounds: int) -> Iterator[tuple[str, bool]]:
    """Yield every name once in each round, in a different order in each round.

    A busy machine then slows all of them, and round k of one can be compared with round
    k of another. The order varies because a function may leave a full cache or a warm
    processor to the next one; in a fixed order that would always be the same one. The
    orders are the same in every run.

    Yields
    ------
    name : str
    counts : bool
        False in the warm-up round, which comes before the `rounds` that count: it fills
        caches and compiles kernels.
    """
    for number in range(rounds + 1):
        for name in random.Random(number).sample(names, len(names)):
            yield name, number > 0


def time_in_rounds(
    functions: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, Times]:
    """Return the seconds of every function in every round, see `interleaved`."""
    times = {name: Times([], []) for name in functions}
    for name, counts in interleaved([*functions], rounds):
        function = functions[name]
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        elapsed = time.perf_counter() - wall, time.process_time() - cpu
        if counts:
            times[name].wall.append(elapsed[0])
            times[name].cpu.append(elapsed[1])
    return times


def for_every_row(
    function: Callable[..., object], *columns: Sequence[Any]
) -> Callable[[], None]:
    """Return a function that calls another one for every row of some columns.

    The columns have equal length. Results are discarded at once, as in a build.
    """

    def call() -> None:
        for row in zip(*columns, strict=True):
            function(*row)

    return call
