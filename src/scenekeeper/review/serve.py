"""Serving a review: :func:`serve` runs the whole of it until it is told to stop.

In: a dataset, or any ASGI application, and a host and port. Out: a server, for the life of a
process or of a ``with`` block.
"""

from __future__ import annotations

import contextlib
import getpass
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from scenekeeper.errors import ReviewError
from scenekeeper.review.access import rules
from scenekeeper.review.app import make_app
from scenekeeper.review.desk import Desk
from scenekeeper.review.segmenter import Segmenter
from scenekeeper.store import Dataset

PORT = 8640
"""Where the server is looked for first; decisions that a browser keeps are kept per port."""


def serve(
    dataset: Dataset,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    names: tuple[str, ...] = (),
    reviewer: str = "",
    budget: str | float | None = None,
    seed: int = 0,
    segmenter: Segmenter | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Review a dataset in a browser until the process is told to stop (SIGINT or SIGTERM).

    Decisions are on the disk before they are acknowledged; the last are folded into the labels
    when it stops.

    Args:
        dataset: what is reviewed.
        host: address to listen on; any but this machine's own demands a token.
        port: TCP port; ``None`` = :data:`PORT` or the next that is free.
        token: one that a person chose, for all reviewers; ``None`` = every link opens once.
        names: further host names that the server is reached by.
        reviewer: name of who opens a link and has given none yet; else who started it.
        budget: minutes, or ``"5%"``: the time in which that share of the frames could be read one
            by one; ``None`` = until all is asked.
        seed: of the audits' draws and of the order of cards.
        segmenter: what makes masks of clicks; ``None`` = there is none.
        told: called with each link that opens the review; once used, with the next.

    Raises:
        ReviewError: others could reach it and there is no token, the port is taken, or there is
            nothing to review.
        DatasetError: the dataset cannot be read, or not be written to.
    """
    access = rules(host, port or PORT, token, names)
    with listening(host, port) as sock:
        number = sock.getsockname()[1]
        access = replace(access, port=number, told=lambda t: told(link(host, number, t)))
        with closing(Desk(dataset, budget, seed, segmenter)) as desk:
            told(link(host, number, access.new_token()))
            run_app(make_app(desk, access, reviewer or getpass.getuser()), sock)


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
    """Serve until the process is told to stop (SIGINT or SIGTERM); then return."""
    # The server stops in good order and sends itself the signal again, which must not end us:
    # the last decisions are still to be folded into the labels.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _server(app).run(sockets=[sock])
    finally:
        signal.signal(signal.SIGTERM, before)


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
