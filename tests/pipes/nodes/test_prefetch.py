"""The prefetching thread."""

import threading

import pytest

from ecgstore import pipes
from ecgstore.storage import Store

FAILSAFE_S = 60


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_thread_is_depth_items_ahead(store: Store, prefetch: int) -> None:
    made = threading.Semaphore(0)

    def note(batch: pipes.Batch) -> pipes.Batch:
        made.release()
        return batch

    loop = iter(pipes.loader(store, 1, prefetch=prefetch, transform=note))
    next(loop)
    for _ in range(1 + prefetch):
        assert made.acquire(timeout=FAILSAFE_S)
    assert not made.acquire(timeout=0.05)  # not further
    for _ in range(4):
        next(loop)
        assert made.acquire(timeout=FAILSAFE_S)
        assert not made.acquire(timeout=0.05)


def test_prefetching_no_item_is_refused(store: Store) -> None:
    rows = pipes.Rows(store, pipes.Sequential(len(store)), 2)
    for depth in (0, -1):
        with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
            pipes.Prefetch(rows, depth)
    with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
        pipes.loader(store, prefetch=-1)
