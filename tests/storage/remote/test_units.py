"""Requests for units are few, and none is larger than it may be."""

import numpy as np

from ecgstore.storage.remote.units import MOST_BYTES, Units, region, requests_for


def test_requests_are_as_large_as_they_may_be() -> None:
    row_bytes = MOST_BYTES // 4
    units = Units.of([region(100, row_bytes, 10, per_row=2)], 100 + 10 * row_bytes)
    found = requests_for(units, np.arange(units.n_units))
    sizes = [one.end - one.begin for one in found]
    assert sizes == [100, MOST_BYTES, MOST_BYTES, MOST_BYTES // 2]
    assert [one.n_units for one in found] == [1, 8, 8, 4]
