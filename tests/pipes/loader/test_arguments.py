"""Wrong arguments of `pipes.loader` are refused; ranks default to torch.distributed."""

from typing import Any

import pytest
import torch

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Selection
from tests.pipes.batches import rows_of
from tests.pipes.loader.loaders import PREFETCHES, make_loader, order_of


def test_shuffle_and_an_order_do_not_go_together(few: Selection) -> None:
    order = pipes.Shuffled(len(few), 1)
    with pytest.raises(ValueError, match=r"shuffle=True and order=Shuffled\(n=19, se"):
        pipes.loader(few, shuffle=True, order=order)


@pytest.mark.parametrize("order", ["shuffled", [3, 1, 2], torch.randperm(19)])
def test_an_order_of_a_wrong_type_is_refused(few: Selection, order: Any) -> None:
    class_name = type(order).__name__
    with pytest.raises(
        TypeError, match=rf"order is a {class_name}; expected an order, such"
    ):
        pipes.loader(few, order=order)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_a_missing_gpu_is_refused(
    few: Selection, monkeypatch: pytest.MonkeyPatch, device: torch.device | str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = 'device is \'cuda.*finds no CUDA device; expected .* use device="cpu"'
    with pytest.raises(ValueError, match=message):
        pipes.loader(few, device=device)
    with pytest.raises(ValueError, match=message):
        pipes.ToDevice(make_loader(few), device)


def test_a_gpu_beyond_the_last_one_is_refused(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="'cuda:2'; expected 'cuda:0' to 'cuda:1'"):
        pipes.loader(few, device="cuda:2")


@PREFETCHES
def test_a_transform_that_returns_none_is_named(few: Selection, prefetch: int) -> None:
    def returns_none(batch: Batch) -> Any:
        batch.signals.mul_(2)  # type: ignore[union-attr]

    loader = pipes.loader(few, 4, transform=returns_none, prefetch=prefetch)
    with pytest.raises(
        TypeError, match=r"returns_none.* returned None; expected a Batch"
    ):
        next(iter(loader))


def test_rank_and_world_size_go_together(few: Selection) -> None:
    with pytest.raises(ValueError, match="rank is 0 and world_size is None; expect"):
        pipes.loader(few, rank=0)
    with pytest.raises(ValueError, match="rank is None and world_size is 2; expected "):
        pipes.loader(few, world_size=2)


def test_ranks_are_those_of_torch_distributed(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default, and if it is initialised when the loader is made."""
    plain = make_loader(few)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    rows = rows_of(make_loader(few))
    assert rows == rows_of(make_loader(few, rank=1, world_size=3))
    assert len(rows) == 6
    assert rows_of(make_loader(few, rank=0, world_size=1)) == order_of(few, 0)
    assert rows_of(plain) == order_of(few, 0)
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    assert rows_of(make_loader(few)) == order_of(few, 0)


@pytest.mark.parametrize("records", ["store.h5", [1, 2], None])
def test_only_stores_and_selections_can_be_loaded(records: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a store or a selection, such as"):
        pipes.loader(records)
