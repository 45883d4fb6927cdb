"""What stands where: the same place filled, seen from other sides, or in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenekeeper.voxels import voxel_centers
from scenekeeper.world.compare import compare
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.looked import Looked, looked
from scenekeeper.world.same_place import CompareConfig, from_other_sides, parts_of
from scenekeeper.world.scene import CELL
from tests.world.made_visits import CARTON, KETTLE, TABLE, Box, evidence, keyframes

FRIDGE = Box("fridge", (0, 0, 0.8), (0.6, 0.6, 1.6), "white")
C = CompareConfig()


def part(e: Evidence, axis: int, low: float, high: float, **more: object) -> Evidence:
    """What of a thing lies between two shares of its length along an axis."""
    x = voxel_centers(e.cells, CELL)[:, axis]
    at = (x - x.min()) / np.ptp(x)
    kept = e.cells[(at >= low) & (at <= high)]
    points = voxel_centers(kept, CELL)
    middle, size = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0) + CELL
    return replace(e, cells=kept, center=middle, extent=size, **more)  # type: ignore[arg-type]


def unseen(n: int) -> dict[int, Looked]:
    return dict(enumerate([Looked(0, 0, 1.0, 0.25, ())] * n))


def sides(a: Evidence, b: Evidence, absent: float = 0.25) -> dict[int, int]:
    places = {7: Looked(0, 0, 1.0, absent, ())}, unseen(1)
    return from_other_sides({7: a}, [b], {}, places, C)


def test_a_thing_seen_from_opposite_sides_is_the_same() -> None:
    whole = evidence(FRIDGE)
    front, back = part(whole, 0, 0, 0.35), part(whole, 0, 0.25, 1)
    assert sides(front, back) == {0: 7}


def test_not_what_has_another_name_or_is_seen_through() -> None:
    whole = evidence(FRIDGE)
    front, back = part(whole, 0, 0, 0.35), part(whole, 0, 0.25, 1)
    assert not sides(front, replace(back, names={"sofa": 0.9}))
    assert not sides(front, back, absent=0.9)


def test_neighbours_share_no_box() -> None:
    one, other = evidence(CARTON), evidence(CARTON.at(0.53, 0.3))
    assert not sides(one, other)


def test_a_piece_of_a_table_is_the_table_where_nothing_else_is_known_of_it() -> None:
    table = evidence(TABLE)
    leg = part(table, 0, 0, 0.1)
    found = parts_of({7: table}, [leg], {}, C)
    assert found.same == {0: 7} and found.now == {0}


def test_a_second_piece_is_neither_the_table_nor_new() -> None:
    table = evidence(TABLE)
    found = parts_of({7: table}, [table, part(table, 0, 0, 0.1)], {0: 7}, C)
    assert not found.same and found.now == {1}


def test_a_piece_that_was_known_is_not_missed_once_the_whole_is_seen() -> None:
    table = evidence(TABLE)
    found = parts_of({7: table, 8: part(table, 0, 0, 0.1)}, [table], {0: 7}, C)
    assert found.known == {8}


def test_what_lies_on_a_thing_of_another_name_is_no_piece_of_it() -> None:
    plate = part(evidence(TABLE), 0, 0, 0.1, names={"plate": 0.9})
    found = parts_of({7: evidence(TABLE)}, [plate], {}, C)
    assert not found.same and not found.now


def test_a_leg_that_a_visit_saw_alone_has_not_come() -> None:
    table, boxes = evidence(TABLE), keyframes((TABLE,))
    leg = part(table, 0, 0, 0.1, track=1)
    told = compare({10: table}, [table, leg], boxes, boxes)
    assert told.same == {0: 10} and not told.changes


def test_a_shorter_box_of_the_same_look_is_another_one() -> None:
    tall = replace(CARTON, middle=(0.3, 0.3, 0.9), sides=(0.2, 0.2, 0.4))
    short = replace(CARTON, middle=(0.3, 0.3, 0.78), sides=(0.2, 0.14, 0.16))
    before, now = (TABLE, tall, KETTLE), (TABLE, short, KETTLE)
    known = {10 + k: evidence(b, k) for k, b in enumerate(before)}
    things = [evidence(b, k) for k, b in enumerate(now)]
    assert looked([known[11]], keyframes(now))[0].is_free(C.reshaped)
    told = compare(known, things, keyframes(now), keyframes(before))
    assert [(x.kind, x.before, x.now) for x in told.changes] == [("swapped", 11, 1)]
