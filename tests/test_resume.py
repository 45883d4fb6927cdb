"""Whatever kills the work, the same command ends with the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.simulate import write_tabletop

pytestmark = pytest.mark.slow

ROUNDS, KILLS_PER_ROUND = 5, 4
TIMES = {"seconds", "worker", "ended_ns", "attempts", "expires"}
"""Columns that differ from run to run."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tabletop(tmp_path_factory.mktemp("resume") / "room", 48, size=(160, 120))


def start(recording: Path, dataset: Path, *limit: str) -> subprocess.Popen[str]:
    """A worker that has just begun."""
    command = [sys.executable, "-m", "tests.labelling_worker", str(recording), str(dataset), *limit]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    return worker


def finish(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    out = worker.stdout.read()  # communicate() would miss what came with the first line
    assert worker.wait(timeout=120) == 0
    return dict(json.loads(out))


def label(recording: Path, dataset: Path) -> dict[str, Any]:
    return finish(start(recording, dataset))


@pytest.fixture(scope="module")
def undisturbed(recording: Path) -> tuple[Path, float]:
    """The dataset that nobody interrupted, and the seconds it takes once kernels are compiled."""
    label(recording, recording.with_name("compiled.sk"))
    dataset = recording.with_name("undisturbed.sk")
    worker = start(recording, dataset)
    began = time.monotonic()
    finish(worker)
    return dataset, time.monotonic() - began


def content(dataset: Path) -> dict[str, Any]:
    """Every file as bytes, databases as their sorted rows without times."""
    found: dict[str, Any] = {}
    for file in sorted(dataset.rglob("*")):
        name = str(file.relative_to(dataset))
        if not file.is_file() or ".partial-" in name:  # left by a kill; swept when it is old
            continue
        if file.suffix == ".sqlite":
            found[name] = sorted(_rows(file))
        elif not name.endswith(("-wal", "-shm")):
            found[name] = file.read_bytes()
    return found


def _rows(file: Path) -> Iterator[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as db:
        for (table,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            lasting = ", ".join(f'"{c}"' for c in columns if c not in TIMES)
            yield from ((table, repr(row)) for row in db.execute(f"SELECT {lasting} FROM {table}"))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    recording: Path, undisturbed: tuple[Path, float], tmp_path: Path, seed: int
) -> None:
    expected, seconds = undisturbed
    rng, dataset, landed = random.Random(seed), tmp_path / "killed.sk", 0
    for _ in range(KILLS_PER_ROUND):
        worker = start(recording, dataset)
        time.sleep(rng.uniform(0.0, 0.3) * seconds)
        worker.kill()
        worker.communicate()
        landed += worker.returncode == -signal.SIGKILL
    report = label(recording, dataset)
    assert landed >= KILLS_PER_ROUND - 1 and report["failed"] == []
    assert content(dataset) == content(expected)


def test_a_ledger_that_is_lost_is_made_anew_from_the_files(
    recording: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    expected, _ = undisturbed
    dataset = tmp_path / "copied.sk"
    shutil.copytree(expected, dataset)
    for file in dataset.glob("ledger.sqlite*"):
        file.unlink()
    assert label(recording, dataset)["done"] == 0
    assert content(dataset) == content(expected)


def test_a_finished_dataset_is_left_as_it_is(
    recording: Path, undisturbed: tuple[Path, float]
) -> None:
    dataset, _ = undisturbed
    before = {file: file.stat().st_mtime_ns for file in dataset.rglob("*.parquet")}
    assert label(recording, dataset)["done"] == 0
    assert {file: file.stat().st_mtime_ns for file in dataset.rglob("*.parquet")} == before


def test_two_processes_share_the_work_and_do_no_clip_twice(
    recording: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    dataset = tmp_path / "shared.sk"
    workers = [start(recording, dataset) for _ in range(2)]
    reports = [finish(worker) for worker in workers]
    assert content(dataset) == content(undisturbed[0])
    with closing(sqlite3.connect(dataset / "ledger.sqlite")) as db:
        pieces, attempts = db.execute("SELECT count(*), max(attempts) FROM work").fetchone()
    assert attempts == 1 and sum(r["done"] for r in reports) == pieces
    assert all(r["failed"] == [] for r in reports)


def test_a_full_disk_loses_nothing_and_the_rest_is_done_later(
    recording: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    dataset = tmp_path / "full.sk"
    shutil.copytree(undisturbed[0], dataset)
    surfaces = sorted(dataset.glob("labels/surface/*/*.parquet"))
    largest = max(surfaces, key=lambda file: file.stat().st_size)
    limit = largest.stat().st_size - 1
    largest.unlink()
    told = finish(start(recording, dataset, str(limit)))
    assert "cannot be written" in told["error"] and "continues from there" in told["error"]
    assert sorted(dataset.glob("labels/surface/*/*.parquet")) == sorted({*surfaces} - {largest})
    assert (
        label(recording, dataset)["done"] == 3
    )  # the surface; quality and proposals of the same pass
    assert content(dataset) == content(undisturbed[0])


def test_a_damaged_segment_is_named_and_made_anew_once_deleted(
    recording: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    dataset = tmp_path / "damaged.sk"
    label(recording, dataset)
    [segment] = dataset.glob("labels/tracks/*/*.parquet")
    segment.write_bytes(segment.read_bytes()[:100])
    [objects] = dataset.glob("labels/objects/*/*.parquet")
    objects.unlink()
    told = label(recording, dataset)
    assert str(segment) in told["error"] and "Delete it and label again" in told["error"]
    segment.unlink()
    assert label(recording, dataset)["done"] == 2  # the tracks and the objects
    assert content(dataset) == content(undisturbed[0])
