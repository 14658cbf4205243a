"""Last phase of a build: digests, fingerprint, and the final name."""

from pathlib import Path

import h5py

from ecgstore.builder.writer import InPlace
from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import DATASETS, DIGESTS, FINGERPRINT
from ecgstore.storage.format.hdf5 import described
from ecgstore.storage.format.integrity import (
    dataset_digests,
    digest_table,
    fingerprint,
)
from ecgstore.storage.format.stored_values import encoded, texts
from ecgstore.system.atomic_files import publish


def seal(partial: Path, out: Path, *, overwrite: bool) -> None:
    """Give a filled partial file its digests and its final name.

    They are written in place: killed while it writes with the HDF5 library, a program
    leaves a file that the library does not open again.

    Parameters
    ----------
    partial : Path
        A file with all rows filled.
    out : Path
        The store.
    overwrite : bool
        Whether an older file of that name may be replaced.

    Raises
    ------
    FileExistsError
        If there is one that may not.
    """
    with h5py.File(partial, "r", locking=False) as file:
        digests = dataset_digests(file)
        table = digest_table(digests, texts(file[DATASETS][...]))
        digest = encoded(fingerprint(described(file, schema.CONFIG), digests))
        contents = {
            file[path].id.get_offset(): content.tobytes()
            for path, content in ((DIGESTS, table), (FINGERPRINT, digest))
        }
    in_place = InPlace(partial)
    try:
        for offset, content in contents.items():
            in_place.write(offset, content)
        in_place.sync()
    finally:
        in_place.close()
    publish(partial, out, replace=overwrite)
