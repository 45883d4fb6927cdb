"""A coarse look at a frame's depth: what it shows of the things that are known already.

In: a depth image, of which some hundred pixels a row are enough, and the map's votes. Out: the
frame's points, and how much of what is seen of an object lies in a detection. A mask covers all
that is seen of its thing; one beside most of it is of another, however alike the two may look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.voxels import sampling, voxel_keys
from scenekeeper.world.lift import Lifted
from scenekeeper.world.votes import Votes

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

ACROSS = 107
"""About so many pixels of a row are looked at."""


@dataclass(frozen=True, eq=False)
class Glance:
    """Pixels with depth.

    Attributes:
        size: height and width, pixels.
        intrinsics: ``float64 [3, 3]`` for pixels as coarse as these.
        pixel: ``int64 [P]`` numbers of the pixels, row by row.
        point: ``float32 [P, 3]`` metres, camera frame.
    """

    size: tuple[int, int]
    intrinsics: Float
    pixel: Int
    point: Float32

    @classmethod
    def of(
        cls, depth: Float32, intrinsics: Float, max_depth: float = np.inf, across: int = ACROSS
    ) -> Glance:
        """Every n-th pixel of a depth image, so that about ``across`` of a row remain.

        Args:
            depth: ``float32 [H, W]`` metres, 0 = unknown.
            intrinsics: ``[3, 3]``, without skew.
            max_depth: farther depth is not used, metres.
            across: pixels.
        """
        step = sampling(depth.shape[1], across)
        z = depth[::step, ::step]
        K = np.array(intrinsics, np.float64)
        K[:2] /= step
        v, u = np.nonzero((z > 0) & (z <= max_depth) & np.isfinite(z))
        far = z[v, u]
        x, y = (u - K[0, 2]) * far / K[0, 0], (v - K[1, 2]) * far / K[1, 1]
        point = np.stack((x, y, far), 1).astype(np.float32)
        return cls((z.shape[0], z.shape[1]), K, v * z.shape[1] + u, point)


def covered(
    glance: Glance,
    T_world_camera: Float,
    lifted: Lifted,
    det: Int,
    obj: Int,
    votes: Votes,
    cell: float,
) -> Float:
    """How much of what is seen of objects lies in detections, pair by pair.

    A pixel whose cell has votes of several objects shows each to the extent of its votes. Shares
    of few pixels are drawn to one half, that of none (Laplace's rule of succession).

    Args:
        glance: at the frame.
        T_world_camera: ``[4, 4]``.
        lifted: the frame's detections.
        det: ``int64 [Q]`` detection of each pair,
        obj: ``int64 [Q]`` and its object.
        votes: whose each cell is.
        cell: edge of the cells, metres.

    Returns:
        ``float64 [Q]``, 0 to 1.
    """
    if not len(obj):
        return np.zeros(0)
    objects, column = np.unique(obj, return_inverse=True)
    number = np.full(len(votes.alias) + 1, -1, np.int64)  # the last is for no object
    number[objects] = np.arange(len(objects))
    whose, shares = votes.at(voxel_keys(geometry.transform(T_world_camera, glance.point), cell))
    inside, seen = _counted(
        lifted.point,
        lifted.start,
        glance.intrinsics,
        glance.size,
        glance.pixel,
        number[whose],
        shares,
        len(objects),
        cell,
    )
    return np.asarray((inside[det, column] + 1) / (seen[column] + 2), np.float64)


@njit(cache=True, nogil=True)
def _counted(point, start, K, size, pixel, whose, shares, n, cell):  # type: ignore[no-untyped-def]
    """Pixels ``[M, n]`` that show each object where the cells of each detection are, and all
    ``[n]`` that show it."""
    height, width = size
    inside, seen = np.zeros((len(start) - 1, n)), np.zeros(n)
    row = np.full((height, width), -1, np.int32)
    for p in range(len(pixel)):
        row[pixel[p] // width, pixel[p] % width] = p
        for c in range(whose.shape[1]):
            if whose[p, c] >= 0:
                seen[whose[p, c]] += shares[p, c]
    stamp = np.zeros((height, width), np.int32)
    for m in range(len(start) - 1):
        for q in range(start[m], start[m + 1]):
            x, y, z = point[q, 0], point[q, 1], point[q, 2]
            u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
            wide = max(0.5, 0.5 * cell * K[0, 0] / z)
            high = max(0.5, 0.5 * cell * K[1, 1] / z)
            left, right = max(0, int(np.ceil(u - wide))), min(width - 1, int(np.floor(u + wide)))
            top, bottom = max(0, int(np.ceil(v - high))), min(height - 1, int(np.floor(v + high)))
            for j in range(top, bottom + 1):
                for i in range(left, right + 1):
                    if stamp[j, i] == m + 1:
                        continue
                    stamp[j, i] = m + 1
                    if row[j, i] < 0:
                        continue
                    for c in range(whose.shape[1]):
                        if whose[row[j, i], c] >= 0:
                            inside[m, whose[row[j, i], c]] += shares[row[j, i], c]
    return inside, seen
