"""Nothing that was acknowledged is lost, nothing is recorded twice, and no event can be forged."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.errors import DatasetError, ReviewError
from scenekeeper.review import log as log_module
from scenekeeper.review.events import MAX_BODY, Decision, Sample, Subject
from scenekeeper.review.log import FILE, MAX_EVENT, Log

WORKER = Path(__file__).with_name("log_worker.py")


def decided(number: int, op: str = "accept", track: int = 3, **more: Any) -> Decision:
    subject = more.pop("subject", Subject("track", "kitchen", track))
    return Decision(f"decision-{number:04d}", op, subject, **{"actor": "ada", **more})  # type: ignore[arg-type]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(tmp_path) as opened:
        yield opened


def forge(folder: Path, statement: str, *parameters: object) -> None:
    """Write into the log as somebody who knows SQLite."""
    db = sqlite3.connect(folder / FILE)
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(statement, parameters)
    db.commit()
    db.close()


# --- saving ---------------------------------------------------------------------------------------


def test_events_come_back_in_order_and_whole(log: Log) -> None:
    given = [
        decided(
            1, sample=Sample("audit", "tracks", math.nan, 4, 7, "snap"), runs={"kitchen": "i1"}
        ),
        decided(2, "box", body={"frame": 3, "box_xyxy": [0.5, 1.0, 2.0, 3.0]}, first=1, last=9),
        decided(
            3, "relabel", body={"phrase": "žluté hrnky 🫖"}, anchor=(("kitchen", 0, 0, 1, 2, 3),)
        ),
    ]
    receipts = log.append(given)
    assert [(r.status, r.seq) for r in receipts] == [("saved", 1), ("saved", 2), ("saved", 3)]
    found = list(log.events())
    assert [e.decision.to_json() for e in found] == [d.to_json() for d in given]
    assert [e.seq for e in log.events(since=1)] == [2, 3]
    assert log.verify().events == 3


def test_more_events_than_one_page_come_back(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_PAGE", 3)
    log.append([decided(n) for n in range(7)])
    assert [e.seq for e in log.events()] == [1, 2, 3, 4, 5, 6, 7]
    assert [e.seq for e in log.events(since=2)] == [3, 4, 5, 6, 7]


def test_the_same_decision_sent_again_is_recorded_once(log: Log) -> None:
    first = log.append([decided(1, body={"phrase": "mug"})])
    # The server may know less of a card by the time a client tries again.
    again = log.append([decided(1, body={"phrase": "mug"}, sample=Sample("audit"), actor="")])
    assert (first[0].status, again[0].status) == ("saved", "already")
    assert again[0].seq == 1 and len(list(log.events())) == 1


def test_a_decision_sent_twice_at_once_is_recorded_once(log: Log) -> None:
    assert [r.status for r in log.append([decided(1), decided(1)])] == ["saved", "already"]


def test_another_decision_with_a_known_id_is_refused(log: Log) -> None:
    log.append([decided(1)])
    receipt = log.append([decided(1, "reject")])[0]
    assert receipt.status == "refused" and "another decision" in receipt.reason
    assert [e.decision.op for e in log.events()] == ["accept"]


def test_a_decision_that_is_too_large_is_refused_and_the_others_are_saved(log: Log) -> None:
    with pytest.raises(ReviewError, match=f"{MAX_BODY:,} characters"):
        Decision.of({"id": "decision-1", "body": {"counts": "0" * 10_000_000}})
    huge = decided(1, "mask", body={"frame": 0, "counts": "0" * 10_000_000})
    receipts = log.append([huge, decided(2)])
    assert [r.status for r in receipts] == ["refused", "saved"]
    assert f"{MAX_EVENT:,}" in receipts[0].reason


def test_only_what_is_there_can_be_undone(log: Log) -> None:
    receipt = log.append([decided(1, "undo", body={"of": "decision-0009"})])[0]
    assert receipt.status == "refused" and "no such event" in receipt.reason


def test_a_clock_that_runs_backwards_changes_no_order(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, now in enumerate((5_000, 1_000, 3_000)):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        log.append([decided(number, t_ns=-now)])
    assert [e.received_ns for e in log.events()] == [5_000, 1_000, 3_000]
    assert [e.decision.id[-1] for e in log.events()] == ["0", "1", "2"]
    assert log.verify().events == 3


# --- conflicts ------------------------------------------------------------------------------------


def test_a_decision_made_without_knowing_of_anothers_is_kept_aside(log: Log) -> None:
    log.append([decided(1, "relabel", body={"phrase": "cup"}, base=0)])
    late = decided(2, "reject", actor="bob", base=0)
    receipt = log.append([late])[0]
    assert (receipt.status, receipt.seq) == ("conflict", 1)
    assert len(list(log.events())) == 1
    assert [(c.decision, c.against) for c in log.conflicts()] == [(late, 1)]
    assert log.append([late])[0].status == "conflict" and len(log.conflicts()) == 1


def test_a_pair_is_the_same_whichever_is_named_first(log: Log) -> None:
    log.append([decided(1, "same", subject=Subject("pair", "kitchen", 7, 12), base=0)])
    late = decided(2, "different", subject=Subject("pair", "kitchen", 12, 7), actor="bob", base=0)
    assert log.append([late])[0].status == "conflict"
    assert Subject("relation", "kitchen", 12, 7, "on").key == "relation/kitchen/12/7/on"


def test_a_conflict_is_settled_by_the_next_decision_on_it(log: Log) -> None:
    log.append([decided(1, base=0)])
    log.append([decided(2, "reject", actor="bob", base=0)])
    settled = log.append([decided(3, "reject", actor="eve", base=1)])[0]
    assert settled.status == "saved" and log.conflicts() == []


def test_what_one_decided_oneself_is_no_conflict(log: Log) -> None:
    log.append([decided(1, "trim", body={"first": 0, "last": 9}, base=0)])
    assert log.append([decided(2, base=0)])[0].status == "saved"


def test_what_was_decided_on_the_same_card_is_no_conflict(log: Log) -> None:
    frame = Subject("frame", "kitchen", 5)
    found = {"phrase": "mug", "box_xyxy": [0, 0, 1, 1]}
    added = [
        decided(n, "add", subject=frame, body=found, actor="", card="c", base=0) for n in (1, 2)
    ]
    assert [r.status for r in log.append(added)] == ["saved", "saved"]


def test_decisions_on_other_subjects_or_without_a_base_are_no_conflict(log: Log) -> None:
    log.append([decided(1, base=0)])
    others = [decided(2, track=4, actor="bob", base=0), decided(3, "reject", actor="bob")]
    assert [r.status for r in log.append(others)] == ["saved", "saved"]


def test_a_subjects_revision_is_its_last_event_and_undoing_is_one(log: Log) -> None:
    key = Subject("track", "kitchen", 3).key
    assert log.revision(key) == 0
    log.append([decided(1), decided(2, track=4)])
    assert log.revision(key) == 1
    elsewhere = Subject("frame", "kitchen", 0)
    log.append([decided(3, "undo", subject=elsewhere, body={"of": "decision-0001"})])
    assert log.revision(key) == 3
    assert log.append([decided(4, actor="bob", base=1)])[0].status == "conflict"


# --- leases ---------------------------------------------------------------------------------------


def test_a_card_is_lent_to_one_reviewer_at_a_time(log: Log) -> None:
    assert log.lease(["a", "b"], "ada", 60) == ["a", "b"]
    assert log.lease(["b", "c", "c"], "bob", 60) == ["c"]
    assert log.lease(["b"], "ada", 60) == ["b"]
    log.release(["a", "c"], "ada")  # c is not hers to give back
    assert log.leases() == {"b": "ada", "c": "bob"}


def test_a_card_that_is_not_answered_in_time_is_free(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    log.lease(["a", "b"], "ada", 60)
    monkeypatch.setattr(time, "time", lambda: now + 59)
    log.renew("ada", 60)
    monkeypatch.setattr(time, "time", lambda: now + 100)
    assert log.lease(["a"], "bob", 60) == []
    monkeypatch.setattr(time, "time", lambda: now + 120)
    assert log.lease(["a"], "bob", 60) == ["a"]
    log.renew("ada", 60)  # too late
    assert log.leases() == {"a": "bob"}


def test_a_clock_that_was_set_back_does_not_keep_a_card_lent(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.lease(["a"], "ada", 60)
    day_before = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: day_before)
    assert log.lease(["a"], "bob", 60) == ["a"]


# --- forgery and erasure --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET decision = replace(decision, 'accept', 'reject') WHERE seq = 2",
        "UPDATE event SET received_ns = received_ns + 1 WHERE seq = 2",
        "UPDATE event SET id = 'another-decision' WHERE seq = 2",
        "UPDATE event SET decision = NULL WHERE seq = 2",
        "UPDATE event SET salt = NULL WHERE seq = 2",
        "UPDATE event SET erased_ns = 5 WHERE seq = 2",
        "UPDATE event SET previous = hash WHERE seq = 2",
        "DELETE FROM event WHERE seq = 2",
    ],
)
def test_an_altered_event_is_named(log: Log, tmp_path: Path, statement: str) -> None:
    log.append([decided(n) for n in (1, 2, 3)])
    forge(tmp_path, statement)
    with pytest.raises(ReviewError, match=r"event 2: .*Restore the file"):
        log.verify()
    with pytest.raises(ReviewError, match="event 2"):  # nor do the labels believe it
        list(log.events())


def test_an_event_put_in_by_hand_is_named(log: Log, tmp_path: Path) -> None:
    log.append([decided(1)])
    columns = "id, subject, actor, card, received_ns, salt, decision, digest, previous, hash"
    forge(tmp_path, f"INSERT INTO event({columns}) SELECT 'forged-1', {columns[4:]} FROM event")
    with pytest.raises(ReviewError, match="event 2: does not follow"):
        log.verify()


def test_the_last_event_cannot_vanish(log: Log, tmp_path: Path) -> None:
    log.append([decided(n) for n in (1, 2)])
    forge(tmp_path, "DELETE FROM event WHERE seq = 2")
    with pytest.raises(ReviewError, match="event 2: is missing"):
        log.verify()


def test_a_log_written_anew_is_told_by_what_was_kept_of_it(log: Log, tmp_path: Path) -> None:
    log.append([decided(1)])
    kept = log.verify()
    log.append([decided(2)])
    assert log.verify(kept).events == 2
    (tmp_path / "b").mkdir()
    with Log.open(tmp_path / "b") as other:
        other.append([decided(1, "reject")])
        assert other.verify().events == 1
        with pytest.raises(ReviewError, match="event 1: is not the event that it was"):
            other.verify(kept)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM event", "UPDATE event SET hash = 'x'", "UPDATE event SET decision = '{}'"],
)
def test_a_slip_cannot_change_the_past(log: Log, tmp_path: Path, statement: str) -> None:
    log.append([decided(1)])
    db = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError, match="events are never"):
        db.execute(statement)
    db.close()


def test_what_is_erased_leaves_no_trace_and_the_chain_whole(log: Log, tmp_path: Path) -> None:
    private = decided(2, "relabel", subject=Subject("track", "nursery", 1), body={"phrase": "doll"})
    log.append([decided(1), private, decided(3, base=0)])
    log.append([replace(private, id="too-late-1", actor="bob", base=0)])
    assert log.erase(lambda d: d.subject.session == "nursery", "consent withdrawn") == 1
    assert [e.seq for e in log.events()] == [1, 3] and log.conflicts() == []
    checked = log.verify()
    assert (checked.events, checked.erased) == (3, 1)
    stored = b"".join(f.read_bytes() for f in (tmp_path / "review").iterdir())
    assert b"doll" not in stored and b"nursery" not in stored
    assert log.append([private])[0].reason == "this event has been erased"
    assert log.append([decided(4, "undo", body={"of": private.id})])[0].status == "refused"
    assert log.append([decided(5)])[0].seq == 4 and log.verify().events == 4


# --- trouble --------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_says_so(log: Log) -> None:
    log.append([decided(1)])
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [decided(n, body={"phrase": "x" * 90_000}) for n in (2, 3)]
    with pytest.raises(DatasetError, match=r"full.*Nothing was saved just now.*Free some space"):
        log.append([decided(9), *large])
    assert [e.seq for e in log.events()] == [1] and log.verify().events == 1
    log._db.execute("PRAGMA max_page_count = 100000")
    assert [r.status for r in log.append([decided(9), *large])] == ["saved"] * 3


def test_a_damaged_log_is_named_and_left_alone(log: Log, tmp_path: Path) -> None:
    log.append([decided(1)])
    log.close()
    file = tmp_path / FILE
    file.write_bytes(b"not a database at all, but long enough to be one" * 100)
    before = file.read_bytes()
    for opening in (Log.open, Log.read):
        with pytest.raises(DatasetError, match=r"events\.sqlite: is damaged.*Restore it"):
            opening(tmp_path)
    assert file.read_bytes() == before


def test_a_log_of_a_newer_release_is_refused(log: Log, tmp_path: Path) -> None:
    log._db.execute("PRAGMA user_version = 9")
    for opening in (Log.open, Log.read):
        with pytest.raises(DatasetError, match=r"version 9.*Upgrade"):
            opening(tmp_path)


def test_reading_makes_no_log(tmp_path: Path) -> None:
    assert Log.read(tmp_path) is None and list(tmp_path.iterdir()) == []


def test_one_reads_while_another_writes(log: Log, tmp_path: Path) -> None:
    log.append([decided(1)])
    reader = Log.read(tmp_path)
    assert reader is not None
    with reader:
        log.append([decided(2)])
        assert len(list(reader.events())) == 2
        with pytest.raises(DatasetError, match="readonly"):
            reader.append([decided(3)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_log_that_may_not_be_written_to_is_read(log: Log, tmp_path: Path) -> None:
    log.append([decided(1)])
    log.close()
    (tmp_path / "review").chmod(0o555)
    reader = Log.read(tmp_path)
    assert reader is not None and len(list(reader.events())) == 1


def test_threads_share_one_log(log: Log) -> None:
    def review(actor: str) -> None:
        for n in range(20):
            log.append([replace(decided(n), id=f"{actor}-{n:08d}", actor=actor)])

    threads = [threading.Thread(target=review, args=(f"reviewer-{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.verify().events == 80


def test_reviewers_at_once_answer_every_card_once(tmp_path: Path) -> None:
    command = [sys.executable, str(WORKER), str(tmp_path)]
    reviewers = [
        subprocess.Popen(
            [*command, f"reviewer-{k}", "300", "12"], stdout=subprocess.PIPE, text=True
        )
        for k in range(4)
    ]
    outputs = [reviewer.communicate(timeout=120)[0] for reviewer in reviewers]
    assert [reviewer.returncode for reviewer in reviewers] == [0] * 4
    told = [line.split() for output in outputs for line in output.splitlines()]
    assert {status for _, status, _ in told} == {"saved"}
    with Log.open(tmp_path) as log:
        events = list(log.events())
        assert log.verify().events == 300
    assert sorted(e.decision.subject.id for e in events) == list(range(300))
    assert {e.decision.id for e in events} == {identity for identity, _, _ in told}


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for k in range(3):
        command = [sys.executable, str(WORKER), str(tmp_path), f"reviewer-{k}", "100000", "3"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(20 + 10 * k)]
            writer.kill()
            lines += writer.stdout.readlines()
        acknowledged += [line.split()[0] for line in lines if line.endswith("\n")]
    with Log.open(tmp_path) as log:
        log.verify()
        assert set(acknowledged) <= {e.decision.id for e in log.events()}
    assert len(acknowledged) >= 60


def test_a_card_that_two_people_had_one_after_the_other_is_a_conflict(log: Log) -> None:
    first = decided(1, card="c", base=0)
    second = decided(2, card="c", base=0, actor="bob")
    assert [r.status for r in log.append([first, second])] == ["saved", "conflict"]
