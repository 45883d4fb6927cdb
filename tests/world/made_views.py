"""A wall with things before it, as one camera sees it: depth, masks, cells and tables of labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry, masks
from scenekeeper.schema import INSTANCES, OBJECTS, SIGHTINGS, Camera, Clip, Frame
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.gathering import Shown
from scenekeeper.world.lift import Lifted
from scenekeeper.world.scene import CELL

WIDTH, HEIGHT = 160, 120
K = np.array([[130.0, 0, 79.5], [0, 130.0, 59.5], [0, 0, 1]])
CAMERA = Camera("head", WIDTH, HEIGHT, K)
HERE = np.eye(4)
WALL = 2.0

Box = tuple[int, int, int, int]
"""Pixels x0, y0, x1, y1."""

MUG, BOWL = (40, 50, 70, 80), (100, 40, 140, 70)
NEAR = 1.5


def depth(*boxes: Box, z: float = NEAR) -> NDArray[np.float32]:
    """A wall with rectangles before it."""
    out = np.full((HEIGHT, WIDTH), WALL, np.float32)
    for x0, y0, x1, y1 in boxes:
        out[y0:y1, x0:x1] = z
    return out


def mask(box: Box) -> NDArray[np.bool_]:
    out = np.zeros((HEIGHT, WIDTH), np.bool_)
    out[box[1] : box[3], box[0] : box[2]] = True
    return out


def points(box: Box, z: float = NEAR) -> NDArray[np.float64]:
    """What lies behind the pixels of a rectangle, metres; camera and world frame are one."""
    v, u = np.nonzero(mask(box))
    return np.stack(((u - K[0, 2]) * z / K[0, 0], (v - K[1, 2]) * z / K[1, 1], 0 * u + z), 1)


def frame(frame_id: int, seen: NDArray[np.float32] | None) -> Frame:
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Frame(frame_id, "s", CAMERA, frame_id * 10**8, rgb, seen, HERE)


def thing(track: int, phrase: str, box: Box, **more: Any) -> dict[str, Any]:
    """A row of ``objects``: believed in, seen often, where a rectangle is."""
    at = points(box)
    center, extent, R = geometry.upright_box(at, np.array([0.0, -1.0, 0.0]))
    row = {
        "session": "s",
        "object": track + 100,
        "track": track,
        "phrase": phrase,
        "kind": "thing",
        "score": 0.95,
        "center": center.tolist(),
        "extent": (extent + CELL).tolist(),
        "R_world_box": R.reshape(-1).tolist(),
        "frames": 10,
        "p": 0.9,
        "cells": np.unique(voxel_keys(at, CELL)).tolist(),
    }
    return {**row, **more}


def label(frame_id: int, instance: int, box: Box, phrase: str, **more: Any) -> dict[str, Any]:
    """A row of ``instances``, as a model saw it."""
    row = {
        "session": "s",
        "frame_id": frame_id,
        "t_ns": frame_id * 10**8,
        "instance": instance,
        "track": 900 + instance,
        "box_xyxy": [float(v) for v in box],
        "mask": masks.encode(mask(box)),
        "height": HEIGHT,
        "width": WIDTH,
        "area": int(mask(box).sum()),
        "phrase": phrase,
        "score": 0.8,
        "p": 0.8,
        "signals": [],
        "flags": [],
        "status": "auto",
    }
    return {**row, **more}


@dataclass(frozen=True)
class MadeTables:
    """What the engine gives to the stage.

    Attributes:
        labels: rows of ``instances``.
        things: rows of ``objects``.
        shows: ``(frame_id, instance)`` to the track of its object.
        posed: frames with a pose.
    """

    labels: list[dict[str, Any]]
    things: list[dict[str, Any]]
    shows: dict[tuple[int, int], int] = field(default_factory=dict)
    posed: tuple[int, ...] = tuple(range(10))
    session: str = "s"

    @property
    def runs(self) -> dict[str, str]:
        return {"objects": "o", "sightings": "i"}

    def of_session(self, table: str) -> pa.Table:
        if table == "objects":
            return pa.Table.from_pylist(self.things, OBJECTS)
        pose = geometry.pose_vector(HERE).tolist()
        common = {"session": "s"}
        rows = [
            {**common, "frame_id": f, "instance": -1, "track": -1, "pose": pose} for f in self.posed
        ]
        rows += [
            {**common, "frame_id": f, "instance": i, "track": t, "pose": None}
            for (f, i), t in self.shows.items()
        ]
        return pa.Table.from_pylist(rows, SIGHTINGS)

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        assert table == "instances"
        rows = [r for r in self.labels if clip.start <= r["frame_id"] < clip.stop]
        return pa.Table.from_pylist(rows, INSTANCES)

    def with_labels(self, labels: list[dict[str, Any]]) -> MadeTables:
        return replace(self, labels=labels)


def shown(
    frame_id: int,
    boxes: dict[int, Box],
    surface: NDArray[np.float32],
    phrase: str = "mug",
    score: float = 0.8,
    z: float = NEAR,
) -> Shown:
    """A frame for gathering: rectangles by track, and the depth image, every pixel of it."""
    start = np.concatenate(([0], np.cumsum([len(points(b)) for b in boxes.values()])))
    at = np.concatenate([np.zeros((0, 3)), *(points(b, z) for b in boxes.values())])
    n = len(boxes)
    return Shown(
        frame_id,
        frame_id * 10**8,
        tuple(range(n)),
        HERE,
        surface,
        K,
        1,
        Lifted(at.astype(np.float32), np.ones(len(at), np.int32), start.astype(np.int64)),
        np.array(list(boxes), np.int64),
        (phrase,) * n,
        np.full(n, score),
        np.full(n, score),
        np.full(n, 100.0 + frame_id),
        (np.full((4, 3), 200, np.uint8),) * n,
    )
