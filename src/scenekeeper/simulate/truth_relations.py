"""How the things of a simulated home lie to one another: exactly, from shapes and placement.

In: a home and which of its things were seen. Out: ``(subject, predicate, object)`` by ids.

``on``, ``in`` and ``attached to`` are as the home was furnished, said of the direct carrier alone.
``under`` and ``above`` are said of what lies freely over another thing, with nothing between and
neither carrying the other: of the pair the smaller is the subject. ``next to`` is said of two
things on one carrier, at one height, with little between them. What depends on the viewer (left,
right, before, behind) is not said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.simulate.home import Home, Thing
from scenekeeper.simulate.robot import GRIPPER

Float = NDArray[np.float64]
Said = tuple[int, str, int]

NEAR, NEAR_SHARE = 0.15, 0.5
"""Things are next to each other up to this gap in metres, or this share of the smaller's width."""

OVER = 0.5
"""Share of the smaller outline that must lie over the other."""

FLAT = 0.02
"""Metres: what lies no higher on the floor is a mat, and what reaches lower touches it."""

HANGS = 0.1
"""Metres off its wall where what hangs there is taken to be when asked what it is above."""

CELL = 0.02
CLEAR = 0.01
"""Metres of air between what is free of the other."""

_TURNS = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_WAYS = np.stack((np.cos(_TURNS), np.sin(_TURNS)))


def how_carried(home: Home, thing: Thing) -> str:
    """The predicate between a thing and what carries it.

    What furnishing puts into the hollow of a plate is, in English, on it.
    """
    if thing.carried == "attached":
        return "attached to"
    if thing.carrier is not None and home.thing(thing.carrier).family.name == "plate":
        return "on"
    return thing.carried


def true_relations(home: Home, seen: Collection[int], floor: int, wall: int) -> list[Said]:
    """All relations among the things that were seen, and between these and floor and wall.

    Args:
        home: as it is.
        seen: ids of things and structure.
        floor: what the floor is called,
        wall: and the walls.

    Returns:
        Sorted; ``next to`` once per pair, the lower id first.
    """
    # The robot stands on its own pedestal.
    shapes = [_Shape.of(t) for t in home.things if t.id in seen and t.id != GRIPPER]
    carrier = _carriers(home, shapes, floor, wall)
    said = [(a, how, b) for a, (how, b) in carrier.items()]
    over = list(_over(shapes, carrier))
    free = {frozenset((a, b)) for a, _, b in over}
    said += over
    said += [one for one in _next_to(shapes, carrier) if {one[0], one[2]} not in free]
    return sorted(one for one in said if one[2] in seen)


@dataclass(frozen=True, eq=False)
class _Shape:
    """A thing where it stands.

    Attributes:
        thing: which.
        points: ``float64 [N, 3]`` all over its surface, at most a cell apart, world frame.
        reach: ``float64 [32]`` how far its outline seen from above reaches in every direction.
    """

    thing: Thing
    points: Float
    reach: Float

    @classmethod
    def of(cls, thing: Thing) -> _Shape:
        mesh, T = thing.model.mesh, thing.T_world_thing
        corners = mesh.vertices @ T[:3, :3].T + T[:3, 3]
        return cls(thing, _covered(corners[mesh.triangles]), (corners[:, :2] @ _WAYS).max(0))

    @property
    def width(self) -> float:
        """Mean width of its outline, metres."""
        return float(2 * self.reach.mean())

    @property
    def heights(self) -> tuple[float, float]:
        """Of its lowest and highest point."""
        return float(self.points[:, 2].min()), float(self.points[:, 2].max())


def _covered(triangles: Float) -> Float:
    """Points ``[N, 3]`` all over triangles ``[M, 3, 3]``, at most a cell apart."""
    sides = np.linalg.norm(triangles - np.roll(triangles, 1, 1), axis=2)
    steps = np.maximum(1, np.ceil(sides.max(1) / CELL)).astype(np.int64)
    parts = []
    for n in np.unique(steps).tolist():
        i, j = np.mgrid[0 : n + 1, 0 : n + 1]
        u, v = i[i + j <= n] / n, j[i + j <= n] / n
        weights = np.stack((1 - u - v, u, v), 1)
        parts.append(np.einsum("pk,mkd->mpd", weights, triangles[steps == n]).reshape(-1, 3))
    return np.concatenate(parts)


def _carriers(
    home: Home, shapes: Sequence[_Shape], floor: int, wall: int
) -> dict[int, tuple[str, int]]:
    """How each is carried, and by what; what stands over a mat stands on the mat."""
    mats = [s for s in shapes if s.thing.carrier is None and s.heights[1] < FLAT]
    out: dict[int, tuple[str, int]] = {}
    for s in shapes:
        thing, how = s.thing, how_carried(home, s.thing)
        if thing.carrier is not None:
            out[thing.id] = how, thing.carrier
        elif thing.carried == "attached":
            out[thing.id] = how, wall
        else:
            out[thing.id] = how, next((m.thing.id for m in mats if _stands_on(s, m)), floor)
    return out


def _stands_on(s: _Shape, mat: _Shape) -> bool:
    """Whether most of what touches the ground touches a mat."""
    if s.thing.id == mat.thing.id:
        return False
    touching = _cells(s.points[s.points[:, 2] < FLAT])
    return bool(2 * np.isin(touching, _cells(mat.points)).sum() > len(touching))


def _cells(points: Float) -> NDArray[np.int64]:
    """Cells of the ground that points are over, as ascending numbers."""
    x, y = np.floor(points[:, :2] / CELL).astype(np.int64).T
    return np.unique((x << 32) + y)


def _over(shapes: Sequence[_Shape], carrier: Mapping[int, tuple[str, int]]) -> Iterator[Said]:
    """``under`` and ``above``, by what is the next thing above what in every cell."""
    if not shapes:
        return
    points = np.concatenate([_off_the_wall(s) for s in shapes])
    which = np.repeat(np.arange(len(shapes)), [len(s.points) for s in shapes])
    x, y = np.floor(points[:, :2] / CELL).astype(np.int64).T
    cell, z = (x << 32) + y, points[:, 2]
    order = np.lexsort((z, cell))
    low, high = order[:-1], order[1:]
    free = (cell[low] == cell[high]) & (which[low] != which[high]) & (z[high] - z[low] > CLEAR)
    met = _with_carriers(np.stack((which[low], which[high], cell[low]), 1)[free], shapes, carrier)
    pairs, cells = np.unique(met[:, :2], axis=0, return_counts=True)
    area = [len(_cells(s.points)) for s in shapes]
    both = {(int(i), int(j)) for i, j in pairs}
    for (i, j), n in zip(pairs.tolist(), cells.tolist(), strict=True):
        a, b = shapes[i].thing.id, shapes[j].thing.id
        if n < OVER * min(area[i], area[j]) or (j, i) in both:
            continue  # or they are locked into each other
        if _carries(carrier, a, b) or _carries(carrier, b, a):
            continue
        yield (a, "under", b) if area[i] <= area[j] else (b, "above", a)


def _with_carriers(
    met: NDArray[np.int64], shapes: Sequence[_Shape], carrier: Mapping[int, tuple[str, int]]
) -> NDArray[np.int64]:
    """Rows ``(lower, higher, cell)``, each once: what is above a thing is above its carriers."""
    number = {s.thing.id: k for k, s in enumerate(shapes)}
    under = np.array([number.get(carrier[s.thing.id][1], -1) for s in shapes], np.int64)
    parts = [np.unique(met, axis=0)]
    while len(parts[-1]):
        up = parts[-1].copy()
        up[:, 0] = under[up[:, 0]]
        parts.append(np.unique(up[(up[:, 0] >= 0) & (up[:, 0] != up[:, 1])], axis=0))
    return np.unique(np.concatenate(parts), axis=0)


def _off_the_wall(s: _Shape) -> Float:
    """Its points; of what hangs at a wall, as if it hung before what stands at that wall."""
    return s.points - HANGS * s.thing.T_world_thing[:3, 1] * (s.thing.carried == "attached")


def _carries(carrier: Mapping[int, tuple[str, int]], a: int, b: int) -> bool:
    """Whether a carries b, with or without others between."""
    while b in carrier:
        b = carrier[b][1]
        if a == b:
            return True
    return False


def _next_to(shapes: Sequence[_Shape], carrier: Mapping[int, tuple[str, int]]) -> Iterator[Said]:
    for k, a in enumerate(shapes):
        for b in shapes[k + 1 :]:
            held = [carrier[s.thing.id] for s in (a, b)]
            if held[0] != held[1] or held[0][0] == "attached to" or not _at_one_height(a, b):
                continue
            # Outlines are convex: the widest of the gaps in all directions is their distance.
            gap = -float((a.reach + np.roll(b.reach, 16)).min())
            if gap <= max(NEAR, NEAR_SHARE * min(a.width, b.width)):
                yield a.thing.id, "next to", b.thing.id


def _at_one_height(a: _Shape, b: _Shape) -> bool:
    (low_a, high_a), (low_b, high_b) = a.heights, b.heights
    return low_a <= high_b and low_b <= high_a
