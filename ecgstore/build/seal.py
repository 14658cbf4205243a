"""Last phase of a build: digests, fingerprint, and the final name."""

from pathlib import Path

import h5py

from ecgstore.storage.durable import publish
from ecgstore.storage.hdf5 import text
from ecgstore.storage.integrity import dataset_digests, fingerprint
from ecgstore.storage.layout import encoded
from ecgstore.storage.schema import SHA256


def seal(partial: Path, out: Path) -> None:
    """Give a filled partial file its digests and its final name.

    Parameters
    ----------
    partial : Path
        A file of which every row is filled.
    out : Path
        The store; an older file of that name is replaced.
    """
    with h5py.File(partial, "r+", locking=False) as file:
        digests = dataset_digests(file)
        for path, digest in digests.items():
            # Same type and width as before: only these bytes of the file change.
            file[path].attrs.modify(SHA256, encoded(digest))
        config = text(file.attrs["config"])
        file.attrs.modify("fingerprint", encoded(fingerprint(config, digests)))
    publish(partial, out)
