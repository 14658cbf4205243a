"""The files of the page, as they are sent."""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from ecgstore.view.page_files import page_file, page_files


def test_the_page_is_small_as_it_is_sent() -> None:
    app = Starlette(routes=[Route("/{name:path}", page_file)])

    async def sent(name: str, encoding: str) -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as page:
            headers = {"Accept-Encoding": encoding}
            answer = await page.get(f"/{name}", headers=headers)
            assert answer.headers.get("Content-Encoding", "identity") == encoding
            return int(answer.headers["Content-Length"])

    packed, plain = (
        sum(asyncio.run(sent(name, encoding)) for name in page_files())
        for encoding in ("gzip", "identity")
    )
    assert packed < 150_000 < plain
