"""The whole of it as a process: told a link, killed, started again, stopped."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review.log import Log
from scenekeeper.review.serve import link, listening, serve
from scenekeeper.store import Dataset
from tests.review import tiny
from tests.review.test_desk import answers, decision

TOKEN = "a-token-for-all-reviewers"
START_S = 120
SCRIPT = """
import sys
from scenekeeper.review.serve import serve
from scenekeeper.store import open_dataset
port, token = int(sys.argv[2]), sys.argv[3] or None
told = lambda link: print(link, flush=True)
serve(open_dataset(sys.argv[1]), port=port, token=token, reviewer="ann", told=told)
told("stopped in good order")
"""


class Server:
    """A server process; ``links`` are those it told."""

    def __init__(self, dataset: Path, port: int, token: str = "") -> None:
        command = [sys.executable, "-c", SCRIPT, str(dataset), str(port), token]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.links: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.links.put(line.strip())

    def link(self) -> str:
        return self.links.get(timeout=START_S)

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        self.process.send_signal(how)
        code = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def browser(address: str) -> Iterator[httpx.Client]:
    home = address.partition("/?")[0]
    headers = {"X-Scenekeeper": "1", "Origin": home, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=home, headers=headers, timeout=60) as client:
        assert client.get(address).status_code == 303
        yield client


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = tiny.labelled(tmp_path)
    tiny.label(made, "walk", "first", 9)
    return made


def free_port() -> int:
    with listening("127.0.0.1", 0) as sock:
        return int(sock.getsockname()[1])


def cards_of(client: httpx.Client, n: int) -> Any:
    return client.post("/api/cards", json={"n": n}).json()["cards"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_review_from_its_link_to_the_labels(dataset: Dataset, how: signal.Signals) -> None:
    server = Server(dataset.path, 0)
    first = server.link()
    with browser(first) as client:
        assert server.link() != first  # for the next reviewer
        assert client.get("/api/state").json()["reviewer"] == "ann"
        card = next(c for c in cards_of(client, 40) if c["kind"] == "track")
        strip = client.get(f"/media/strip/{card['id']}.webp?v={card['v']}")
        assert strip.headers["content-type"] == "image/webp"
        sent = [decision(card, "relabel", body={"phrase": "teapot"})]
        assert client.post("/api/decisions", json=sent).json()[0]["status"] == "saved"
    assert server.end(how) == 0 and server.links.get() == "stopped in good order"
    with Log.open(dataset.path) as log:
        [event] = log.events()
    names = Dataset.open(dataset.path).sql("SELECT DISTINCT phrase FROM instances")
    expected = event.decision.sample.stream != "gold"
    assert ("teapot" in names["phrase"].to_pylist()) == expected


@pytest.mark.slow
def test_a_killed_server_loses_nothing_it_acknowledged(dataset: Dataset) -> None:
    port, acknowledged, unsent = free_port(), set[str](), list[Any]()
    cookies: Any = None
    for _ in range(3):
        server = Server(dataset.path, port, TOKEN)
        server.link()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.headers.update({"X-Scenekeeper": "1"})
            if cookies is None:
                client.get(f"/?token={TOKEN}")
                cookies = client.cookies
            client.cookies = cookies  # signed in before the server was killed
            cards = cards_of(client, 3)
            fresh = [a for card in cards for a in answers(card)]
            told = client.post("/api/decisions", json=[*unsent, *fresh[:-1]]).json()
            assert {t["status"] for t in told} <= {"saved", "already"}
            acknowledged |= {t["id"] for t in told}
            unsent = fresh[-1:]
        server.end()
    with Log.open(dataset.path) as log:
        kept = [e.decision for e in log.events()]
        log.verify()
    assert {d.id for d in kept} == acknowledged and len(kept) == len(acknowledged) >= 3
    assert all(d.sample.snapshot for d in kept)  # why each was asked is known after all


def test_others_are_not_let_near_without_a_token(dataset: Dataset) -> None:
    with pytest.raises(ReviewError, match="--token"):
        serve(dataset, host="0.0.0.0")
    assert not (dataset.path / "review").exists()


def test_a_port_that_is_taken_is_said_and_a_free_one_is_found() -> None:
    with listening("127.0.0.1", None) as first, listening("127.0.0.1", None) as second:
        taken = first.getsockname()[1]
        assert taken != second.getsockname()[1]
        with pytest.raises(ReviewError, match="--port"):
            listening("127.0.0.1", taken)


def test_a_host_that_is_not_this_machines_is_said() -> None:
    with pytest.raises(ReviewError, match=r"192\.0\.2\.1"):
        listening("192.0.2.1", 8640)


def test_a_link_names_an_address_that_can_be_opened() -> None:
    assert link("0.0.0.0", 80, "t") == "http://127.0.0.1:80/?token=t"
    assert link("::1", 80, "t") == "http://[::1]:80/?token=t"
    assert link("robot.lab", 80, "t") == "http://robot.lab:80/?token=t"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_dataset_that_cannot_be_written_to_is_said(dataset: Dataset) -> None:
    dataset.path.chmod(0o555)
    try:
        with pytest.raises(Exception, match="may write to"):
            serve(dataset)
    finally:
        dataset.path.chmod(0o755)
