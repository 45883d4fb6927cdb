"""Which places a recording looks at: whether it would show a thing if that stood there.

In: the true boxes of things, and the depth images of a visit. Out: the boxes that are in some
picture, large enough to be labelled and not hidden by something else. What was taken from a place
that nobody looked at since cannot be missed, nor can one tell that it is new what came to a place
that nobody had looked at before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.pairing import MIN_SIDE
from scenekeeper.geometry import interpolate_poses, invert, pose_matrix, transform
from scenekeeper.recording.base import Recording

Float = NDArray[np.float64]
Box = Mapping[str, Any]
"""A row of the table ``objects``: ``center``, ``extent`` and ``R_world_box``."""

_BEHIND = 0.05
"""Metres by which depth may lie before a point that it does not hide: its noise, and the poses'."""

_OPEN = 0.3
"""Share of a box that must not be hidden; what stands there hides the back of it."""

_STEPS = 6
_POINTS = _STEPS**3 - (_STEPS - 2) ** 3


def looked_at(recording: Recording, boxes: Mapping[int, Box]) -> set[int]:
    """Keys of the boxes whose place some picture of the recording shows."""
    view = recording.views[0]
    assert view.depth is not None and view.poses is not None
    K = np.asarray(view.camera.intrinsics, np.float64)
    told = interpolate_poses(view.poses.t_ns, view.poses.values, view.depth.t_ns)
    poses = [pose_matrix(p) for p in told]
    points = {key: _surface(box) for key, box in boxes.items()}
    shown: set[int] = set()
    images = view.depth.source.read(range(len(view.depth)))
    for T, depth in zip(poses, images, strict=True):
        for key in points.keys() - shown:
            if _in_picture(transform(invert(T), points[key]), depth, K):
                shown.add(key)
    return shown


def _in_picture(points: Float, depth: NDArray[np.float32], K: Float) -> bool:
    """Whether a depth image shows most of a box's points ``[P, 3]``, camera frame."""
    points = points[points[:, 2] > 0.1]
    u, v = np.rint(points[:, :2] / points[:, 2:] @ K[:2, :2].T + K[:2, 2]).astype(int).T
    inside = (u >= 0) & (u < depth.shape[1]) & (v >= 0) & (v < depth.shape[0])
    u, v, z = u[inside], v[inside], points[inside, 2]
    open_ = depth[v, u] > z - _BEHIND
    if open_.sum() < _OPEN * _POINTS:
        return False
    return bool(np.sqrt(np.ptp(u[open_]) * np.ptp(v[open_])) >= MIN_SIDE)


def _surface(box: Box) -> Float:
    """Points ``[P, 3]`` all over a box."""
    at = np.linspace(-0.5, 0.5, _STEPS)
    grid = np.stack(np.meshgrid(at, at, at, indexing="ij"), -1).reshape(-1, 3)
    shell = grid[(np.abs(grid) == 0.5).any(1)] * np.asarray(box["extent"])
    R = np.asarray(box["R_world_box"]).reshape(3, 3)
    return np.asarray(shell @ R.T + np.asarray(box["center"]), np.float64)
