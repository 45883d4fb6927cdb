"""Visits to a room of boxes, made by hand: evidence of its things and depth images of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world.evidence import Evidence, SessionEvidence
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]

DAY_NS = 86_400_000_000_000
UP = np.array([0.0, 0.0, 1.0])
_K = np.array([[70.0, 0, 39.5], [0, 70.0, 29.5], [0, 0, 1]])


@dataclass(frozen=True)
class Box:
    """A thing: its middle and its sides in metres, what it is called, and its colour."""

    name: str
    middle: tuple[float, float, float]
    sides: tuple[float, float, float]
    color: str = "white"

    def at(self, x: float, y: float) -> Box:
        """The same one elsewhere."""
        return replace(self, middle=(x, y, self.middle[2]))


TABLE = Box("table", (0, 0, 0.35), (1.6, 1.6, 0.7), "brown")
CARTON = Box("carton", (0.3, 0.3, 0.8), (0.2, 0.2, 0.2), "blue")
KETTLE = Box("kettle", (-0.3, -0.3, 0.82), (0.2, 0.2, 0.24), "red")
PLATE = Box("plate", (0.4, -0.4, 0.71), (0.22, 0.22, 0.02), "white")
ROOM = (TABLE, CARTON, KETTLE, PLATE)
EYES = ((1.6, 1.2, 1.7), (1.6, -1.2, 1.7), (-1.6, 1.3, 1.6), (-1.5, -1.4, 1.8), (0.1, 1.9, 1.6))
AROUND = (0.0, 0.0, 0.7)


def evidence(box: Box, track: int = 0, **more: Any) -> Evidence:
    """What a session says of a box whose whole surface it saw."""
    size = np.array(box.sides)
    axes = [np.arange(-s / 2 + 0.005, s / 2, 0.01) for s in size]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    shell = points[(np.abs(points) > size / 2 - 0.011).any(1)] + box.middle
    facts: dict[str, Any] = {
        "names": {box.name: 0.9},
        "existence": 0.97,
        "colors": {box.color: 1.0},
        "frames": 10,
        "views": (track,),
    }
    return Evidence(
        track,
        "thing",
        center=np.array(box.middle),
        extent=size,
        R_world_box=np.eye(3),
        position_std=np.full(3, 0.01),
        cells=np.unique(voxel_keys(shell, CELL)),
        rgb=np.array([128, 128, 128], np.uint8),
        **facts | more,
    )


def keyframes(
    boxes: Sequence[Box],
    eyes: Sequence[tuple[float, float, float]] = EYES,
    target: tuple[float, float, float] = AROUND,
    *,
    light: float | None = None,
) -> list[Keyframe]:
    """Depth images of boxes on a floor, from some places towards one; with colours where there is
    ``light``, of which 1 is the usual one."""
    return [_seen(boxes, looking(eye, target), light) for eye in eyes]


def looking(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Float:
    """Pose of a level camera."""
    forward = np.subtract(target, eye)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, 0], T[:3, 1], T[:3, 2], T[:3, 3] = right, np.cross(forward, right), forward, eye
    return T


RGB = {
    "white": (230, 230, 225),
    "brown": (110, 75, 50),
    "blue": (50, 80, 170),
    "red": (180, 40, 40),
    "gray": (128, 128, 128),
}


def _seen(boxes: Sequence[Box], T: Float, light: float | None) -> Keyframe:
    v, u = np.mgrid[:60, :80]
    rays = np.stack(((u - _K[0, 2]) / _K[0, 0], (v - _K[1, 2]) / _K[1, 1], np.ones_like(u)), -1)
    way, eye = rays @ T[:3, :3].T, T[:3, 3]
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    depth = np.where(way[..., 2] < 0, -eye[2] / way[..., 2], np.inf)  # the floor
    rgb = np.full((*depth.shape, 3), RGB["gray"], np.float64)
    for box in boxes:
        ends = [(np.add(box.middle, k * np.array(box.sides)) - eye) / way for k in (-0.5, 0.5)]
        enter, leave = np.minimum(*ends).max(-1), np.maximum(*ends).min(-1)
        first = (enter < leave) & (enter > 0.05) & (enter < depth)
        depth, rgb[first] = np.where(first, enter, depth), RGB.get(box.color, RGB["gray"])
    mm = np.where(depth < 8, np.rint(1000 * depth), 0)
    if light is None:
        return Keyframe(mm.astype(np.uint16), _K, T)
    shown = np.ascontiguousarray((light * rgb).clip(0, 255).astype(np.uint8))
    picture = simplejpeg.encode_jpeg(shown, quality=95, colorspace="RGB", colorsubsampling="444")
    return Keyframe(mm.astype(np.uint16), _K, T, picture)


def session(
    name: str,
    boxes: Sequence[Box] = ROOM,
    *,
    day: int = 0,
    run: str = "run-1",
    things: Sequence[Evidence] | None = None,
    seen: Sequence[Box] | None = None,
) -> SessionEvidence:
    """A visit that recognised ``boxes`` where its depth shows ``seen`` (the same when absent)."""
    told = [evidence(b, k) for k, b in enumerate(boxes)] if things is None else things
    images = keyframes(boxes if seen is None else seen)
    points = [voxel_centers(t.cells, CELL) for t in told]
    return SessionEvidence(
        name,
        run,
        UP,
        day * DAY_NS,
        day * DAY_NS + 10**9,
        tuple(told),
        np.concatenate([np.zeros((0, 3)), *points]).astype(np.float32),
        tuple(images),
        tuple(range(len(images))),
    )
