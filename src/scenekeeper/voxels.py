"""The seen surface as sparse voxels: posed depth frames in, one averaged point per voxel out.

A voxel is addressed by one ``int64`` key (three 21-bit indices), so a surface is a set of sorted
arrays: fusing is a sort, merging two surfaces is a sort, a neighbour is an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import SURFACE, Frame

_BITS = 21
_HALF = 1 << (_BITS - 1)
_MASK = (1 << _BITS) - 1

Pairs = tuple[NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Surface:
    """V occupied voxels in ascending order of ``key``.

    Attributes:
        key: ``int64 [V]``.
        count: ``int32 [V]``, number of frames that saw the voxel.
        position: ``float32 [V, 3]`` metres, world frame, mean of the points inside.
        normal: ``float32 [V, 3]`` unit vectors towards the viewers; zero where unknown.
        rgb: ``float32 [V, 3]`` mean colour, 0..255.
        range: ``float32 [V]`` metres, mean depth it was seen at; noise grows with its square.
    """

    key: NDArray[np.int64]
    count: NDArray[np.int32]
    position: NDArray[np.float32]
    normal: NDArray[np.float32]
    rgb: NDArray[np.float32]
    range: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, index: Any) -> Surface:
        return Surface(
            self.key[index],
            self.count[index],
            self.position[index],
            self.normal[index],
            self.rgb[index],
            self.range[index],
        )

    def to_table(self, session: str) -> pa.Table:
        """As rows of :data:`scenekeeper.schema.SURFACE`."""
        triple = pa.float32()
        return pa.table(
            {
                "session": pa.repeat(session, len(self)),
                "key": self.key,
                "count": self.count,
                "position": pa.FixedSizeListArray.from_arrays(
                    pa.array(self.position.reshape(-1), triple), 3
                ),
                "normal": pa.FixedSizeListArray.from_arrays(
                    pa.array(self.normal.reshape(-1), triple), 3
                ),
                "rgb": pa.FixedSizeListArray.from_arrays(
                    pa.array(np.rint(self.rgb).astype(np.uint8).reshape(-1)), 3
                ),
                "range": self.range,
            },
            SURFACE,
        )

    @classmethod
    def from_table(cls, rows: pa.Table) -> Surface:
        """From rows of one surface."""
        rows = rows.combine_chunks()

        def column(name: str) -> NDArray[np.float32]:
            flat = rows[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return np.asarray(flat, np.float32).reshape(-1, 3)

        return cls(
            rows["key"].to_numpy(),
            rows["count"].to_numpy(),
            column("position"),
            column("normal"),
            column("rgb"),
            rows["range"].to_numpy(),
        )

    @classmethod
    def from_tables(cls, tables: Iterable[pa.Table]) -> Surface:
        """From the surfaces of several clips, merged one after another."""
        whole = cls.from_table(SURFACE.empty_table())
        for rows in tables:
            whole = merge([whole, cls.from_table(rows)])
        return whole


SAMPLES_ACROSS = 320
"""About so many pixels of a row are used; more cost time and add little to 12 mm voxels."""


def sampling(width: int, across: int) -> int:
    """Step that leaves about ``across`` of ``width`` pixels."""
    return max(1, round(width / across))


def depth_noise(range_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far a point seen at a depth may be off, metres: structured-light and stereo cameras err
    with the square of depth (Khoshelham and Elberink, 2012, give about 1.5 mm at 1 m)."""
    return np.asarray(0.003 * range_m**2, np.float32)


def voxel_keys(points: NDArray[Any], size: float) -> NDArray[np.int64]:
    """Keys ``int64 [N]`` of the voxels of edge ``size`` metres that points ``[N, 3]`` lie in."""
    index = np.floor(points * (1 / size)).astype(np.int64) + _HALF
    return (index[..., 0] << 2 * _BITS) | (index[..., 1] << _BITS) | index[..., 2]


def voxel_centers(keys: NDArray[np.int64], size: float) -> NDArray[np.float64]:
    """Centres ``[N, 3]`` of voxels in metres."""
    index = np.stack((keys >> 2 * _BITS, (keys >> _BITS) & _MASK, keys & _MASK), -1)
    return (index - _HALF + 0.5) * size


def offset_key(dx: int, dy: int, dz: int) -> int:
    """What to add to a key to get the key of a neighbour."""
    return (dx << 2 * _BITS) + (dy << _BITS) + dz


def coarser(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys of the voxels of twice the edge that these voxels lie in."""
    odd = np.int64(offset_key(1, 1, 1))
    return np.asarray((keys & ~odd) >> 1, np.int64)


def neighbour_steps(keys: NDArray[np.int64], reach: int = 1) -> Iterator[Pairs]:
    """Neighbouring rows, one direction at a time, so that a caller can thin them as they come.

    Args:
        keys: ascending ``int64 [V]``.
        reach: in voxels along every axis; 1 gives the 26-neighbourhood.

    Yields:
        ``(a, b)`` rows ``int32 [P]`` each; over all steps every unordered pair comes once.
    """
    if not len(keys):
        return
    span = range(-reach, reach + 1)
    for step in ((x, y, z) for x in span for y in span for z in span):
        if step <= (0, 0, 0):  # the other half are the same pairs the other way round
            continue
        wanted = keys + offset_key(*step)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = np.flatnonzero(keys[at] == wanted)
        yield found.astype(np.int32), at[found].astype(np.int32)


def neighbours(
    keys: NDArray[np.int64],
    reach: int = 1,
    keep: Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.bool_]] | None = None,
) -> Pairs:
    """Pairs of rows whose voxels are at most ``reach`` apart along every axis.

    Args:
        keys: ascending ``int64 [V]``.
        reach: in voxels.
        keep: given ``(a, b)``, which pairs to keep; all when absent.

    Returns:
        ``(a, b)`` rows ``int32 [P]`` each.
    """
    first, second = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for a, b in neighbour_steps(keys, reach):
        if keep is not None:
            kept = keep(a, b)
            a, b = a[kept], b[kept]
        first.append(a)
        second.append(b)
    return np.concatenate(first), np.concatenate(second)


def touching(a: NDArray[np.int64], b: NDArray[np.int64], reach: int = 1) -> NDArray[np.bool_]:
    """Which voxels ``a`` ``[N]`` have one of ``b`` (ascending) within ``reach`` on every axis."""
    near = np.zeros(len(a), np.bool_)
    if not len(b):
        return near
    span = range(-reach, reach + 1)
    for step in ((x, y, z) for x in span for y in span for z in span):
        rest = np.flatnonzero(~near)
        wanted = a[rest] + offset_key(*step)
        at = np.minimum(np.searchsorted(b, wanted), len(b) - 1)
        near[rest] = b[at] == wanted
    return near


def merge(parts: Sequence[Surface]) -> Surface:
    """One surface of several; a voxel's values are averaged by the frames that saw it."""
    key, inverse = np.unique(np.concatenate([p.key for p in parts]), return_inverse=True)
    count = np.concatenate([p.count for p in parts])
    weight = np.bincount(inverse, count, len(key))

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.empty((len(key), values.shape[1]), np.float32)
        for k in range(values.shape[1]):  # column by column keeps the double sums small
            out[:, k] = np.bincount(inverse, values[:, k] * count, len(key)) / weight
        return out

    normal = mean(np.concatenate([p.normal for p in parts]))
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return Surface(
        key,
        weight.astype(np.int32),
        mean(np.concatenate([p.position for p in parts])),
        np.divide(normal, length, out=np.zeros_like(normal), where=length > 0),
        mean(np.concatenate([p.rgb for p in parts])),
        mean(np.concatenate([p.range for p in parts])[:, None])[:, 0],
    )


def frame_surface(frame: Frame, size: float, max_depth: float) -> Surface | None:
    """The surface one frame sees.

    Points on depth jumps are left out: they hang between the surfaces.

    Args:
        frame: with depth and pose; without either there is no surface.
        size: voxel edge, metres.
        max_depth: depth beyond this is too noisy to use, metres.
    """
    if frame.depth is None or frame.T_world_camera is None or frame.camera.intrinsics is None:
        return None
    stride = sampling(frame.camera.width, SAMPLES_ACROSS)
    points, normals, valid = oriented_points(frame, max_depth, stride)
    T = frame.T_world_camera
    world = geometry.transform(T, points[valid])
    normal = normals[valid] @ T[:3, :3].astype(np.float32).T
    rgb = frame.rgb[::stride, ::stride][valid]
    key, inverse, n = np.unique(voxel_keys(world, size), return_inverse=True, return_counts=True)

    def mean(values: NDArray[Any]) -> NDArray[np.float32]:
        columns = [np.bincount(inverse, v, len(key)) / n for v in values.T]
        return np.stack(columns, 1).astype(np.float32)

    direction = mean(normal)
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    direction = np.divide(direction, length, out=np.zeros_like(direction), where=length > 0.3)
    seen_from = mean(points[valid][:, 2:])[:, 0]
    return Surface(key, np.ones(len(key), np.int32), mean(world), direction, mean(rgb), seen_from)


def oriented_points(
    frame: Frame, max_depth: float, stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Camera-frame points and normals of a depth image, and where both can be trusted.

    Returns:
        points ``float32 [h, w, 3]``, unit normals towards the camera ``float32 [h, w, 3]``,
        valid ``bool [h, w]``, with ``h = ceil(H / stride)``.
    """
    assert frame.depth is not None and frame.camera.intrinsics is not None
    depth = frame.depth[::stride, ::stride]
    camera = frame.camera
    directions = geometry.rays(frame.camera.intrinsics, camera.width, camera.height, stride)
    points = geometry.unproject(depth, directions)
    # Differences over a few pixels average the sensor's noise; the bend test keeps them on one
    # surface.
    step = 3
    dx, dy = np.zeros_like(points), np.zeros_like(points)
    dx[:, step:-step] = points[:, 2 * step :] - points[:, : -2 * step]
    dy[step:-step] = points[2 * step :] - points[: -2 * step]
    smooth = np.zeros(depth.shape, np.bool_)
    inner = depth[step:-step, step:-step]
    bend = 0.02 + 0.02 * inner  # a slanted plane does not bend, however steep; a jump does
    smooth[step:-step, step:-step] = (
        np.abs(depth[step:-step, 2 * step :] + depth[step:-step, : -2 * step] - 2 * inner) < bend
    ) & (np.abs(depth[2 * step :, step:-step] + depth[: -2 * step, step:-step] - 2 * inner) < bend)
    normal = np.cross(dy, dx)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    # y down, x right: dy x dx points back at the camera.
    known = (depth > 0.2) & (depth < max_depth)
    close = np.zeros_like(known)
    close[1:-1, 1:-1] = _near_neighbours(depth)
    normal[~smooth] = 0
    return points, normal.astype(np.float32), known & close


def _near_neighbours(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each inner pixel's four neighbours lie on the same surface as it."""
    center = depth[1:-1, 1:-1]
    limit = 0.02 + 0.02 * center
    close = np.ones(center.shape, np.bool_)
    for beside in (depth[1:-1, 2:], depth[1:-1, :-2], depth[2:, 1:-1], depth[:-2, 1:-1]):
        close &= np.abs(beside - center) < limit
    return close
