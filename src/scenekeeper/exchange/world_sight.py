"""How much of each thing a camera sees past the others, from their cells.

In: things with cells and a camera. Out: the share of a thing's cells within the picture that no
other thing hides. What a thing hides of itself does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.exchange.world_things import Float, cell_points
from scenekeeper.world.scene import CELL, Thing

ACROSS = 160
"""Pixels of the coarse picture that things are drawn into; cells fill their neighbourhood then."""

MARGIN = 2 * CELL
"""Metres by which another thing must be nearer to hide a cell."""

_LARGEST = 24
_OWNER_BITS = 24


def seen_shares(
    things: Sequence[Thing], T_camera_world: Float, intrinsics: Float, size: tuple[int, int]
) -> dict[int, float]:
    """Share of each thing that is not hidden, by object id.

    Args:
        things: all that may be in the way; those that are believed to be gone hide nothing.
        T_camera_world: ``float64 [4, 4]``.
        intrinsics: ``float64 [3, 3]``.
        size: ``(H, W)`` of the picture.

    Returns:
        0 to 1, for the things that have cells within the picture.
    """
    scale = min(1.0, ACROSS / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    there = [t for t in things if len(t.cells) and t.status != "missing"]
    if not there:
        return {}
    points = np.concatenate([geometry.transform(T_camera_world, cell_points(t)) for t in there])
    owner = np.repeat(np.arange(len(there)), [len(t.cells) for t in there])
    ahead = points[:, 2] > MARGIN
    points, owner = points[ahead], owner[ahead]
    pixel = np.floor(geometry.project(intrinsics, points) * scale + 0.5).astype(np.int64)
    z = points[:, 2]
    inside = ((pixel >= 0) & (pixel < [width, height])).all(1)
    pixel, z, owner = pixel[inside], z[inside], owner[inside]
    side = np.clip(np.ceil(CELL * intrinsics[0, 0] * scale / z), 1, _LARGEST).astype(int)
    nearest = _draw(pixel, z, owner, side, (height, width))
    there_z, there_owner = nearest[pixel[:, 1], pixel[:, 0]].T
    hidden = (there_owner != owner) & (there_z < z - MARGIN)
    total = np.bincount(owner, minlength=len(there))
    seen = np.bincount(owner[~hidden], minlength=len(there))
    return {t.object: float(seen[k] / total[k]) for k, t in enumerate(there) if total[k]}


def _draw(
    pixel: NDArray[np.int64],
    z: Float,
    owner: NDArray[np.int64],
    side: NDArray[np.int64],
    size: tuple[int, int],
) -> Float:
    """Depth in metres and owner of what is nearest ``[H, W, 2]``, each cell a square of pixels."""
    height, width = size
    # Depth and owner as one number, so that the smallest keeps both.
    code = (z * 1e4).astype(np.int64) << _OWNER_BITS | owner
    picture = np.full(height * width, np.iinfo(np.int64).max)
    for length in np.unique(side).tolist():
        mine = side == length
        corner, value = pixel[mine] - (length - 1) // 2, code[mine]
        for dx in range(length):
            for dy in range(length):
                x, y = (corner + np.array([dx, dy])).T
                fits = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                np.minimum.at(picture, y[fits] * width + x[fits], value[fits])
    found = np.stack((picture >> _OWNER_BITS, picture & ((1 << _OWNER_BITS) - 1)), -1)
    return (found * [1e-4, 1.0]).reshape(height, width, 2)
