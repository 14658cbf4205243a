"""Names of files that a server gives: which of them may be written below a folder."""

import os
import re
from typing import Final

_MOST_BYTES: Final = 255
"""Bytes of a part of a name; file systems have no longer ones."""

_MOST_PARTS: Final = 32

_DRIVE: Final = re.compile(r"[A-Za-z]:")

_NOT_ON_WINDOWS: Final = frozenset('<>:"|?*') if os.name == "nt" else frozenset()


def is_safe(name: str) -> bool:
    r"""Return whether a name is that of a file below a folder, and of no other.

    Examples
    --------
    >>> is_safe("g1/A0001.hea")
    True
    >>> [is_safe(name) for name in ("../a", "/a", "C:a", "a//b", "a\0", "a\\b", "")]
    [False, False, False, False, False, False, False]
    """
    parts = name.split("/")
    return (
        len(parts) <= _MOST_PARTS
        and not _DRIVE.match(name)
        and "\\" not in name
        and all(map(_is_safe_part, parts))
    )


def is_hidden(name: str) -> bool:
    """Return whether a search for records leaves a file out.

    Examples
    --------
    >>> is_hidden("a/.b/c.hea"), is_hidden("a/b.c/c.hea")
    (True, False)
    """
    return any(part.startswith(".") for part in name.split("/"))


def _is_safe_part(part: str) -> bool:
    """Return whether a part of a name is that of a file or folder in another."""
    return (
        part not in ("", ".", "..")
        and part.isprintable()
        and len(part.encode("utf-8", "surrogatepass")) <= _MOST_BYTES
        and _NOT_ON_WINDOWS.isdisjoint(part)
    )
