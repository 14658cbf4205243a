"""Find out where a build writes: to a disk, or to a bucket."""

import os
from pathlib import Path
from typing import Final

from ecgstore.builder.bucket_destination import BucketDestination
from ecgstore.builder.destination import Destination
from ecgstore.builder.file_destination import FileDestination
from ecgstore.errors import EcgStoreError
from ecgstore.system.urls import shown, url_of

_BUCKETS: Final = ("s3://", "gs://", "az://")


def destination_of(out: str | Path) -> Destination:
    """Return the destination that a path or a URL names.

    Raises
    ------
    EcgStoreError
        If it is a URL to which nothing can be written.
    """
    url = url_of(out)
    if url is None:
        return FileDestination(Path(os.path.abspath(out)))
    if not url.startswith(_BUCKETS):
        raise EcgStoreError(
            f"{shown(url)}: nothing can be written there; expected a path, or a URL of "
            "a bucket (s3, gs or az): build a file, and upload it"
        )
    return BucketDestination(url)
