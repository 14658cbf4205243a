"""Which records have each quality flag, and which of their leads."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray
from ecgstore.storage.counts import blocks
from ecgstore.storage.format import schema
from ecgstore.storage.store import Store

FLAT: Final = 0.9999
"""A lead is flat if more than this fraction of it is."""


def flagged_leads(
    store: Store, name: str, above: float = 0.0
) -> Iterator[tuple[slice, BoolArray]]:
    """Yield rows, some at a time, and which leads of each have a problem.

    Leads that are missing have none.

    Parameters
    ----------
    store : Store
        The store.
    name : str
        Dataset of ``/quality`` with a value for each lead.
    above : float
        A lead with a higher value has the problem.

    Yields
    ------
    rows : slice
    flagged : ndarray of shape (n_rows, n_leads)
    """
    values, missing = store.table(f"{schema.QUALITY}/{name}"), store.missing_leads
    for rows in blocks(len(store)):
        flagged = values[rows] > above
        if missing is not None:
            flagged &= ~missing[rows]
        yield rows, flagged


def quality_flags(store: Store) -> dict[str, BoolArray]:
    """Return which records have each quality flag that occurs, by its name.

    Every array has the shape (n_records,).
    """

    def any_lead(name: str, above: float = 0.0) -> BoolArray:
        is_flagged = np.zeros(len(store), bool)
        for rows, flagged in flagged_leads(store, name, above):
            is_flagged[rows] = flagged.any(axis=1)
        return is_flagged

    def not_empty(name: str) -> BoolArray:
        path = f"{schema.RECORDS}/{name}"  # not in a store of version 1
        if path not in store.tables:
            return np.zeros(len(store), bool)
        is_given: BoolArray = store.table(path) != b""
        return is_given

    flags = {
        "a lead is derived from I and II": not_empty("derived_leads"),
        "a lead is missing, stored as zeros": not_empty("missing_leads"),
        "a lead is flat": any_lead("flat_fraction", above=FLAT),
        "a lead is clipped": any_lead("clipped_fraction"),
        "missing samples interpolated": any_lead("missing_fraction"),
        "exceeds the range of int16": any_lead("saturated_fraction"),
        "header checksum differs": any_lead("checksum_differs"),
        "header first value differs": any_lead("first_value_differs"),
        "shorter than stored, padded": store.table(
            f"{schema.QUALITY}/{schema.PAD_LENGTH}"
        )
        > 0,
    }
    return {name: is_flagged for name, is_flagged in flags.items() if is_flagged.any()}
