"""The door of the review server: :mod:`scenekeeper.review.access` as ASGI middleware.

In: any HTTP request. Out: the same with its visitor, or a refusal; safe headers on every answer.
"""

from __future__ import annotations

import html

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scenekeeper.review.access import HEADER, HEADERS, Access, AccessError
from scenekeeper.review.asked import answer

_HEADERS = {
    name.lower().encode(): value.encode()
    for name, value in {**HEADERS, "Cache-Control": "no-store"}.items()
}


class Door:
    """Lets in whom :class:`Access` lets in; the application finds the visitor in its state."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.setdefault("headers", [])
                known = {name.lower() for name, _ in given}
                given += [(name, value) for name, value in _HEADERS.items() if name not in known]
            await send(message)

        request = Request(scope)
        app = self.app
        try:
            self._check(request)
        except AccessError as error:
            app = refused(request, error)
        await app(scope, receive, guarded)

    def _check(self, request: Request) -> None:
        headers = request.headers
        hosts = headers.getlist("host")
        self.access.check_host(hosts[0] if len(hosts) == 1 else None)
        if request.url.path == "/" and "token" in request.query_params:
            return  # the one request that needs no cookie: it is how one gets it
        request.state.visitor = self.access.visitor(request.cookies.get(self.access.cookie))
        if request.method not in ("GET", "HEAD"):
            self.access.check_change(
                headers["host"],
                headers.get("origin"),
                headers.get("sec-fetch-site"),
                headers.get(HEADER) == "1",
            )


def refused(request: Request, error: AccessError) -> Response:
    """A refusal: a page to who wanted the page, JSON to a program."""
    if request.url.path != "/":
        return answer(error, error.status)
    # A strict cookie is withheld where a link was followed from another site; coming again from
    # this very page is not from another site.
    foreign = request.headers.get("sec-fetch-site") == "cross-site"
    again = '<meta http-equiv="refresh" content="0;url=/">' if foreign else ""
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8>{again}<title>Scenekeeper review</title>"
        f"<h1>Scenekeeper review</h1><p>{html.escape(error.problem)}.</p>"
        f"<p>{html.escape(error.remedy or '')}</p>"
    )
    return HTMLResponse(text, error.status)
