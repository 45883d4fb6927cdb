"""JSON to and from one HTTP server, and to no other: no proxy is used, no redirect is followed."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import weakref
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scenekeeper.errors import ModelError

LARGEST = 64 << 20
"""Bytes of an answer; what is longer is none."""

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""What a server answers when the same question may be answered later."""


class UnreachableError(Exception):
    """Nobody takes the call."""


class BrokenError(Exception):
    """The call was taken, and no answer came of it: too late, cut off, or not HTTP."""


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Attributes:
        host: name or number.
        port: TCP port.
        path: what all its paths begin with, e.g. ``/v1``; may be empty.
        tls: whether it is spoken to through TLS.
    """

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def parse(cls, where: str, family: str = "openai", path: str = "/v1") -> Address:
        """Of ``http://HOST:PORT/v1``.

        Args:
            where: the address as typed.
            family: of the model, for the remedy.
            path: what is meant where it has none.

        Raises:
            ModelError: it is no such address, or has a password in it, which would end up in files.
        """
        try:
            parts = urlsplit(where)
            port = parts.port
        except ValueError as error:
            raise ModelError(f"{where!r} is no address ({error})") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ModelError(
                f"{where!r} is no address of a server",
                remedy=f"Write {family}:http://HOST:PORT{path}, and #MODEL if it has several.",
            )
        if parts.username or parts.query:
            raise ModelError(
                "an address must hold no password and no query: it is kept with every label",
                remedy="Put the key into the environment variable for it.",
            )
        tls = parts.scheme == "https"
        begins = parts.path.rstrip("/") or path
        return cls(parts.hostname, port or (443 if tls else 80), begins, tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: of HTTP.
        data: its JSON; ``None`` when it is none.
        text: as it came, in one line, shortened.
        wait_s: for how long it wants to be left alone, seconds.
    """

    status: int
    data: Any
    text: str
    wait_s: float | None = None


class Wire:
    """Connections to a server: one to a thread, kept open between calls.

    Args:
        address: of the server.
        key: sent to it, and to it alone.
        connect_s: seconds to be taken,
        answer_s: and to be answered within.
    """

    def __init__(
        self, address: Address, key: str | None = None, connect_s: float = 5, answer_s: float = 180
    ) -> None:
        self.address = address
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._connect_s, self._answer_s = connect_s, answer_s
        self._mine = threading.local()
        self._open: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()

    def call(self, path: str, body: Any = None) -> Answer:
        """Post JSON, or get when there is no body.

        Args:
            path: within the address's.
            body: plain JSON.

        Raises:
            UnreachableError: no connection.
            BrokenError: no answer.
        """
        content = None if body is None else json.dumps(body).encode()
        kept = getattr(self._mine, "connection", None)
        try:
            if kept is not None:
                try:
                    return self._exchange(kept, path, content)
                except ConnectionError:
                    pass  # a server may close what lay idle, at any time
            self._mine.connection = self._connected()
            return self._exchange(self._mine.connection, path, content)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError(str(error) or type(error).__name__) from error

    def hang_up(self) -> None:
        """End all calls under way; they are broken."""
        for connection in list(self._open):
            if connection.sock is not None:
                with contextlib.suppress(OSError):  # it has ended by itself
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> http.client.HTTPConnection:
        a = self.address
        made: http.client.HTTPConnection
        if a.tls:
            context = ssl.create_default_context()
            made = http.client.HTTPSConnection(
                a.host, a.port, timeout=self._connect_s, context=context
            )
        else:
            made = http.client.HTTPConnection(a.host, a.port, timeout=self._connect_s)
        try:
            made.connect()
        except OSError as error:
            raise UnreachableError(str(error)) from error
        made.sock.settimeout(self._answer_s)
        self._open.add(made)
        return made

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, content: bytes | None
    ) -> Answer:
        method = "GET" if content is None else "POST"
        try:
            connection.request(method, self.address.path + path, content, self._headers)
            response = connection.getresponse()
            raw = response.read(LARGEST + 1)
        except (OSError, http.client.HTTPException):
            self._mine.connection = None
            connection.close()
            raise
        if response.will_close or len(raw) > LARGEST:
            self._mine.connection = None
            connection.close()
        text = raw[:LARGEST].decode("utf-8", "replace")
        line = "".join(c if c.isprintable() else " " for c in text[:300])
        wait_s = _seconds(response.getheader("Retry-After"))
        return Answer(response.status, _json(text), line, wait_s)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _seconds(header: str | None) -> float | None:
    """Seconds of a Retry-After header; a date is not understood."""
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:
        return None
