"""Requests to the application of the viewer, without a server."""

import asyncio
from typing import Any

import httpx

from ecgstore.view.app import application
from ecgstore.view.shown import Shown


class Client:
    """Asks the application as the page does, one request after the other."""

    def __init__(self, shown: Shown) -> None:
        self._app = application(shown)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self._request("POST", path, **options)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())
