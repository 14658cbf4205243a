"""The node of rows refuses wrong arguments."""

from typing import Any

import pytest

from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store


@pytest.mark.parametrize(
    ("batch_size", "options", "error", "message"),
    [
        (0, {}, ValueError, "batch_size is 0; expected 1 or more"),
        (-3, {}, ValueError, "batch_size is -3"),
        (2.0, {}, TypeError, "batch_size is 2.0; expected an integer"),
        ("2", {}, TypeError, "batch_size is '2'"),
        (2, {"seed": 1.5}, TypeError, "seed is 1.5; expected an integer"),
        (2, {"seed": None}, TypeError, "seed is None"),
        (2, {"rank": 1.0, "world_size": 2}, TypeError, "rank is 1.0"),
        (2, {"rank": 2, "world_size": 2}, ValueError, "rank is 2; expected 0 to"),
        (2, {"rank": -1, "world_size": 2}, ValueError, "rank is -1; expected"),
        (2, {"rank": 0, "world_size": 0}, ValueError, "world_size is 0; expected 1"),
        (45, {"drop_last": True}, ValueError, "do not fill a batch of 45"),
        (
            23,
            {"drop_last": True, "rank": 0, "world_size": 2},
            ValueError,
            "for each of 2 ranks.*smaller batch_size, or set drop_last=False",
        ),
    ],
)
def test_rows_refuse_wrong_arguments(
    store: Store,
    batch_size: Any,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        pipes.Rows(store, pipes.Sequential(len(store)), batch_size, **options)
    with pytest.raises(error, match=message):
        pipes.loader(store, batch_size, **options)


def test_rows_refuse_an_order_of_other_records(store: Store) -> None:
    with pytest.raises(ValueError, match="has n=43 and the selection has 44"):
        pipes.Rows(store, pipes.Sequential(43), 2)
    with pytest.raises(ValueError, match="make the order with n=44"):
        pipes.loader(store, order=pipes.Shuffled(45, 0))


@pytest.mark.parametrize("epoch", [-1, 1.5])
def test_rows_refuse_invalid_epochs(store: Store, epoch: Any) -> None:
    node = pipes.Rows(store, pipes.Sequential(len(store)), 2)
    with pytest.raises((TypeError, ValueError), match=f"epoch is {epoch}; expected"):
        node.set_epoch(epoch)


def test_an_empty_selection_is_refused(store: Store) -> None:
    empty = store.select(query="age > 1000")
    for make in (
        lambda: pipes.loader(empty),
        lambda: pipes.Rows(empty, pipes.Sequential(1), 2),
    ):
        with pytest.raises(EcgStoreError, match=r"no record is selected; .*loosen"):
            make()
