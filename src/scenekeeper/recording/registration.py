"""Bring depth into the colour image, and find out from edges when a recording forgot to.

Every 3D label depends on depth and colour agreeing. A recording whose depth camera has its own
calibration is warped by it. One that claims a single calibration is checked: where depth jumps,
colour should have an edge. If a different focal length and offset make the edges agree much
better, the depth was never registered, and the estimate is used and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Recording, View
from scenekeeper.schema import Camera

CHECKED_FRAMES = 32
MIN_EDGE_POINTS = 2000
MIN_SHIFT_PX = 2.5
"""Below this displacement at the image corners a registration is good enough to leave alone."""


class DepthWarp:
    """Renders depth images of one camera into the image of another, nearest surface in front."""

    def __init__(self, view: View) -> None:
        camera, depth_camera = view.camera, view.depth_camera or view.camera
        if camera.intrinsics is None or depth_camera.intrinsics is None:
            raise RecordingError(
                f"depth of camera {camera.name!r} is of another camera, and one of the two has no"
                " intrinsics",
                remedy="Add the missing calibration to the recording.",
            )
        self._size = (camera.height, camera.width)
        # Magnifying would leave gaps between the pixels, so depth is repeated first.
        self._repeat = max(
            1, int(np.ceil(camera.intrinsics[0, 0] / depth_camera.intrinsics[0, 0] - 0.01))
        )
        K = depth_camera.intrinsics.copy()
        n = self._repeat
        K[:2] *= n
        K[:2, 2] += (n - 1) / 2
        rays = geometry.rays(K, depth_camera.width * n, depth_camera.height * n)
        R = view.T_camera_depth[:3, :3].astype(np.float32)
        projected = rays @ (camera.intrinsics.astype(np.float32) @ R).T
        self._u, self._v, self._w = np.ascontiguousarray(np.moveaxis(projected, -1, 0))
        t = view.T_camera_depth[:3, 3]
        self._t = (camera.intrinsics @ t).astype(np.float32)

    @classmethod
    def of(cls, view: View) -> DepthWarp | None:
        """The warp a view needs; ``None`` when its depth already lies in the colour image."""
        if view.depth is None:
            return None
        depth_camera = view.depth_camera or view.camera
        same_place = np.array_equal(view.T_camera_depth, np.eye(4))
        return None if same_place and _same_optics(view.camera, depth_camera) else cls(view)

    def __call__(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth ``float32`` metres of the depth camera to that of the colour camera."""
        if self._repeat > 1:
            depth = depth.repeat(self._repeat, 0).repeat(self._repeat, 1)
        known = np.flatnonzero(depth)
        z = depth.reshape(-1)[known]
        w = self._w.reshape(-1)[known] * z + self._t[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.rint((self._u.reshape(-1)[known] * z + self._t[0]) / w)
            v = np.rint((self._v.reshape(-1)[known] * z + self._t[1]) / w)
        height, width = self._size
        inside = (w > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        target = v[inside].astype(np.int64) * width + u[inside].astype(np.int64)
        out = np.full(height * width, np.inf, np.float32)
        np.minimum.at(out, target, w[inside])
        out[np.isinf(out)] = 0
        return out.reshape(height, width)


@dataclass(frozen=True)
class Alignment:
    """What the edges say about one camera's depth.

    Attributes:
        registered: whether depth as given lies on the colour edges.
        shift_px: how far the image corners move under the best correction.
        intrinsics: ``[3, 3]`` nested lists, the colour camera's, when a correction is needed.
        T_camera_depth: ``[4, 4]`` nested lists, when a correction is needed.
        agreement: share of depth edges that meet a colour edge, as given and corrected.
    """

    registered: bool
    shift_px: float
    agreement: tuple[float, float]
    intrinsics: list[list[float]] | None = None
    T_camera_depth: list[list[float]] | None = None

    def note(self, camera: str) -> str:
        """One sentence for the user."""
        given, corrected = self.agreement
        if self.registered:
            return f"camera {camera!r}: depth is registered to colour"
        assert self.intrinsics is not None
        return (
            f"camera {camera!r}: depth is not registered to colour (up to {self.shift_px:.0f} px"
            f" off); registered with colour focal length {self.intrinsics[0][0]:.1f},"
            f" edges that agree {100 * given:.0f} % -> {100 * corrected:.0f} %"
        )


def estimate_alignment(view: View) -> Alignment | None:
    """Check a view's depth against its colour edges and estimate the correction.

    The correction is the colour camera's focal length and the offset between the two cameras,
    found by maximising the share of depth discontinuities that lie on colour edges (a truncated
    chamfer score), coarse grid first, simplex after.

    Returns:
        ``None`` when there is too little to judge: no depth, no intrinsics, few depth edges.
    """
    if view.depth is None or view.camera.intrinsics is None:
        return None
    samples = _edge_samples(view)
    if len(samples.points) < MIN_EDGE_POINTS:
        return None
    K = view.camera.intrinsics
    center = K[:2, 2]

    def corrected(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        scale, du, dv, baseline = parameters
        uv: NDArray[np.float64] = (samples.points[:, :2] - center) * scale + center
        uv[:, 0] += du + baseline / samples.points[:, 2]
        uv[:, 1] += dv
        return uv

    # Coarse to fine: a wide capture first, then the width that decides.
    best = _grid_search(lambda p: samples.score(corrected(p), 3.0))
    for width in (3.0, 1.5):
        found = optimize.minimize(
            lambda p, width=width: -samples.score(corrected(p), width).mean(),
            best,
            method="Nelder-Mead",
            options={
                "initial_simplex": best + np.vstack((np.zeros(4), np.diag([0.01, 1, 1, 1]))),
                "xatol": 1e-3,
                "fatol": 1e-5,
                "maxiter": 300,
            },
        )
        best = found.x
    before = samples.score(samples.points[:, :2], 1.5)
    after = samples.score(corrected(best), 1.5)
    return _judge(view, best, before, after, samples.frame)


def align(recording: Recording) -> tuple[Recording, dict[str, Any], tuple[str, ...]]:
    """Check and, where needed, correct the registration of every view.

    Returns:
        The recording with corrected views, the corrections as plain JSON for
        :func:`apply_alignment`, and notes for the user.
    """
    corrections: dict[str, Any] = {}
    notes = []
    for view in recording.views:
        alignment = estimate_alignment(view)
        if alignment is None:
            continue
        notes.append(alignment.note(view.camera.name))
        if not alignment.registered:
            corrections[view.camera.name] = {
                "intrinsics": alignment.intrinsics,
                "T_camera_depth": alignment.T_camera_depth,
            }
    return apply_alignment(recording, corrections), corrections, tuple(notes)


def apply_alignment(recording: Recording, corrections: Mapping[str, Any]) -> Recording:
    """Views with the calibration that :func:`align` found."""

    def corrected(view: View) -> View:
        found = corrections.get(view.camera.name)
        if found is None:
            return view
        return replace(
            view,
            camera=replace(view.camera, intrinsics=np.array(found["intrinsics"])),
            depth_camera=view.depth_camera or view.camera,
            T_camera_depth=np.array(found["T_camera_depth"]),
        )

    return replace(recording, views=tuple(corrected(v) for v in recording.views))


@dataclass(frozen=True, eq=False)
class _EdgeSamples:
    """Depth edges as ``[N, 3]`` (u, v, z) with the frame each is from, and colour distances."""

    points: NDArray[np.float64]
    frame: NDArray[np.int64]
    distance: NDArray[np.float32]

    def score(self, uv: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        """How near each point is to a colour edge, 1 on it, 0 far away: ``[N]``."""
        _, height, columns = self.distance.shape
        u, v = np.rint(uv[:, 0]).astype(np.int64), np.rint(uv[:, 1]).astype(np.int64)
        inside = (u >= 0) & (u < columns) & (v >= 0) & (v < height)
        d = self.distance[self.frame, np.clip(v, 0, height - 1), np.clip(u, 0, columns - 1)]
        return np.where(inside, np.exp(-0.5 * (d / width) ** 2), 0.0)


def _same_optics(a: Camera, b: Camera) -> bool:
    if (a.width, a.height) != (b.width, b.height):
        return False
    if a.intrinsics is None or b.intrinsics is None:
        return a.intrinsics is b.intrinsics
    return np.array_equal(a.intrinsics, b.intrinsics)


def _edge_samples(view: View) -> _EdgeSamples:
    assert view.depth is not None
    near = geometry.nearest(view.depth.t_ns, view.rgb.t_ns)
    rows = np.unique(np.linspace(0, len(view.rgb) - 1, CHECKED_FRAMES).astype(int))
    depth_rows = near[rows]
    # Rows must ascend strictly for the reader; repeated depth rows add nothing.
    rows, depth_rows = (
        rows[(first := np.unique(depth_rows, return_index=True)[1])],
        depth_rows[first],
    )
    warp = DepthWarp.of(view)
    points: list[NDArray[np.float64]] = []
    frames: list[NDArray[np.int64]] = []
    distances: list[NDArray[np.float32]] = []
    colour = view.rgb.source.read(rows.tolist())
    depth = view.depth.source.read(depth_rows.tolist())
    for rgb, d in zip(colour, depth, strict=True):
        uvz = _depth_edges(d if warp is None else warp(d))
        frames.append(np.full(len(uvz), len(distances)))
        points.append(uvz)
        distances.append(_edge_distance(rgb))
    return _EdgeSamples(np.concatenate(points), np.concatenate(frames), np.stack(distances))


def _depth_edges(depth: NDArray[np.float32], most: int = 1500) -> NDArray[np.float64]:
    """Pixels on the near side of a depth jump: ``[N, 3]`` (u, v, z)."""
    jump = 0.05 + 0.04 * depth
    edge = np.zeros(depth.shape, np.bool_)
    for axis in (0, 1):
        for step in (2, -2):
            beyond = np.roll(depth, step, axis)
            edge |= (depth > 0) & (beyond - depth > jump)
    edge[:3], edge[-3:], edge[:, :3], edge[:, -3:] = False, False, False, False
    v, u = np.nonzero(edge)
    if len(u) > most:
        keep = np.linspace(0, len(u) - 1, most).astype(int)
        u, v = u[keep], v[keep]
    return np.stack((u, v, depth[v, u]), 1).astype(np.float64)


def _edge_distance(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance of every pixel to the nearest colour edge, ``float32 [H, W]`` pixels."""
    grey = ndimage.gaussian_filter(rgb.astype(np.float32).mean(2), 1.0)
    gx, gy = ndimage.sobel(grey, 1), ndimage.sobel(grey, 0)
    strength = np.hypot(gx, gy)
    ridge = np.where(
        np.abs(gx) > np.abs(gy),
        (strength >= np.roll(strength, 1, 1)) & (strength >= np.roll(strength, -1, 1)),
        (strength >= np.roll(strength, 1, 0)) & (strength >= np.roll(strength, -1, 0)),
    )
    edges = ridge & (strength > np.percentile(strength, 88))
    distance = ndimage.distance_transform_edt(~edges) if edges.any() else np.full(grey.shape, 99.0)
    return np.asarray(np.minimum(distance, 30), np.float32)


def _grid_search(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    candidates = [
        np.array([scale, du, dv, 0.0])
        for scale in np.arange(0.82, 1.2, 0.02)
        for du in np.arange(-18, 19, 6.0)
        for dv in np.arange(-12, 13, 6.0)
    ]
    return max(candidates, key=lambda p: float(score(p).mean()))


def _judge(
    view: View,
    best: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    frame: NDArray[np.int64],
) -> Alignment:
    camera = view.camera
    assert camera.intrinsics is not None
    scale, du, dv, baseline = best
    K = camera.intrinsics.copy()
    corners = np.array(
        [[0, 0], [camera.width, 0], [0, camera.height], [camera.width, camera.height]]
    )
    moved = (corners - K[:2, 2]) * (scale - 1) + [du + baseline / 1.5, dv]
    shift = float(np.linalg.norm(moved, axis=1).max())
    # Frames, not points, are independent: the gain must show in them.
    gain = np.array([(after - before)[frame == k].mean() for k in np.unique(frame)])
    certain = gain.mean() > 4 * gain.std() / np.sqrt(len(gain)) and gain.mean() > 0.02
    agreement = (float(before.mean()), float(after.mean()))
    if shift < MIN_SHIFT_PX or not certain:
        return Alignment(True, shift, agreement)
    K[0, 0] *= scale
    K[1, 1] *= scale
    K[:2, 2] += du, dv
    T = np.eye(4)
    T[0, 3] = baseline / K[0, 0]
    return Alignment(False, shift, agreement, K.tolist(), T.tolist())
