"""The web page that a server makes of a folder: which files in it the page links to."""

import time
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, urlopen

from ecgstore.errors import EcgStoreError
from ecgstore.remote_records.remote_folder import RemoteFolder

_MOST_BYTES: Final = 1 << 26
_PIECE: Final = 1 << 16
_SILENCE_S: Final = 30
_MOST_S: Final = 300

_NO_PAGE: Final = (400, 401, 403, 404, 405, 410)
"""Status of answers of a server that makes no page of the folder."""


def links_of_page(remote: RemoteFolder, folder: str) -> list[str] | None:
    """Return the names in a folder that its page links to; None if it has no page.

    Only links to what is in the folder itself count: no parents, no other hosts, no
    queries by which servers sort.

    Parameters
    ----------
    remote : RemoteFolder
        The folder at a URL.
    folder : str
        A folder below it, with ``/`` at its end; empty for itself.

    Returns
    -------
    list of str or None
        Names; those of folders end with ``/``.

    Raises
    ------
    EcgStoreError
        If the page cannot be read.
    """
    url = remote.page_url(folder)
    page = remote.repeated(lambda: _page(url, remote.shown), folder)
    if page is None:
        return None
    address, text = page
    links = _Links()
    links.feed(text)
    base = address.rpartition("/")[0] + "/"
    return list(dict.fromkeys(_names_in(base, links.found)))


class _Links(HTMLParser):
    """Collect where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the place that a link leads to."""
        if tag == "a":
            self.found += (value for name, value in attrs if name == "href" and value)


def _names_in(base: str, links: list[str]) -> Iterator[str]:
    """Yield the names of the links that lead to what is in a folder itself."""
    for link in links:
        try:
            place = urljoin(base, link)
            parts = urlsplit(place)
        except ValueError:
            continue
        below = place.removeprefix(base)
        if below == place or not below or parts.query or parts.fragment:
            continue
        if "/" not in below.rstrip("/"):
            # A slash in the unquoted name leads elsewhere: its own check refuses it.
            yield unquote(below, errors="surrogateescape")


def _page(url: str, place: str) -> tuple[str, str] | None:
    """Return the address of a page, to which a server may have led, and its text.

    None if there is no page. By Python's own library: a page has no size beforehand,
    and the other one reads nothing without.
    """
    parts = urlsplit(url)
    user, is_named, host = parts.netloc.rpartition("@")
    request = Request(parts._replace(netloc=host).geturl())
    if is_named:  # for this host only, wherever it leads
        token = b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    try:
        with urlopen(request, timeout=_SILENCE_S) as answer:
            if "html" not in answer.headers.get("Content-Type", ""):
                return None
            content = bytearray()
            end = time.monotonic() + _MOST_S
            while piece := answer.read1(_PIECE):
                content += piece
                if len(content) > _MOST_BYTES or time.monotonic() > end:
                    raise EcgStoreError(
                        f"{place}: its page has more than {_MOST_BYTES} bytes, or "
                        f"takes longer than {_MOST_S} s; expected a list of files"
                    )
            return answer.geturl(), content.decode("utf-8", "surrogateescape")
    except HTTPError as error:
        if error.code in _NO_PAGE:
            return None
        raise
