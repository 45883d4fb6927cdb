"""A small world with one thing of every status, to show and to export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scenekeeper.schema import Relation
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.scene import CELL, Scene, Thing

NOW_NS = 1_700_000_000_000_000_000
HOSTILE = "mug</script><script>alert(1)</script><!-- [red]\x1b[31m \"ü' & "


def yaw(angle: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def thing(
    object: int,
    name: str,
    center: tuple[float, float, float],
    extent: tuple[float, float, float],
    *,
    angle: float = 0.0,
    solid: bool = True,
    **more: Any,
) -> Thing:
    """A box full of cells, seen a minute ago."""
    R, at, size = yaw(angle), np.array(center), np.array(extent)
    cells = np.zeros(0, np.int64)
    if solid:
        axes = [np.arange(-e / 2 + 0.01, e / 2, 0.02) for e in extent]
        local = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        cells = np.unique(voxel_keys(at + local @ R.T, CELL))
    known: dict[str, Any] = {
        "kind": "thing",
        "existence": 0.9,
        "names": {name: 0.8, "other": 0.1} if name else {},
        "position_std": np.array([0.01, 0.02, 0.03]),
        "rgb": np.array([200, 40, 10], np.uint8),
        "first_t_ns": NOW_NS - 3600 * 10**9,
        "last_t_ns": NOW_NS - 60 * 10**9,
        "frames": 12,
        "views": (("monday", 7),),
        "sessions": ("monday",),
    }
    return Thing(object=object, center=at, extent=size, R_world_box=R, cells=cells, **known | more)


def made_scene() -> Scene:
    """Floor 1, table 2, and on it mug 3, box 4 with an unnamed thing 5 in it; 6 is missing."""
    things = (
        thing(1, "floor", (0, 0, -0.02), (3, 2, 0.04), kind="support"),
        thing(2, "table", (0.5, 0, 0.35), (1.2, 0.6, 0.7), angle=0.4),
        thing(3, "white mug", (0.4, 0.1, 0.75), (0.08, 0.12, 0.1), status="moved"),
        thing(4, "box", (0.7, 0, 0.8), (0.3, 0.2, 0.2), angle=-0.7, status="stale"),
        thing(5, "", (0.7, 0, 0.75), (0.05, 0.05, 0.05), solid=False, status="tentative"),
        thing(6, "chair", (-0.8, 0.3, 0.4), (0.4, 0.4, 0.8), status="missing", existence=0.05),
        thing(7, "lamp", (-1, -0.6, 0.6), (0.2, 0.2, 1.2), status="conflicted", verified=True),
    )
    relations = (
        Relation(2, "on", 1, 0.95),
        Relation(3, "on", 2, 0.9),
        Relation(3, "next to", 4, 0.6),
        Relation(4, "on", 2, 0.8),
        Relation(5, "in", 4, 0.7),
        Relation(5, "on", 2, 0.75),
        Relation(6, "on", 1, 0.9),
    )
    return Scene(things, relations, t_ns=NOW_NS, sessions=("monday",))


def renamed(scene: Scene, object: int, name: str) -> Scene:
    """The scene with one thing called otherwise."""
    things = [replace(t, names={name: 0.9}) if t.object == object else t for t in scene]
    return replace(scene, things=tuple(things))
