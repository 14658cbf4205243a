"""Tell URLs from paths."""

import posixpath
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ecgstore.errors import EcgStoreError, SchemaError

_URL: Final = re.compile(r"(?:.*/)?(s3|gs|az|https?):/{1,2}(?=[^/])")
"""The beginning of a URL; with one slash where it went through a path."""


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
    return f"{found[1]}://{text[found.end() :]}" if found else None


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
            return host + whole
    elif named is not None and named.startswith(host):
        return named
    raise SchemaError(
        f"{url}: names the file {path!r}; expected a path below the same host or "
        "bucket: collect the stores again, where they are"
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
        raise EcgStoreError(
            f"{url}: is a URL; expected a file here: `ecgstore fetch {url} -o STORE` "
            "makes one"
        )


def divided(url: str) -> tuple[str, str]:
    """Return the folder of a URL and the name in it.

    Raises
    ------
    EcgStoreError
        If it names no object, or has a query or a fragment.

    Examples
    --------
    >>> divided("s3://bucket/ecg/challenge.h5")
    ('s3://bucket/ecg', 'challenge.h5')
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise EcgStoreError(
            f"{url}: has a query or a fragment; expected the plain URL of a store, "
            "such as https://host/data/challenge.h5"
        )
    folder, _, name = url.rpartition("/")
    if not name or not parts.netloc or folder.endswith(":/"):
        raise EcgStoreError(
            f"{url}: names no file; expected the URL of a store, such as "
            "s3://bucket/challenge.h5"
        )
    return folder, name
