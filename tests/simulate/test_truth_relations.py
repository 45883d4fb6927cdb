"""The exact relations of simulated homes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenekeeper.simulate.families import FAMILIES
from scenekeeper.simulate.home import Carried, Home, Thing, furnish
from scenekeeper.simulate.spots import pose
from scenekeeper.simulate.truth_relations import Said, true_relations

FLOOR, WALL = 991, 992


@pytest.fixture(scope="module")
def empty() -> Home:
    return furnish(3, ["office"], clutter=0).with_things([])


def thing(
    id: int,
    name: str,
    at: tuple[float, float, float],
    carrier: int | None = None,
    carried: Carried = "on",
) -> Thing:
    family = FAMILIES[name]
    model = family.build(np.random.default_rng(4))
    return Thing(id, family, model, pose(at, 0.0), carrier, carried, 0, 4)


def said(home: Home, *things: Thing, seen: set[int] | None = None) -> list[Said]:
    ids = {t.id for t in things} | {FLOOR, WALL} if seen is None else seen
    return true_relations(replace(home, things=things), ids, FLOOR, WALL)


def top(thing: Thing) -> float:
    return float(thing.T_world_thing[2, 3] + thing.high[2])


DESK = thing(1, "desk", (0, 0, 0))


def test_a_mug_below_a_desk_is_on_the_floor_and_under_the_desk_not_beside_it(empty: Home) -> None:
    mug = thing(2, "mug", (0, 0, 0))
    assert said(empty, DESK, mug) == [(1, "on", FLOOR), (2, "on", FLOOR), (2, "under", 1)]


def test_what_is_carried_is_neither_above_nor_under_its_carriers(empty: Home) -> None:
    book = thing(2, "book", (0, 0, top(DESK)), carrier=1)
    mug = thing(3, "mug", (0, 0, top(book)), carrier=2)
    assert said(empty, DESK, book, mug) == [(1, "on", FLOOR), (2, "on", 1), (3, "on", 2)]


def test_a_clock_on_the_wall_is_above_the_desk_before_it_and_what_is_on_that(empty: Home) -> None:
    behind = float(DESK.high[1]) + 0.03
    clock = thing(2, "clock", (0, behind, 1.6), carried="attached")
    facts = said(empty, DESK, clock)
    assert facts == [(1, "on", FLOOR), (2, "above", 1), (2, "attached to", WALL)]


def test_neighbours_share_a_carrier_and_little_is_between(empty: Home) -> None:
    z = top(DESK)
    mugs = [thing(k, "mug", (x, 0, z), carrier=1) for k, x in ((2, -0.2), (3, 0.0), (4, 0.45))]
    near = [f for f in said(empty, DESK, *mugs) if f[1] == "next to"]
    assert near == [(2, "next to", 3)]
    below = thing(5, "mug", (0.1, float(DESK.low[1]) - 0.1, 0))
    assert not [f for f in said(empty, DESK, mugs[1], below) if f[1:] == ("next to", 3)]


def test_food_is_in_a_bowl_and_on_a_plate(empty: Home) -> None:
    for name, how in (("bowl", "in"), ("plate", "on")):
        dish = thing(2, name, (0, 0, top(DESK)), carrier=1)
        apple = thing(3, "apple", (0, 0, top(DESK) + 0.01), carrier=2, carried="in")
        assert (3, how, 2) in said(empty, DESK, dish, apple)


def test_what_was_not_seen_is_not_spoken_of(empty: Home) -> None:
    mug = thing(2, "mug", (0, 0, 0))
    assert said(empty, DESK, mug, seen={2, FLOOR}) == [(2, "on", FLOOR)]
