"""What a gripper can take and how, and whether an arm touches anything on its way.

In: things, joints. Out: where fingers close on a thing; whether spheres around the robot's parts
meet the boxes around things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert
from scenekeeper.simulate import arm, robot
from scenekeeper.simulate.home import Home, RoomPlan, Thing

Float = NDArray[np.float64]

PAD = 0.03
"""Metres of the fingers from their tips on that close on a thing."""

_DEPTH, _ABOVE = 0.05, 0.006
"""How far fingers reach down at a thing's sides, and how far they stay above what carries it."""

_PAD_HALF_WIDTH = 0.012
_LIMB, _PALM, _FINGER, _LOAD = 0.075, 0.05, 0.01, 0.008
"""Metres kept free around the arm, palm and camera, the fingers, and what they hold."""


@dataclass(frozen=True, eq=False)
class Grip:
    """How fingers close on a thing from above.

    Attributes:
        thing: what to take; ``None`` = only a place on a surface.
        tip: ``[3]`` point between the fingertips, world.
        top: ``[3]`` the point above it at the height of the thing's top.
        across: ``[3]`` level unit vector along which they close.
        width: metres between them.
    """

    thing: Thing | None
    tip: Float
    top: Float
    across: Float
    width: float

    @property
    def firm(self) -> bool:
        """Whether the gripper is wide enough, with room to spare on both sides."""
        return self.width < robot.WIDEST - 0.012


def grip(thing: Thing) -> Grip:
    """The grip across the narrow side of a thing that stands upright."""
    low, high = thing.low, thing.high
    z = max(float(low[2]) + _ABOVE, float(high[2]) - _DEPTH)
    points = _surface(thing)
    points = points[(points[:, 2] > z) & (points[:, 2] < z + PAD)]
    middle = (low + high) / 2
    choices = []
    for axis in (0, 1):
        beside = np.abs(points[:, 1 - axis] - middle[1 - axis]) < _PAD_HALF_WIDTH
        between = points[beside, axis] if beside.any() else np.array([low[axis], high[axis]])
        choices.append((float(np.ptp(between)), axis, float(between.min() + between.max()) / 2))
    width, axis, at = min(choices)
    tip = np.array([middle[0], middle[1], z])
    tip[axis] = at
    T = thing.T_world_thing
    tip = T[:3, :3] @ tip + T[:3, 3]
    top = np.array([tip[0], tip[1], T[2, 3] + high[2]])
    return Grip(thing, tip, top, T[:3, axis].copy(), width)


def _surface(thing: Thing) -> Float:
    """Points ``[N, 3]`` all over a thing's triangles, in its own frame."""
    n = 8
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    inside = i + j <= n
    weights = np.stack((i[inside], j[inside], n - i[inside] - j[inside]), -1) / n
    corners = thing.model.mesh.vertices[thing.model.mesh.triangles]
    return np.asarray(np.einsum("wk,tkc->twc", weights, corners).reshape(-1, 3), np.float64)


@dataclass(frozen=True, eq=False)
class Hull:
    """Boxes around things, and the room around them.

    Attributes:
        ids: ``int64 [M]`` whose box it is.
        T_box_world: ``float64 [M, 4, 4]`` into frames in the boxes' middles.
        half: ``float64 [M, 3]`` half extents.
        room: where the arm stands.
        carrier: id of the surface that it works on.
    """

    ids: NDArray[np.int64]
    T_box_world: Float
    half: Float
    room: RoomPlan
    carrier: int


def hull(home: Home, surface: Thing, z: float) -> Hull:
    """What an arm can touch that works on a surface at a height."""
    things = [t for t in home.things if t.room == surface.room and t.carried != "in"]
    T = np.array([invert(t.T_world_thing) for t in things])
    low, high = np.array([t.low for t in things]), np.array([t.high for t in things])
    ids = np.array([t.id for t in things], np.int64)
    high[ids == surface.id, 2] = z - surface.T_world_thing[2, 3]
    T[:, :3, 3] -= (low + high) / 2
    return Hull(ids, T, (high - low) / 2, home.rooms[surface.room], surface.id)


def touched(
    hull: Hull,
    T_world_base: Float,
    q: Float,
    opening: float,
    taken: Thing | None = None,
    held: Thing | None = None,
) -> bool:
    """Whether an arm touches anything on its way.

    Args:
        hull: what there is.
        T_world_base: where the arm stands.
        q: ``[K, 7]`` joints along the way.
        opening: of the gripper.
        taken: the thing that it is about to take or has taken, which it may touch.
        held: the same thing when it is in the gripper, its pose ``T_hand_thing``.
    """
    links = T_world_base @ arm.frames(q)
    hand = links[:, arm.JOINTS] @ robot.T_FLANGE_HAND
    joints = links[:, 1:, :3, 3]
    limbs = np.concatenate((joints, (joints[:, 1:] + joints[:, :-1]) / 2), 1)
    palm = np.array([(x, 0.12, z) for x in (-0.03, 0.03) for z in (0.03, 0.08)])
    eye = robot.T_HAND_CAMERA[None, :3, 3]
    side = opening / 2 + 0.008
    jaws = np.array([(x, y, 0.03) for x in (-side, side) for y in (-0.02, 0.03, 0.08)])
    but = set() if taken is None else {taken.id}
    if _meets(hull, limbs, _LIMB, but) or _meets(
        hull, _at(hand, np.concatenate((palm, eye))), _PALM, but
    ):
        return True
    if _meets(hull, _at(hand, jaws), _FINGER, but | ({hull.carrier} if taken else set())):
        return True
    if held is None:
        return False
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    load = held.low + grid * held.extent
    load = load @ held.T_world_thing[:3, :3].T + held.T_world_thing[:3, 3]
    return _meets(hull, _at(hand, load), _LOAD, but | {hull.carrier})


def _at(T: Float, points: Float) -> Float:
    """Points ``[K, P, 3]`` of a part by its poses ``[K, 4, 4]``."""
    return np.asarray(points @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3], np.float64)


def _meets(hull: Hull, points: Float, metres: float, but: set[int]) -> bool:
    """Whether any point is as near to a box, or to a wall or the floor."""
    p = points.reshape(-1, 3)
    r = hull.room
    if (p < (r.x0 + metres, r.y0 + metres, metres)).any():
        return True
    if (p > (r.x1 - metres, r.y1 - metres, r.height - metres)).any():
        return True
    kept = ~np.isin(hull.ids, list(but))
    T = hull.T_box_world[kept]
    local = np.einsum("mij,pj->mpi", T[:, :3, :3], p) + T[:, None, :3, 3]
    outside = np.maximum(np.abs(local) - hull.half[kept][:, None], 0)
    return bool((np.linalg.norm(outside, axis=2) < metres).any())
