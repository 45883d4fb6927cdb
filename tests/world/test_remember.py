"""Sessions taken into memory: which object is which, in whatever order and how often they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper import geometry
from scenekeeper.voxels import voxel_centers
from scenekeeper.world.align import Alignment
from scenekeeper.world.evidence import SessionEvidence
from scenekeeper.world.memory import placed, reading, writing
from scenekeeper.world.remember import Remembered, remember
from scenekeeper.world.scene import CELL
from tests.world.made_visits import CARTON, KETTLE, PLATE, ROOM, TABLE, Box, evidence, session

MOVED = (TABLE, CARTON.at(-0.4, 0.4), KETTLE, PLATE)
TAKEN = (TABLE, KETTLE, PLATE)
CUP = Box("cup", (-0.4, 0.4, 0.76), (0.12, 0.12, 0.12), "green")


def said(T: np.ndarray[Any, Any], ok: bool = True) -> Any:
    """An alignment that is known beforehand."""
    how, reason = ("relocated", "found") if ok else ("refused", "It looks like nothing known.")
    return lambda *_: Alignment(T, 1.0, ok, (0.0, 0.0), how, reason)  # type: ignore[arg-type]


HERE = said(np.eye(4))


def take_in(world: Path, e: SessionEvidence, aligned: Any = HERE) -> Remembered:
    world.mkdir(exist_ok=True)
    with writing(world) as memory:
        return remember(memory, e, aligned=aligned)


def kinds(r: Remembered) -> list[tuple[str, int | None, int | None]]:
    return sorted((c.kind, c.before, c.now) for c in r.changes)


def test_the_first_session_gives_every_thing_an_id_and_changes_nothing(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    assert len(set(first.ids)) == 4 and not first.changes and first.since is None


def test_a_second_visit_tells_what_moved_since_the_first(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    second = take_in(tmp_path, session("tuesday", MOVED, day=1))
    assert second.ids == first.ids and second.since == "monday"
    assert kinds(second) == [("moved", first.ids[1], first.ids[1])]


def test_a_visit_in_another_frame_is_told_in_that_of_the_first(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    T = np.eye(4)
    T[:2, :2], T[:3, 3] = [[0, -1], [1, 0]], (2.0, -1.0, 0.3)
    e = session("tuesday", day=1)
    own = geometry.invert(T)
    turned = replace(
        e,
        things=tuple(placed(t, own) for t in e.things),
        keyframes=tuple(replace(k, T_world_camera=own @ k.T_world_camera) for k in e.keyframes),
    )
    second = take_in(tmp_path, turned, said(T))
    assert second.ids == first.ids and not second.changes
    with reading(tmp_path) as memory:
        there = memory.evidence("tuesday")[first.ids[1]]
    assert np.linalg.norm(there.center - CARTON.middle) < 1e-6
    assert np.linalg.norm(voxel_centers(there.cells, CELL).mean(0) - CARTON.middle) < 0.02


def test_the_same_run_again_gives_the_same_answer_and_adds_nothing(tmp_path: Path) -> None:
    take_in(tmp_path, session("monday"))
    once = take_in(tmp_path, session("tuesday", TAKEN, day=1))
    with reading(tmp_path) as memory:
        events = len(memory.events())
    again = take_in(tmp_path, session("tuesday", TAKEN, day=1))
    assert again.ids == once.ids and kinds(again) == kinds(once)
    with reading(tmp_path) as memory:
        assert len(memory.events()) == events


def test_a_session_labelled_again_keeps_its_ids(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    again = take_in(tmp_path, session("monday", (*ROOM, CUP), run="run-2"))
    assert again.ids[:4] == first.ids and again.ids[4] not in first.ids
    assert not again.changes


def test_a_second_visit_labelled_again_keeps_the_ids_that_it_gave(tmp_path: Path) -> None:
    take_in(tmp_path, session("monday"))
    second = take_in(tmp_path, session("tuesday", (*ROOM, CUP), day=1))
    again = take_in(tmp_path, session("tuesday", (CUP, *ROOM), day=1, run="run-2"))
    assert again.ids == (second.ids[4], *second.ids[:4])
    assert kinds(again) == kinds(second) == [("added", None, second.ids[4])]


def test_a_thing_renamed_by_another_run_keeps_its_id(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    things = [evidence(b, k, names={"thingamajig": 0.9}) for k, b in enumerate(ROOM)]
    assert take_in(tmp_path, session("monday", things=things, run="run-2")).ids == first.ids


def test_what_happened_between_visits_is_told_of_the_visit_right_before(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    take_in(tmp_path, session("tuesday", MOVED, day=1))
    third = take_in(tmp_path, session("wednesday", MOVED, day=2))
    assert third.since == "tuesday" and third.ids == first.ids and not third.changes


def test_what_one_visit_overlooked_has_its_id_in_the_next(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    overlooked = take_in(tmp_path, session("tuesday", TAKEN, day=1, seen=ROOM))
    assert not overlooked.changes
    assert take_in(tmp_path, session("wednesday", day=2)).ids == first.ids


def test_a_visit_labelled_out_of_order_finds_the_ids_of_later_ones(tmp_path: Path) -> None:
    later = take_in(tmp_path, session("tuesday", day=1))
    earlier = take_in(tmp_path, session("monday", MOVED, day=0))
    assert earlier.ids == later.ids and earlier.since is None and not earlier.changes


def test_a_recording_under_two_names_is_the_same_things_twice(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    second = take_in(tmp_path, session("copy-of-monday"))
    assert second.ids == first.ids and not second.changes


def test_another_home_is_a_place_of_its_own_and_says_why(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    other = take_in(tmp_path, session("elsewhere", day=1), said(np.eye(4), ok=False))
    assert not set(other.ids) & set(first.ids) and not other.changes and other.since is None
    assert other.place.how == "apart" and other.place.place != first.place.place
    assert "nothing known" in other.place.reason


def test_what_was_taken_is_not_believed_to_be_there_any_longer(tmp_path: Path) -> None:
    first = take_in(tmp_path, session("monday"))
    second = take_in(tmp_path, session("tuesday", TAKEN, day=1))
    assert kinds(second) == [("taken", first.ids[1], None)]
    with reading(tmp_path) as memory:
        assert memory.absences("tuesday")[first.ids[1]][0] == "taken"
    assert not take_in(tmp_path, session("wednesday", TAKEN, day=2)).changes


@pytest.mark.parametrize("existence", [0.1, 0.4])
def test_what_the_first_visit_only_imagined_is_not_taken(tmp_path: Path, existence: float) -> None:
    things = [evidence(b, k) for k, b in enumerate(TAKEN)]
    ghost = evidence(CARTON, 3, existence=existence)
    take_in(tmp_path, session("monday", things=[*things, ghost], seen=TAKEN))
    assert not take_in(tmp_path, session("tuesday", TAKEN, day=1)).changes
