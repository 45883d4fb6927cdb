"""The world's surface for the page: points to draw in 3D, and the plan as a picture from above.

In: a scene. Out: arrays in the upright frame whose third axis is up. The cells of things have one
colour each and no normals, so a soft light is painted onto them; a thing without cells shows the
sides of its box.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import geometry
from scenekeeper.report.world_words import STRUCTURE
from scenekeeper.voxels import neighbour_steps, offset_key, voxel_centers, voxel_keys
from scenekeeper.world.scene import CELL, Scene, Thing

Float = NDArray[np.float64]

MAX_POINTS = 70_000
EYE_LEVEL = 1.9
"""The plan shows what is lower than this above the lowest cell, metres: nothing hangs over it."""

MAX_PLAN = 1200
"""Pixels of the plan along its longer side."""

_LIGHT = np.array([0.36, 0.53, 0.77])
_DARKEST = 0.62


@dataclass(frozen=True, eq=False)
class Points:
    """P points of a scene.

    Attributes:
        position: ``float64 [P, 3]`` metres, upright frame.
        normal: ``float64 [P, 3]`` unit vectors; zero where both sides are to be seen.
        rgb: ``uint8 [P, 3]`` with light.
        owner: ``int16 [P]`` place of its thing in the scene.
        size: edge of what a point stands for, metres.
    """

    position: Float
    normal: Float
    rgb: NDArray[np.uint8]
    owner: NDArray[np.int16]
    size: float


def scene_points(scene: Scene, basis: Float, limit: int = MAX_POINTS) -> Points:
    """Points of all things but those that are believed to be gone, at most ``limit``.

    Args:
        scene: what to show.
        basis: rotation ``[3, 3]`` whose columns are two level axes and up, in the world frame.
        limit: cells are made larger until no more remain.
    """
    keys = {k: t.cells for k, t in enumerate(scene) if len(t.cells) and t.status != "missing"}
    size = CELL
    while sum(map(len, keys.values())) > limit:
        centers = {k: voxel_centers(cells, size) for k, cells in keys.items()}
        size *= 2
        keys = {k: np.unique(voxel_keys(points, size)) for k, points in centers.items()}
    boxed = [t.extent for k, t in enumerate(scene) if k not in keys and t.status != "missing"]
    step = max(size, float(np.sqrt(sum(map(_box_area, boxed)) / limit)))
    middle = _middle(scene)
    parts = []
    for k, thing in enumerate(scene):
        if thing.status == "missing":
            continue
        if k in keys:
            position, normal = _seen_surface(thing, keys[k], size, middle)
        else:
            position, normal = _box_sides(thing, step)
        shade = _shade(normal @ basis)
        rgb = np.rint(thing.rgb * shade[:, None]).astype(np.uint8)
        owner = np.full(len(position), k, np.int16)
        shown = normal if thing.kind == "wall" or k not in keys else np.zeros_like(normal)
        parts.append((position @ basis, shown @ basis, rgb, owner))
    if not parts:
        none = np.zeros((0, 3))
        return Points(none, none, none.astype(np.uint8), np.zeros(0, np.int16), size)
    position, normal, rgb, owner = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Points(position, normal, rgb, owner, step if boxed else size)


def _middle(scene: Scene) -> Float:
    centers = [t.center for t in scene if t.kind not in STRUCTURE] or [t.center for t in scene]
    return np.asarray(np.median(centers, 0)) if centers else np.zeros(3)


def _seen_surface(
    thing: Thing, keys: NDArray[np.int64], size: float, middle: Float
) -> tuple[Float, Float]:
    """Points and normals of a thing's cells, world frame; walls face the middle of the scene."""
    points = voxel_centers(keys, size)
    if thing.kind != "wall":
        return points, _normals(keys)
    axis = np.linalg.eigh(np.cov(points.T))[1][:, 0] if len(points) > 3 else thing.R_world_box[:, 2]
    facing = axis if axis @ (middle - points.mean(0)) >= 0 else -axis
    return points, np.broadcast_to(facing, points.shape)


def _normals(keys: NDArray[np.int64], reach: int = 2) -> Float:
    """Directions ``[N, 3]`` in which the cells about each cell spread least; the sign is any."""
    count, first = np.ones(len(keys)), np.zeros((len(keys), 3))
    second = np.zeros((len(keys), 3, 3))
    span = range(-reach, reach + 1)
    steps = [s for s in ((x, y, z) for x in span for y in span for z in span) if s > (0, 0, 0)]
    where = {offset_key(*step): np.array(step, np.float64) for step in steps}
    for a, b in neighbour_steps(keys, reach):
        if not len(a):
            continue
        step = where[int(keys[b[0]] - keys[a[0]])]
        for rows, sign in ((a, 1.0), (b, -1.0)):
            count[rows] += 1
            first[rows] += sign * step
            second[rows] += np.outer(step, step)
    mean = first / count[:, None]
    spread = second / count[:, None, None] - mean[:, :, None] * mean[:, None, :]
    return np.asarray(np.linalg.eigh(spread)[1][:, :, 0])


def _box_area(extent: Float) -> float:
    x, y, z = extent
    return float(2 * (x * y + y * z + z * x))


def _box_sides(thing: Thing, step: float) -> tuple[Float, Float]:
    """Points on the six sides of a box, and which way they face; world frame.

    Walls face inwards, so that a box that is a whole room can be looked into.
    """
    facing = -1.0 if thing.kind == "wall" else 1.0
    points, normals = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        n = np.maximum(np.ceil(thing.extent[[u, v]] / step).astype(int), 1)
        grid = np.stack(np.meshgrid(*(((np.arange(m) + 0.5) / m - 0.5) for m in n)), -1)
        for sign in (-1.0, 1.0):
            side = np.zeros((grid[..., 0].size, 3))
            side[:, [u, v]] = grid.reshape(-1, 2) * thing.extent[[u, v]]
            side[:, axis] = sign * thing.extent[axis] / 2
            points.append(side)
            normals.append(np.broadcast_to(facing * sign * np.eye(3)[axis], side.shape))
    R = thing.R_world_box
    return thing.center + np.concatenate(points) @ R.T, np.concatenate(normals) @ R.T


def _shade(normal: Float) -> Float:
    """How bright a surface is, up to 1; the same from both sides."""
    return np.asarray(_DARKEST + (1 - _DARKEST) * np.abs(normal @ _LIGHT))


def packed(points: Points) -> dict[str, Any] | None:
    """Points as the page's drawing of scenes takes them; ``None`` for none."""
    if not len(points.position):
        return None
    low, high = points.position.min(0), points.position.max(0)
    scale = float(max((high - low).max(), 1e-3) / 65535)
    quantised = np.rint((points.position - low) / scale - 32768).clip(-32768, 32767)
    return {
        "count": len(points.position),
        "size": round(points.size, 4),
        "scale": scale,
        "center": (low + scale * 32768).tolist(),
        "position": _base64(quantised.astype("<i2")),
        "normal": _base64(np.rint(points.normal * 127).astype(np.int8)),
        "rgb": _base64(points.rgb),
        "owner": _base64(points.owner.astype("<i2")),
    }


def plan_picture(points: Points) -> dict[str, Any] | None:
    """The scene from straight above: what is highest below eye level, in its colour.

    Returns:
        ``png`` as base64, and ``box`` ``[x0, y0, x1, y1]`` in metres of the upright frame that it
        covers, its first row at ``y1``; ``None`` without points.
    """
    if not len(points.position):
        return None
    xyz = points.position
    below = xyz[:, 2] < np.quantile(xyz[:, 2], 0.01) + EYE_LEVEL
    xyz, rgb = xyz[below], points.rgb[below]
    low, high = xyz[:, :2].min(0) - points.size, xyz[:, :2].max(0) + points.size
    size = max(points.size, float((high - low).max()) / MAX_PLAN)
    width, height = np.ceil((high - low) / size).astype(int).tolist()
    picture = np.zeros((height, width, 4), np.uint8)
    column, row = ((xyz[:, :2] - low) / size).astype(int).T
    upwards = np.argsort(xyz[:, 2], kind="stable")  # the highest comes last and stays
    picture[height - 1 - row[upwards], column[upwards], :3] = rgb[upwards]
    picture[height - 1 - row, column, 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    box = [*low.tolist(), *(low + size * np.array([width, height])).tolist()]
    png = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"png": png, "box": [round(v, 4) for v in box]}


def outline(thing: Thing, basis: Float) -> list[list[float]]:
    """A thing's box seen from above: four corners counter-clockwise, metres, upright frame."""
    corners = geometry.box_corners(thing.center, thing.extent, thing.R_world_box) @ basis
    center, extent, R = geometry.upright_box(corners, np.array([0.0, 0.0, 1.0]))
    local = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * extent / 2
    seen: list[list[float]] = (center + local @ R.T)[:, :2].round(4).tolist()
    return seen


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
