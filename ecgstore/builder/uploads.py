"""Upload a finished file, unless the same one is there already."""

from pathlib import Path

import h5py

from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.remote.bucket import Bucket


def upload(file: Path, bucket: Bucket, name: str, *, overwrite: bool) -> None:
    """Write a finished store or collection to a bucket.

    Parameters
    ----------
    file : Path
        The file.
    bucket, name
        Where it goes.
    overwrite : bool
        Whether another one of that name is replaced.

    Raises
    ------
    FileExistsError
        If another one is there that may not be.
    EcgStoreError
        If it cannot be written.
    """
    try:
        bucket.put(file, name, replace=overwrite)
    except FileExistsError:
        # Another try of the task was first, or the answer to this one was lost.
        if not is_uploaded(file, bucket, name):
            raise


def is_uploaded(file: Path, bucket: Bucket, name: str) -> bool:
    """Return whether an object has the size and the fingerprint of a finished file.

    The fingerprint covers the digests of all tables, and the checksums of all rows.
    """
    if bucket.size(name) != file.stat().st_size:
        return False
    with h5py.File(file, "r", locking=False) as opened:
        dataset = opened[FINGERPRINT]
        begin, n_bytes = dataset.id.get_offset(), dataset.nbytes
    with file.open("rb") as opened:
        opened.seek(begin)
        expected = opened.read(n_bytes)
    try:
        return bucket.read(name, begin, begin + n_bytes) == expected
    except FileNotFoundError:  # somebody has removed it since
        return False
