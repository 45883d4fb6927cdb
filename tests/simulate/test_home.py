"""Furnished homes: nothing floats, nothing stands in another thing, seeds decide everything."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.simulate.changes import CHANGE_KINDS, FAR, change
from scenekeeper.simulate.home import ROOM_KINDS, Home, furnish
from scenekeeper.simulate.spots import taken_by


@pytest.fixture(scope="module")
def homes() -> list[Home]:
    return [furnish(seed, [kind]) for seed, kind in enumerate(ROOM_KINDS)]


def test_a_seed_decides_everything() -> None:
    first, again, other = furnish(3), furnish(3), furnish(4)
    assert [t.family.name for t in first.things] == [t.family.name for t in again.things]
    assert all(
        np.array_equal(a.T_world_thing, b.T_world_thing)
        for a, b in zip(first.things, again.things, strict=True)
    )
    assert [t.family.name for t in first.things] != [t.family.name for t in other.things]


@pytest.mark.parametrize("index", range(len(ROOM_KINDS)))
def test_every_thing_stands_on_what_carries_it(homes: list[Home], index: int) -> None:
    home = homes[index]
    assert len(home.things) >= 25
    assert [t.id for t in home.things] == sorted({t.id for t in home.things})
    for thing in home.things:
        bottom = thing.T_world_thing[2, 3] + thing.low[2]
        if thing.carrier is None:
            assert thing.carried == "attached" or bottom == pytest.approx(0, abs=0.01)
            continue
        carrier = home.thing(thing.carrier)
        base = carrier.T_world_thing[2, 3]
        levels = [base + s.z for s in carrier.model.supports]
        levels.append(base + 0.2 * carrier.high[2])  # stacked things sink into one another
        assert min(levels) - 0.01 <= bottom <= base + carrier.high[2] + 0.01


@pytest.mark.parametrize("index", range(len(ROOM_KINDS)))
def test_things_stay_inside_the_room(homes: list[Home], index: int) -> None:
    home = homes[index]
    room = home.rooms[0]
    for thing in home.things:
        x, y, z = thing.center
        assert room.x0 - 0.05 < x < room.x1 + 0.05 and room.y0 - 0.05 < y < room.y1 + 0.05
        assert 0 <= z < room.height


def test_things_on_one_surface_hardly_overlap(homes: list[Home]) -> None:
    for home in homes:
        flat = [t for t in home.things if not t.family.stackable]
        for places in taken_by(flat).values():
            for k, a in enumerate(places):
                for b in places[k + 1 :]:
                    dx, dy = abs(a[0] - b[0]), abs(a[1] - b[1])
                    assert dx > 0.9 * (a[2] + b[2]) - 0.02 or dy > 0.9 * (a[3] + b[3]) - 0.02


def test_there_are_lookalikes_and_stacks_and_full_containers() -> None:
    homes = [furnish(seed) for seed in range(8)]
    things = [t for h in homes for t in h.things]
    looks = [(h.seed, t.family.name, t.look) for h in homes for t in h.things]
    assert len(looks) > len(set(looks)) + 8
    assert sum(t.carried == "in" for t in things) > 5
    carriers = {(h.seed, t.id): t.family.name for h in homes for t in h.things}
    stacked = [
        t
        for h in homes
        for t in h.things
        if t.carrier and carriers[h.seed, t.carrier] == t.family.name
    ]
    assert len(stacked) > 5


def test_several_rooms_share_walls_with_doorways() -> None:
    home = furnish(2, ["kitchen", "living room", "office"])
    assert len(home.doors) == 2
    for left, right in zip(home.rooms[:-1], home.rooms[1:], strict=True):
        assert left.x1 == right.x0
    assert {t.room for t in home.things} == {0, 1, 2}


@pytest.mark.parametrize(
    "arguments", [{"kinds": []}, {"clutter": -1.0}, {"randomise": 1.5}], ids=str
)
def test_impossible_homes_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"room|out of range"):
        furnish(0, **arguments)


def test_every_kind_of_change_is_done_and_nothing_else_changes() -> None:
    home = furnish(12, ["kitchen", "living room"])
    after, done = change(home, CHANGE_KINDS, np.random.default_rng(1))
    assert [c.kind for c in done] == list(CHANGE_KINDS)
    before = {t.id: t for t in home.things}
    now = {t.id: t for t in after.things}
    moved, taken, added, swapped, opened = done
    assert np.linalg.norm(now[moved.thing].center - before[moved.thing].center) > FAR
    assert taken.thing not in now and added.thing not in before
    assert swapped.thing not in now and swapped.new_thing in now
    replaced = now[swapped.new_thing]
    assert replaced.family is before[swapped.thing].family
    assert replaced.look != before[swapped.thing].look
    assert not np.array_equal(
        now[opened.thing].model.mesh.vertices.shape, before[opened.thing].model.mesh.vertices.shape
    ) or not np.array_equal(
        now[opened.thing].model.mesh.vertices, before[opened.thing].model.mesh.vertices
    )
    touched = {i for c in done for i in (c.thing, c.new_thing)}
    assert all(before[i] is now[i] for i in before if i not in touched)


def test_an_id_is_never_given_twice() -> None:
    home = furnish(12, ["kitchen"])
    ids = {t.id for t in home.things}
    for day in range(4):
        after, done = change(home, ("taken", "added", "swapped"), np.random.default_rng(day))
        new = {c.new_thing or c.thing for c in done if c.kind in ("added", "swapped")}
        assert not new & ids
        ids |= new
        home = after
