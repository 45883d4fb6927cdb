"""The 3D part of the page: coloured surface points, boxes and camera paths, standing upright.

In: the surface and segments of a session. Out: plain values and base64 arrays in a frame whose
third axis is up, so the page need not know about gravity.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekeeper import geometry
from scenekeeper.schema import SEGMENTS
from scenekeeper.store import Dataset, SessionInfo
from scenekeeper.voxels import Surface, merge, neighbours, voxel_centers, voxel_keys

Float = NDArray[np.float64]

MAX_PATH = 400
_PART = 100_000
MIN_SEEN = 3
"""Frames that must have seen a voxel for it to be drawn; less is mostly noise."""

MIN_NEIGHBOURS = 4
"""Of the 26 voxels around it that must be there too."""


def upright(dataset: Dataset, session: str, index: pa.Table) -> Float:
    """Rotation ``[3, 3]`` whose columns are two level axes and up, in the world frame.

    Up is what the segments say, else the mean of the cameras' upward axes, else the world's z.
    """
    segments = _segments(dataset, session)
    if len(segments):
        return geometry.upright_basis(np.array(segments["up"][0].as_py()))
    poses = [p for p in index["pose"].to_pylist() if p is not None]
    up = -geometry.pose_matrix(poses)[:, :3, 1].mean(0) if poses else np.array([0.0, 0.0, 1.0])
    return geometry.upright_basis(up if np.linalg.norm(up) > 1e-6 else np.array([0.0, 0.0, 1.0]))


def scene_data(
    dataset: Dataset,
    info: SessionInfo,
    index: pa.Table,
    objects: Sequence[Mapping[str, Any]],
    basis: Float,
    max_points: int,
) -> dict[str, Any]:
    """What the page draws in 3D.

    Args:
        dataset: where the session lies.
        info: the session.
        index: its frames.
        objects: rows of :func:`scenekeeper.report.data.objects`.
        basis: of :func:`upright`.
        max_points: limit on the surface points.

    Returns:
        ``points`` (``None`` without a surface), ``paths`` per camera and ``boxes``, one per
        object in their order, ``None`` for an object without a place.
    """
    return {
        "points": _points(dataset, info, objects, basis, max_points),
        "paths": _paths(info, index, basis),
        "boxes": [_box(row, basis) for row in objects],
    }


def pose_values(pose: Sequence[float] | None, basis: Float) -> list[float] | None:
    """A camera pose in the upright frame: position, then rotation by rows; 12 numbers."""
    if pose is None:
        return None
    T = geometry.pose_matrix(pose)
    values = np.concatenate((T[:3, 3] @ basis, (basis.T @ T[:3, :3]).ravel()))
    return [round(v, 4) for v in values.tolist()]


def coarse_surface(
    parts: Iterable[Surface], voxel_size: float, limit: int
) -> tuple[Surface, float]:
    """The surface of all clips in voxels just large enough that no more than ``limit`` remain.

    Memory is bounded by one clip and a few times ``limit`` voxels, whatever the session's length.

    Returns:
        The surface and the edge of its voxels, metres.
    """
    size = 1.5 * voxel_size
    whole = Surface.from_tables(())
    for part in parts:
        whole = _at(size, whole, part)
        while len(whole) > 10 * limit:
            size *= 1.3
            whole = _at(size, whole)
    whole = whole[whole.count >= min(MIN_SEEN, whole.count.max(initial=1))]
    while len(whole) > limit:
        size *= 1.12
        whole = _at(size, whole)
    return _without_specks(whole), size


def _without_specks(surface: Surface) -> Surface:
    """Without the voxels that hang alone in the air, where depth jumps."""
    touching = np.concatenate(neighbours(surface.key))
    degree = np.bincount(touching, minlength=len(surface))
    return surface[degree >= MIN_NEIGHBOURS]


def _at(size: float, *parts: Surface) -> Surface:
    return merge([replace(p, key=voxel_keys(p.position, size)) for p in parts])


def _points(
    dataset: Dataset,
    info: SessionInfo,
    objects: Sequence[Mapping[str, Any]],
    basis: Float,
    limit: int,
) -> dict[str, Any] | None:
    parts = _surfaces(dataset, info)
    segments = _segments(dataset, info.name)
    voxel_size = segments["voxel_size"][0].as_py() if len(segments) else 0.01
    surface, size = coarse_surface(parts, voxel_size, limit)
    if not len(surface):
        return None
    position = surface.position @ basis
    low, high = position.min(0), position.max(0)
    scale = float(max((high - low).max(), 1e-3) / 65535)
    quantised = np.rint((position - low) / scale - 32768).clip(-32768, 32767).astype("<i2")
    normal = np.rint(surface.normal @ basis * 127).astype(np.int8)
    return {
        "count": len(surface),
        "size": round(size, 4),
        "scale": scale,
        "center": (low + scale * 32768).tolist(),
        "position": _base64(quantised),
        "normal": _base64(normal),
        "rgb": _base64(np.rint(surface.rgb).clip(0, 255).astype(np.uint8)),
        "owner": _base64(_owners(surface.position, size, segments, objects)),
    }


def _owners(
    position: NDArray[np.float32],
    size: float,
    segments: pa.Table,
    objects: Sequence[Mapping[str, Any]],
) -> NDArray[np.int16]:
    """Per point the place of its object in ``objects``, -1 where it belongs to none."""
    owner = np.full(len(position), -1, "<i2")
    lists = segments["keys"].combine_chunks()
    keys = lists.flatten().to_numpy()
    if not len(keys):
        return owner
    place = {row["track"]: k for k, row in enumerate(objects)}
    of_segment = np.array([place.get(t, -1) for t in segments["track"].to_pylist()])
    of_key = np.repeat(of_segment, lists.value_lengths().to_numpy())
    centers = voxel_centers(keys, segments["voxel_size"][0].as_py()).astype(np.float32)
    # One voxel of each point's size is near enough, and far fewer.
    _, chosen = np.unique(voxel_keys(centers, size), return_index=True)
    distance, nearest = cKDTree(centers[chosen]).query(position, distance_upper_bound=size)
    found = np.isfinite(distance)
    owner[found] = of_key[chosen[nearest[found]]]
    return owner


def _surfaces(dataset: Dataset, info: SessionInfo) -> Iterator[Surface]:
    """The surface in parts of so few voxels that merging one takes little memory."""
    run = dataset.current(info.name).get("surface")
    for clip in range(info.n_clips if run else 0):
        assert run is not None
        if dataset.segment("surface", run, info.name, clip).exists():
            parts = dataset.read_parts("surface", run, info.name, clip, _PART)
            yield from map(Surface.from_table, parts)
            pa.default_memory_pool().release_unused()


def _segments(dataset: Dataset, session: str) -> pa.Table:
    runs = dataset.current(session)
    table = "tracks" if "tracks" in runs else "segments"
    run = runs.get(table)
    if run is None:
        return SEGMENTS.empty_table()
    return dataset.read_segment(table, run, session)


def _paths(info: SessionInfo, index: pa.Table, basis: Float) -> list[list[list[float]]]:
    rows = index.select(["camera", "pose"]).to_pylist()
    paths = []
    for camera in info.cameras:
        poses = [r["pose"] for r in rows if r["camera"] == camera.name and r["pose"] is not None]
        step = max(1, len(poses) // MAX_PATH)
        points = np.array([p[:3] for p in poses[::step]]).reshape(-1, 3) @ basis
        paths.append(points.round(3).tolist())
    return paths


def _box(row: Mapping[str, Any], basis: Float) -> list[float] | None:
    """Center, extent and axes (by rows) of an object in the upright frame; 15 numbers."""
    center, extent, R = row["_center"], row["_extent"], row["_R_world_box"]
    if center is None or extent is None or R is None:
        return None
    axes = basis.T @ np.array(R).reshape(3, 3)
    values = np.concatenate((np.array(center) @ basis, extent, axes.ravel()))
    return [round(v, 4) for v in values.tolist()]


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
