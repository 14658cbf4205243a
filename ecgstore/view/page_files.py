"""The files of the page."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_MEDIA: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


async def page_file(request: Request) -> Response:
    """Answer a file of the page, unless the browser has it."""
    found = page_files().get(request.path_params["name"] or "index.html")
    if found is None:
        return PlainTextResponse("there is no such page\n", 404)
    content, media, tag = found
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media, headers=headers)


@cache
def page_files() -> dict[str, tuple[bytes, str, str]]:
    """Return content, media type and tag of every file of the page, by its name."""
    found = {}
    for entry in files("ecgstore.view").joinpath("page").iterdir():
        media = _MEDIA.get(entry.name.rpartition(".")[2])
        if media is not None:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[entry.name] = content, media, tag
    return found
