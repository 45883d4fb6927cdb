"""Label Studio's real server takes our projects, and what a person changes there comes back.

The server is started by the test, on localhost and without a network, from an environment of its
own:

    .ci/vendors-env vendors-env
    SCENEKEEPER_LABEL_STUDIO=vendors-env/server/bin/label-studio pytest tests/interop
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper import labeling, masks
from scenekeeper.exchange import queue_masks
from scenekeeper.exchange.queues import read_corrections, write_queue
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset, open_dataset

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PATIENCE = 300
"""Seconds for a first start, which makes a database."""


class Server:
    """A running Label Studio."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path: str, data: Any = None, method: str | None = None) -> Any:
        """JSON of an answer."""
        return json.loads(self.fetch(path, data, method))

    def fetch(self, path: str, data: Any = None, method: str | None = None) -> bytes:
        """Bytes of an answer."""
        request = urllib.request.Request(
            self.address + path,
            None if data is None else json.dumps(data).encode(),
            {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error} {error.read()[:2000]!r}") from error

    def is_up(self) -> bool:
        try:
            return b"UP" in self.fetch("/health")
        except (OSError, AssertionError):
            return False


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """A labelled table top, and its queue."""
    folder = tmp_path_factory.mktemp("studio")
    write_tabletop(folder / "room", 30)
    labeling.label([folder / "room"], folder / "room.sk")
    dataset = open_dataset(folder / "room.sk")
    return dataset, write_queue(dataset, "label-studio", folder / "queue").path


@pytest.fixture(scope="module")
def server(
    queue: tuple[Dataset, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Label Studio, serving the queue's media."""
    program = os.environ.get("SCENEKEEPER_LABEL_STUDIO")
    if not program:
        pytest.skip("set SCENEKEEPER_LABEL_STUDIO to the program label-studio (recipe on top)")
    home = tmp_path_factory.mktemp("label-studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "LABEL_STUDIO_USERNAME": "r@example.org",
        "LABEL_STUDIO_PASSWORD": "reviewer-1",
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(queue[1]),
    }
    place = ["--data-dir", str(home), "--internal-host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        running = subprocess.Popen(
            [str(Path(program).absolute()), "start", "--no-browser", *place],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        found = Server(port)
        until = time.monotonic() + PATIENCE
        while not found.is_up():
            assert running.poll() is None, (home / "log").read_text()[-3000:]
            assert time.monotonic() < until, (home / "log").read_text()[-3000:]
            time.sleep(0.5)
        yield found
    finally:
        running.terminate()
        running.wait(30)


def project(server: Server, folder: Path, name: str) -> int:
    """A new project of one of a queue's two kinds, with its tasks and media."""
    config = (folder / f"{name}.xml").read_text()
    made = server.ask("/api/projects", {"title": name, "label_config": config})
    media = {"project": made["id"], "path": str(folder / "media"), "use_blob_urls": True}
    server.ask("/api/storages/localfiles", media)
    tasks = json.loads((folder / f"{name}.json").read_text())
    told = server.ask(f"/api/projects/{made['id']}/import", tasks)
    assert told["task_count"] == len(tasks) and told["prediction_count"] == len(tasks)
    return int(made["id"])


def submit(server: Server, number: int) -> None:
    """Submit every prediction as it is."""
    action = f"/api/dm/actions?id=predictions_to_annotations&project={number}"
    server.ask(action, {"selectedItems": {"all": True, "excluded": []}})


def exported(server: Server, number: int) -> list[dict[str, Any]]:
    return list(
        server.ask(f"/api/projects/{number}/export?exportType=JSON&download_all_tasks=true")
    )


def correct(server: Server, task: dict[str, Any], results: list[dict[str, Any]]) -> None:
    (annotation,) = task["annotations"]
    server.ask(f"/api/annotations/{annotation['id']}", {"result": results}, "PATCH")


def brushes(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [r for r in task["annotations"][0]["result"] if r["type"] == "brushlabels"]


def track_of(result: dict[str, Any]) -> int:
    return int(result["meta"]["text"][0].lstrip("abcdefghijklmnopqrstuvwxyz"))


def test_what_is_changed_on_the_server_comes_back_on_the_right_tracks(
    server: Server, queue: tuple[Dataset, Path]
) -> None:
    dataset, folder = queue
    tracks, stills = (project(server, folder, name) for name in ("tracks", "stills"))
    (video,) = exported(server, tracks)
    assert server.fetch(video["data"]["video"])[4:8] == b"ftyp"
    assert server.fetch(exported(server, stills)[0]["data"]["image"])[:2] == b"\xff\xd8"

    for number in (tracks, stills):
        submit(server, number)
    back = folder / "export.json"
    back.write_text(json.dumps(exported(server, tracks) + exported(server, stills)))
    unchanged = read_corrections(dataset, "label-studio", back)
    names = dict(
        zip(
            *dataset.sql("SELECT DISTINCT track, phrase FROM instances").to_pydict().values(),
            strict=True,
        )
    )
    assert {(d.op, d.subject.id, d.body["phrase"]) for d in unchanged} == {
        ("accept", track, phrase) for track, phrase in names.items()
    }

    (video,) = exported(server, tracks)
    results = video["annotations"][0]["result"]
    renamed, deleted, *others = results
    renamed["value"]["labels"] = ["thing of another name"]
    first = others[0]["value"]["sequence"][0]
    first["x"] += 5
    correct(server, video, [renamed, *others])
    still = next(t for t in exported(server, stills) if len(brushes(t)) > 0)
    brush = brushes(still)[-1]
    height, width = brush["original_height"], brush["original_width"]
    square = np.zeros((height, width), bool)
    square[10:40, 20:60] = True
    brush["value"]["rle"] = queue_masks.to_brush(masks.encode(square), (height, width))
    correct(server, still, still["annotations"][0]["result"])

    back.write_text(json.dumps(exported(server, tracks) + exported(server, stills)))
    found = [d for d in read_corrections(dataset, "label-studio", back) if d.op != "accept"]
    whose = [track_of(r) for r in (renamed, deleted, others[0], brush)]
    assert {(d.op, d.subject.id) for d in found} == set(
        zip(("relabel", "reject", "box", "mask"), whose, strict=True)
    )
    (mask,) = [d for d in found if d.op == "mask"]
    assert mask.body["counts"].encode() == masks.encode(square)
