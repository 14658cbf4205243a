"""The SHA-256 of files that a folder at a URL tells, as PhysioNet's do."""

import re
from typing import Final

from ecgstore.remote_records.listing import Listing
from ecgstore.remote_records.remote_folder import RemoteFolder

_NAME: Final = "SHA256SUMS.txt"
_MOST_BYTES: Final = 1 << 28
_LINE: Final = re.compile(r"([0-9a-fA-F]{64}) [ *]?(?:\./)?(.+)")


def has_checksums(listing: Listing) -> bool:
    """Return whether a folder may have a list of checksums."""
    return _NAME in listing.files or not listing.is_complete


def read_checksums(remote: RemoteFolder) -> dict[str, bytes]:
    """Return the SHA-256 of every file that the folder's ``SHA256SUMS.txt`` names.

    Raises
    ------
    EcgStoreError
        If it cannot be read.
    """
    text = remote.text(_NAME, _MOST_BYTES) or ""
    found = map(_LINE.fullmatch, text.splitlines())
    return {match[2]: bytes.fromhex(match[1]) for match in found if match}
