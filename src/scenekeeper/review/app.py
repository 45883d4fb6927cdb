"""The review over HTTP: which request becomes which call of the desk.

In: a desk, which knows the review, and the rules of access. Out: an ASGI application.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from scenekeeper.errors import DatasetError, ReviewError, ScenekeeperError
from scenekeeper.review import asked
from scenekeeper.review.access import Access, AccessError, Visitor
from scenekeeper.review.asked import AbsentError
from scenekeeper.review.cards import View
from scenekeeper.review.door import Door, refused
from scenekeeper.review.media import STRIP_HEIGHT, Media

STATIC = Path(__file__).parent / "static"
STATIC_FILES = {"app.js": "text/javascript", "app.css": "text/css", "icon.svg": "image/svg+xml"}
MAX_BATCH = 500
"""Decisions in one request."""
MAX_CARDS = 40
HEIGHTS = range(16, 1025)
WIDTHS = range(16, 8193)
PICTURES_AT_ONCE = 6
"""Requests for pictures that hold a thread; decisions never wait for them."""
KEPT = "private, max-age=31536000, immutable"


class Desk(Protocol):
    """What the server asks of a review.

    Every call may come from any thread, and shows that the visitor is still there: the cards they
    hold stay theirs.
    """

    @property
    def media(self) -> Media:
        """Its pictures."""
        ...

    def state(self, visitor: Visitor) -> Mapping[str, Any]:
        """Where the review stands."""
        ...

    def deal(
        self, visitor: Visitor, n: int, have: Sequence[str] | None
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Cards for a visitor, and how many are left after them.

        Args:
            visitor: who shall answer them.
            n: how many at most.
            have: cards that their page holds already; ``None`` = it does not say.
        """
        ...

    def card(self, card: str) -> Mapping[str, Any]:
        """One card that was dealt before.

        Raises:
            AbsentError: it was not.
        """
        ...

    def views(self, card: str) -> Sequence[View]:
        """The views of a card's strip.

        Raises:
            AbsentError: there is no such card.
        """
        ...

    def decide(self, visitor: Visitor, decisions: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """Store decisions; what is told as saved is on the disk.

        Raises:
            DatasetError: nothing could be stored.
        """
        ...

    def release(self, visitor: Visitor, cards: Sequence[str]) -> None:
        """A visitor will not answer these."""
        ...

    def frame(self, session: str, frame_id: int) -> Mapping[str, Any]:
        """What the labels say of a frame.

        Raises:
            DatasetError: there is no such frame.
        """
        ...

    def mask(
        self,
        session: str,
        frame_id: int,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, ...] | None,
    ) -> Mapping[str, Any]:
        """A mask for clicks ``(x, y, inside)`` and a box, in pixels of the frame.

        Raises:
            UnavailableError: there is no model for it.
        """
        ...


def make_app(desk: Desk, access: Access, reviewer: str = "", static: Path = STATIC) -> Starlette:
    """The application.

    Args:
        desk: the review.
        access: who may come in.
        reviewer: name of who opens a link and has given none yet.
        static: folder of the built page.
    """
    routes = _Routes(desk, access, reviewer, static)
    get, post = ["GET"], ["POST"]
    return Starlette(
        routes=[
            Route("/", routes.index, methods=get),
            Route("/static/{name}", routes.static_file, methods=get),
            Route("/api/state", routes.state, methods=get),
            Route("/api/reviewer", routes.reviewer, methods=post),
            Route("/api/cards", routes.cards, methods=post),
            Route("/api/card/{card}", routes.card, methods=get),
            Route("/api/release", routes.release, methods=post),
            Route("/api/decisions", routes.decisions, methods=post),
            Route("/api/frame/{session}/{frame_id}", routes.frame, methods=get),
            Route("/api/mask", routes.mask, methods=post),
            Route("/media/frame/{session}/{frame_id}.webp", routes.frame_picture, methods=get),
            Route("/media/crop/{session}/{frame_id}/{window}.webp", routes.crop, methods=get),
            Route("/media/strip/{card}.webp", routes.strip, methods=get),
        ],
        middleware=[Middleware(Door, access=access)],
        exception_handlers={
            ScenekeeperError: asked.on_ours,
            HTTPException: asked.on_http,
            ClientDisconnect: asked.on_gone,
            Exception: asked.on_fault,
        },
    )


def page_version(static: Path = STATIC) -> str:
    """Version of the built page: a hash of its script and style. Empty when it is not built."""
    digest = hashlib.sha256()
    try:
        for name in ("app.css", "app.js"):
            digest.update((static / name).read_bytes())
    except FileNotFoundError:
        return ""
    return digest.hexdigest()[:12]


class _Routes:
    """One method for each address."""

    def __init__(self, desk: Desk, access: Access, reviewer: str, static: Path) -> None:
        self._desk, self._access, self._name, self._static = desk, access, reviewer, static
        self._pictures: anyio.CapacityLimiter | None = None

    def index(self, request: Request) -> Response:
        if "token" in request.query_params:
            return self._signed_in(request)
        try:
            text = (self._static / "index.html").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise AbsentError(
                "the review page is not part of this installation",
                remedy="In a checkout, build it: cd web && npm ci && npm run build",
            ) from None
        return HTMLResponse(text, headers={"Cache-Control": "no-cache"})

    def _signed_in(self, request: Request) -> Response:
        home = RedirectResponse("/", 303)
        try:
            sealed = self._access.opened(request.query_params["token"], self._name)
        except AccessError as error:
            try:  # whoever has a cookie may open an old link
                self._access.visitor(request.cookies.get(self._access.cookie))
            except AccessError:
                return refused(request, error)
            return home
        self._set_cookie(home, sealed)
        return home

    def _set_cookie(self, answer: Response, sealed: str) -> None:
        answer.set_cookie(self._access.cookie, sealed, httponly=True, samesite="strict")

    def static_file(self, request: Request) -> Response:
        name = request.path_params["name"]
        kinds = {"app.js": "text/javascript", "app.css": "text/css", "icon.svg": "image/svg+xml"}
        kind = kinds.get(name)
        if kind is None or not (self._static / name).is_file():
            raise AbsentError(f"there is no {name!r}"[:200])
        wanted = request.query_params.get("v", "")
        current = wanted != "" and wanted == page_version(self._static)
        headers = {"Cache-Control": KEPT if current else "no-cache"}
        return Response((self._static / name).read_bytes(), media_type=kind, headers=headers)

    def state(self, request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        told = self._desk.state(visitor)
        return JSONResponse({**told, "reviewer": visitor.name, "page": page_version(self._static)})

    async def reviewer(self, request: Request) -> Response:
        sent = (await asked.posted_object(request)).get("name")
        name = " ".join(sent.split()) if isinstance(sent, str) else ""
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise ReviewError("a reviewer's name is 1 to 60 characters", place="name")
        answer = JSONResponse({"reviewer": name})
        self._set_cookie(answer, self._access.seal(Visitor(request.state.visitor.id, name)))
        return answer

    async def cards(self, request: Request) -> Response:
        data = await asked.posted_object(request)
        n = data.get("n", 12)
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ReviewError("is how many cards", place="n")
        have = None if data.get("have") is None else asked.names(data["have"], "have")
        visitor = request.state.visitor
        dealt, left = await run_in_threadpool(self._desk.deal, visitor, min(n, MAX_CARDS), have)
        return JSONResponse({"cards": dealt, "left": left})

    def card(self, request: Request) -> Response:
        return JSONResponse(self._desk.card(request.path_params["card"]))

    async def release(self, request: Request) -> Response:
        cards = asked.names((await asked.posted_object(request)).get("cards"), "cards")
        await run_in_threadpool(self._desk.release, request.state.visitor, cards)
        return JSONResponse({"released": len(cards)})

    async def decisions(self, request: Request) -> Response:
        sent = await asked.posted(request)
        if not isinstance(sent, list) or len(sent) > MAX_BATCH:
            raise ReviewError(f"decisions come as a list of at most {MAX_BATCH}")
        try:
            receipts = await run_in_threadpool(self._desk.decide, request.state.visitor, sent)
        except DatasetError as error:
            return asked.answer(error, 507)
        return JSONResponse(list(receipts))

    def frame(self, request: Request) -> Response:
        session, frame_id = asked.frame_of(request)
        return JSONResponse(self._desk.frame(session, frame_id))

    async def mask(self, request: Request) -> Response:
        data = await asked.posted_object(request)
        box = data.get("box_xyxy")
        clicks = data.get("clicks", [])
        if not isinstance(clicks, list) or len(clicks) > 200:
            raise ReviewError("clicks are a list of [x, y, inside]", place="clicks")
        points = [asked.numbers(click, "clicks", 3) for click in clicks]
        if not points and box is None:
            raise ReviewError("a mask needs a click or a box", place="clicks")
        where = data.get("session"), data.get("frame_id")
        if not isinstance(where[0], str) or type(where[1]) is not int:
            raise ReviewError("say session and frame_id", place="frame_id")
        made = await run_in_threadpool(
            self._desk.mask,
            where[0],
            where[1],
            [(x, y, bool(inside)) for x, y, inside in points],
            None if box is None else asked.numbers(box, "box_xyxy", 4),
        )
        return JSONResponse(made)

    # --- pictures ---------------------------------------------------------------------------------

    async def frame_picture(self, request: Request) -> Response:
        session, frame_id = asked.frame_of(request)
        width = asked.query(request, "width", WIDTHS, WIDTHS.stop - 1)
        media = self._desk.media
        return await self._picture(
            request,
            lambda: media.content(session),
            lambda: media.frame(session, frame_id, width),
        )

    async def crop(self, request: Request) -> Response:
        session, frame_id = asked.frame_of(request)
        numbers = request.path_params["window"].split(",")
        if len(numbers) != 4 or not all(asked.is_whole(v.removeprefix("-")) for v in numbers):
            raise ReviewError("a window is x0,y0,x1,y1 in pixels", place="window")
        x0, y0, x1, y1 = (int(v) for v in numbers)
        if x0 >= x1 or y0 >= y1:
            raise ReviewError("a window is x0,y0,x1,y1 with x0 < x1 and y0 < y1", place="window")
        height = asked.query(request, "height", HEIGHTS, STRIP_HEIGHT)
        media = self._desk.media
        return await self._picture(
            request,
            lambda: media.content(session),
            lambda: media.crop(session, frame_id, (x0, y0, x1, y1), height),
        )

    async def strip(self, request: Request) -> Response:
        height = asked.query(request, "height", HEIGHTS, STRIP_HEIGHT)
        views = await run_in_threadpool(self._desk.views, request.path_params["card"])
        media = self._desk.media
        return await self._picture(
            request, lambda: media.version(views), lambda: media.strip(views, height)
        )

    async def _picture(
        self, request: Request, version: Callable[[], str], make: Callable[[], bytes]
    ) -> Response:
        if self._pictures is None:
            self._pictures = anyio.CapacityLimiter(PICTURES_AT_ONCE)
        data = await anyio.to_thread.run_sync(make, limiter=self._pictures)
        current = request.query_params.get("v") == version()
        headers = {"Cache-Control": KEPT if current else "no-store"}
        return Response(data, media_type="image/webp", headers=headers)
