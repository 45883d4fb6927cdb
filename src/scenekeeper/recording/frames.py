"""Align a recording's streams into frames: nearest depth, interpolated pose, residuals kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Recording, Signal, View
from scenekeeper.recording.registration import DepthWarp
from scenekeeper.schema import FRAMES, SIGNALS, Frame

MIN_TOLERANCE_NS = 20_000_000
"""Streams this near in time count as simultaneous whatever their rate."""


def frame_index(recording: Recording) -> pa.Table:
    """Every colour picture of every camera with its depth row and pose, in time order.

    Depth is the nearest within half its own period, pose is interpolated where a sample lies
    within half a period; how far they were is kept in the ``*_residual_ns`` columns.

    Returns:
        Rows of :data:`scenekeeper.schema.FRAMES`; ``frame_id`` counts from 0.
    """
    parts = [view_columns(view) for view in recording.views]
    if not parts or not sum(len(p["t_ns"]) for p in parts):
        return FRAMES.empty_table()
    merged = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    camera = np.repeat(np.arange(len(parts)), [len(p["t_ns"]) for p in parts])
    order = np.lexsort((camera, merged["t_ns"]))
    n = len(order)
    views = [recording.views[k].camera for k in camera[order]]
    pose = merged["pose"][order]
    known = np.isfinite(pose[:, 0])
    columns: dict[str, Any] = {
        "session": [recording.name] * n,
        "frame_id": np.arange(n),
        "camera": [c.name for c in views],
        "width": [c.width for c in views],
        "height": [c.height for c in views],
        "pose": [p.tolist() if ok else None for p, ok in zip(pose, known, strict=True)],
        "pose_residual_ns": pa.array(merged["pose_residual_ns"][order], mask=~known),
    }
    depth_row = merged["depth_row"][order]
    columns["depth_row"] = pa.array(depth_row, mask=depth_row < 0)
    columns["depth_residual_ns"] = pa.array(merged["depth_residual_ns"][order], mask=depth_row < 0)
    for name in ("t_ns", "rgb_row"):
        columns[name] = merged[name][order]
    return pa.table({name: columns[name] for name in FRAMES.names}, FRAMES)


def signal_rows(recording: Recording) -> pa.Table:
    """All samples of all signals as rows of :data:`scenekeeper.schema.SIGNALS`."""
    parts = [
        pa.table(
            {
                "session": [recording.name] * len(s),
                "signal": [s.name] * len(s),
                "kind": [s.kind] * len(s),
                "t_ns": s.t_ns,
                "values": list(s.values),
            },
            SIGNALS,
        )
        for s in recording.signals.values()
    ]
    return pa.concat_tables(parts) if parts else SIGNALS.empty_table()


def read_frames(recording: Recording, index: pa.Table) -> Iterator[Frame]:
    """Decode frames lazily, in the order of the index.

    Args:
        recording: an open recording.
        index: rows of :func:`frame_index`, ascending in ``frame_id``.

    Yields:
        One :class:`~scenekeeper.schema.Frame` at a time, depth registered to colour.

    Raises:
        RecordingError: a picture cannot be read.
    """
    rows = index.to_pylist()
    streams = {
        view.camera.name: _ViewStream(view, [r for r in rows if r["camera"] == view.camera.name])
        for view in recording.views
    }
    for row in rows:
        rgb, depth, T_world_camera = streams[row["camera"]].next(row)
        camera = recording.view(row["camera"]).camera
        if rgb.shape[:2] != (camera.height, camera.width):
            raise RecordingError(
                f"a picture is {rgb.shape[1]}x{rgb.shape[0]}, the camera {camera.name!r}"
                f" {camera.width}x{camera.height}",
                path=recording.path,
                place=f"frame {row['frame_id']}",
            )
        if depth is not None and depth.shape != rgb.shape[:2]:
            raise RecordingError(
                f"depth is {depth.shape[1]}x{depth.shape[0]}, its colour picture"
                f" {rgb.shape[1]}x{rgb.shape[0]}",
                path=recording.path,
                place=f"frame {row['frame_id']}",
                remedy="Give the depth camera its own calibration.",
            )
        yield Frame(
            row["frame_id"], recording.name, camera, row["t_ns"], rgb, depth, T_world_camera
        )


class _ViewStream:
    """One camera's pictures, read ahead of nothing: each row decodes what it needs."""

    def __init__(self, view: View, rows: list[dict[str, Any]]) -> None:
        self._rgb = view.rgb.source.read([r["rgb_row"] for r in rows])
        wanted = sorted({r["depth_row"] for r in rows if r["depth_row"] is not None})
        self._depth = zip(wanted, view.depth.source.read(wanted) if view.depth else (), strict=True)
        self._latest: tuple[int, NDArray[np.float32] | None] = (-1, None)
        self._warp = DepthWarp.of(view)
        self._T_posed_camera = (
            geometry.invert(view.T_camera_depth) if view.posed == "depth" else np.eye(4)
        )

    def next(
        self, row: dict[str, Any]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None, NDArray[np.float64] | None]:
        rgb = next(self._rgb)
        pose = row["pose"]
        T = None if pose is None else geometry.pose_matrix(pose) @ self._T_posed_camera
        if row["depth_row"] is None:
            return rgb, None, T
        while self._latest[0] < row["depth_row"]:  # two colour frames may share one depth frame
            number, depth = next(self._depth)
            self._latest = (number, depth if self._warp is None else self._warp(depth))
        return rgb, self._latest[1], T


def view_columns(view: View) -> dict[str, NDArray[Any]]:
    """What :func:`frame_index` says of one camera's pictures, as arrays ``[N, ...]``.

    ``depth_row`` is -1 and ``pose`` NaN where there is none near enough.
    """
    t_ns = view.rgb.t_ns
    n = len(t_ns)
    depth_row, depth_residual = np.full(n, -1), np.zeros(n, np.int64)
    if view.depth is not None and len(view.depth):
        near = geometry.nearest(view.depth.t_ns, t_ns)
        depth_residual = view.depth.t_ns[near] - t_ns
        depth_row = np.where(np.abs(depth_residual) <= _tolerance(view.depth.t_ns), near, -1)
    pose, pose_residual = _poses_at(view.poses, t_ns)
    return {
        "t_ns": t_ns,
        "rgb_row": np.arange(n),
        "depth_row": depth_row,
        "depth_residual_ns": depth_residual,
        "pose": pose,
        "pose_residual_ns": pose_residual,
    }


def _poses_at(
    poses: Signal | None, t_ns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    n = len(t_ns)
    if poses is None or not len(poses):
        return np.full((n, 7), np.nan), np.zeros(n, np.int64)
    pose = geometry.interpolate_poses(poses.t_ns, poses.values, t_ns)
    residual = poses.t_ns[geometry.nearest(poses.t_ns, t_ns)] - t_ns
    if len(poses) == 1:  # a camera that does not move says so once
        return pose, np.zeros(n, np.int64)
    pose[np.abs(residual) > _tolerance(poses.t_ns)] = np.nan
    return pose, residual


def _tolerance(t_ns: NDArray[np.int64]) -> int:
    if len(t_ns) < 2:
        return MIN_TOLERANCE_NS
    return max(MIN_TOLERANCE_NS, int(np.median(np.diff(t_ns))) // 2 + 1_000_000)
