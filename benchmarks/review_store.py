"""Decisions that a reviewer's log saves per second, each durable before it is acknowledged.

Eight processes share one log, and the writing process is killed twenty times at random moments.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Result, wall_seconds
from scenekeeper.review.events import Decision, Sample, Subject
from scenekeeper.review.log import Log

DECISIONS, BATCH = 4000, 20
WRITERS, CARDS, KILLS = 8, 4000, 20


def run() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        batches = [
            [decision("ada", n) for n in range(start, start + BATCH)]
            for start in range(0, DECISIONS, BATCH)
        ]
        ours, bare = wall_seconds(
            lambda: _save(Path(tempfile.mkdtemp(dir=here)), batches),
            lambda: _append(Path(tempfile.mkdtemp(dir=here)) / "lines", batches),
        )
        (here / "shared").mkdir()
        (here / "killed").mkdir()
        twice, lost, together = _together(here / "shared")
        kept, acknowledged = _killed(here / "killed")
    return Result(
        "review_store",
        f"{DECISIONS} decisions with 8 views each, in batches of {BATCH}; {WRITERS} processes that"
        f" take {CARDS} cards from one another; a writer killed {KILLS} times",
        "decisions/s",
        DECISIONS / ours,
        1000,
        target_of="ours",
        better="more",
        limit=DECISIONS / bare,
        limit_name="the same JSON appended to a file, on the disk after each batch",
        further={
            f"{WRITERS} writers at once: no card is answered twice": not twice,
            f"{WRITERS} writers at once: no decision is lost": not lost,
            f"{KILLS} kills: no acknowledged decision is lost, and the chain is whole": kept,
        },
        note=f"{WRITERS} writers save {CARDS / together:.0f} decisions/s together, leases and the"
        f" start of the processes counted; {acknowledged} were acknowledged before kills",
    )


def decision(actor: str, number: int, track: int | None = None) -> Decision:
    """A decision as the page sends it and the server completes it."""
    track = number if track is None else track
    views = tuple(("kitchen", 30 * k, 10.5, 20.0, 110.25, 90.0) for k in range(8))
    return Decision(
        f"{actor}-{number:08d}",
        "relabel",
        Subject("track", "kitchen", track),
        {"phrase": "white mug"},
        actor=actor,
        t_ns=1_700_000_000_000_000_000 + number,
        base=0,
        think_ms=1800,
        client="1",
        card=f"track-{track}",
        sample=Sample("audit", "errors", 0.125, number, 7, "0123456789ab"),
        runs={"kitchen": "be120cfb25f4"},
        anchor=views,
    )


def _save(folder: Path, batches: list[list[Decision]]) -> None:
    with Log.open(folder) as log:
        for batch in batches:
            log.append(batch)


def _append(file: Path, batches: list[list[Decision]]) -> None:
    with file.open("ab") as out:
        for batch in batches:
            out.writelines(d.to_json().encode() + b"\n" for d in batch)
            out.flush()
            os.fsync(out.fileno())


# --- processes ------------------------------------------------------------------------------------


def work(dataset: str, actor: str, cards: int) -> None:
    """Take free cards, decide on them, and print each decision once it is acknowledged."""
    with Log.open(Path(dataset)) as log:
        for start in range(0, cards, BATCH):
            keys = [f"track-{n}" for n in range(start, start + BATCH)]
            mine = [int(key.partition("-")[2]) for key in log.lease(keys, actor, 600)]
            for receipt in log.append([decision(actor, n) for n in mine]):
                print(receipt.id, receipt.status, flush=True)


def _worker(folder: Path, actor: str, cards: int) -> subprocess.Popen[str]:
    script = "import sys; from benchmarks.review_store import work;"
    script += " work(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
    command = [sys.executable, "-c", script, str(folder), actor, str(cards)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _together(folder: Path) -> tuple[int, int, float]:
    """How many cards were answered twice and how many acknowledged decisions are missing."""
    start = time.perf_counter()
    writers = [_worker(folder, f"reviewer-{k}", CARDS) for k in range(WRITERS)]
    told = [line.split() for w in writers for line in w.communicate()[0].splitlines()]
    taken = time.perf_counter() - start
    assert all(w.returncode == 0 for w in writers)
    with Log.open(folder) as log:
        log.verify()
        events = [e.decision for e in log.events()]
    answered = [d.subject.id for d in events]
    lost = {i for i, status in told if status == "saved"} - {d.id for d in events}
    return len(answered) - len(set(answered)), len(lost) + CARDS - len(set(answered)), taken


def _killed(folder: Path) -> tuple[bool, int]:
    """Whether nothing that was acknowledged is missing after every kill."""
    rng, acknowledged = random.Random(20), set[str]()
    for k in range(KILLS):
        with _worker(folder, f"reviewer-{k}", 10**9) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]  # it is at work
            time.sleep(rng.uniform(0, 0.3))
            writer.kill()
            lines += writer.stdout.readlines()
        whole = [line.split() for line in lines if line.endswith("\n")]
        acknowledged |= {i for i, status in whole if status == "saved"}
        with Log.open(folder) as log:
            log.verify()
            if not acknowledged <= {e.decision.id for e in log.events()}:
                return False, len(acknowledged)
    return True, len(acknowledged)
