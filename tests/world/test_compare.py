"""A session against what was known: still there, moved, gone, new, exchanged, or not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.world.compare import Comparison, compare
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.memory import placed
from tests.world.made_visits import (
    CARTON,
    EYES,
    KETTLE,
    PLATE,
    ROOM,
    TABLE,
    Box,
    evidence,
    keyframes,
)

AWAY = (5.0, 5.0, 1.0)
"""Nothing of the room is in view of who looks there from a corner."""


def known(boxes: Sequence[Box] = ROOM) -> dict[int, Evidence]:
    return {10 + k: evidence(b, k) for k, b in enumerate(boxes)}


def visits(before: Sequence[Box], now: Sequence[Box]) -> Comparison:
    """Both visits see everything from all sides."""
    things = [evidence(b, k) for k, b in enumerate(now)]
    return compare(known(before), things, keyframes(now), keyframes(before))


def told(c: Comparison) -> list[tuple[str, int | None, int | None]]:
    return sorted((x.kind, x.before, x.now) for x in c.changes)


def test_nothing_changes_in_a_room_that_stayed_as_it_was() -> None:
    c = visits(ROOM, ROOM)
    assert c.same == {0: 10, 1: 11, 2: 12, 3: 13}
    assert not c.changes and not c.unseen and not c.missed


def test_a_moved_thing_keeps_its_id() -> None:
    c = visits(ROOM, (TABLE, CARTON.at(-0.4, 0.4), KETTLE, PLATE))
    assert c.same[1] == 11 and told(c) == [("moved", 11, 1)]
    assert c.changes[0].was_at is not None and np.allclose(c.changes[0].was_at, CARTON.middle)


@pytest.mark.parametrize("metres", [0.12, 0.15, 0.19])
def test_a_thing_pushed_a_little_has_moved_and_is_no_second_one(metres: float) -> None:
    c = visits(ROOM, (TABLE, CARTON.at(0.3 - metres, 0.3), KETTLE, PLATE))
    assert c.same[1] == 11 and told(c) == [("moved", 11, 1)]


@pytest.mark.parametrize("metres", [0.01, 0.02, 0.03])
def test_an_error_of_the_pose_moves_nothing(metres: float) -> None:
    c = visits(ROOM, (TABLE, CARTON.at(0.3 - metres, 0.3), KETTLE, PLATE))
    assert c.same[1] == 11 and not c.changes


def test_what_is_seen_through_is_taken() -> None:
    c = visits(ROOM, (TABLE, KETTLE, PLATE))
    assert told(c) == [("taken", 11, None)]
    assert c.changes[0].score > 0.7 and c.changes[0].frames


def test_a_plate_is_taken_if_its_place_is_well_seen_and_nobody_speaks_of_it() -> None:
    c = visits(ROOM, (TABLE, CARTON, KETTLE))
    assert told(c) == [("taken", 13, None)]


def test_by_its_colours_a_plate_is_taken_at_one_look() -> None:
    images = keyframes((TABLE, CARTON, KETTLE), EYES[:1], light=1.0)
    before = keyframes(ROOM, light=1.0)
    now = [evidence(b, k) for k, b in enumerate((TABLE, CARTON, KETTLE))]
    assert told(compare(known(), now, images, before)) == [("taken", 13, None)]


def test_what_is_told_taken_has_pictures_that_show_its_place() -> None:
    eyes = EYES[1:3]
    images = keyframes((TABLE, CARTON, KETTLE), eyes, light=1.0)
    now = [evidence(b, k) for k, b in enumerate((TABLE, CARTON, KETTLE))]
    [change] = compare(known(), now, images, keyframes(ROOM, light=1.0)).changes
    assert change.kind == "taken" and sorted(change.frames) == [0, 1]


def test_a_plate_of_the_same_colours_that_nobody_spoke_of_is_missed_not_taken() -> None:
    now = [evidence(b, k) for k, b in enumerate((TABLE, CARTON, KETTLE))]
    c = compare(known(), now, keyframes(ROOM, EYES[:2], light=1.0), keyframes(ROOM, light=1.0))
    assert not c.changes and c.missed == (13,)


def test_a_plate_that_one_look_does_not_tell_of_is_only_missed() -> None:
    now = (TABLE, CARTON, KETTLE)
    things = [evidence(b, k) for k, b in enumerate(now)]
    c = compare(known(), things, keyframes(now, EYES[:1]), keyframes(ROOM))
    assert not c.changes and c.missed == (13,)


@pytest.mark.parametrize(("existence", "missed"), [(0.97, False), (0.55, True)])
def test_no_change_is_told_that_is_more_probably_false(existence: float, missed: bool) -> None:
    """That there was a plate, and that it is gone, are both likely; together they may not be."""
    now = (TABLE, CARTON, KETTLE)
    things = [evidence(b, k) for k, b in enumerate(now)]
    before = known() | {13: evidence(PLATE, existence=existence)}
    c = compare(before, things, keyframes(now, EYES[:4]), keyframes(ROOM))
    assert (not c.changes, 13 in c.missed) == (missed, missed)
    assert all(x.score >= 0.5 for x in c.changes)


def test_a_face_of_a_new_thing_is_no_second_new_thing() -> None:
    """A model has followed a side of the carton on its own; so it may have done before."""
    face = replace(CARTON, middle=(0.3, 0.21, 0.8), sides=(0.2, 0.02, 0.2))
    c = visits((TABLE, KETTLE, PLATE), (TABLE, KETTLE, PLATE, CARTON, face))
    assert told(c) == [("added", None, 3)]
    c = visits((TABLE, KETTLE, PLATE, CARTON, face), (TABLE, KETTLE, PLATE))
    assert told(c) == [("taken", 13, None)]


def test_a_smaller_one_of_its_name_beside_a_new_thing_is_new_as_well() -> None:
    book = replace(CARTON, middle=(0.3, 0.17, 0.8), sides=(0.2, 0.04, 0.2))
    c = visits((TABLE, KETTLE, PLATE), (TABLE, KETTLE, PLATE, CARTON, book))
    assert told(c) == [("added", None, 3), ("added", None, 4)]


def test_what_has_come_for_another_is_as_surely_new_as_that_has_left() -> None:
    ball = Box("ball", CARTON.middle, (0.14, 0.14, 0.14), "green")
    c = visits(ROOM, (TABLE, CARTON.at(-0.4, 0.4), KETTLE, PLATE, ball))
    moved, added = sorted(c.changes, key=lambda x: x.kind, reverse=True)
    assert added.score == pytest.approx(moved.score * 0.97)


def test_a_new_thing_is_added_where_it_was_empty_before() -> None:
    c = visits((TABLE, KETTLE, PLATE), (TABLE, KETTLE, PLATE, CARTON))
    assert told(c) == [("added", None, 3)] and 3 not in c.same


def test_a_new_thing_in_the_place_of_one_that_moved_away_is_added() -> None:
    ball = Box("ball", CARTON.middle, (0.14, 0.14, 0.14), "green")
    c = visits(ROOM, (TABLE, CARTON.at(-0.4, 0.4), KETTLE, PLATE, ball))
    assert told(c) == [("added", None, 4), ("moved", 11, 1)]


def test_a_thing_of_another_colour_in_the_same_place_is_another_one() -> None:
    c = visits(ROOM, (TABLE, replace(CARTON, color="yellow"), KETTLE, PLATE))
    assert told(c) == [("swapped", 11, 1)] and 1 not in c.same


def test_where_all_colours_differ_it_is_the_light() -> None:
    c = visits(ROOM, [replace(b, color="gray") for b in ROOM])
    assert c.same == {0: 10, 1: 11, 2: 12, 3: 13} and not c.changes


def test_a_thing_called_otherwise_in_the_same_place_is_the_same() -> None:
    c = visits(ROOM, (TABLE, replace(CARTON, name="book"), KETTLE, PLATE))
    assert c.same[1] == 11 and not c.changes


def test_a_thing_seen_from_the_other_side_is_the_same() -> None:
    whole = evidence(CARTON)
    half = len(whole.cells) // 2  # cells ascend along x
    left, right = (replace(whole, cells=c) for c in (whole.cells[: half + 40], whole.cells[half:]))
    c = compare({11: left}, [right], keyframes(ROOM), keyframes(ROOM))
    assert c.same == {0: 11} and not c.changes


def test_two_things_that_change_places_have_both_moved() -> None:
    now = (TABLE, CARTON.at(*KETTLE.middle[:2]), KETTLE.at(*CARTON.middle[:2]), PLATE)
    c = visits(ROOM, now)
    assert c.same[1] == 11 and c.same[2] == 12
    assert told(c) == [("moved", 11, 1), ("moved", 12, 2)]


def test_of_two_equal_things_that_moved_each_is_the_nearer_one() -> None:
    one, other = CARTON.at(0.5, 0.5), CARTON.at(-0.5, 0.5)
    c = visits((TABLE, one, other), (TABLE, one.at(0.5, 0.1), other.at(-0.5, 0.1)))
    assert c.same[1] == 11 and c.same[2] == 12


def test_a_stack_that_loses_its_top_has_lost_the_top_alone() -> None:
    top = replace(CARTON, middle=(0.3, 0.3, 1.0), color="green")
    c = visits((TABLE, CARTON, top), (TABLE, CARTON))
    assert c.same[1] == 11 and told(c) == [("taken", 12, None)]


@pytest.mark.parametrize("gone", [True, False])
def test_what_was_hardly_believed_in_neither_comes_nor_goes(gone: bool) -> None:
    ghost = {12: evidence(KETTLE, existence=0.3)} if gone else {}
    things = [evidence(TABLE), *([] if gone else [evidence(KETTLE, 1, existence=0.3)])]
    boxes = keyframes((TABLE,))
    assert not compare({10: evidence(TABLE)} | ghost, things, boxes, boxes).changes


corners = st.tuples(st.floats(2, 4), st.floats(2, 4), st.floats(1, 2))


@settings(max_examples=15, deadline=None)
@given(eyes=st.lists(corners, min_size=1, max_size=4))
def test_what_was_not_looked_at_is_never_gone(eyes: list[tuple[float, float, float]]) -> None:
    c = compare(known(), [], keyframes((), eyes, AWAY), keyframes(ROOM))
    assert not c.changes and c.unseen == (10, 11, 12, 13)


@settings(max_examples=15, deadline=None)
@given(eyes=st.lists(corners, max_size=4))
def test_what_lies_where_nobody_had_looked_is_never_new(
    eyes: list[tuple[float, float, float]],
) -> None:
    things = [evidence(b, k) for k, b in enumerate(ROOM)]
    c = compare({}, things, keyframes(ROOM), keyframes((), eyes, AWAY))
    assert not c.changes and not c.same


@settings(max_examples=15, deadline=None)
@given(st.floats(-np.pi, np.pi), st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_rigid_motion_of_everything_changes_nothing(
    yaw: float, shift: tuple[float, float, float]
) -> None:
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = shift
    now = (TABLE, CARTON.at(-0.4, 0.4), PLATE)
    things = [placed(evidence(b, k), T) for k, b in enumerate(now)]
    images, earlier = (
        [replace(k, T_world_camera=T @ k.T_world_camera) for k in keyframes(boxes)]
        for boxes in (now, ROOM)
    )
    c = compare({i: placed(e, T) for i, e in known().items()}, things, images, earlier)
    assert c.same == {0: 10, 1: 11, 2: 13}
    assert told(c) == [("moved", 11, 1), ("taken", 12, None)]
