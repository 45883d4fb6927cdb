"""What lies on, in or next to what, from boxes and outlines alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.schema import Relation
from scenekeeper.world.relations import Solid, hull_2d, inside, relate

TABLE_TOP = 0.7


def solid(
    number: int,
    low: tuple[float, float, float],
    extent: tuple[float, float, float],
    kind: str = "thing",
    level: float | None = None,
) -> Solid:
    lower, upper = np.array(low), np.add(low, extent)
    corners = np.array([[x, y] for x in (lower[0], upper[0]) for y in (lower[1], upper[1])])
    return Solid(number, kind, lower, upper, hull_2d(corners), upper[2] if level is None else level)


TABLE = solid(1, (0, 0, 0), (1.4, 0.9, TABLE_TOP), "support")
MUG = solid(2, (0.2, 0.2, TABLE_TOP), (0.09, 0.09, 0.1))
BOOK = solid(3, (0.4, 0.2, TABLE_TOP), (0.2, 0.3, 0.04))
FAR_BOWL = solid(4, (1.1, 0.5, TABLE_TOP), (0.2, 0.2, 0.08))
CRATE = solid(5, (0.5, 0.5, TABLE_TOP), (0.4, 0.3, 0.2))


def said(*solids: Solid) -> list[tuple[int, str, int]]:
    return [(r.subject, r.predicate, r.object) for r in relate(solids)]


def test_a_thing_whose_foot_is_at_a_surface_is_on_it() -> None:
    assert said(TABLE, MUG) == [(2, "on", 1)]


def test_a_thing_that_floats_is_on_nothing() -> None:
    assert said(TABLE, solid(2, (0.2, 0.2, 0.9), (0.1, 0.1, 0.1))) == []


def test_a_thing_beside_the_outline_is_not_on_it() -> None:
    assert said(TABLE, solid(2, (1.5, 0.2, TABLE_TOP), (0.1, 0.1, 0.1))) == []


def test_what_stands_on_a_book_is_on_the_book() -> None:
    on_book = solid(6, (0.45, 0.3, TABLE_TOP + 0.04), (0.08, 0.08, 0.1))
    assert (6, "on", 3) in said(TABLE, BOOK, on_book)


def test_a_small_thing_carries_no_larger_one() -> None:
    lid = solid(6, (0.1, 0.1, TABLE_TOP + 0.1), (0.3, 0.3, 0.02))
    assert (6, "on", 2) not in said(TABLE, MUG, lid)


def test_what_lies_within_a_box_is_in_it_and_not_on_the_table() -> None:
    apple = solid(6, (0.65, 0.6, TABLE_TOP + 0.02), (0.08, 0.08, 0.08))
    assert said(TABLE, CRATE, apple) == [(5, "on", 1), (6, "in", 5)]


def test_things_on_one_table_with_little_between_are_next_to_each_other() -> None:
    assert said(TABLE, MUG, BOOK, FAR_BOWL) == [
        (2, "next to", 3),
        (2, "on", 1),
        (3, "on", 1),
        (4, "on", 1),
    ]


def test_things_on_different_supports_are_not_next_to_each_other() -> None:
    floor = solid(7, (-1, -1, -0.05), (4, 4, 0.05), "support", level=0.0)
    ball = solid(8, (0.2, -0.15, 0.0), (0.1, 0.1, 0.1))
    assert (2, "next to", 8) not in said(TABLE, MUG, floor, ball)


def test_walls_carry_and_hold_nothing() -> None:
    wall = solid(9, (0, 0, 0), (1.4, 0.9, TABLE_TOP), "wall")
    assert said(wall, MUG) == []


def test_a_sheet_lies_on_a_table_and_not_on_another_sheet() -> None:
    below = solid(10, (0.3, 0.3, TABLE_TOP), (0.3, 0.2, 0.005), "flat")
    above = solid(11, (0.35, 0.35, TABLE_TOP), (0.1, 0.1, 0.005), "flat")
    assert said(TABLE, below, above) == [(10, "next to", 11), (10, "on", 1), (11, "on", 1)]


def test_a_wider_gap_lowers_the_score() -> None:
    def score(gap: float) -> float:
        lifted = solid(2, (0.2, 0.2, TABLE_TOP + gap), (0.1, 0.1, 0.1))
        found: list[Relation] = relate([TABLE, lifted])
        return found[0].score

    assert 0.5 < score(0.04) < score(0.01) <= 1


numbers = st.floats(-5, 5, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_an_outline_holds_all_its_points(points: list[tuple[float, float]]) -> None:
    cloud = np.array(points)
    hull = hull_2d(cloud)
    center = hull.mean(0)
    assert inside(center, hull)
    # Points on the outline may fall out by rounding; a hair inwards they may not.
    assert all(inside(p + (center - p) * 1e-6, hull) for p in cloud)


@pytest.mark.parametrize("far", [(3.0, 0.5), (0.5, 3.0), (-1.0, -1.0)])
def test_a_point_beyond_an_outline_is_outside(far: tuple[float, float]) -> None:
    square = hull_2d(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]))
    assert not inside(np.array(far), square)
