"""Whatever kills the building of a world, it goes on from there and ends as if nothing had."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenekeeper import verbs
from scenekeeper.evaluate.mislabel import PROFILES, mislabel
from scenekeeper.labeling import build_world
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.world.memory import Event, reading
from tests.test_resume import content


@dataclass(frozen=True)
class Undisturbed:
    """What nobody interrupted.

    Attributes:
        labels: the dataset before its world was built,
        world: and after,
        steps: in so many steps,
        seconds: and so many seconds.
    """

    labels: Path
    world: Path
    steps: int
    seconds: float


def start(dataset: Path, last: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.world_worker", str(dataset), str(last)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    return worker


def finish(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    out = worker.stdout.read()  # communicate() would miss what came with the first line
    assert worker.wait(timeout=120) == 0
    return dict(json.loads(out))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Two visits to one home, labelled badly, so that objects merge, move and go."""
    folder = tmp_path_factory.mktemp("killed")
    verbs.simulate(folder, 1, 4, visits=2, seconds=1.0, size=(160, 120), finer=1)
    truth, labels = open_dataset(folder / "truth.sk"), folder / "labels.sk"
    mislabel(truth, labels, PROFILES["usual"])
    world = folder / "world.sk"
    for dataset in (folder / "first.sk", world):  # the first pays for the compilation of kernels
        shutil.copytree(labels, dataset)
        worker = start(dataset)
        began = time.monotonic()
        told = finish(worker)
    assert told["failed"] == []
    return Undisturbed(labels, world, told["steps"], time.monotonic() - began)


def events(dataset: Path) -> list[Event]:
    with reading(dataset) as memory:
        return memory.events()


def first_objects(dataset: Path) -> list[Path]:
    """Segments of the first visit's objects that the world has made."""
    return [f for f in dataset.glob("labels/objects/*/*visit-1-all.parquet") if not _raw(f)]


def _raw(file: Path) -> bool:
    return file.parent.name.startswith("mislabel")


def check(dataset: Path, before: list[Event], u: Undisturbed) -> list[Event]:
    """After a kill: what was remembered still is, and finished objects are what they will be."""
    now = events(dataset)
    assert now[: len(before)] == before
    [there] = first_objects(u.world)
    for file in first_objects(dataset):
        assert file.read_bytes() == there.read_bytes()
    return now


@pytest.mark.slow
def test_a_world_whose_building_was_killed_at_any_step_ends_the_same(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    u, rng, dataset = undisturbed, random.Random(1), tmp_path / "killed.sk"
    shutil.copytree(u.labels, dataset)
    known: list[Event] = []
    for _ in range(6):  # each goes on from where the one before was killed
        worker = start(dataset, rng.randint(1, u.steps // 4))
        worker.communicate(timeout=120)
        assert worker.returncode == -9
        known = check(dataset, known, u)
    finish(start(dataset))
    assert known and content(dataset) == content(u.world)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_fifty_kills_at_random_moments_change_nothing(
    undisturbed: Undisturbed, tmp_path: Path, seed: int
) -> None:
    u, rng, dataset, landed = undisturbed, random.Random(seed), tmp_path / "killed.sk", 0
    shutil.copytree(u.labels, dataset)
    known: list[Event] = []
    for _ in range(5):
        worker = start(dataset)
        time.sleep(rng.uniform(0.0, 0.35) * u.seconds)
        worker.kill()
        worker.communicate()
        landed += worker.returncode == -9
        known = check(dataset, known, u)
    assert landed >= 4
    assert finish(start(dataset))["failed"] == []
    assert content(dataset) == content(u.world)


def test_a_kill_after_it_was_remembered_and_before_its_tables_were_written_changes_nothing(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    dataset, expected = tmp_path / "killed.sk", content(undisturbed.world)
    shutil.copytree(undisturbed.world, dataset)
    for table in ("objects", "relations", "changes", "sightings", "instances", "reconciled"):
        for file in dataset.glob(f"labels/{table}/*/*.parquet"):
            if not _raw(file):
                file.unlink()
    build_world(Dataset.create(dataset), workers=1)
    now = content(dataset)
    del expected["ledger.sqlite"], now["ledger.sqlite"]  # it counts what is done again
    assert now == expected


def test_two_processes_build_one_world_together(undisturbed: Undisturbed, tmp_path: Path) -> None:
    dataset = tmp_path / "shared.sk"
    shutil.copytree(undisturbed.labels, dataset)
    for worker in [start(dataset) for _ in range(2)]:
        assert finish(worker)["failed"] == []
    with reading(dataset) as memory, reading(undisturbed.world) as other:
        assert memory.tracks("home-00004-visit-1") == other.tracks("home-00004-visit-1")
        assert memory.tracks("home-00004-visit-2") == other.tracks("home-00004-visit-2")
