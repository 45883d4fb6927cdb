"""Places from which a person or a robot would look at a home: random glances, for training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenekeeper.simulate.home import Home, RoomPlan, Thing
from scenekeeper.simulate.render import look_at

Float = NDArray[np.float64]

MARGIN = 0.15
"""Metres that a camera keeps from the walls."""


def glance(home: Home, rng: np.random.Generator) -> Float:
    """``T_world_camera`` of a look at something that carries things, or at a thing.

    Distances run from a wrist camera's to the far side of a room.
    """
    room = home.rooms[int(rng.integers(len(home.rooms)))]
    target = _target(home, room, rng) + rng.normal(0, 0.12, 3)
    for _ in range(40):
        near, far = ((0.35, 0.8), (0.6, 1.3), (1.0, 1.9), (1.6, 3.4))[int(rng.integers(4))]
        distance, turn = rng.uniform(near, far), rng.uniform(0, 2 * math.pi)
        rise = rng.uniform(0.1, 1.15)
        level = distance * math.cos(rise)
        ahead = (level * math.cos(turn), level * math.sin(turn), distance * math.sin(rise))
        eye = target + np.array(ahead)
        if _inside(eye, room) and not _blocked(home, eye, target):
            return _tilted(look_at(eye, target), rng)
    x = rng.uniform(room.x0 + 0.5, room.x1 - 0.5)
    y = rng.uniform(room.y0 + 0.5, room.y1 - 0.5)
    return _tilted(look_at((x, y, rng.uniform(1.1, 1.7)), target), rng)


def _target(home: Home, room: RoomPlan, rng: np.random.Generator) -> Float:
    index = home.rooms.index(room)
    things = [t for t in home.things if t.room == index]
    carriers = [t for t in things if t.model.supports and t.carrier is None]
    if not things:
        return np.array([*room.center, 0.7])
    if not carriers or rng.random() < 0.3:
        return things[int(rng.integers(len(things)))].center
    load = np.array([0.4 + sum(t.carrier == c.id for t in things) for c in carriers])
    thing = carriers[int(rng.choice(len(carriers), p=load / load.sum()))]
    support = thing.model.supports[int(rng.integers(len(thing.model.supports)))]
    local = np.array(
        [rng.uniform(support.x0, support.x1), rng.uniform(support.y0, support.y1), support.z]
    )
    T = thing.T_world_thing
    return np.asarray(T[:3, :3] @ local + T[:3, 3], np.float64)


def _inside(eye: Float, room: RoomPlan) -> bool:
    return bool(
        room.x0 + MARGIN < eye[0] < room.x1 - MARGIN
        and room.y0 + MARGIN < eye[1] < room.y1 - MARGIN
        and 0.25 < eye[2] < room.height - 0.2
    )


def _blocked(home: Home, eye: Float, target: Float) -> bool:
    """Whether the eye is in a thing, or something stands right before it."""
    ahead = eye + 0.25 * (target - eye) / max(float(np.linalg.norm(target - eye)), 1e-9)
    return any(_within(t, p) for t in home.things for p in (eye, ahead))


def _within(thing: Thing, point: Float) -> bool:
    T = thing.T_world_thing
    local = T[:3, :3].T @ (point - T[:3, 3])
    return bool(((local > thing.low - 0.08) & (local < thing.high + 0.08)).all())


def _tilted(T: Float, rng: np.random.Generator) -> Float:
    """The camera rolled a little about its axis."""
    roll = rng.normal(0, 0.06)
    c, s = math.cos(roll), math.sin(roll)
    out = T.copy()
    out[:3, :3] = T[:3, :3] @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return out
