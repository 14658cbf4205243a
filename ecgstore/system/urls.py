"""Tell URLs from paths."""

import os
import posixpath
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ecgstore.errors import EcgStoreError, SchemaError

_URL: Final = re.compile(r"(?:.*/)?(s3|gs|az|hf|https?):/{1,2}(?=[^/])", re.IGNORECASE)
"""The beginning of a URL; with one slash where it went through a path."""

_OTHER_URL: Final = re.compile(r"(?:.*/)?([a-zA-Z][a-zA-Z0-9+.-]+):/{1,3}(?=[^/])")
"""The beginning of a URL of any kind; a drive of Windows has one letter."""


def url_of(place: str | Path) -> str | None:
    """Return the URL that a text or a path is, or None if it is a file's path.

    Examples
    --------
    >>> url_of(Path("https://host/data/challenge.h5"))
    'https://host/data/challenge.h5'
    >>> url_of("challenge.h5") is None
    True
    """
    text = str(place)
    found = _URL.match(text)
    return f"{found[1].lower()}://{text[found.end() :]}" if found else None


def shown(url: str) -> str:
    """Return a URL without what gives access: a signature, or a name and a password.

    Examples
    --------
    >>> shown("https://me:secret@host/a.h5?signature=secret")
    'https://host/a.h5'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def beside(url: str, path: str) -> str:
    """Return the URL of a file that another file names by a relative path.

    Parameters
    ----------
    url : str
        The URL of the other file.
    path : str
        A path relative to its folder, or a URL of the same host or bucket.

    Raises
    ------
    SchemaError
        If it leads elsewhere: nobody's files are read because a stranger names them.

    Examples
    --------
    >>> beside("s3://bucket/ecg/all.h5", "parts/../a.h5")
    's3://bucket/ecg/a.h5'
    """
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc}/"
    named = url_of(path)
    if named is None and not path.startswith("/") and "\\" not in path:
        folder = posixpath.dirname(parts.path).lstrip("/")
        whole = posixpath.normpath(posixpath.join(folder, path))
        if not whole.startswith("../"):
            return host + whole + (f"?{parts.query}" if parts.query else "")
    elif (
        named is not None
        and named.startswith(host)
        and {".", ".."}.isdisjoint(urlsplit(named).path.split("/"))
    ):
        return named
    raise SchemaError(
        f"{shown(url)}: names the file {path!r}; expected a path below the same host "
        "or bucket: collect the stores again, where they are"
    )


def require_no_url(place: str | Path) -> None:
    """Refuse a URL where a file is needed.

    Raises
    ------
    EcgStoreError
        Saying how to make a file of it.
    """
    url = url_of(place)
    if url is not None:
        url = shown(url)
        raise EcgStoreError(
            f"{url}: is a URL; expected a file here: `ecgstore fetch {url} -o STORE` "
            "makes one"
        )
    other = _OTHER_URL.match(str(place))
    if other is not None and not os.path.exists(place):
        raise EcgStoreError(
            f"{place}: URLs of {other[1]} are not known; expected a path, or a URL of "
            "http, https, s3, gs, az or hf"
        )


def divided(url: str) -> tuple[str, str]:
    """Return the folder of a URL and the name in it.

    A query, such as a signature, stays with the folder.

    Raises
    ------
    EcgStoreError
        If it names no object, or has a part that servers do not get.

    Examples
    --------
    >>> divided("s3://bucket/ecg/challenge.h5")
    ('s3://bucket/ecg', 'challenge.h5')
    >>> divided("https://host/ecg/my%20store.h5?signature=1")
    ('https://host/ecg?signature=1', 'my store.h5')
    """
    parts = urlsplit(url)
    if parts.fragment or (parts.query and not parts.scheme.startswith("http")):
        raise EcgStoreError(
            f"{shown(url)}: has a fragment (#...), or a query (?...) that is not of "
            "HTTP; expected the plain URL of a store, such as "
            "https://host/data/challenge.h5"
        )
    folder, _, name = parts.path.rpartition("/")
    if not name or not parts.netloc:
        raise EcgStoreError(
            f"{shown(url)}: names no file; expected the URL of a store, such as "
            "s3://bucket/challenge.h5"
        )
    if parts.scheme.startswith("http"):
        name = unquote(name)
    if name in (".", "..") or not name.isprintable() or {*name} & {*"/\\"}:
        raise EcgStoreError(
            f"{shown(url)}: what is behind its last slash can be no name of a file; "
            "expected the URL of a store, such as https://host/data/challenge.h5"
        )
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{folder}{query}", name
