"""A browser of a test: it keeps cookies and sends requests straight into an application."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

PORT = 8640
HOME = f"http://127.0.0.1:{PORT}"
OURS = {"X-Scenekeeper": "1", "Origin": HOME, "Sec-Fetch-Site": "same-origin"}
"""What a browser and our page add to what the page sends."""


class Browser:
    """One browser; ``headers`` go with every request."""

    def __init__(self, app: Any, headers: dict[str, str] | None = None) -> None:
        self._loop = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=HOME, headers=headers)
        self.headers, self.cookies = self._client.headers, self._client.cookies

    def get(self, address: str, **how: Any) -> httpx.Response:
        return self._loop.run(self._client.get(address, **{"follow_redirects": True, **how}))

    def post(self, address: str, **how: Any) -> httpx.Response:
        return self._loop.run(self._client.post(address, **how))

    def close(self) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
