"""A grounder behind HTTP, asked of a real server on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import simplejpeg

from scenekeeper.errors import ModelError
from scenekeeper.ground.http import KEY, HttpGrounder, Patience, load
from scenekeeper.models import Device, FrameModel, Source
from tests.checkpoints.pictures import frame

Handle = Callable[[dict[str, Any]], tuple[int, bytes]]
WORDS = {"red mug": ("cup",), "dish towel": ()}


class Server:
    """Answers each request by the next function of a list; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[Handle] = [found]
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.asked.append(question)
                    outer.headers.append(self.headers)
                    many = len(outer.answers) > 1
                    answer = outer.answers.pop(0) if many else outer.answers[0]
                code, body = answer(question)
                if code == 0:
                    return self.close_connection_at_once()
                self.send_response(code)
                if code == 429:
                    self.send_header("Retry-After", "7")
                if code == 302:
                    self.send_header("Location", "http://localhost:1/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def close_connection_at_once(self) -> None:
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *gone: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/detect"


def said(boxes: Any, scores: Any, labels: Any) -> bytes:
    return json.dumps({"boxes": boxes, "scores": scores, "labels": labels}).encode()


def found(question: dict[str, Any]) -> tuple[int, bytes]:
    """One box a phrase, as large as the picture allows."""
    jpeg = base64.b64decode(question["image"])
    height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
    n = len(question["phrases"])
    boxes = [[k, 0, width + 5, height] for k in range(n)]
    return 200, said(boxes, [0.9 - 0.2 * k for k in range(n)], question["phrases"])


def fails(code: int, body: bytes = b"") -> Handle:
    return lambda question: (code, body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # is not asked
    running = Server()
    yield running
    running.server.shutdown()
    running.server.server_close()


def grounder(address: str, waits: list[float] | None = None) -> HttpGrounder:
    waits = [] if waits is None else waits
    model = load(Source("http", address, part="dino-x"), Device())
    return replace(model, patience=Patience(timeout_s=20, tries=3, wait=waits.append))


def test_a_picture_and_phrases_go_out_and_boxes_come_back(server: Server) -> None:
    model = grounder(server.address)
    frames = [frame(step=0), frame(101, 77, step=1)]
    labels = model.run(frames, WORDS, [None, None])
    assert isinstance(model, FrameModel) and model.card.revision == "dino-x"
    assert [f.frame_id for f in labels] == [0, 1]
    assert labels[1].phrase == ("red mug", "dish towel")  # the synonym's box is the phrase's double
    np.testing.assert_allclose(labels[1].box_xyxy[0], [0, 0, 101, 77])
    np.testing.assert_allclose(labels[1].score, [0.9, 0.5])
    asked = server.asked[0]
    assert asked["phrases"] == ["red mug", "cup", "dish towel"]
    assert asked["model"] == "dino-x" and asked["min_score"] == 0.1


def test_the_picture_is_the_frame(server: Server) -> None:
    grounder(server.address).run([frame()], WORDS, [None])
    picture = simplejpeg.decode_jpeg(base64.b64decode(server.asked[0]["image"]))
    assert np.abs(picture.astype(int) - frame().rgb).mean() < 3


def test_many_frames_are_asked_about_side_by_side_and_come_back_in_order(server: Server) -> None:
    meet = threading.Barrier(4, timeout=20)

    def together(question: dict[str, Any]) -> tuple[int, bytes]:
        meet.wait()
        return found(question)

    server.answers = [together]
    frames = [frame(40 + k, 30, step=k) for k in range(8)]
    labels = grounder(server.address).run(frames, WORDS, [None] * 8)
    assert [int(f.box_xyxy[0, 2]) for f in labels] == list(range(40, 48))


def test_without_words_or_frames_nothing_is_sent(server: Server) -> None:
    model = grounder(server.address)
    assert model.run([], WORDS, []) == []
    assert len(model.run([frame()], {}, [None])[0]) == 0
    assert server.asked == []


def test_what_may_pass_is_tried_again_after_longer_and_longer_pauses(server: Server) -> None:
    waits: list[float] = []
    server.answers = [fails(503), fails(0), found]
    [labels] = grounder(server.address, waits).run([frame()], WORDS, [None])
    assert len(labels) == 2 and waits == [0.5, 1.0] and len(server.asked) == 3


def test_a_server_may_say_when_to_come_back(server: Server) -> None:
    waits: list[float] = []
    server.answers = [fails(429), found]
    grounder(server.address, waits).run([frame()], WORDS, [None])
    assert waits == [7.0]


def test_patience_ends(server: Server) -> None:
    server.answers = [fails(500, b"out of luck")]
    with pytest.raises(ModelError, match="answers 500 out of luck, after 3 tries") as told:
        grounder(server.address).run([frame()], WORDS, [None])
    assert len(server.asked) == 3 and told.value.path == server.address


def test_a_slow_server_is_not_waited_for(server: Server) -> None:
    done = threading.Event()

    def sleeps(question: dict[str, Any]) -> tuple[int, bytes]:
        done.wait(20)
        return found(question)

    server.answers = [sleeps]
    model = replace(grounder(server.address), patience=Patience(timeout_s=0.2, tries=1))
    with pytest.raises(ModelError, match=r"does not answer .*timed out"):
        model.run([frame()], WORDS, [None])
    done.set()


def test_no_server_is_said_so() -> None:
    with pytest.raises(ModelError, match="does not answer") as told:
        grounder("http://127.0.0.1:9/detect").run([frame()], WORDS, [None])
    assert "server runs" in str(told.value)


@pytest.mark.parametrize(("code", "remedy"), [(401, KEY), (404, "address"), (400, "model")])
def test_a_refusal_is_not_repeated(server: Server, code: int, remedy: str) -> None:
    server.answers = [fails(code, b"no")]
    with pytest.raises(ModelError, match=f"refuses with {code} no") as told:
        grounder(server.address).run([frame()], WORDS, [None])
    assert len(server.asked) == 1 and remedy in str(told.value.remedy)


def test_pictures_are_not_sent_elsewhere(server: Server) -> None:
    server.answers = [fails(302)]
    with pytest.raises(ModelError, match="refuses with 302"):
        grounder(server.address).run([frame()], WORDS, [None])


def test_a_key_is_sent_as_a_bearer_token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    grounder(server.address).run([frame()], WORDS, [None])
    monkeypatch.setenv(KEY, "secret")
    grounder(server.address).run([frame()], WORDS, [None])
    assert [h["Authorization"] for h in server.headers] == [None, "Bearer secret"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no object"),
        (b"{}", "lacks boxes"),
        (said([[1, 2, 3]], [0.5], ["cup"]), "lacks boxes"),
        (said([[1, 2, 3, 4]], ["high"], ["cup"]), "lacks boxes"),
        (said([[1, 2, 3, 4]], [0.5, 0.5], ["cup"]), "1 boxes, 2 scores and 1 labels"),
        (said([[1, 2, 3, 4]], [0.5], ["cup towel"]), "not asked for 'cup towel'"),
        (said([[1, 2, 3, 4]], None, ["cup"]), "scores"),
    ],
    ids=str,
)
def test_an_answer_of_another_kind_is_refused(server: Server, body: bytes, problem: str) -> None:
    server.answers = [fails(200, body)]
    with pytest.raises(ModelError, match=problem):
        grounder(server.address).run([frame()], WORDS, [None])


def test_what_is_not_finite_is_not_found(server: Server) -> None:
    nan, inf = float("nan"), float("inf")
    boxes = [[1, 2, 30, 40], [nan, 2, 30, 40], [1, 2, inf, 40], [1, 2, 90, 80]]
    server.answers = [fails(200, said(boxes, [nan, 0.9, 0.9, 0.5], ["cup"] * 4))]
    [labels] = grounder(server.address).run([frame()], WORDS, [None])
    np.testing.assert_allclose(labels.box_xyxy, [[1, 2, 90, 80]])


@pytest.mark.parametrize("where", ["", "localhost:9000", "ftp://host/x", "./folder"])
def test_what_is_no_address_is_refused(where: str) -> None:
    with pytest.raises(ModelError, match="is no address"):
        load(Source("http", where), Device())
