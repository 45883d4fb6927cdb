"""The map as a camera sees it: of every pixel's ray, whose voxel comes first.

In: voxels with their owners, a camera and its pose. Out: an image of owners. Blocks of voxels out
of sight are passed over as a whole, so a frame costs what it shows, not what the map holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper import geometry
from scenekeeper.schema import Frame
from scenekeeper.voxels import voxel_centers, voxel_keys

NOBODY = -1
MIN_DEPTH = 0.2
"""Metres; nothing nearer is drawn."""

_BLOCK = 32
"""Edge of a block in voxels."""

_MOST_REACH = 3
"""A voxel covers at most so many pixels to every side of its middle."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """S voxels, block after block.

    Attributes:
        points: ``float32 [3, S]`` centres in metres, world frame.
        track: ``int32 [S]`` owners.
        size: voxel edge, metres.
        block_center: ``float32 [3, B]`` metres, world frame.
        block_count: ``int64 [B]`` voxels in each block.
    """

    points: NDArray[np.float32]
    track: NDArray[np.int32]
    size: float
    block_center: NDArray[np.float32]
    block_count: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.int64], track: NDArray[np.int32], size: float) -> Cloud:
        """The voxels of some keys."""
        centers = voxel_centers(keys, size)
        edge = _BLOCK * size
        block, place, count = np.unique(
            voxel_keys(centers, edge), return_inverse=True, return_counts=True
        )
        order = np.argsort(place, kind="stable")
        return cls(
            np.ascontiguousarray(centers[order].T, np.float32),
            track[order],
            size,
            np.ascontiguousarray(voxel_centers(block, edge).T, np.float32),
            count,
        )


def draw(
    cloud: Cloud, frame: Frame, wanted: NDArray[np.bool_], stride: int, max_depth: float
) -> NDArray[np.int32]:
    """Owners as the camera of a posed frame sees them; -1 where nobody's voxel is.

    Args:
        cloud: the voxels.
        frame: with intrinsics and pose; its pictures are not looked at.
        wanted: ``bool [h, w]``, every ``stride``-th pixel; the others may come out incomplete.
        stride: of ``wanted``.
        max_depth: metres; farther voxels are not drawn.

    Returns:
        ``int32 [h, w]``.
    """
    assert frame.T_world_camera is not None and frame.camera.intrinsics is not None
    T = geometry.invert(frame.T_world_camera).astype(np.float32)
    K = frame.camera.intrinsics.astype(np.float32) / np.float32(stride)
    (height, width), pad = wanted.shape, _MOST_REACH
    ahead = np.flatnonzero(np.repeat(_in_sight(cloud, T, K, wanted.shape), cloud.block_count))
    x, y, z = T[:3, :3] @ cloud.points[:, ahead] + T[:3, 3:]
    near = (z > MIN_DEPTH) & (z < max_depth)
    x, y, z, ahead = x[near], y[near], z[near], ahead[near]
    u = np.rint((K[0, 0] * x + K[0, 1] * y) / z + K[0, 2]).astype(np.int32) + pad
    v = np.rint(K[1, 1] * y / z + K[1, 2]).astype(np.int32) + pad
    inside = np.flatnonzero((u >= 0) & (v >= 0) & (u < width + 2 * pad) & (v < height + 2 * pad))
    # Only voxels near a wanted pixel matter, and most are not.
    around = ndimage.maximum_filter(np.pad(wanted, pad), 2 * pad + 1)
    inside = inside[around[v[inside], u[inside]]]
    # The nearest comes last and stays; 16 bits of depth sort by radix.
    nearness = ((1 - z[inside] / max_depth) * 65535).astype(np.uint16)
    inside = inside[np.argsort(nearness, kind="stable")]
    u, v, z, track = u[inside], v[inside], z[inside], cloud.track[ahead[inside]]
    across = width + 4 * pad
    place = (v + pad) * across + u + pad
    reach = np.clip(np.rint(cloud.size * K[0, 0] / z / 2 - 0.25), 0, pad)
    depth = np.full((height + 4 * pad) * across, np.inf, np.float32)
    drawn = np.full(len(depth), NOBODY, np.int32)
    for ring in range(pad + 1):
        rows = np.flatnonzero(reach >= ring)
        for dv, du in _ring(ring):
            at = place[rows] + dv * across + du
            front = z[rows] < depth[at]
            at, chosen = at[front], rows[front]
            depth[at], drawn[at] = z[chosen], track[chosen]
    return drawn.reshape(-1, across)[2 * pad : 2 * pad + height, 2 * pad : 2 * pad + width]


def _in_sight(
    cloud: Cloud, T_camera_world: NDArray[np.float32], K: NDArray[np.float32], size: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which blocks a camera may see any part of."""
    x, y, z = T_camera_world[:3, :3] @ cloud.block_center + T_camera_world[:3, 3:]
    radius = cloud.size * _BLOCK * np.float32(0.87)  # half a cube's diagonal, and a little
    height, width = size
    seen = z > -radius
    # A sphere is out of sight when it lies wholly beyond one of the four sides of the view.
    for along, low, high, focal in (
        (x, -K[0, 2], width - K[0, 2], K[0, 0]),
        (y, -K[1, 2], height - K[1, 2], K[1, 1]),
    ):
        for edge, side in ((low - _MOST_REACH, 1.0), (high + _MOST_REACH, -1.0)):
            slope = edge / focal
            distance = side * (along - slope * z) / np.sqrt(1 + slope * slope)
            seen &= distance > -radius
    return np.asarray(seen)


def _ring(radius: int) -> list[tuple[int, int]]:
    """Steps whose larger side is ``radius``."""
    span = range(-radius, radius + 1)
    return [(dv, du) for dv in span for du in span if max(abs(dv), abs(du)) == radius]
