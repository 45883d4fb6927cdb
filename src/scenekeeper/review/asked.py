"""What a request holds, checked before anything is done with it; what goes wrong, as an answer.

In: HTTP requests and exceptions. Out: plain values, and JSON ``{"error", "place", "remedy"}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from scenekeeper.errors import DatasetError, RecordingError, ReviewError, ScenekeeperError

MAX_POST = 8_000_000
"""Bytes of a request. A batch of decisions takes some thousand; one with masks a hundred times."""
MAX_DRAINED = 64_000_000
"""Bytes that are read and thrown away to be able to answer who sent too much."""
MAX_NAMES = 500


class AbsentError(ReviewError):
    """What was asked for is not there."""


class UnavailableError(ReviewError):
    """What was asked for cannot be done by this server as it was started."""


async def posted(request: Request) -> Any:
    """The JSON of a request.

    Raises:
        HTTPException: 413, there is too much of it.
        ReviewError: it is not JSON.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_DRAINED:
            break
        if size <= MAX_POST:
            body += chunk
    if size > MAX_POST:
        raise HTTPException(413, f"a request may take {MAX_POST:,} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"this is not JSON ({error})"[:200]) from error


async def posted_object(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request.

    Raises:
        HTTPException: 413, there is too much of it.
        ReviewError: it is no JSON object.
    """
    data = await posted(request)
    if not isinstance(data, Mapping):
        raise ReviewError("a request is a JSON object")
    return data


def names(value: Any, place: str) -> list[str]:
    """A list of cards' ids.

    Raises:
        ReviewError: it is none.
    """
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise ReviewError(f"is a list of at most {MAX_NAMES} cards", place=place)
    if not all(isinstance(v, str) and len(v) <= 200 for v in value):
        raise ReviewError("is a list of cards' ids", place=place)
    return value


def numbers(value: Any, place: str, n: int) -> tuple[float, ...]:
    """So many finite numbers.

    Raises:
        ReviewError: they are not.
    """
    good = isinstance(value, list) and len(value) == n
    # A comparison that NaN fails and that an integer of any length stands.
    if not good or not all(isinstance(v, int | float) and -1e6 < v < 1e6 for v in value):
        raise ReviewError(f"is {n} finite numbers", place=place)
    return tuple(float(v) for v in value)


def frame_of(request: Request) -> tuple[str, int]:
    """Session and frame of an address; whether they exist is not looked at.

    Raises:
        AbsentError: it cannot be a frame.
    """
    number = request.path_params["frame_id"]
    if not is_whole(number):
        raise AbsentError(f"there is no frame {number!r}"[:200])
    return request.path_params["session"], int(number)


def query(request: Request, name: str, allowed: range, default: int) -> int:
    """A whole number behind the question mark of an address.

    Raises:
        ReviewError: it is not one of ``allowed``.
    """
    text = request.query_params.get(name, str(default))
    if not is_whole(text) or int(text) not in allowed:
        raise ReviewError(f"is a number from {allowed.start} to {allowed.stop - 1}", place=name)
    return int(text)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number of at most nine digits."""
    return text.isascii() and text.isdigit() and len(text) <= 9


# --- what went wrong ------------------------------------------------------------------------------


def answer(error: ScenekeeperError, status: int) -> JSONResponse:
    """An error as JSON."""
    problem = error.problem if error.path is None else f"{error.path}: {error.problem}"
    return _answer(problem, error.place or "", error.remedy or "", status)


def _answer(problem: str, place: str, remedy: str, status: int) -> JSONResponse:
    return JSONResponse({"error": problem, "place": place, "remedy": remedy}, status)


def on_ours(_: Request, error: Exception) -> Response:
    """The answer to an error that was raised on purpose."""
    assert isinstance(error, ScenekeeperError)
    if isinstance(error, UnavailableError):
        return answer(error, 501)
    absent = isinstance(error, AbsentError | DatasetError | RecordingError)
    return answer(error, 404 if absent else 400)


def on_http(_: Request, error: Exception) -> Response:
    """The answer to a request that has no address, no right method or no bounds."""
    assert isinstance(error, HTTPException)
    return _answer(error.detail, "", "", error.status_code)


def on_gone(_: Request, __: Exception) -> Response:
    """The answer to who has gone; nobody reads it."""
    return Response(status_code=400)


def on_fault(_: Request, error: Exception) -> Response:
    """The answer when the program is at fault."""
    remedy = "This is a fault in the program; the terminal shows where. Nothing saved is lost."
    return _answer(type(error).__name__, "", remedy, 500)
