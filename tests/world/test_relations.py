"""What lies how to what, from surfaces of which the back and the bottom were never seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper.schema import Relation
from scenekeeper.world.relations import candidates, relate
from scenekeeper.world.solids import Solid, gaps, outline, within

Point = tuple[float, float, float]
TABLE_TOP = 0.7
STEP = 0.02


def sheet(low: Point, extent: tuple[float, float], axes: str) -> NDArray[np.float64]:
    """Points all over a rectangle from its lower corner along two axes."""
    a, b = ("xyz".index(axis) for axis in axes)
    u, v = (np.linspace(0, e, max(2, int(e / STEP) + 1)) for e in extent)
    points = np.tile(np.array(low, np.float64), (len(u), len(v), 1))
    points[..., a] += u[:, None]
    points[..., b] += v
    return points.reshape(-1, 3)


def shell(low: Point, extent: Point, open_top: bool = False) -> NDArray[np.float64]:
    """What is seen of a box from above and from its front and sides: neither back nor bottom."""
    (x, y, z), (w, d, h) = low, extent
    faces = [sheet(low, (w, h), "xz"), sheet(low, (d, h), "yz"), sheet((x + w, y, z), (d, h), "yz")]
    if open_top:  # then the inside of the back shows
        faces.append(sheet((x, y + d, z), (w, h), "xz"))
    else:
        faces.append(sheet((x, y, z + h), (w, d), "xy"))
    return np.concatenate(faces)


def solid(
    number: int,
    low: Point,
    extent: Point,
    kind: str = "thing",
    phrase: str = "",
    hollow: bool = False,
) -> Solid:
    return Solid.of(number, kind, shell(low, extent, hollow), phrase)


def table(number: int, low: Point = (0, 0, 0), extent: Point = (1.4, 0.9, TABLE_TOP)) -> Solid:
    """A top on two legs in front; the others are hidden."""
    (x, y, z), (w, d, h) = low, extent
    top = shell((x, y, z + h - 0.03), (w, d, 0.03))
    legs = [shell((x + at, y, z), (0.05, 0.05, h)) for at in (0, w - 0.05)]
    return Solid.of(number, "thing", np.concatenate((top, *legs)), "table")


def floor(number: int = 90) -> Solid:
    return Solid.of(number, "support", sheet((-2, -2, 0), (5, 5), "xy"), "floor")


TABLE = table(1)
MUG = solid(2, (0.2, 0.2, TABLE_TOP), (0.09, 0.09, 0.1))
BOOK = solid(3, (0.4, 0.2, TABLE_TOP), (0.2, 0.3, 0.04))
FAR_BOWL = solid(4, (1.1, 0.5, TABLE_TOP), (0.2, 0.2, 0.08), phrase="bowl")
CRATE = solid(5, (0.5, 0.5, TABLE_TOP), (0.4, 0.3, 0.2), hollow=True)


def said(*solids: Solid) -> list[tuple[int, str, int]]:
    return [(r.subject, r.predicate, r.object) for r in relate(solids) if r.score >= 0.5]


def test_a_thing_whose_foot_is_at_a_surface_is_on_it() -> None:
    assert said(TABLE, MUG) == [(2, "on", 1)]


def test_a_thing_that_floats_is_on_nothing() -> None:
    assert said(TABLE, solid(2, (0.2, 0.2, 0.95), (0.1, 0.1, 0.1))) == [(2, "above", 1)]


def test_a_thing_beside_the_outline_is_not_on_it() -> None:
    assert said(TABLE, solid(2, (1.5, 0.2, TABLE_TOP), (0.1, 0.1, 0.1))) == []


def test_what_stands_on_a_book_is_on_the_book_and_not_on_the_table() -> None:
    on_book = solid(6, (0.45, 0.3, TABLE_TOP + 0.04), (0.08, 0.08, 0.1))
    facts = said(TABLE, BOOK, on_book)
    assert (6, "on", 3) in facts and (6, "on", 1) not in facts


def test_a_small_thing_carries_no_much_larger_one() -> None:
    lid = solid(6, (0.1, 0.1, TABLE_TOP + 0.1), (0.3, 0.3, 0.02))
    assert (6, "on", 2) not in said(TABLE, MUG, lid)


def test_things_and_tables_are_on_the_floor() -> None:
    ball = solid(8, (1.5, 0.3, 0.0), (0.2, 0.2, 0.2))
    assert said(floor(), TABLE, ball, MUG) == [
        *((1, "next to", 8), (1, "on", 90)),
        *((2, "on", 1), (8, "on", 90)),
    ]


def test_a_chair_whose_legs_are_hidden_is_on_the_floor_all_the_same() -> None:
    back = solid(8, (1.8, 0.3, 0.3), (0.45, 0.45, 0.6))
    (found,) = relate([floor(), back])
    assert (found.subject, found.predicate, found.object) == (8, "on", 90)
    assert (
        0.5 <= found.score < relate([floor(), solid(8, (1.8, 0.3, 0), (0.45, 0.45, 0.9))])[0].score
    )


def test_a_table_top_without_legs_is_on_the_floor_below() -> None:
    top = Solid.of(1, "support", sheet((0, 0, 0.7), (1.4, 0.9), "xy"), "table")
    assert said(floor(), top, MUG) == [(1, "on", 90), (2, "on", 1)]


def test_of_containers_in_each_other_the_smallest_holds() -> None:
    box = solid(4, (0.3, 0.3, TABLE_TOP), (0.5, 0.4, 0.25), phrase="box", hollow=True)
    bowl = solid(5, (0.4, 0.4, TABLE_TOP + 0.01), (0.2, 0.2, 0.08), phrase="bowl", hollow=True)
    apple = solid(6, (0.46, 0.46, TABLE_TOP + 0.03), (0.07, 0.07, 0.07), phrase="apple")
    assert said(TABLE, box, bowl, apple) == [(4, "on", 1), (5, "in", 4), (6, "in", 5)]


def shelf(number: int) -> Solid:
    """Sides, back and three boards, a metre wide."""
    boards = [shell((0, 0, z), (1.0, 0.3, 0.02)) for z in (0.1, 0.5, 0.9)]
    sides = [sheet((x, 0, 0), (0.3, 0.92), "yz") for x in (0, 1.0)]
    back = sheet((0, 0.3, 0), (1.0, 0.92), "xz")
    return Solid.of(number, "thing", np.concatenate((*boards, *sides, back)), "bookshelf")


def test_things_on_every_board_of_a_shelf_are_on_it() -> None:
    boxes = [
        solid(k, (0.3, 0.05, z), (0.15, 0.2, 0.2)) for k, z in ((2, 0.12), (3, 0.52), (4, 0.92))
    ]
    facts = said(shelf(1), *boxes)
    assert facts == [(2, "on", 1), (3, "on", 1), (4, "on", 1)], (
        "nor above each other: boards between"
    )


def test_of_a_stack_each_is_on_the_next() -> None:
    books = [solid(k, (0.4, 0.2, TABLE_TOP + 0.05 * k), (0.2, 0.28, 0.05)) for k in range(3)]
    assert said(table(9), *books) == [(0, "on", 9), (1, "on", 0), (2, "on", 1)]


def test_bowls_that_sink_into_each_other_are_stacked() -> None:
    low, high = (
        solid(k, (0.4, 0.2, TABLE_TOP + rise), (0.16, 0.16, 0.06), phrase="bowl", hollow=True)
        for k, rise in ((2, 0.0), (3, 0.025))
    )
    assert said(TABLE, low, high) == [(2, "on", 1), (3, "on", 2)]


def test_what_lies_within_a_box_is_in_it_and_not_on_the_table() -> None:
    apple = solid(6, (0.65, 0.6, TABLE_TOP + 0.02), (0.08, 0.08, 0.08))
    assert said(TABLE, CRATE, apple) == [(5, "on", 1), (6, "in", 5)]


def test_a_thing_in_a_bowl_on_a_table_is_in_the_bowl_alone() -> None:
    bowl = solid(4, (0.4, 0.4, TABLE_TOP), (0.2, 0.2, 0.08), phrase="fruit bowl", hollow=True)
    apple = solid(6, (0.46, 0.46, TABLE_TOP + 0.03), (0.08, 0.08, 0.08), phrase="apple")
    assert said(TABLE, bowl, apple) == [(4, "on", 1), (6, "in", 4)]


def test_what_is_between_the_arms_of_a_sofa_is_on_it() -> None:
    seat = shell((0, 0, 0), (1.6, 0.8, 0.45))
    arms = [shell((x, 0, 0), (0.2, 0.8, 0.65)) for x in (0, 1.4)]
    back = shell((0, 0.6, 0), (1.6, 0.2, 0.85))
    sofa = Solid.of(1, "thing", np.concatenate((seat, *arms, back)), "sofa")
    assert said(sofa, solid(2, (0.7, 0.2, 0.45), (0.2, 0.2, 0.1))) == [(2, "on", 1)]


def test_a_cup_below_a_table_is_under_it() -> None:
    cup = solid(7, (0.3, 0.2, 0.0), (0.08, 0.08, 0.1))
    assert said(floor(), TABLE, cup, MUG) == [
        *((1, "on", 90), (2, "on", 1)),
        *((7, "on", 90), (7, "under", 1)),
    ]


def wall(number: int = 91) -> Solid:
    return Solid.of(number, "wall", sheet((-2, 1.0, 0), (5, 2.5), "xz"), "wall")


def test_a_picture_is_attached_to_the_wall_and_above_the_table_before_it() -> None:
    picture = solid(8, (0.4, 0.97, 1.3), (0.4, 0.03, 0.3))
    assert said(floor(), wall(), TABLE, picture, MUG) == [
        *((1, "on", 90), (2, "on", 1)),
        *((8, "above", 1), (8, "attached to", 91)),
    ]


def test_what_stands_at_a_wall_is_not_attached_to_it() -> None:
    cabinet = solid(8, (0.4, 0.58, 0), (0.8, 0.4, 0.9))
    assert said(floor(), wall(), cabinet) == [(8, "on", 90)]


def test_things_on_one_table_with_little_between_are_next_to_each_other() -> None:
    assert said(TABLE, MUG, BOOK, FAR_BOWL) == [
        (2, "next to", 3),
        (2, "on", 1),
        (3, "on", 1),
        (4, "on", 1),
    ]


def test_large_things_are_next_to_each_other_at_a_larger_distance() -> None:
    sofas = [solid(k, (x, 0, 0), (1.2, 0.8, 0.8)) for k, x in ((1, -1.4), (2, 0.2))]
    boxes = [solid(k, (x, -1, 0), (0.2, 0.2, 0.2)) for k, x in ((3, 0), (4, 0.6))]
    near = [f for f in said(floor(), *sofas, *boxes) if f[1] == "next to"]
    assert near == [(1, "next to", 2)], "0.4 m is little between sofas and much between boxes"


def test_things_on_different_supports_are_not_next_to_each_other() -> None:
    ball = solid(8, (0.2, -0.15, 0.0), (0.1, 0.1, 0.1))
    assert (2, "next to", 8) not in said(TABLE, MUG, floor(), ball)


def test_walls_carry_and_hold_nothing() -> None:
    facade = solid(9, (0, 0, 0), (1.4, 0.9, TABLE_TOP), "wall")
    assert said(facade, MUG) == []


def test_a_sheet_lies_on_another_only_if_it_is_seen_within_it() -> None:
    board = Solid.of(10, "flat", sheet((0.3, 0.3, TABLE_TOP + 0.004), (0.3, 0.2), "xy"))
    card = Solid.of(11, "flat", sheet((0.4, 0.35, TABLE_TOP + 0.004), (0.1, 0.08), "xy"))
    beside = Solid.of(12, "flat", sheet((0.55, 0.35, TABLE_TOP), (0.1, 0.1), "xy"))
    facts = said(TABLE, board, card, beside)
    assert {(10, "on", 1), (11, "on", 10), (12, "on", 1)} <= set(facts)


def test_a_wider_gap_lowers_the_score() -> None:
    def score(gap: float) -> float:
        lifted = solid(2, (0.2, 0.2, TABLE_TOP + gap), (0.1, 0.1, 0.1))
        found: list[Relation] = relate([TABLE, lifted])
        return found[0].score

    assert 0.5 < score(0.04) < score(0.01) <= 1


def room_of_things(rng: np.random.Generator, n: int) -> list[Solid]:
    """Boxes at random on the floor of as large a room as they need."""
    side = float(np.sqrt(n))
    ground = np.stack(np.meshgrid(np.arange(0, side, 0.2), np.arange(0, side, 0.2)), -1)
    level = np.insert(ground.reshape(-1, 2), 2, 0.0, axis=1)
    out = [Solid.of(0, "support", level, "floor")]
    for k in range(1, n + 1):
        x, y = rng.uniform(0, side - 0.3, 2)
        w, d, h = rng.uniform(0.08, 0.3, 3)
        out.append(solid(k, (float(x), float(y), 0.0), (float(w), float(d), float(h))))
    return out


def test_the_pairs_compared_grow_as_the_things_do() -> None:
    few, many = (len(candidates(room_of_things(np.random.default_rng(3), n))) for n in (200, 800))
    assert many < 4.5 * few, f"{few} pairs of 200 things, {many} of 800"
    assert many < 10 * 800


@given(st.integers(0, 10_000))
@example(923)
@settings(max_examples=10, deadline=None)
def test_looking_again_at_what_changed_gives_what_looking_at_everything_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = room_of_things(rng, 25)
    moved, gone = rng.choice(np.arange(1, 26), 2, replace=False).tolist()
    top = before[1]
    after = [s for s in before if s.object not in (moved, gone)]
    spot = (float(top.low[0]), float(top.low[1]), float(top.high[2]))
    after.append(solid(moved, spot, (0.08, 0.08, 0.1)))
    known = relate(before)
    assert relate(after, {moved, gone}, known) == relate(after)


def test_what_nothing_changed_about_is_not_looked_at_again() -> None:
    told = Relation(4, "on", 1, 0.123)
    found = relate([TABLE, MUG, FAR_BOWL], {2}, [told])
    assert told in found and any(r.subject == 2 for r in found)


numbers = st.floats(-5, 5, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_an_outline_holds_all_its_points(points: list[tuple[float, float]]) -> None:
    cloud = np.array(points)
    assert within(cloud, outline(cloud), 1e-9).all()


@pytest.mark.parametrize("far", [(3.0, 0.5), (0.5, 3.0), (-1.0, -1.0)])
def test_a_point_beyond_an_outline_is_outside(far: tuple[float, float]) -> None:
    square = outline(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]))
    assert not within(np.array([far]), square)[0]


@given(numbers, st.floats(0, 3))
def test_the_gap_of_two_discs_is_what_is_between_them(angle: float, gap: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    disc = np.stack((np.cos(turn), np.sin(turn)), 1)
    away = (2 + gap) * np.array([np.cos(angle), np.sin(angle)])
    found = float(gaps(outline(disc), outline(disc + away)))
    assert abs(found - gap) <= 0.006 * (2 + gap)


def test_an_object_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="object 3 has no points"):
        Solid.of(3, "thing", np.zeros((0, 3)))
