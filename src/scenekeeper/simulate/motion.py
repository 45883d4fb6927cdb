"""How cameras move through a home: driving on a base, circling by hand.

In: a home, a duration. Out: where the camera is and where the robot's joints are, at 100 Hz.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper.geometry import pose_vector
from scenekeeper.simulate.home import Home, RoomPlan, Thing
from scenekeeper.simulate.render import Part, look_at

Float = NDArray[np.float64]

RATE = 100
"""Samples per second of poses, joints and actions."""

ROBOT_RADIUS = 0.32
"""Metres that the middle of the base keeps from things; smoothing its way takes some of it."""

MAST_HEIGHT = 1.3
_CELL = 0.05


@dataclass(frozen=True, eq=False)
class Moving:
    """Something rigid that moves during a visit.

    Attributes:
        part: its shape, and what it is an instance of.
        poses: ``float64 [N, 4, 4]`` ``T_world_part``, sampled as the movement is.
    """

    part: Part
    poses: Float


@dataclass(frozen=True, eq=False)
class Motion:
    """A movement, sampled at :data:`RATE`.

    Attributes:
        t_ns: ``int64 [N]`` from 0.
        poses: ``float64 [N, 7]`` ``T_world_camera``.
        joints: ``float64 [N, J]``; J = 0 when nothing but the camera moves.
        joint_names: J names.
        actions: ``float64 [N, A]`` what was commanded.
        action_names: A names.
        moving: what else moves, the parts of one instance together, last the one that its thing
            moves with; they take the place of what the home has of their instances.
        things: what these are, as they end: the robot's own, and what it moved.
    """

    t_ns: NDArray[np.int64]
    poses: Float
    joints: Float
    joint_names: tuple[str, ...]
    actions: Float
    action_names: tuple[str, ...]
    moving: tuple[Moving, ...] = ()
    things: tuple[Thing, ...] = ()


def drive(home: Home, seconds: float, rng: np.random.Generator) -> Motion:
    """A mobile base with a camera on a mast visits what carries things, room by room.

    The camera pans and tilts to what it passes. Joints are the base's pose, pan and tilt; actions
    are the base's velocities and the wanted pan and tilt.
    """
    stops = _stops(home, rng)
    free = free_space(home)
    route, gaze = _route(free, stops)
    n = round(seconds * RATE) + 1
    xy, looked = _timed(route, gaze, n)
    heading = _heading(xy)
    height = MAST_HEIGHT + 0.05 * rng.standard_normal()
    eyes = np.column_stack((xy, np.full(n, height)))
    poses = np.array([pose_vector(look_at(e, g)) for e, g in zip(eyes, looked, strict=True)])
    ahead = looked - eyes
    bearing = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    pan = np.unwrap(bearing - heading)
    pan -= 2 * np.pi * np.round(pan[0] / (2 * np.pi))
    tilt = np.arctan2(ahead[:, 2], np.linalg.norm(ahead[:, :2], axis=1))
    joints = np.column_stack((xy, heading, pan, tilt))
    step = np.diff(joints, axis=0, append=joints[-1:]) * RATE
    forward = step[:, 0] * np.cos(heading) + step[:, 1] * np.sin(heading)
    later = np.minimum(np.arange(n) + RATE // 10, n - 1)
    actions = np.column_stack((forward, step[:, 2], pan[later], tilt[later]))
    return Motion(
        times(n),
        poses,
        joints,
        ("base_x", "base_y", "base_yaw", "head_pan", "head_tilt"),
        actions,
        ("base_forward", "base_turn", "head_pan", "head_tilt"),
    )


def orbit(home: Home, seconds: float, rng: np.random.Generator) -> Motion:
    """A camera carried by hand around what carries most."""
    target = max(home.things, key=lambda t: (load(home, t), -t.id))
    room = home.rooms[target.room]
    center = target.center.copy()
    top = float(target.T_world_thing[2, 3] + target.high[2])
    center[2] = top + 0.05 if top < 1.2 else 0.8 * top
    n = round(seconds * RATE) + 1
    turn = rng.uniform(0, 2 * math.pi) + np.linspace(0, 2 * math.pi, n)
    u = np.linspace(0, 1, n)
    radius = rng.uniform(1.0, 1.4) + 0.15 * np.sin(2 * math.pi * (2 * u + rng.random()))
    height = center[2] + 0.65 + 0.2 * np.sin(2 * math.pi * (1.5 * u + rng.random()))
    eyes = np.column_stack(
        (center[0] + radius * np.cos(turn), center[1] + radius * np.sin(turn), height)
    )
    eyes[:, 0] = np.clip(eyes[:, 0], room.x0 + 0.2, room.x1 - 0.2)
    eyes[:, 1] = np.clip(eyes[:, 1], room.y0 + 0.2, room.y1 - 0.2)
    eyes = ndimage.gaussian_filter1d(eyes, 0.3 * RATE, axis=0, mode="nearest")
    sway = ndimage.gaussian_filter1d(rng.standard_normal((n, 3)), 0.2 * RATE, axis=0)
    eyes += 0.006 * sway / max(float(sway.std()), 1e-9)
    poses = np.array([pose_vector(look_at(e, center)) for e in eyes])
    none = np.zeros((n, 0))
    return Motion(times(n), poses, none, (), none, ())


def times(n: int) -> NDArray[np.int64]:
    """``int64 [n]`` nanoseconds of so many samples."""
    return np.arange(n, dtype=np.int64) * (1_000_000_000 // RATE)


def load(home: Home, thing: Thing) -> int:
    """How many things it carries."""
    return sum(t.carrier == thing.id for t in home.things)


@dataclass(frozen=True, eq=False)
class _Stop:
    """Where to stand and what to look at."""

    xy: tuple[float, float]
    looked: Float


def _stops(home: Home, rng: np.random.Generator) -> list[_Stop]:
    """Standing places before everything that carries something, in a walkable order."""
    free = free_space(home)
    stops: list[_Stop] = []
    for index, room in enumerate(home.rooms):
        carriers = [
            t
            for t in home.things
            if t.room == index and t.carrier is None and load(home, t) and t.carried == "on"
        ]
        found = [s for t in carriers if (s := _stand(free, room, t, rng)) is not None]
        stops += _in_walking_order(found, stops[-1].xy if stops else (room.x0, room.y0))
    if not stops:
        cx, cy = home.rooms[0].center
        return [_Stop((cx, cy), np.array([cx + 1.0, cy, 0.8]))]
    part, _ = ndimage.label(free.grid)
    where = [int(part[free.cell(*s.xy)]) for s in stops]
    most = max(set(where), key=where.count)  # the base cannot fly to the others
    return [s for s, w in zip(stops, where, strict=True) if w == most]


def _stand(free: FreeSpace, room: RoomPlan, thing: Thing, rng: np.random.Generator) -> _Stop | None:
    center = thing.center
    looked = np.array([center[0], center[1], min(thing.T_world_thing[2, 3] + thing.high[2], 1.1)])
    to_middle = math.atan2(room.center[1] - center[1], room.center[0] - center[0])
    for distance in (1.15, 1.35, 1.6, 0.95, 1.9):
        for off in (0.0, 0.5, -0.5, 1.0, -1.0, 1.6, -1.6, 2.4, -2.4, 3.1):
            a = to_middle + off + rng.normal(0, 0.1)
            x, y = center[0] + distance * math.cos(a), center[1] + distance * math.sin(a)
            if room.x0 < x < room.x1 and room.y0 < y < room.y1 and free(x, y):
                return _Stop((x, y), looked)
    return None


def _in_walking_order(stops: list[_Stop], start: tuple[float, float]) -> list[_Stop]:
    """Nearest next."""
    rest, out = list(stops), []
    while rest:
        nearest = min(rest, key=lambda s: math.dist(s.xy, start))
        rest.remove(nearest)
        out.append(nearest)
        start = nearest.xy
    return out


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """Where the base can be: 5 cm cells ``grid[i, j]`` from a corner, and how far from things."""

    x0: float
    y0: float
    grid: NDArray[np.bool_]
    clearance: Float

    def __call__(self, x: float, y: float) -> bool:
        """Whether the base can be there."""
        i, j = self.cell(x, y)
        inside = 0 <= i < self.grid.shape[0] and 0 <= j < self.grid.shape[1]
        return bool(inside and self.grid[i, j])

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """The cell around a place."""
        return int((x - self.x0) / _CELL), int((y - self.y0) / _CELL)

    def place(self, cell: tuple[int, int]) -> tuple[float, float]:
        """The middle of a cell."""
        return self.x0 + (cell[0] + 0.5) * _CELL, self.y0 + (cell[1] + 0.5) * _CELL


def free_space(home: Home) -> FreeSpace:
    """The floor that is free of furniture."""
    x0, y0 = min(r.x0 for r in home.rooms), min(r.y0 for r in home.rooms)
    x1, y1 = max(r.x1 for r in home.rooms), max(r.y1 for r in home.rooms)
    shape = (int((x1 - x0) / _CELL) + 1, int((y1 - y0) / _CELL) + 1)
    i, j = np.indices(shape)
    x, y = x0 + (i + 0.5) * _CELL, y0 + (j + 0.5) * _CELL
    taken = (x < x0 + _CELL) | (x > x1 - _CELL) | (y < y0 + _CELL) | (y > y1 - _CELL)
    for wall, door in _inner_walls(home):
        taken |= (np.abs(x - wall) < _CELL) & (np.abs(y - door) > 0.4)
    for thing in home.things:
        if thing.carrier is None and thing.carried == "on" and thing.high[2] > 0.05:
            T = thing.T_world_thing
            dx, dy = x - T[0, 3], y - T[1, 3]
            u = T[0, 0] * dx + T[1, 0] * dy
            v = T[0, 1] * dx + T[1, 1] * dy
            taken |= (
                (u > thing.low[0]) & (u < thing.high[0]) & (v > thing.low[1]) & (v < thing.high[1])
            )
    clearance = ndimage.distance_transform_edt(~taken) * _CELL
    return FreeSpace(x0, y0, clearance > ROBOT_RADIUS, clearance)


def _inner_walls(home: Home) -> list[tuple[float, float]]:
    """x of each wall between rooms, and y of the middle of its doorway."""
    return [(left.x1, door) for left, door in zip(home.rooms[:-1], home.doors, strict=True)]


def _route(free: FreeSpace, stops: Sequence[_Stop]) -> tuple[list[tuple[float, float]], Float]:
    """Waypoints from stop to stop and, for each, the point to look at."""
    points: list[tuple[float, float]] = [stops[0].xy]
    gaze = [stops[0].looked]
    dwell = 10
    for k, stop in enumerate(stops):
        if k:
            way = _way(free, free.cell(*stops[k - 1].xy), free.cell(*stop.xy))
            cells = [free.place(c) for c in way]
            points += cells
            gaze += [stop.looked] * len(cells)
        for step in range(dwell):  # linger, and look from side to side
            side = 0.45 * math.sin(2 * math.pi * step / dwell)
            away = stop.looked[:2] - stop.xy
            across = np.array([-away[1], away[0]]) / max(float(np.linalg.norm(away)), 1e-9)
            points.append(stop.xy)
            gaze.append(stop.looked + np.array([*(side * across), 0.0]))
    return points, np.array(gaze)


def _way(free: FreeSpace, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
    """Cells of a short way that keeps away from things (A* on the grid); [] when there is none."""
    best = {start: 0.0}
    came: dict[tuple[int, int], tuple[int, int]] = {}
    heap = [(0.0, start)]
    moves = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    while heap:
        _, cell = heapq.heappop(heap)
        if cell == goal:
            way = [cell]
            while cell in came:
                cell = came[cell]
                way.append(cell)
            return way[::-1]
        for a, b in moves:
            to = (cell[0] + a, cell[1] + b)
            if not (0 <= to[0] < free.grid.shape[0] and 0 <= to[1] < free.grid.shape[1]):
                continue
            if not free.grid[to]:
                continue
            shy = 1 + 0.6 * max(0.0, 0.6 - free.clearance[to])
            cost = best[cell] + math.hypot(a, b) * shy
            if cost < best.get(to, math.inf):
                best[to], came[to] = cost, cell
                left = math.hypot(goal[0] - to[0], goal[1] - to[1])
                heapq.heappush(heap, (cost + left, to))
    return []


def _timed(route: Sequence[tuple[float, float]], gaze: Float, n: int) -> tuple[Float, Float]:
    """Positions ``[n, 2]`` and looked-at points ``[n, 3]``, evenly paced and smooth."""
    points = np.array(route)
    pace = np.linalg.norm(np.diff(points, axis=0), axis=1)
    pace = np.maximum(pace, 0.07)  # lingering takes time, too
    along = np.concatenate(([0.0], np.cumsum(pace)))
    at = np.linspace(0, along[-1], n)
    smooth = 0.3 * RATE
    xy = np.column_stack([np.interp(at, along, points[:, k]) for k in range(2)])
    looked = np.column_stack([np.interp(at, along, gaze[:, k]) for k in range(3)])
    xy = ndimage.gaussian_filter1d(xy, smooth, axis=0, mode="nearest")
    return xy, ndimage.gaussian_filter1d(looked, 2 * smooth, axis=0, mode="nearest")


def _heading(xy: Float) -> Float:
    """Direction of travel ``[N]``, kept where the base stands, continuous."""
    step = np.gradient(xy, axis=0)
    moving = np.linalg.norm(step, axis=1) > 2e-4
    angle = np.arctan2(step[:, 1], step[:, 0])
    if not moving.any():
        return np.zeros(len(xy))
    last = np.maximum.accumulate(np.where(moving, np.arange(len(xy)), -1))
    last[last < 0] = int(np.argmax(moving))
    smooth = ndimage.gaussian_filter1d(np.unwrap(angle[last]), 0.5 * RATE, mode="nearest")
    return np.asarray(smooth, np.float64)
