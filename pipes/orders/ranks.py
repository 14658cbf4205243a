"""How the positions of an epoch are shared out: to steps, and in each to the ranks."""

from ecgstore.pipes.checks import count


def share(n: int, rank: int, world_size: int) -> slice:
    """Return which part of a global batch is for one rank.

    Parameters
    ----------
    n : int
        How many positions the global batch has.
    rank : int
        Which rank, from 0 to ``world_size - 1``.
    world_size : int
        How many ranks share the batch.

    Returns
    -------
    slice
        Successive positions. The parts of all ranks, one after the other, are the
        batch, and their sizes differ by at most one.

    Raises
    ------
    ValueError
        If `n` is negative or there is no such rank.

    Examples
    --------
    >>> [share(7, rank, 3) for rank in range(3)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    if n < 0:
        raise ValueError(f"n is {n}; expected 0 or more")
    count("world_size", world_size)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank is {rank}; expected 0 to {world_size - 1}")
    return slice(n * rank // world_size, n * (rank + 1) // world_size)


def next_batch(rest: int, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return how many positions of an epoch the next global batch takes.

    Depends on what is left and not on what was taken, so that an epoch can go on with
    another batch size or other ranks.

    Parameters
    ----------
    rest : int
        How many positions are left.
    batch_size : int
        How many records each rank takes at a time.
    world_size : int
        How many ranks there are.
    drop_last : bool
        Whether to leave out a last global batch that would be smaller.

    Returns
    -------
    int
        0 at the end of the epoch, else ``batch_size * world_size`` as long as there are
        so many. The last batch takes what is left. If that were fewer records than
        ranks, then the batch before it leaves some, so that each rank has the same
        number of batches and none of them waits for ever for the others. This cannot be
        done where `batch_size` is 1 or the whole rest is fewer than the ranks: there,
        parts of the last batch are empty.

    Raises
    ------
    ValueError
        If a number is too small.

    Examples
    --------
    >>> next_batch(13, batch_size=3, world_size=4, drop_last=False)  # then 5
    8
    """
    size = _check_batch(rest, batch_size, world_size)
    if rest < size:
        return 0 if drop_last else rest
    leaves_too_few = 0 < rest - size < world_size
    if leaves_too_few and batch_size > 1 and not drop_last:
        return size - world_size
    return size


def n_batches(rest: int, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return how many global batches are left, as `next_batch` takes them.

    Parameters
    ----------
    rest, batch_size, world_size, drop_last
        As for `next_batch`.

    Returns
    -------
    int
        How many.

    Raises
    ------
    ValueError
        If a number is too small.

    Examples
    --------
    >>> n_batches(13, batch_size=3, world_size=4, drop_last=False)
    2
    """
    size = _check_batch(rest, batch_size, world_size)
    return rest // size if drop_last else -(-rest // size)


def _check_batch(rest: int, batch_size: int, world_size: int) -> int:
    """Check what makes up a global batch and return its size."""
    if rest < 0:
        raise ValueError(f"rest is {rest}; expected 0 or more")
    return count("batch_size", batch_size) * count("world_size", world_size)
