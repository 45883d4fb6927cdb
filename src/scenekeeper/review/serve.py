"""Serving a review: a socket that listens, and the application on it.

In: an ASGI application, a host and a port. Out: a server, for the life of a process or of a
``with`` block.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from scenekeeper.errors import ReviewError

PORT = 8640
"""Where the server is looked for first; decisions that a browser keeps are kept per port."""


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens.

    Args:
        host: address or name.
        port: TCP port; ``None`` = :data:`PORT` or the next that is free.

    Raises:
        ReviewError: the port is taken, or the host is not this machine's.
    """
    tried = range(PORT, PORT + 20) if port is None else [port]
    last: OSError | None = None
    for number in tried:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            s = socket.socket(family, kind, protocol)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(address)
                s.listen(256)
            except OSError:
                s.close()
                raise
            return s
        except OSError as error:
            last = error
    assert last is not None
    raise ReviewError(
        f"cannot listen on {host} port {tried[0]}: {last.strerror or last}",
        remedy="Choose another: --port N, or leave --host out for this machine only.",
    ) from last


def link(host: str, port: int, token: str) -> str:
    """The address to open once."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "", "localhost") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/?token={token}"


def run_app(app: ASGIApp, sock: socket.socket) -> None:
    """Serve until the process is told to stop (SIGINT or SIGTERM)."""
    _server(app).run(sockets=[sock])


@contextmanager
def running(app: ASGIApp, sock: socket.socket) -> Iterator[None]:
    """Serve in a thread of this process while the context lasts."""
    import threading

    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)
