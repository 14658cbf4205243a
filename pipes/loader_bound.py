"""Is a training loop bound by its loader? Replay batches from memory and compare."""

import time
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import Final

import torch

from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader

_ROUNDS: Final = 5

_HARDLY: Final = 0.05
"""Share of the time below which waiting is not worth any work."""

_UNCERTAIN: Final = (
    "cannot tell whether it is loader-bound, the rounds differ too much: take more "
    "batches (n_batches), or a machine that does nothing else"
)


@dataclass(frozen=True, slots=True)
class LoaderBound:
    """How fast a loop is, and how fast it would be if batches cost nothing.

    Printed, it is a verdict of two lines.

    Attributes
    ----------
    batches_per_s, records_per_s : float
        With batches of the loader; the median of the rounds.
    replayed_batches_per_s, replayed_records_per_s : float, optional
        With batches that lie in memory; None if there was no step.
    stall : float, optional
        Share of the time that is spent on waiting for the loader, or lost because it
        takes processor time from the step: 1 - (time replayed) / (time real), the
        median of the rounds. Below 0 by chance only. None if there was no step.
    stall_range : tuple of float, optional
        The smallest and the largest share among the rounds.
    ms_per_batch_range : tuple of float
        The shortest and the longest time for a batch of the loader among the rounds,
        the step included.
    n_rounds : int
        How many rounds were measured.
    """

    batches_per_s: float
    records_per_s: float
    replayed_batches_per_s: float | None
    replayed_records_per_s: float | None
    stall: float | None
    stall_range: tuple[float, float] | None
    ms_per_batch_range: tuple[float, float]
    n_rounds: int

    def __str__(self) -> str:
        if self.stall is None or self.stall_range is None:
            shortest, longest = self.ms_per_batch_range
            return (
                f"The loader alone: {_rates(self.batches_per_s, self.records_per_s)} "
                f"({shortest:.3g} to {longest:.3g} ms a batch in {self.n_rounds} "
                "rounds).\n"
                f"A step of more than {longest:.3g} ms a batch that leaves a core to "
                "the loader need not wait for it."
            )
        assert self.replayed_batches_per_s is not None
        assert self.replayed_records_per_s is not None
        lowest, highest = self.stall_range
        return (
            f"The loop: {_rates(self.batches_per_s, self.records_per_s)}; from memory: "
            f"{_rates(self.replayed_batches_per_s, self.replayed_records_per_s)}.\n"
            f"Lost to the loader: {self.stall:.1%} of the time ({lowest:.1%} to "
            f"{highest:.1%} in {self.n_rounds} rounds); {self._verdict()}."
        )

    def _verdict(self) -> str:
        """Return what the stall means.

        The true median lies within the range of five rounds with a probability of
        94 %: each of them is above or below it, and all five on one side of it is
        chance in 2 of 32 cases. So time is lost only if no round says that none is,
        and little is lost only if no round says that much is.
        """
        assert self.stall is not None
        assert self.stall_range is not None
        lowest, highest = self.stall_range
        if highest < _HARDLY:
            chance = "no more than chance: " if lowest <= 0 else ""
            return f"{chance}not loader-bound"
        if lowest <= 0 or self.stall < _HARDLY:
            return _UNCERTAIN
        times = 1 / (1 - self.stall)
        return f"loader-bound: {times:.2g} times as fast without"


def measure_loader_bound(
    loader: Loader,
    step: Callable[[Batch], object] | None = None,
    n_batches: int = 50,
    n_cached: int = 4,
) -> LoaderBound:
    """Measure how much faster a training loop would be with a perfect loader.

    The first batches are copied. Then segments with batches of the loader and segments
    with the copies take turns in several rounds, so that whatever else slows the
    machine down slows both. Each segment begins with some steps that are not timed
    and ends when the GPU has finished.

    The loader's state is afterwards what it was: the next ``for`` goes on from there.
    Call it between epochs, not within a ``for`` over the same loader. With several
    ranks, call it in all of them at the same time.

    Parameters
    ----------
    loader : Loader
        The loader.
    step : callable, optional
        What is done with a batch, such as a training step. It does train: use a copy of
        the model, or measure before the checkpoint is loaded. Without a step, the
        loader is measured alone.
    n_batches : int
        How many batches to time in each segment; there are two segments in a round.
    n_cached : int
        How many batches to keep and to replay in turn.

    Returns
    -------
    LoaderBound
        The rates, the share of the time that is lost, and a verdict when printed.

    Raises
    ------
    ValueError
        If a number is below 1.
    TypeError
        If it is another kind of loader.

    Examples
    --------
    >>> from ecgstore import pipes
    >>> def step(batch):
    ...     loss = criterion(model(batch.signals), batch.labels.float())
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> print(pipes.measure_loader_bound(loader, step))  # doctest: +SKIP
    """
    if not isinstance(loader, Loader):
        raise TypeError(
            f"loader is a {type(loader).__name__}; expected one that pipes.loader "
            "made, which can be set back to where it was"
        )
    for name, number in (("n_batches", n_batches), ("n_cached", n_cached)):
        if number < 1:
            raise ValueError(f"{name} is {number}; expected 1 or more")
    state = loader.state_dict()
    stream = _endless(loader)
    try:
        cached = [deepcopy(batch) for batch in islice(stream, n_cached)]
        segments: list[Iterator[Batch]] = [stream]
        if step is not None:
            segments.append(cycle(cached))
        times: list[list[_Times]] = [[] for _ in segments]
        for number in range(_ROUNDS):
            for which in _in_turn(len(segments), number):
                # As many steps untimed as there are copies: what a prefetching thread
                # made while it was not asked for is used up, each copy was touched.
                _time(segments[which], step, n_cached)
                times[which].append(_time(segments[which], step, n_batches))
    finally:
        stream.close()
        loader.load_state_dict(state)
    return _result(*times)


@dataclass(frozen=True, slots=True)
class _Times:
    """What one segment took."""

    s: float
    n_batches: int
    n_records: int

    @property
    def batches_per_s(self) -> float:
        """Batches per second."""
        return self.n_batches / self.s

    @property
    def records_per_s(self) -> float:
        """Records per second."""
        return self.n_records / self.s


def _endless(loader: Loader) -> Generator[Batch, None, None]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def _in_turn(n_segments: int, number: int) -> range:
    """Return the order of a round's segments: the other way round every other time."""
    forward = range(n_segments)
    return forward[::-1] if number % 2 else forward


def _time(
    batches: Iterator[Batch], step: Callable[[Batch], object] | None, n_batches: int
) -> _Times:
    """Take a step with each of some batches, and measure how long they take."""
    _synchronise()
    n_records = 0
    begin = time.perf_counter()
    for batch in islice(batches, n_batches):
        if step is not None:
            step(batch)
        n_records += len(batch)
    _synchronise()
    return _Times(time.perf_counter() - begin, n_batches, n_records)


def _synchronise() -> None:
    """Wait until the GPU has done what it was asked for."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def _result(real: list[_Times], replayed: list[_Times] | None = None) -> LoaderBound:
    """Sum the rounds up."""
    ms = [1000 / each.batches_per_s for each in real]
    # By record, because the last batch of an epoch may be a small one.
    stalls = [
        1 - each.records_per_s / of_copies.records_per_s
        for each, of_copies in zip(real, replayed or [], strict=replayed is not None)
    ]
    return LoaderBound(
        batches_per_s=median(each.batches_per_s for each in real),
        records_per_s=median(each.records_per_s for each in real),
        replayed_batches_per_s=(
            median(each.batches_per_s for each in replayed) if replayed else None
        ),
        replayed_records_per_s=(
            median(each.records_per_s for each in replayed) if replayed else None
        ),
        stall=median(stalls) if stalls else None,
        stall_range=(min(stalls), max(stalls)) if stalls else None,
        ms_per_batch_range=(min(ms), max(ms)),
        n_rounds=len(real),
    )


def _rates(batches_per_s: float, records_per_s: float) -> str:
    """Return two rates in words."""
    return f"{batches_per_s:,.4g} batches/s, {records_per_s:,.0f} records/s"
