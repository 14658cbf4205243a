"""How the positions of an epoch are divided into steps, and each step among ranks.

A global batch consists of the positions that all ranks together take in one step.
"""

from ecgstore.pipes.arguments import require_integer


def rank_slice(n: int, rank: int, world_size: int) -> slice:
    """Return the part of a global batch that belongs to one rank.

    Parameters
    ----------
    n : int
        Positions of the global batch.
    rank : int
        The rank, from 0 to ``world_size - 1``.
    world_size : int
        Number of ranks that share the batch.

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
    >>> [rank_slice(7, rank, 3) for rank in range(3)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    require_integer("n", n, lowest=0)
    require_integer("world_size", world_size, lowest=1)
    require_integer("rank", rank, lowest=0, highest=world_size - 1)
    return slice(n * rank // world_size, n * (rank + 1) // world_size)


def next_batch(rest: int, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return the number of positions of the next global batch.

    It depends on the rest of the epoch and not on earlier batches, so that an epoch can
    be resumed with another batch size or another number of ranks.

    Parameters
    ----------
    rest : int
        Positions left in the epoch.
    batch_size : int
        Records of a batch of one rank.
    world_size : int
        Number of ranks.
    drop_last : bool
        Whether to leave out a last global batch that would be smaller.

    Returns
    -------
    int
        0 at the end of the epoch, else ``batch_size * world_size`` while that many
        positions are left. The last batch takes the rest. If the rest had fewer
        positions than ranks, the batch before it is made smaller by one position per
        rank, so that all ranks have the same number of batches and none waits forever
        for the others. Where that is impossible, because `batch_size` is 1 or the epoch
        has fewer positions than ranks, some ranks' parts of the last batch are empty.

    Raises
    ------
    ValueError
        If a number is too small.

    Examples
    --------
    >>> next_batch(13, batch_size=3, world_size=4, drop_last=False)  # then 5
    8
    """
    size = _full_batch_size(rest, batch_size, world_size)
    if rest < size:
        return 0 if drop_last else rest
    leaves_too_few = 0 < rest - size < world_size
    if leaves_too_few and batch_size > 1 and not drop_last:
        return size - world_size
    return size


def n_batches(rest: int, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return the number of global batches left, as `next_batch` takes them.

    Parameters
    ----------
    rest, batch_size, world_size, drop_last
        As for `next_batch`.

    Returns
    -------
    int
        The number of batches.

    Raises
    ------
    ValueError
        If a number is too small.

    Examples
    --------
    >>> n_batches(13, batch_size=3, world_size=4, drop_last=False)
    2
    """
    size = _full_batch_size(rest, batch_size, world_size)
    return rest // size if drop_last else -(-rest // size)


def _full_batch_size(rest: int, batch_size: int, world_size: int) -> int:
    """Check the numbers, and return the size of a full global batch."""
    require_integer("rest", rest, lowest=0)
    return require_integer("batch_size", batch_size, lowest=1) * require_integer(
        "world_size", world_size, lowest=1
    )
