"""An object id is given once; a session labelled again gets the ids it had."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.errors import DatasetError
from scenekeeper.store import Dataset
from scenekeeper.world import memory

Cells = NDArray[np.int64]


def cells(start: int, n: int = 100) -> Cells:
    return np.arange(start, start + n, dtype=np.int64)


def identify(
    folder: Path, run: str, tracks: dict[int, Cells], session: str = "s"
) -> dict[int, int]:
    return memory.identify(folder, session, run, tracks)


def test_the_first_run_gives_every_track_an_id_of_its_own(tmp_path: Path) -> None:
    ids = identify(tmp_path, "a", {0: cells(0), 1: cells(1000), 2: cells(2000)})
    assert ids == {0: 1, 1: 2, 2: 3}


def test_the_same_run_again_gives_the_same_ids(tmp_path: Path) -> None:
    first = identify(tmp_path, "a", {0: cells(0), 1: cells(1000)})
    assert identify(tmp_path, "a", {0: cells(5000), 1: cells(6000)}) == first


def test_another_run_finds_the_objects_again_under_other_tracks(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0), 1: cells(1000)})
    assert identify(tmp_path, "b", {0: cells(1010), 1: cells(20)}) == {0: 2, 1: 1}


def test_what_overlaps_little_is_a_new_object(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0)})
    assert identify(tmp_path, "b", {0: cells(80)}) == {0: 2}


def test_an_id_is_never_used_again(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0), 1: cells(1000)})
    identify(tmp_path, "b", {0: cells(0)})
    assert identify(tmp_path, "c", {0: cells(0), 1: cells(9000)}) == {0: 1, 1: 3}


def test_an_object_that_was_missed_once_comes_back_as_itself(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0), 1: cells(1000)})
    identify(tmp_path, "b", {0: cells(0)})
    assert identify(tmp_path, "c", {4: cells(1005)}) == {4: 2}


def test_objects_of_another_session_are_left_alone(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0)}, session="monday")
    assert identify(tmp_path, "a", {0: cells(0)}, session="tuesday") == {0: 2}


def test_each_object_goes_to_one_track_at_most(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0)})
    ids = identify(tmp_path, "b", {0: cells(0, 60), 1: cells(60, 40)})
    assert ids[0] == 1 and ids[1] == 2


def test_the_matching_with_the_largest_overlap_is_taken() -> None:
    # Track 0 likes object 1 best, but then track 1 would have none.
    matched = memory.match({0: cells(0), 1: cells(40)}, {1: cells(10), 2: cells(-30)})
    assert {track: number for track, (number, _) in matched.items()} == {0: 2, 1: 1}


def test_what_happened_is_kept(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0)})
    identify(tmp_path, "b", {0: cells(5000)})
    assert [(run, kind, number) for run, kind, number, _ in memory.events(tmp_path)] == [
        ("a", "born", 1),
        ("b", "born", 2),
        ("b", "not found", 1),
    ]


def test_an_error_half_way_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identify(tmp_path, "a", {0: cells(0)})

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched, pytest.raises(DatasetError, match="disk is full"):
        patched.setattr(memory, "_log", full)
        identify(tmp_path, "b", {0: cells(5000), 1: cells(0)})
    assert memory.events(tmp_path)[-1][:2] == ("a", "born")
    assert identify(tmp_path, "c", {0: cells(5000)}) == {0: 2}


def test_a_damaged_memory_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    identify(tmp_path, "a", {0: cells(0)})
    (tmp_path / "world" / "world.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(DatasetError, match=r"world\.sqlite.*move it away and label again"):
        identify(tmp_path, "b", {0: cells(0)})


def test_a_lost_memory_gives_no_id_again(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d.sk")
    dataset.name_object(7, "white mug")
    assert identify(dataset.path, "a", {0: cells(0)}) == {0: 8}
