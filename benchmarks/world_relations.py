"""Relations in space come out right from surfaces as cameras see them, half of each missing.

Claim: F1 of all relations (on, in, under, above, next to, attached to) is at least .90 where every
thing is known by what the frames of one visit show of it: exact masks, exact depth, so tops and
fronts only. Rooms are simulated; in each a few small things are put below tables, so that there is
something under something. The truth is exact, from shapes and placement. Nothing was tuned on
these rooms. Peer: none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Result
from scenekeeper import geometry
from scenekeeper.simulate.home import ROOM_KINDS, Home, RoomKind, Thing
from scenekeeper.simulate.produce import Scenario, visits_of
from scenekeeper.simulate.render import see
from scenekeeper.simulate.session import Visit
from scenekeeper.simulate.spots import pose
from scenekeeper.simulate.truth import MIN_PIXELS
from scenekeeper.simulate.truth_relations import true_relations
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world.relations import relate
from scenekeeper.world.solids import Solid

TARGET = 0.9
ROOMS: tuple[tuple[int, RoomKind], ...] = tuple(
    (10_000 + k, ROOM_KINDS[k % len(ROOM_KINDS)]) for k in range(8)
)
VOXEL = 0.02
SCENARIO = Scenario(seconds=20, fps=3, size=(320, 240))
UNDER = 3
"""Things per room that are put below tables."""

LEGROOM = 0.65
"""Height of tables that what is put below fits under, metres."""

FLOOR, WALL = 991, 992
"""What floor and walls are called; the instances of the scenery are -1 and -2."""

Said = tuple[int, str, int]


def run() -> Result:
    rooms = [as_seen(seed, kind) for seed, kind in ROOMS]
    counts = score([(room.truth, said(room.solids)) for room in rooms])
    whole = f1(sum(counts.values(), Counter()))
    told = "; ".join(
        f"{name} P {c['both'] / max(c['said'], 1):.2f} R {c['both'] / max(c['true'], 1):.2f}"
        f" of {c['true']}"
        for name, c in counts.items()
    )
    return Result(
        name="world_relations",
        input=f"{len(rooms)} rooms, {sum(len(r.solids) for r in rooms)} things as seen",
        unit="F1 of relations",
        ours=whole,
        target=TARGET,
        target_of="ours",
        better="more",
        note=told,
    )


@dataclass(frozen=True, eq=False)
class Room:
    """One visit: what was seen of things, and the truth about these."""

    home: Home
    visit: Visit
    solids: tuple[Solid, ...]
    truth: frozenset[Said]


def as_seen(seed: int, kind: RoomKind) -> Room:
    """A room by what the frames of a visit show of each thing, with exact masks and depth."""
    visit = visits_of(seed, replace(SCENARIO, kinds=(kind,)))[0][0]
    home = with_things_under(visit.home, np.random.default_rng([seed, 77]))
    visit = replace(visit, home=home)
    points = seen_points(visit)
    solids = [_solid(home, i, p) for i, p in points.items()]
    truth = true_relations(home, points.keys(), FLOOR, WALL)
    return Room(home, visit, tuple(solids), frozenset(truth))


def seen_points(visit: Visit) -> dict[int, NDArray[np.float64]]:
    """World points ``[N, 3]`` of each thing and the structure, a voxel apart, from all frames."""
    keys: dict[int, list[NDArray[np.int64]]] = {}
    K = visit.camera.intrinsics
    assert K is not None
    rays = geometry.rays(K, visit.camera.width, visit.camera.height)
    for row in range(len(visit.t_ns)):
        T = visit.pose(row)
        shot = see(visit.scene_of(row), visit.camera, T)
        world = geometry.transform(T, geometry.unproject(shot.depth, rays).astype(np.float64))
        for i in np.unique(shot.ids[shot.ids != 0]).tolist():
            mask = shot.ids == i
            if mask.sum() >= MIN_PIXELS:
                found = np.unique(voxel_keys(world[mask], VOXEL))
                keys.setdefault(i if i > 0 else FLOOR - 1 - i, []).append(found)
    merged = {i: np.unique(np.concatenate(parts)) for i, parts in sorted(keys.items())}
    return {i: voxel_centers(k, VOXEL) for i, k in merged.items()}


def _solid(home: Home, i: int, points: NDArray[np.float64]) -> Solid:
    if i == FLOOR:
        return Solid.of(i, "support", points, "floor")
    if i == WALL:
        return Solid.of(i, "wall", points, "wall")
    thing = home.thing(i)
    flat = thing.extent[2] < 0.02 and thing.family.mobility == "movable"
    return Solid.of(i, "flat" if flat else "thing", points, thing.family.phrase)


def with_things_under(home: Home, rng: np.random.Generator) -> Home:
    """The home with a few of its small things on the floor below tables."""
    loaded = {t.carrier for t in home.things}
    tables = [t for t in home.things if t.family.name in ("table", "desk")]
    tables = [t for t in tables if t.high[2] > LEGROOM and not _on_one_leg(t)]
    loose = [
        t
        for t in home.things
        if t.family.mobility == "movable"
        and t.carrier is not None
        and t.id not in loaded
        and 0.08 < t.extent[2] < 0.4
    ]
    chosen = [loose[int(k)] for k in rng.permutation(len(loose))[:UNDER]] if tables else []
    moved = [_below(t, tables[k % len(tables)], k, rng) for k, t in enumerate(chosen)]
    gone = {t.id for t in moved}
    return home.with_things([*(t for t in home.things if t.id not in gone), *moved])


def _on_one_leg(table: Thing) -> bool:
    """Whether its foot is in the middle, where things would be put."""
    points = np.abs(table.model.mesh.vertices / table.extent)
    return bool(((points[:, :2] < 0.4).all(1) & (points[:, 2] < 0.1)).any())


def _below(thing: Thing, table: Thing, k: int, rng: np.random.Generator) -> Thing:
    """The thing on the floor, near the edge of a table, where it can be seen."""
    u, v = rng.uniform(-0.3, 0.3), rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.3)
    place = (table.low + table.high) / 2 + np.array([u, v, 0]) * table.extent
    x, y, _ = (table.T_world_thing @ np.r_[place, 1])[:3]
    upright = replace(thing, T_world_thing=pose((0, 0, 0), rng.uniform(0, 6.28)))
    low = upright.model.mesh.vertices[:, 2].min()
    T = pose((float(x), float(y), float(-low)), float(rng.uniform(0, 6.28)))
    return replace(thing, T_world_thing=T, carrier=None, carried="on")


def said(solids: Sequence[Solid]) -> frozenset[Said]:
    """What geometry says, of what holds from everywhere and is more likely than not."""
    return frozenset(
        (r.subject, r.predicate, r.object) for r in relate(solids) if r.score >= 0.5 and not r.frame
    )


def score(rooms: Iterable[tuple[frozenset[Said], frozenset[Said]]]) -> dict[str, Counter[str]]:
    """By predicate, how many were true, said, and both; ids are alike on both sides."""
    counts: dict[str, Counter[str]] = {}
    for true, found in rooms:
        for name, facts in (("true", true), ("said", found), ("both", true & found)):
            for _, predicate, _ in facts:
                counts.setdefault(predicate, Counter())[name] += 1
    return dict(sorted(counts.items()))


def f1(c: Counter[str]) -> float:
    """Of counts of ``true``, ``said`` and ``both``."""
    return 2 * c["both"] / max(1, c["true"] + c["said"])
