"""Last phase of a build: digests and fingerprint, before the final name."""

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


def seal(partial: Path) -> None:
    """Give a filled partial file its digests.

    They are written in place: killed while it writes with the HDF5 library, a program
    leaves a file that the library does not open again.

    Parameters
    ----------
    partial : Path
        A file with all rows filled.
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
