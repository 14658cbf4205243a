"""The files of the page."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_MEDIA: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


class _File(NamedTuple):
    """A file of the page, as browsers get it."""

    content: bytes
    packed: bytes
    media: str
    tag: str


async def page_file(request: Request) -> Response:
    """Answer a file of the page, unless the browser has it."""
    found = page_files().get(request.path_params["name"] or "index.html")
    if found is None:
        return PlainTextResponse("there is no such page\n", 404)
    headers = {
        "ETag": found.tag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, media_type=found.media, headers=headers)
    return Response(found.content, media_type=found.media, headers=headers)


@cache
def page_files() -> dict[str, _File]:
    """Return every file of the page by its name."""
    found = {}
    for entry in files("ecgstore.view").joinpath("page").iterdir():
        media = _MEDIA.get(entry.name.rpartition(".")[2])
        if media is not None:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            packed = gzip.compress(content, mtime=0)
            found[entry.name] = _File(content, packed, media, tag)
    return found
