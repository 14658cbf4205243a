"""A loader has one loop at a time, and none once it is closed."""

import pytest

from ecgstore.storage import Selection
from tests.pipes.batches import rows_of
from tests.pipes.loader.loaders import (
    ENDINGS,
    PREFETCHES,
    FailingTransform,
    InjectedError,
    consume,
    make_loader,
    order_of,
    threads,
    through_json,
)


@PREFETCHES
@pytest.mark.parametrize("how", ENDINGS)
def test_a_loop_that_was_ended_raises(few: Selection, how: str, prefetch: int) -> None:
    loader = make_loader(few, prefetch=prefetch)
    loop = iter(loader)
    next(loop)
    ENDINGS[how](loader)
    assert not threads()
    with pytest.raises(RuntimeError, match=r"was closed, set .* concurrent loop"):
        next(loop)
    with pytest.raises(StopIteration):
        next(loop)


@PREFETCHES
def test_an_old_loop_does_not_disturb_the_new_one(
    few: Selection, prefetch: int
) -> None:
    loader = make_loader(few, prefetch=prefetch)
    old = iter(loader)
    next(old)
    oldest_but_one = iter(loader)
    new = iter(loader)
    rows = rows_of([next(new)])
    before = threads()
    with pytest.raises(RuntimeError, match="iterated over again"):
        next(old)
    assert threads() == before
    rows += rows_of([next(new)])
    del old, oldest_but_one
    assert threads() == before
    assert len(before) == bool(prefetch)
    assert rows + rows_of(new) == order_of(few, 1)


@PREFETCHES
def test_a_state_loaded_within_a_loop_ends_the_loop(
    few: Selection, prefetch: int
) -> None:
    loader = make_loader(few, prefetch=prefetch)
    states = []
    for _ in loader:
        states.append(through_json(loader.state_dict()))
        if len(states) == 4:
            break
    with pytest.raises(RuntimeError, match="set to another epoch or state"):
        consume(loader, [], lambda: loader.load_state_dict(states[1]))
    assert rows_of(loader) == order_of(few, 0)[8:]
    assert rows_of(loader) == order_of(few, 1)


@PREFETCHES
def test_a_closed_loader_refuses_everything_but_its_state(
    few: Selection, prefetch: int
) -> None:
    loader = make_loader(few, prefetch=prefetch)
    loop = iter(loader)
    rows = rows_of([next(loop)])
    state = loader.state_dict()
    for _ in range(2):
        loader.close()
        assert not threads()
        for use in (
            lambda: iter(loader),
            lambda: loader.set_epoch(0),
            lambda: loader.set_epoch(3),
            lambda: loader.load_state_dict(state),
        ):
            with pytest.raises(RuntimeError, match="is closed; make a new one"):
                use()
    # The state for a checkpoint is still available.
    assert loader.state_dict() == state
    assert (loader.epoch, len(loader)) == (0, 5)
    other = make_loader(few, prefetch=prefetch)
    other.load_state_dict(loader.state_dict())
    assert rows + rows_of(other) == order_of(few, 0)


@PREFETCHES
def test_set_epoch_of_a_closed_loader_is_an_error(
    few: Selection, prefetch: int
) -> None:
    loader = make_loader(few, prefetch=prefetch)
    loader.close()
    with pytest.raises(RuntimeError, match="is closed; make a new one"):
        loader.set_epoch(0)  # its epoch


@PREFETCHES
def test_a_with_block_closes_the_loader(few: Selection, prefetch: int) -> None:
    with make_loader(few, prefetch=prefetch) as loader:
        loop = iter(loader)
        next(loop)
        assert len(threads()) == bool(prefetch)
    assert not threads()
    with pytest.raises(RuntimeError, match="is closed"):
        iter(loader)
    fails = FailingTransform(2)
    with (
        pytest.raises(InjectedError),
        make_loader(few, prefetch=prefetch, transform=fails) as loader,
    ):
        list(loader)
    assert not threads()
    assert len(few.store.labels(rows=few.rows)) == 19  # the store is still open
