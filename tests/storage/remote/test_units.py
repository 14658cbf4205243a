"""Requests for units are few, and none is larger than it may be."""

import numpy as np
import pytest

from ecgstore.pipes import loading
from ecgstore.pipes.orders.block_shuffled import BlockShuffled
from ecgstore.storage.remote.units import (
    BLOCK_ROWS,
    MOST_BYTES,
    Units,
    region,
    requests_for,
)


def test_requests_are_as_large_as_they_may_be() -> None:
    row_bytes = MOST_BYTES // 4
    units = Units.of([region(100, row_bytes, 10, per_row=2)], 100 + 10 * row_bytes)
    found = requests_for(units, np.arange(units.n_units))
    sizes = [one.end - one.begin for one in found]
    assert sizes == [100, MOST_BYTES, MOST_BYTES, MOST_BYTES // 2]
    assert [one.n_units for one in found] == [1, 8, 8, 4]


@pytest.mark.parametrize("row_bytes", [40_000, 120_000, 240_000])
def test_an_epoch_in_the_default_order_is_a_request_per_block(row_bytes: int) -> None:
    """Few come in two pieces, because the short last block shifts the windows."""
    n_rows = 43_101
    units = Units.of([region(0, row_bytes, n_rows)], n_rows * row_bytes)
    order = BlockShuffled(n_rows, 0, BLOCK_ROWS, loading._WINDOW_BLOCKS)
    rows = order.indices(0, 0, n_rows)
    n_blocks = -(-n_rows // BLOCK_ROWS)
    n_windowed = BLOCK_ROWS * loading._WINDOW_BLOCKS
    n_requests = sum(
        len(requests_for(units, np.sort(rows[begin : begin + n_windowed])))
        for begin in range(0, n_rows, n_windowed)
    )
    assert n_requests <= 1.04 * n_blocks
