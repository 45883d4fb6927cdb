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
CHECKED_PIXELS = CHECKED_FRAMES * 1280 * 960
"""Of all checked frames together; large pictures have edges enough in fewer frames."""
MIN_FRAMES = 6
MIN_EDGE_POINTS = 2000
MIN_SHIFT_PX = 2.5
"""Below this displacement at the image corners a registration is good enough to leave alone."""
_FAR = 30**2
_HALF = np.float32(0.501)
"""Added before rounding down. Calibrations half a pixel or a factor of two apart put every pixel
midway between two; with exactly a half, noise would choose anew for each and leave holes."""
MAX_MAGNIFIED = 16
"""Depth that its calibration blows up to more than this many colour pictures has a wrong one."""


class DepthWarp:
    """Renders depth images of one camera into the image of another, nearest surface in front."""

    def __init__(self, view: View) -> None:
        camera, depth_camera = view.camera, view.depth_camera or view.camera
        self._repeat = _repetition(camera, depth_camera)
        assert camera.intrinsics is not None and depth_camera.intrinsics is not None
        self._size = (camera.height, camera.width)
        K = depth_camera.intrinsics.copy()
        n = self._repeat
        K[:2] *= n
        K[:2, 2] += (n - 1) / 2
        rays = geometry.rays(K, depth_camera.width * n, depth_camera.height * n)
        R = view.T_camera_depth[:3, :3].astype(np.float32)
        projected = rays @ (camera.intrinsics.astype(np.float32) @ R).T
        self._u, self._v, self._w = np.ascontiguousarray(projected.reshape(-1, 3).T)
        t = view.T_camera_depth[:3, 3]
        self._t = (camera.intrinsics @ t).astype(np.float32)

    @classmethod
    def of(cls, view: View) -> DepthWarp | None:
        """The warp a view needs; ``None`` when its depth already lies in the colour image."""
        return None if view.depth is None or _lies_in_colour(view) else cls(view)

    def __call__(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth ``float32`` metres of the depth camera to that of the colour camera."""
        if self._repeat > 1:
            depth = depth.repeat(self._repeat, 0).repeat(self._repeat, 1)
        height, width = self._size
        z = depth.reshape(-1)
        w = self._w * z + self._t[2]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            u = np.floor((self._u * z + self._t[0]) / w + _HALF)
            v = np.floor((self._v * z + self._t[1]) / w + _HALF)
        inside = (z > 0) & (w > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        target = v[inside].astype(np.intp) * width + u[inside].astype(np.intp)
        out = np.full(height * width, np.inf, np.float32)
        np.minimum.at(out, target, w[inside])
        out[np.isinf(out)] = 0
        return out.reshape(height, width)


def drop_unusable_depth(recording: Recording) -> Recording:
    """A recording whose views go without depth that no calibration relates to their colour."""
    views, notes = [], []
    for view in recording.views:
        try:
            if view.depth is not None and not _lies_in_colour(view):
                _repetition(view.camera, view.depth_camera or view.camera)
        except RecordingError as error:
            view = replace(view, depth=None, depth_camera=None)
            notes.append(f"Left out: {error}")
        views.append(view)
    if not notes:
        return recording
    return replace(recording, views=tuple(views), notes=(*recording.notes, *notes))


def _lies_in_colour(view: View) -> bool:
    same_place = np.array_equal(view.T_camera_depth, np.eye(4))
    return same_place and _same_optics(view.camera, view.depth_camera or view.camera)


def _repetition(camera: Camera, depth_camera: Camera) -> int:
    """How often depth pixels are repeated so that magnifying leaves no gaps between them.

    Raises:
        RecordingError: the calibrations do not relate the two.
    """
    if camera.intrinsics is None or depth_camera.intrinsics is None:
        raise RecordingError(
            f"depth of camera {camera.name!r} is of another camera, and one of the two has no"
            " intrinsics",
            remedy="Add the missing calibration to the recording.",
        )
    magnified = camera.intrinsics[0, 0] / depth_camera.intrinsics[0, 0]
    pixels = magnified**2 * depth_camera.width * depth_camera.height
    if pixels > MAX_MAGNIFIED * camera.width * camera.height:
        raise RecordingError(
            f"depth of camera {camera.name!r} would be magnified {magnified:.3g} times by its"
            " calibration",
            remedy="Correct the intrinsics of the two cameras in the recording.",
        )
    return max(1, int(np.ceil(magnified - 0.01)))


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
    enough = samples is not None and len(samples.z) >= MIN_EDGE_POINTS
    if samples is None or not enough or len(np.unique(samples.frame)) < MIN_FRAMES:
        return None
    wide, narrow = (samples.nearness(width) for width in (3.0, 1.5))
    # Coarse to fine: a wide capture first, then the width that decides.
    best = _grid_search(lambda p: samples.score(p, wide))
    for nearness in (wide, narrow):
        found = optimize.minimize(
            lambda p, nearness=nearness: -samples.score(p, nearness).mean(),
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
    before = samples.score(np.array([1.0, 0, 0, 0]), narrow)
    after = samples.score(best, narrow)
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
    """Depth edges of some frames, and how far each pixel is from an edge in colour.

    Attributes:
        u: ``[N]`` pixels right of the colour camera's centre.
        v: ``[N]`` pixels below it.
        z: ``[N]`` metres.
        frame: ``[N]`` position of the frame in ``squared``.
        squared: ``uint16 [F, H, W]`` squared distance in pixels, at most ``_FAR``.
        center: the colour camera's centre in pixels.
    """

    u: NDArray[np.float64]
    v: NDArray[np.float64]
    z: NDArray[np.float64]
    frame: NDArray[np.intp]
    squared: NDArray[np.uint16]
    center: NDArray[np.float64]

    def nearness(self, width: float) -> NDArray[np.float32]:
        """What each squared distance counts: 1 on an edge, 0 far away."""
        distance = np.sqrt(np.arange(_FAR + 1, dtype=np.float64)).astype(np.float32)
        return np.asarray(np.exp(-0.5 * (distance / width) ** 2), np.float32)

    def score(
        self, parameters: NDArray[np.float64], nearness: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How near each depth edge, corrected, is to a colour edge: ``[N]``, 1 on it.

        Args:
            parameters: focal length as a multiple of the given one, offset right and down in
                pixels, and baseline in pixels at one metre.
            nearness: of :meth:`nearness`.
        """
        scale, right, down, baseline = parameters
        _, height, width = self.squared.shape
        u = np.rint(self.u * scale + self.center[0] + (right + baseline / self.z)).astype(np.intp)
        v = np.rint(self.v * scale + self.center[1] + down).astype(np.intp)
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        at = (self.frame * height + v) * width + u
        squared = self.squared.reshape(-1).take(at, mode="clip")
        return np.asarray(nearness.take(squared) * inside, np.float32)


def _same_optics(a: Camera, b: Camera) -> bool:
    if (a.width, a.height) != (b.width, b.height):
        return False
    if a.intrinsics is None or b.intrinsics is None:
        return a.intrinsics is b.intrinsics
    return np.array_equal(a.intrinsics, b.intrinsics)


def _edge_samples(view: View) -> _EdgeSamples | None:
    """Edges of frames spread over the recording; ``None`` when none of them can be read."""
    assert view.depth is not None and view.camera.intrinsics is not None
    affordable = CHECKED_PIXELS // (view.camera.width * view.camera.height)
    frames = min(CHECKED_FRAMES, max(affordable, MIN_FRAMES))
    rows = np.unique(np.linspace(0, len(view.rgb) - 1, frames).astype(int))
    depth_rows = geometry.nearest(view.depth.t_ns, view.rgb.t_ns[rows])
    depth_rows, first = np.unique(depth_rows, return_index=True)  # a repeated one adds nothing
    warp = DepthWarp.of(view)
    points: list[NDArray[np.float64]] = []
    squared: list[NDArray[np.uint16]] = []
    for row, depth_row in zip(rows[first].tolist(), depth_rows.tolist(), strict=True):
        try:
            [rgb] = view.rgb.source.read([row])
            [depth] = view.depth.source.read([depth_row])
        except RecordingError:  # the other frames are enough
            continue
        points.append(_depth_edges(depth if warp is None else warp(depth)))
        squared.append(_edge_distance(rgb))
    if not points:
        return None
    center = view.camera.intrinsics[:2, 2]
    u, v, z = np.ascontiguousarray(np.concatenate(points).T)
    frame = np.repeat(np.arange(len(points)), [len(part) for part in points])
    return _EdgeSamples(u - center[0], v - center[1], z, frame, np.stack(squared), center)


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


def _edge_distance(rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Squared distance of every pixel to the nearest colour edge, ``[H, W]``, at most ``_FAR``."""
    grey = ndimage.gaussian_filter(rgb.astype(np.float32).mean(2), 1.0)
    gx, gy = ndimage.sobel(grey, 1), ndimage.sobel(grey, 0)
    strength = np.hypot(gx, gy)
    ridge = np.where(
        np.abs(gx) > np.abs(gy),
        (strength >= np.roll(strength, 1, 1)) & (strength >= np.roll(strength, -1, 1)),
        (strength >= np.roll(strength, 1, 0)) & (strength >= np.roll(strength, -1, 0)),
    )
    edges = ridge & (strength > np.percentile(strength, 88))
    if not edges.any():
        return np.full(grey.shape, _FAR, np.uint16)
    distance = ndimage.distance_transform_edt(~edges)
    return np.asarray(np.rint(np.minimum(distance * distance, _FAR)), np.uint16)


def _grid_search(
    score: Callable[[NDArray[np.float64]], NDArray[np.float32]],
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
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    frame: NDArray[np.intp],
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
    T = view.T_camera_depth.copy()
    T[0, 3] += baseline / K[0, 0]
    return Alignment(False, shift, agreement, K.tolist(), T.tolist())
