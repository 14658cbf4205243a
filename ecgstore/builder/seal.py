"""Last phase of a build: digests, fingerprint, and the final name."""

from pathlib import Path

import h5py

from ecgstore.storage.format.hdf5 import text
from ecgstore.storage.format.integrity import fingerprint, write_digests
from ecgstore.storage.format.layout import encoded
from ecgstore.system.atomic_files import publish


def seal(partial: Path, out: Path, *, overwrite: bool) -> None:
    """Give a filled partial file its digests and its final name.

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
    with h5py.File(partial, "r+", locking=False) as file:
        digests = write_digests(file)
        config = text(file.attrs["config"])
        file.attrs.modify("fingerprint", encoded(fingerprint(config, digests)))
    publish(partial, out, replace=overwrite)
