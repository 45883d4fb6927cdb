"""Surfaces made of rectangles and boxes, for tests: sampled densely, one point per voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper.voxels import Surface, voxel_keys

SIZE = 0.012
"""Edge of the voxels, metres."""

Vec3 = tuple[float, float, float]
Rgb = tuple[int, int, int]

GREY: Rgb = (128, 128, 128)


def rectangle(corner: Vec3, a: Vec3, b: Vec3, rgb: Rgb = GREY, seen: int = 20) -> Surface:
    """A flat patch from a corner along two edges; its normal is ``a x b``."""
    edges = np.array([a, b], np.float64)
    lengths = np.linalg.norm(edges, axis=1)
    steps = [np.arange(SIZE / 4, length, SIZE / 2) / length for length in lengths]
    u, v = np.meshgrid(*steps, indexing="ij")
    points = np.array(corner) + u.reshape(-1, 1) * edges[0] + v.reshape(-1, 1) * edges[1]
    normal = np.cross(*edges)
    return _surface(points, normal / np.linalg.norm(normal), rgb, seen)


def box(low: Vec3, extent: Vec3, rgb: Rgb = GREY, seen: int = 20) -> Surface:
    """The top and the four sides of an upright box, normals outwards."""
    (x, y, z), (w, d, h) = low, extent
    return joined(
        [
            rectangle((x, y, z + h), (w, 0, 0), (0, d, 0), rgb, seen),
            rectangle((x, y, z), (w, 0, 0), (0, 0, h), rgb, seen),
            rectangle((x + w, y, z), (0, d, 0), (0, 0, h), rgb, seen),
            rectangle((x + w, y + d, z), (-w, 0, 0), (0, 0, h), rgb, seen),
            rectangle((x, y + d, z), (0, -d, 0), (0, 0, h), rgb, seen),
        ]
    )


def joined(parts: Sequence[Surface]) -> Surface:
    """Several surfaces as one; of voxels that two of them claim the first one's stay."""
    key, first = np.unique(np.concatenate([p.key for p in parts]), return_index=True)
    fields = [
        np.concatenate([getattr(p, name) for p in parts])[first]
        for name in ("count", "position", "normal", "rgb", "range")
    ]
    return Surface(key, *fields)


def rows_of(whole: Surface, part: Surface) -> NDArray[np.int64]:
    """Where the voxels of a part lie in the whole."""
    return np.flatnonzero(np.isin(whole.key, part.key))


def _surface(
    points: NDArray[np.float64], normal: NDArray[np.float64], rgb: Rgb, seen: int
) -> Surface:
    key, first = np.unique(voxel_keys(points, SIZE), return_index=True)
    n = len(key)
    return Surface(
        key,
        np.full(n, seen, np.int32),
        points[first].astype(np.float32),
        np.tile(normal, (n, 1)).astype(np.float32),
        np.tile(np.array(rgb, np.float32), (n, 1)),
        np.ones(n, np.float32),
    )
