"""Find damage in a store: every checksum and digest, compared with the content."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ecgstore.errors import SchemaError
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import open_hdf5, text
from ecgstore.storage.format.integrity import dataset_digests, fingerprint, row_checksum
from ecgstore.storage.store import Store


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing in a store that is not what was written.

    Attributes
    ----------
    where : str
        The dataset, and the row and record if it is one row.
    what : str
        What was found, and what was expected.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def verify(
    path: str | Path, report: Callable[[int], object] | None = None
) -> Iterator[Damage]:
    """Compare a store with its checksums, digests and fingerprint.

    Parameters
    ----------
    path : str or Path
        The store.
    report : callable, optional
        Called with the number of rows after each that were checked.

    Yields
    ------
    Damage
        Each damaged row of the signals, and each damaged other dataset.

    Raises
    ------
    SchemaError
        If the file is too damaged to be read as a store at all.
    """
    with Store(path) as store, open_hdf5(store.path) as file:
        digests = dataset_digests(file)
        for name, digest in digests.items():
            sealed = text(file[name].attrs.get(schema.SHA256, "no digest"))
            if sealed != digest:
                yield Damage(f"/{name}", f"SHA-256 is {digest}, {sealed} when sealed")
        found = fingerprint(text(file.attrs["config"]), digests)
        if found != store.fingerprint:
            yield Damage(
                "/", f"fingerprint is {found}, {store.fingerprint} when sealed"
            )
        unfilled = np.flatnonzero(file[schema.STATE][...] != 1)
        for row in unfilled.tolist():
            yield Damage(f"/{schema.STATE} row {row}", "the row was never filled")
        yield from _damaged_rows(store, file, report)


def _damaged_rows(
    store: Store, file: h5py.File, report: Callable[[int], object] | None
) -> Iterator[Damage]:
    """Yield the rows of the signals that are not what was written."""
    signals = file[schema.SIGNALS]
    values = np.empty(signals.shape[1:], signals.dtype)
    for row, expected in enumerate(file[schema.CHECKSUMS][...].tolist()):
        where = f"/{schema.SIGNALS} row {row} ({_name(store, row)})"
        try:
            signals.read_direct(values, np.s_[row])
            checksum = row_checksum(values)
            if checksum != expected:
                yield Damage(
                    where, f"CRC-32C is {checksum:08x}, {expected:08x} when built"
                )
        except OSError as error:
            yield Damage(where, f"cannot be read ({error})")
        if report is not None:
            report(1)


def _name(store: Store, row: int) -> str:
    """Return the name of a record, if its column can still be read."""
    try:
        return str(store.records.index[row])
    except SchemaError:
        return "name unreadable"
