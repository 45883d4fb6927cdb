"""Leases keep two workers off one piece of work; the ledger remembers what ran and what failed."""

from __future__ import annotations

import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.store import Ledger, ledger


@pytest.fixture
def mine(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def other(folder: Path, worker: str) -> Ledger:
    """A ledger as another worker has it open."""
    opened = Ledger(folder)
    opened._worker = worker
    return opened


ALIVE = f"{socket.gethostname()}:1:?"
DEAD = f"{socket.gethostname()}:999999999:1"
ELSEWHERE = "another-host:1:1"


def test_what_a_living_worker_holds_is_not_given(mine: Ledger, tmp_path: Path) -> None:
    assert other(tmp_path, ALIVE).claim("clip 1")
    assert not mine.claim("clip 1") and mine.claim("clip 2")


def test_what_one_holds_oneself_is_given_again(mine: Ledger) -> None:
    assert mine.claim("clip 1") and mine.claim("clip 1")


def test_what_was_given_back_is_free(mine: Ledger, tmp_path: Path) -> None:
    first = other(tmp_path, ALIVE)
    first.claim("clip 1")
    mine.release("clip 1")  # not mine to give back
    assert not mine.claim("clip 1")
    first.release("clip 1")
    assert mine.claim("clip 1")


def test_the_lease_of_a_dead_worker_is_free_at_once(mine: Ledger, tmp_path: Path) -> None:
    other(tmp_path, DEAD).claim("clip 1")
    assert mine.claim("clip 1")


def test_a_worker_on_another_host_is_believed_until_its_lease_ends(
    mine: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = other(tmp_path, ELSEWHERE)
    now = ledger.time.time()
    theirs.claim("clip 1")
    assert not mine.claim("clip 1")
    monkeypatch.setattr(ledger.time, "time", lambda: now + ledger.LEASE_SECONDS - 1)
    theirs.renew()
    monkeypatch.setattr(ledger.time, "time", lambda: now + 2 * ledger.LEASE_SECONDS - 2)
    assert not mine.claim("clip 1")
    monkeypatch.setattr(ledger.time, "time", lambda: now + 2 * ledger.LEASE_SECONDS)
    assert mine.claim("clip 1")


def test_many_threads_get_each_piece_once(tmp_path: Path) -> None:
    workers = [other(tmp_path, f"another-host:{k}:1") for k in range(4)]
    got: list[str] = []

    def take(worker: Ledger) -> None:
        got.extend(key for key in map(str, range(50)) if worker.claim(key))

    threads = [threading.Thread(target=take, args=(w,)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=int) == list(map(str, range(50)))


def test_a_failure_is_remembered_until_it_is_mended(mine: Ledger, tmp_path: Path) -> None:
    mine.failed("fuse", "r", "s", 3, "cannot be read")
    assert ledger.failures(tmp_path) == [("fuse", "s", 3, "cannot be read")]
    mine.done("fuse", "r", "s", 3, 1.5, 100)
    assert ledger.failures(tmp_path) == []


def test_seconds_are_summed_per_stage(mine: Ledger, tmp_path: Path) -> None:
    mine.done("fuse", "r", "s", 0, 1.5, 100)
    mine.done("fuse", "r", "s", 1, 2.0, 100)
    mine.done("world", "q", "s", -1, 0.5, 200)
    mine.done("world", "q", "another", -1, 9.0, 200)
    assert ledger.seconds(tmp_path, "s") == {"fuse": 3.5, "world": 0.5}


def test_what_is_found_on_disk_is_done_and_who_died_over_it_holds_nothing(
    mine: Ledger, tmp_path: Path
) -> None:
    mine.failed("fuse", "r1", "s", 1, "cannot be read")
    mine.done("fuse", "r1", "s", 2, 1.5, 10)
    other(tmp_path, DEAD).claim("clip 3")
    other(tmp_path, ALIVE).claim("clip 4")
    keys = [f"clip {clip}" for clip in (1, 2, 3, 4)]
    mine.found([("fuse", "r1", "s", clip, 10) for clip in (1, 2, 3, 4)], keys)
    assert ledger.failures(tmp_path) == [] and ledger.seconds(tmp_path, "s") == {"fuse": 1.5}
    with closing(sqlite3.connect(tmp_path / ledger.FILE)) as db:
        assert db.execute("SELECT key FROM leases").fetchall() == [("clip 4",)]
        assert db.execute("SELECT count(*) FROM work").fetchone() == (4,)


def test_a_damaged_ledger_is_put_aside_and_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"garbage" * 1000)
    assert ledger.failures(tmp_path) == []
    assert Ledger(tmp_path).claim("clip 1")
    assert (tmp_path / "ledger.damaged").read_bytes().startswith(b"garbage")


def test_a_ledger_that_is_not_there_has_nothing_to_tell(tmp_path: Path) -> None:
    assert ledger.failures(tmp_path) == [] and ledger.seconds(tmp_path, "s") == {}
    assert not any(tmp_path.iterdir())


def test_a_ledger_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"ledger\.sqlite.*cannot be used"):
        Ledger(tmp_path / "nowhere")
