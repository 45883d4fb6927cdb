"""Where a robot arm can stand beside a surface, and how its hand is posed over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert
from scenekeeper.simulate import robot
from scenekeeper.simulate.families import Support
from scenekeeper.simulate.grasp import Hull, hull
from scenekeeper.simulate.home import Home, Thing
from scenekeeper.simulate.motion import free_space
from scenekeeper.simulate.spots import pose

Float = NDArray[np.float64]

NEAR, FAR = 0.32, 0.7
"""Metres from the arm's axis within which it works."""

TILT = 0.5
"""Radians by which the hand looks ahead, away from the base, while it hovers."""

_BASE_RADIUS = 0.24
_SUNK = 0.05
"""Metres that the arm's foot is below the surface."""

_STANDS = 3


@dataclass(frozen=True, eq=False)
class Work:
    """Where the arm stands, and what it works on.

    Attributes:
        home: as it is.
        surface: what carries the things.
        z: height of the surface.
        T_world_base: ``[4, 4]``.
    """

    home: Home
    surface: Thing
    z: float
    T_world_base: Float

    @cached_property
    def hull(self) -> Hull:
        """What is in the way; of the surface only what is below its top."""
        return hull(self.home, self.surface, self.z)

    def reaches(self, point: Float) -> bool:
        """Whether the arm works at a point ``[3]``."""
        away = (point - self.T_world_base[:3, 3])[:2]
        return bool(NEAR < np.linalg.norm(away) < FAR)

    def flange(self, T_world_hand: Float) -> Float:
        """``T_base_flange`` ``[4, 4]`` of a hand."""
        T = invert(self.T_world_base) @ T_world_hand @ invert(robot.T_FLANGE_HAND)
        return np.asarray(T, np.float64)

    def carried(self) -> list[Thing]:
        """What stands on the surface."""
        return _carried(self.home, self.surface)

    def outward(self, point: Float) -> Float:
        """Level unit vector ``[3]`` from the arm to a point."""
        away = point - self.T_world_base[:3, 3]
        away[2] = 0
        return away / max(float(np.linalg.norm(away)), 1e-9)

    def facing(self, across: Float, point: Float) -> Float:
        """The axis or its opposite: that with which the camera is on the far side of the hand."""
        return across if np.cross(across, [0, 0, 1.0]) @ self.outward(point) >= 0 else -across

    def hand(self, tip: Float, across: Float, tilt: float = 0.0) -> Float:
        """``T_world_hand`` of a hand that points down, or ahead by a tilt."""
        ahead = np.cross(across, [0, 0, 1.0])
        along = np.sin(tilt) * ahead - np.array([0, 0, np.cos(tilt)])
        return robot.hand_pose(tip, along, across)

    def hover(self, point: Float, across: Float, distance: float) -> Float:
        """``T_world_hand`` of a hand that looks at a point from a distance."""
        ahead = np.cross(across, [0, 0, 1.0])
        tip = point + distance * (np.array([0, 0, np.cos(TILT)]) - np.sin(TILT) * ahead)
        return self.hand(tip, across, TILT)


def workplaces(home: Home, rng: np.random.Generator) -> Iterator[Work]:
    """Places for the arm, the surface that carries most first, where most is within reach
    first."""
    surfaces = [
        t
        for t in home.things
        if t.carrier is None and any(_is_free_top(t, s) for s in t.model.supports)
    ]
    for surface in sorted(surfaces, key=lambda t: (-len(_carried(home, t)), t.id)):
        z = float(surface.T_world_thing[2, 3] + surface.high[2])
        points = np.array([t.center for t in _carried(home, surface)] or [surface.center])
        for x, y in _stands(home, surface, points, rng):
            ahead = points.mean(0)[:2] - (x, y)
            T = pose((x, y, z - _SUNK), float(np.arctan2(ahead[1], ahead[0])))
            yield Work(home, surface, z, T)


def _is_free_top(thing: Thing, s: Support) -> bool:
    """Whether it is the thing's top, at a height where an arm can work."""
    return s.kind == "top" and 0.3 < s.z < 1.05 and float(thing.high[2]) - s.z < 0.02


def _carried(home: Home, surface: Thing) -> list[Thing]:
    """What stands on top of a surface."""
    top = surface.T_world_thing[2, 3] + surface.high[2]
    return [
        t
        for t in home.things
        if t.carrier == surface.id and abs(t.T_world_thing[2, 3] + t.low[2] - top) < 0.02
    ]


def _stands(
    home: Home, surface: Thing, points: Float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Free places from which most of the points are within reach, best first."""
    free, room = free_space(home), home.rooms[surface.room]
    cells = np.argwhere(free.clearance > _BASE_RADIUS)
    cells = cells[rng.permutation(len(cells))]
    xy = np.array([free.place((int(i), int(j))) for i, j in cells]).reshape(-1, 2)
    inside = (xy[:, 0] > room.x0 + 0.3) & (xy[:, 0] < room.x1 - 0.3)
    inside &= (xy[:, 1] > room.y0 + 0.3) & (xy[:, 1] < room.y1 - 0.3)
    far = np.linalg.norm(xy[:, None] - points[None, :, :2], axis=2)
    count = ((far > NEAR) & (far < FAR)).sum(1)
    count[~inside] = 0
    out: list[tuple[float, float]] = []
    for k in np.argsort(-count, kind="stable"):
        here = (float(xy[k, 0]), float(xy[k, 1]))
        if count[k] == 0 or len(out) == _STANDS:
            break
        if all(np.hypot(here[0] - x, here[1] - y) > 0.4 for x, y in out):
            out.append(here)
    return out
