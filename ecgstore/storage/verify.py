"""Find damage in a store: every checksum and digest, compared with the content."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ecgstore.errors import EcgStoreError, SchemaError, cause_of
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import described, open_hdf5
from ecgstore.storage.format.integrity import (
    block_checksums,
    dataset_digests,
    fingerprint,
    row_checksum,
    wrong_digests,
)
from ecgstore.storage.format.stored_values import text
from ecgstore.storage.format.structure import structure_differences
from ecgstore.storage.label_file import label_file_damage, label_file_path
from ecgstore.storage.remote.cache import DEFAULT_CACHE
from ecgstore.storage.store import Store


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged dataset or row of a store.

    Attributes
    ----------
    where : str
        The dataset, and the row and the record if only a row is damaged.
    problem : str
        The computed and the expected checksum, or another defect.
    """

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def verify(
    path: str | Path,
    on_progress: Callable[[int], object] | None = None,
    *,
    cache: str | Path | None = DEFAULT_CACHE,
) -> Iterator[Damage]:
    """Compare the content of a store with its checksums, digests and fingerprint.

    Of a collection, its own content and that of all parts.

    Types, shapes and attributes are compared with the format, so that everything that
    a reader can see is compared with something.

    Parameters
    ----------
    path : str or Path
        The store.
    on_progress : callable, optional
        Called with 1 after each row that was checked.
    cache : str or Path, optional
        Folder for what is fetched from URLs; it is fetched as a whole.

    Yields
    ------
    Damage
        Every damaged row of the signals, every other damaged dataset, and everything
        that is no part of the format.

    Raises
    ------
    SchemaError
        If the file is too damaged to be read as a store at all.
    """
    with (
        Store(path, labels="built", cache=cache) as store,
        open_hdf5(store.path, is_mirror=store.url is not None) as file,
    ):
        _fetch(store)
        version = int(file.attrs["format_version"])
        parts = store.parts
        if not parts:
            for where, problem in structure_differences(file, store.config, version):
                yield Damage(where, problem)
        yield from _damaged_software(file, store.software)
        digests = dataset_digests(file)
        for name, message in wrong_digests(file, digests).items():
            yield Damage(f"/{name}", message)
        computed = fingerprint(described(file, schema.CONFIG), digests)
        if computed != store.fingerprint:
            yield Damage(
                "/", f"fingerprint is {computed}, expected {store.fingerprint}"
            )
        unfilled = np.flatnonzero(file[schema.STATE][...] != 1)
        for row in unfilled.tolist():
            yield Damage(f"/{schema.STATE} row {row}", "the row was never filled")
        if not parts:
            yield from _damaged_rows(store, file, on_progress)
    for part in parts:
        with Store(part, labels="built", cache=cache) as store:
            is_store = not store.parts
        if not is_store:  # perhaps the collection itself, without end
            yield Damage(str(part), "is a collection; expected a store")
            continue
        for damage in verify(part, on_progress, cache=cache):
            yield Damage(f"{part}: {damage.where}", damage.problem)
    if store.url is not None:
        return
    beside = label_file_path(Path(path))
    if beside.exists():
        for name, message in label_file_damage(beside).items():
            yield Damage(f"{beside.name}: /{name}", message)


def _fetch(store: Store) -> None:
    """Fetch a file at a URL; the parts of a collection follow one by one."""
    for mirror in store.mirrors[:1]:
        if store.keeps_nothing:
            raise EcgStoreError(
                f"{store.place}: cannot be verified without a cache; give it a folder: "
                "set ECGSTORE_CACHE"
            )
        for _ in mirror.pieces():
            pass


def _damaged_software(file: h5py.File, software: str) -> Iterator[Damage]:
    """Yield a difference between the attribute ``software`` and its digest."""
    computed = schema.text_sha256(software)
    expected = text(file.attrs.get(schema.SOFTWARE_SHA256, computed))
    if computed != expected:
        yield Damage(
            "/", f"SHA-256 of the attribute software is {computed}, expected {expected}"
        )


def _damaged_rows(
    store: Store, file: h5py.File, on_progress: Callable[[int], object] | None
) -> Iterator[Damage]:
    """Yield the rows of the signals that differ from their checksums."""
    signals = file[schema.SIGNALS]
    values = np.empty(signals.shape[1:], signals.dtype)
    blocks = file.get(schema.BLOCK_CHECKSUMS)  # not in version 1
    for row, expected in enumerate(file[schema.CHECKSUMS][...].tolist()):
        where = f"/{schema.SIGNALS} row {row} ({_name(store, row)})"
        try:
            signals.read_direct(values, np.s_[row])
            checksum = row_checksum(values)
            if checksum != expected:
                yield Damage(
                    where, f"CRC-32C is {checksum:08x}, expected {expected:08x}"
                )
            elif blocks is not None and (blocks[row] != block_checksums(values)).any():
                yield Damage(
                    f"/{schema.BLOCK_CHECKSUMS} row {row}",
                    "differs from the CRC-32C of the blocks of an intact signal",
                )
        except OSError as error:
            yield Damage(where, f"cannot be read ({cause_of(error)})")
        if on_progress is not None:
            on_progress(1)


def _name(store: Store, row: int) -> str:
    """Return the name of a record, if its column can still be read."""
    try:
        return str(store.column("record_id", [row])[0])
    except SchemaError:
        return "name unreadable"
