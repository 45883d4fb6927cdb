"""A file that came back damaged in any way is read, or is an error that says so; nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queues import read_corrections, write_queue
from scenekeeper.review.events import Decision, Subject, checked_body
from scenekeeper.store import Dataset
from tests.exchange.edited_queues import TOOLS, open_in

ROUNDS = 150
SWAPS = [b"0", b"-1", b"1e999", b"null", b'""', b"[]", b"{}", b"nan", b"99999999999999999999"]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes turned over, cut out, doubled, or a number made into something else."""
    kind, n = rng.integers(4), len(data)
    start = int(rng.integers(n))
    stop = min(n, start + int(rng.integers(1, 60)))
    if kind == 0:
        return data[:start] + rng.bytes(stop - start) + data[stop:]
    if kind == 1:
        return data[:start] + data[stop:]
    if kind == 2:
        return data[:stop] + data[start:]
    digits = [k for k in range(start, min(n, start + 400)) if data[k : k + 1].isdigit()]
    if not digits:
        return data[:start]
    first = last = digits[0]
    while data[last : last + 1].isdigit() or data[last : last + 1] in (b".", b"-"):
        last += 1
    return data[:first] + SWAPS[int(rng.integers(len(SWAPS)))] + data[last:]


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
@pytest.mark.filterwarnings("ignore::scenekeeper.errors.ScenekeeperWarning")
@pytest.mark.parametrize("tool", TOOLS)
def test_a_damaged_file_is_read_or_refused(dataset: Dataset, tmp_path: Path, tool: str) -> None:
    folder = write_queue(dataset, tool, tmp_path / "queue", sessions=["hall"]).path
    path = open_in(tool, folder).save()
    names = ["annotations.xml"] if tool == "cvat" else ["*.json"]
    file = path if path.is_file() else next(f for n in names for f in sorted(path.rglob(n)))
    whole, known = file.read_bytes(), {1, 2}
    rng = np.random.default_rng(20)
    refused = 0
    for _ in range(ROUNDS):
        file.write_bytes(damaged(whole, rng))
        try:
            found = read_corrections(dataset, tool, path)
        except ReviewError as error:
            refused += 1
            assert str(path) in str(error) or str(file) in str(error)
            continue
        for d in found:
            check(d, known)
    assert 0 < refused < ROUNDS


def check(d: Decision, known: set[int]) -> None:
    """A decision is one that a log may hold."""
    assert Decision.from_json(d.to_json()) == d
    body = {k: v for k, v in d.body.items() if k != "of"}
    assert checked_body(d.op, body) == body
    subject = {"kind": d.subject.kind, "session": d.subject.session, "id": d.subject.id}
    assert Subject.of({**subject, "other": d.subject.other}) == d.subject
    assert d.subject.session == "hall"
    if d.subject.kind == "track":
        assert d.subject.id in known | {-2}
