"""A chat server that behaves as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Trouble(Exception):
    """What a server does instead of answering.

    Attributes:
        status: of HTTP; 0 = hangs up in the middle of the answer.
        headers: besides.
        text: of the answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = "trouble"


@dataclass
class FakeServer:
    """What a test says of its server, and what came to it.

    Attributes:
        answer: the text for a request; may raise :class:`Trouble`.
        schema: whether it keeps to JSON schemas as far as probing goes.
        logprobs: whether it tells probabilities.
        top: how many rivals of a token it tells at most; more is refused.
        pictures: whether its model sees.
        models: that it has.
    """

    answer: Callable[[Body], str] = lambda body: "blue"
    schema: bool = True
    logprobs: bool = True
    top: int = 20
    pictures: bool = True
    models: tuple[str, ...] = ("tiny",)
    finish: str = "stop"
    seen: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, body: Body) -> Body:
        """A chat completion."""
        text = self._text(body)
        choice: Body = {"message": {"role": "assistant", "content": text}}
        choice["finish_reason"] = self.finish
        if self.logprobs and body.get("logprobs"):
            if body.get("top_logprobs", 0) > self.top:
                raise Trouble(400, text=f"top_logprobs must be at most {self.top}")
            choice["logprobs"] = {"content": tokens(text, bool(body.get("top_logprobs")))}
        asked = json.dumps(body["messages"])
        length = 10 + (100 if self.pictures and "image_url" in asked else 0)
        return {"choices": [choice], "usage": {"prompt_tokens": length}}

    def _text(self, body: Body) -> str:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if is_probe(body):
            item = schema and schema["items"]["enum"][0]
            return json.dumps([item]) if item and self.schema else "blue"
        return self.answer(body)


def is_probe(body: Body) -> bool:
    """Whether a request only finds out what the server can."""
    return "Name one colour." in json.dumps(body["messages"])


def tokens(text: str, rivals: bool) -> list[Body]:
    """Tokens of two characters each, all of probability 1/2."""
    pieces = [text[k : k + 2] for k in range(0, len(text), 2)]
    half = -0.6931471805599453
    return [
        {
            "token": piece,
            "bytes": list(piece.encode()),
            "logprob": half,
            "top_logprobs": [
                {"token": piece, "logprob": half},
                {"token": "?", "logprob": half - 0.1},
            ]
            if rivals
            else [],
        }
        for piece in pieces
    ]


@contextmanager
def serving(fake: FakeServer) -> Iterator[str]:
    """The address of a server that runs meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": name} for name in fake.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with fake.lock:
                fake.inside += 1
                fake.most_inside = max(fake.most_inside, fake.inside)
                fake.headers.append(dict(self.headers))
                if not is_probe(body):
                    fake.seen.append(body)
            try:
                answer: Any = fake.reply(body)
                status, headers = 200, {}
            except Trouble as trouble:
                answer, status, headers = trouble.text, trouble.status, dict(trouble.headers)
            finally:
                with fake.lock:
                    fake.inside -= 1
            self._send(status, answer, headers)

        def _send(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(status or 200)
            self.send_header("Content-Length", str(len(raw)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw if status else raw[: len(raw) // 2])
            self.close_connection = self.close_connection or not status

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
