"""Measure whether a training loop is bound by its loader, by replaying batches."""

import time
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import Final

import torch

from ecgstore.pipes.arguments import require_integer
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader

_ROUNDS: Final = 5

_NEGLIGIBLE: Final = 0.05
"""Share of the time below which a loop is not called loader-bound."""

_INCONCLUSIVE: Final = (
    "inconclusive, the rounds differ too much: increase n_batches, or measure on an "
    "idle machine"
)


@dataclass(frozen=True, slots=True)
class LoaderBound:
    """Speed of a training loop, and its speed with batches that cost no time.

    Printed, it is a summary of two lines.

    Attributes
    ----------
    batches_per_s, records_per_s : float
        Rates with batches of the loader; median of the rounds.
    replayed_batches_per_s, replayed_records_per_s : float, optional
        Rates with batches that are in memory; None if measured without a step.
    stall : float, optional
        Share of the time lost to the loader, by waiting for it or because it takes
        processor time from the step: 1 - (time with batches in memory) / (time with the
        loader), median of the rounds. It is below 0 by chance only. None if measured
        without a step.
    stall_range : tuple of float, optional
        Smallest and largest share among the rounds.
    ms_per_batch_range : tuple of float
        Shortest and longest time per batch among the rounds, with batches of the
        loader, including the step.
    n_rounds : int
        Number of rounds.
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
                f"Loader alone: {_rates(self.batches_per_s, self.records_per_s)} "
                f"({shortest:.3g} to {longest:.3g} ms per batch in {self.n_rounds} "
                "rounds).\n"
                f"Steps of more than {longest:.3g} ms per batch do not wait for the "
                "loader if they leave it one processor core."
            )
        assert self.replayed_batches_per_s is not None
        assert self.replayed_records_per_s is not None
        lowest, highest = self.stall_range
        return (
            f"Training: {_rates(self.batches_per_s, self.records_per_s)}; with batches "
            "in memory: "
            f"{_rates(self.replayed_batches_per_s, self.replayed_records_per_s)}.\n"
            f"Time lost to the loader: {self.stall:.1%} ({lowest:.1%} to "
            f"{highest:.1%} in {self.n_rounds} rounds); {self._verdict()}."
        )

    def _verdict(self) -> str:
        """Return the conclusion from the range of the rounds.

        The true median lies within the range of five rounds with a probability of
        94 %: each round is above or below it with equal probability, so all five are on
        the same side in 2 of 32 cases. So the loop is loader-bound only if time is lost
        in every round, and not loader-bound only if the loss is negligible in every
        round.
        """
        assert self.stall is not None
        assert self.stall_range is not None
        lowest, highest = self.stall_range
        if highest < _NEGLIGIBLE:
            noise = ", no loss beyond noise" if lowest <= 0 else ""
            return f"not loader-bound{noise}"
        if lowest <= 0 or self.stall < _NEGLIGIBLE:
            return _INCONCLUSIVE
        speedup = 1 / (1 - self.stall)
        return f"loader-bound: {speedup:.2g} times as fast with batches in memory"


def measure_loader_bound(
    loader: Loader,
    step: Callable[[Batch], object] | None = None,
    n_batches: int = 50,
    n_cached: int = 4,
) -> LoaderBound:
    """Measure how much faster a training loop would be if its batches cost no time.

    Some batches are copied to memory. In every round, one segment of steps uses batches
    of the loader and one the copies, so that other load on the machine slows both. Each
    segment begins with steps that are not timed, and ends when the GPU has finished.

    Afterwards the loader has the same state as before. Call this between epochs, not
    within a ``for`` loop over the same loader; with several ranks, call it in all of
    them at the same time.

    Parameters
    ----------
    loader : Loader
        The loader to measure.
    step : callable, optional
        The training step, called with a batch. It really trains: use a copy of the
        model, or measure before loading the checkpoint. Without a step, the loader is
        measured alone.
    n_batches : int
        Number of batches to time per segment.
    n_cached : int
        Number of batches to copy and to replay in turn.

    Returns
    -------
    LoaderBound
        The rates and the share of the time lost to the loader; print it for a summary.

    Raises
    ------
    ValueError
        If a number is below 1.
    TypeError
        If the loader was not made by `pipes.loader`.

    Examples
    --------
    >>> from ecgstore import pipes
    >>> def step(batch):
    ...     loss = criterion(model(batch.signals), batch.labels)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> print(pipes.measure_loader_bound(loader, step))  # doctest: +SKIP
    """
    if not isinstance(loader, Loader):
        raise TypeError(
            f"loader is a {type(loader).__name__}; expected one that pipes.loader "
            "made, whose state can be restored"
        )
    require_integer("n_batches", n_batches, lowest=1)
    require_integer("n_cached", n_cached, lowest=1)
    state = loader.state_dict()
    stream = _endless(loader)
    try:
        cached = [deepcopy(batch) for batch in islice(stream, n_cached)]
        segments: list[Iterator[Batch]] = [stream]
        if step is not None:
            segments.append(cycle(cached))
        times: list[list[_Times]] = [[] for _ in segments]
        for number in range(_ROUNDS):
            for segment in _segment_order(len(segments), number):
                # As many untimed steps as copies: they use up the batches prefetched
                # during the other segment, and bring every copy into the cache.
                _time(segments[segment], step, n_cached)
                times[segment].append(_time(segments[segment], step, n_batches))
    finally:
        stream.close()
        loader.load_state_dict(state)
    return _result(*times)


@dataclass(frozen=True, slots=True)
class _Times:
    """Duration of one segment in s, and its numbers of batches and records."""

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


def _segment_order(n_segments: int, number: int) -> range:
    """Return the order of the segments of a round: reversed in every other round."""
    forward = range(n_segments)
    return forward[::-1] if number % 2 else forward


def _time(
    batches: Iterator[Batch], step: Callable[[Batch], object] | None, n_batches: int
) -> _Times:
    """Time the steps of some batches."""
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
    """Wait until the GPU has finished."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def _result(real: list[_Times], replayed: list[_Times] | None = None) -> LoaderBound:
    """Summarise the rounds."""
    ms = [1000 / times.batches_per_s for times in real]
    # By record, because the last batch of an epoch may be smaller than the others.
    stalls = [
        1 - times.records_per_s / copies.records_per_s
        for times, copies in zip(real, replayed or [], strict=replayed is not None)
    ]
    return LoaderBound(
        batches_per_s=median(times.batches_per_s for times in real),
        records_per_s=median(times.records_per_s for times in real),
        replayed_batches_per_s=(
            median(times.batches_per_s for times in replayed) if replayed else None
        ),
        replayed_records_per_s=(
            median(times.records_per_s for times in replayed) if replayed else None
        ),
        stall=median(stalls) if stalls else None,
        stall_range=(min(stalls), max(stalls)) if stalls else None,
        ms_per_batch_range=(min(ms), max(ms)),
        n_rounds=len(real),
    )


def _rates(batches_per_s: float, records_per_s: float) -> str:
    """Return two rates as text."""
    return f"{batches_per_s:,.4g} batches/s, {records_per_s:,.0f} records/s"
