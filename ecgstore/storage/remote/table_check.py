"""Compare fetched tables with the digests of their store."""

from collections.abc import Iterable
from pathlib import Path

import h5py

from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import FINGERPRINT, NOT_LISTED
from ecgstore.storage.format.hdf5 import described, open_hdf5
from ecgstore.storage.format.integrity import (
    dataset_digest,
    fingerprint,
    stored_digests,
    wrong_digests,
)


def damage_of_head(file: h5py.File) -> str:
    """Return what is wrong with the digests in the head of a store; empty if nothing.

    The fingerprint covers the digests of all datasets, and the options.
    """
    computed = fingerprint(described(file, schema.CONFIG), stored_digests(file))
    expected = described(file, FINGERPRINT)
    if computed == expected:
        return ""
    return f"its fingerprint is {computed}, expected {expected}"


def damage_of_tables(file: h5py.File, names: Iterable[str]) -> str:
    """Return what is wrong with some tables, all of which are there; else empty."""
    digests = {
        name: dataset_digest(file[name]) for name in names if name not in NOT_LISTED
    }
    wrong = wrong_digests(file, digests)
    return "; ".join(f"/{name}: {problem}" for name, problem in wrong.items())


def damage_of_table(mirror: Path, name: str) -> str:
    """Return what is wrong with a table that was fetched; empty if nothing."""
    with open_hdf5(mirror, is_mirror=True) as file:
        return damage_of_tables(file, [name])
