"""Poses, pinhole cameras, projection and boxes: pure NumPy functions, no state.

Poses are ``T_a_b`` (maps points of frame ``b`` into frame ``a``) as 4x4 ``float64``; as numbers
they are ``[tx, ty, tz, qx, qy, qz, qw]`` in metres and a unit quaternion. Camera axes are
OpenCV's: x right, y down, z forward. Pixel centres lie on integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def pose_matrix(pose: ArrayLike) -> Float:
    """``[..., 7]`` translation and quaternion (any length but zero) to ``[..., 4, 4]``."""
    pose = np.asarray(pose, np.float64)
    x, y, z, w = np.moveaxis(_unit(pose[..., 3:]), -1, 0)
    T = np.zeros((*pose.shape[:-1], 4, 4))
    T[..., 0, 0] = 1 - 2 * (y * y + z * z)
    T[..., 0, 1] = 2 * (x * y - z * w)
    T[..., 0, 2] = 2 * (x * z + y * w)
    T[..., 1, 0] = 2 * (x * y + z * w)
    T[..., 1, 1] = 1 - 2 * (x * x + z * z)
    T[..., 1, 2] = 2 * (y * z - x * w)
    T[..., 2, 0] = 2 * (x * z - y * w)
    T[..., 2, 1] = 2 * (y * z + x * w)
    T[..., 2, 2] = 1 - 2 * (x * x + y * y)
    T[..., :3, 3] = pose[..., :3]
    T[..., 3, 3] = 1
    return T


def pose_vector(T: ArrayLike) -> Float:
    """``[4, 4]`` pose to ``[7]``; the nearest rotation is taken when noise made it no rotation.

    Raises:
        ValueError: the matrix is not finite or its upper left block is far from a rotation.
    """
    T = np.asarray(T, np.float64)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise ValueError("a pose must be a finite 4x4 matrix")
    u, scale, vt = np.linalg.svd(T[:3, :3])
    R = u @ vt
    if np.abs(scale - 1).max() > 0.05 or np.linalg.det(R) < 0:
        raise ValueError("the upper left 3x3 block of the pose is not a rotation")
    # Shepperd's method: divide by the largest component so that nothing cancels.
    trace = np.trace(R)
    k = int(np.argmax([R[0, 0], R[1, 1], R[2, 2], trace]))
    q = np.empty(4)
    if k == 3:
        q[3] = 1 + trace
        q[:3] = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]
    else:
        i, j, m = k, (k + 1) % 3, (k + 2) % 3
        q[i] = 1 + R[i, i] - R[j, j] - R[m, m]
        q[j] = R[j, i] + R[i, j]
        q[m] = R[m, i] + R[i, m]
        q[3] = R[m, j] - R[j, m]
    q /= np.linalg.norm(q)
    return np.concatenate((T[:3, 3], q if q[3] >= 0 else -q))


def invert(T: Float) -> Float:
    """Inverse of rigid poses ``[..., 4, 4]``."""
    R_t = np.swapaxes(T[..., :3, :3], -1, -2)
    out = np.zeros_like(T)
    out[..., :3, :3] = R_t
    out[..., :3, 3] = -np.einsum("...ij,...j->...i", R_t, T[..., :3, 3])
    out[..., 3, 3] = 1
    return out


def interpolate_poses(t_ns: NDArray[np.int64], poses: Float, at_ns: NDArray[np.int64]) -> Float:
    """Poses at other times: linear in position, spherical in rotation.

    Args:
        t_ns: ``int64 [N]`` ascending sample times, N >= 1.
        poses: ``[N, 7]``.
        at_ns: ``int64 [M]``; times outside the samples take the nearest one.

    Returns:
        ``[M, 7]``; a time equal to a sample's returns that sample unchanged.
    """
    right = np.clip(np.searchsorted(t_ns, at_ns), 0, len(t_ns) - 1)
    left = np.where(t_ns[right] > at_ns, np.maximum(right - 1, 0), right)
    span = (t_ns[right] - t_ns[left]).astype(np.float64)
    a = np.where(span > 0, (at_ns - t_ns[left]) / np.where(span > 0, span, 1), 0.0)
    a = np.clip(a, 0, 1)[:, None]
    p, q = poses[left], poses[right]
    out = p.copy()
    between = (a > 0)[:, 0]
    if between.any():
        a, p, q = a[between], p[between], q[between]
        qa, qb = _unit(p[:, 3:]), _unit(q[:, 3:])
        dot = (qa * qb).sum(1, keepdims=True)
        qb, dot = np.where(dot < 0, -qb, qb), np.abs(dot)
        theta = np.arccos(np.clip(dot, -1, 1))
        small = theta < 1e-6
        sine = np.where(small, 1.0, np.sin(theta))
        wa = np.where(small, 1 - a, np.sin((1 - a) * theta) / sine)
        wb = np.where(small, a, np.sin(a * theta) / sine)
        out[between] = np.concatenate(
            (p[:, :3] * (1 - a) + q[:, :3] * a, _unit(wa * qa + wb * qb)), 1
        )
    return out


def nearest(t_ns: NDArray[np.int64], at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index ``[M]`` of the sample nearest in time; the earlier one when two are as near."""
    right = np.clip(np.searchsorted(t_ns, at_ns), 0, len(t_ns) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(at_ns - t_ns[left] <= t_ns[right] - at_ns, left, right)


def transform(T: Float, points: NDArray[Any]) -> NDArray[Any]:
    """Apply a rigid pose ``[4, 4]`` to points ``[..., 3]``, keeping their dtype."""
    R, t = T[:3, :3].astype(points.dtype), T[:3, 3].astype(points.dtype)
    moved: NDArray[Any] = points @ R.T + t
    return moved


def project(intrinsics: Float, points: NDArray[Any]) -> NDArray[Any]:
    """Pinhole projection of camera-frame points ``[..., 3]`` (z > 0) to pixels ``[..., 2]``."""
    K = intrinsics.astype(points.dtype)
    z = points[..., 2]
    u = K[0, 0] * points[..., 0] / z + K[0, 1] * points[..., 1] / z + K[0, 2]
    v = K[1, 1] * points[..., 1] / z + K[1, 2]
    return np.stack((u, v), -1)


def rays(intrinsics: Float, width: int, height: int, stride: int = 1) -> NDArray[np.float32]:
    """Camera-frame directions with z = 1 through every ``stride``-th pixel.

    Returns:
        ``float32 [ceil(height / stride), ceil(width / stride), 3]``.
    """
    inverse = np.linalg.inv(intrinsics)
    v, u = np.mgrid[0:height:stride, 0:width:stride]
    pixels = np.stack((u, v, np.ones_like(u)), -1).astype(np.float64)
    return np.asarray(pixels @ inverse.T, np.float32)


def unproject(depth: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Camera-frame points ``[H, W, 3]`` of a depth image in metres; unknown depth gives zeros."""
    return directions * depth[..., None]


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> Float:
    """IoU ``[N, M]`` of axis-aligned image boxes ``xyxy`` ``[N, 4]`` and ``[M, 4]``."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    size_a = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(-1)
    size_b = np.clip(b[:, 2:] - b[:, :2], 0, None).prod(-1)
    union = size_a[:, None] + size_b[None] - shared
    iou: Float = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def upright_box(points: NDArray[Any], up: Float) -> tuple[Float, Float, Float]:
    """Smallest box around points that stands upright.

    The yaw is the one whose footprint has the least area, tried over the edges of the footprint's
    convex hull (rotating calipers).

    Args:
        points: ``[N, 3]`` in metres, world frame, N >= 1.
        up: unit vector ``[3]`` against gravity.

    Returns:
        ``(center [3], extent [3], R_world_box [3, 3])``; the box's third axis is ``up``.
    """
    points = np.asarray(points, np.float64)
    basis = upright_basis(up)
    local = points @ basis
    angle = _calipers(local[:, :2])
    c, s = np.cos(angle), np.sin(angle)
    R = basis @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    local = points @ R
    low, high = local.min(0), local.max(0)
    return R @ ((low + high) / 2), high - low, R


def box_corners(center: Float, extent: Float, R_world_box: Float) -> Float:
    """The eight corners ``[8, 3]`` of an oriented box, x fastest, then y, then z."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1], indexing="ij"), -1).reshape(8, 3)
    return np.asarray(center + (signs[:, ::-1] * extent / 2) @ R_world_box.T, np.float64)


def upright_iou(
    a: tuple[Float, Float, Float], b: tuple[Float, Float, Float], up: ArrayLike
) -> Float:
    """IoU of the volumes of boxes that stand upright: outlines clipped, times shared height.

    Args:
        a: ``(center [N, 3], extent [N, 3], R_world_box [N, 3, 3])``, metres, world frame. The axis
            of a box that is nearest to ``up`` is taken for its upright one; a box that leans is
            judged as if it did not.
        b: the same of M boxes.
        up: vector ``[3]`` against gravity.

    Returns:
        ``float64 [N, M]``.
    """
    basis = upright_basis(np.asarray(up, np.float64))
    outline_a, height_a = _prisms(*a, basis)
    outline_b, height_b = _prisms(*b, basis)
    low = np.maximum(height_a[:, None, 0], height_b[None, :, 0])
    shared = np.clip(np.minimum(height_a[:, None, 1], height_b[None, :, 1]) - low, 0, None)
    inside = (outline_a.min(1)[:, None] < outline_b.max(1)[None]).all(-1)
    inside &= (outline_b.min(1)[None] < outline_a.max(1)[:, None]).all(-1)
    for i, j in np.argwhere(inside & (shared > 0)).tolist():
        shared[i, j] *= _area(_clip(outline_a[i], outline_b[j]))
    shared[~inside] = 0
    volume_a, volume_b = (np.asarray(one[1], np.float64).prod(1) for one in (a, b))
    union = volume_a[:, None] + volume_b[None] - shared
    iou: Float = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def _prisms(center: Float, extent: Float, R: Float, basis: Float) -> tuple[Float, Float]:
    """Outlines ``[N, 4, 2]`` counter-clockwise and heights ``[N, 2]`` of boxes, in ``basis``."""
    center, extent = np.asarray(center, np.float64) @ basis, np.asarray(extent, np.float64)
    axes = basis.T @ np.asarray(R, np.float64).reshape(-1, 3, 3)
    n = np.arange(len(center))
    upright = np.abs(axes[:, 2]).argmax(1)
    half = []
    for k in ((upright + 1) % 3, (upright + 2) % 3):
        level = axes[n, :2, k]
        length = np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-12)
        half.append(level / length * extent[n, k, None] / 2)
    u, v = half
    v = np.where((u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])[:, None] < 0, -v, v)
    outline = center[:, None, :2] + np.stack((u + v, v - u, -u - v, u - v), 1)
    tall = extent[n, upright, None] / 2
    return outline, center[:, 2:] + np.concatenate((-tall, tall), 1)


def _clip(polygon: Float, window: Float) -> Float:
    """A polygon's part within a convex, counter-clockwise one (Sutherland and Hodgman, 1974)."""
    for start, end in zip(window, np.roll(window, -1, 0), strict=True):
        if len(polygon) < 3:
            break
        edge, to = end - start, polygon - start
        side = edge[0] * to[:, 1] - edge[1] * to[:, 0]
        after, next_side = np.roll(polygon, -1, 0), np.roll(side, -1)
        kept: list[Float] = []
        for k in range(len(polygon)):
            if side[k] >= 0:
                kept.append(polygon[k])
            if (side[k] > 0 > next_side[k]) or (side[k] < 0 < next_side[k]):
                share = side[k] / (side[k] - next_side[k])
                kept.append(polygon[k] + share * (after[k] - polygon[k]))
        polygon = np.array(kept).reshape(-1, 2)
    return polygon


def _area(polygon: Float) -> float:
    """Of a polygon ``[N, 2]``, by the shoelace formula; 0 of fewer than three corners."""
    x, y = (polygon - polygon[:1]).T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2) if len(x) > 2 else 0.0


def _unit(q: Float) -> Float:
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    # A quaternion that already is of unit length passes unchanged, so reading a pose back from
    # a file gives the same bits.
    return np.where(np.abs(norm - 1) < 1e-12, q, q / np.where(norm > 0, norm, 1))


def upright_basis(up: Float) -> Float:
    """Rotation ``[3, 3]`` whose columns are two level axes and the unit ``up``; deterministic."""
    z = up / np.linalg.norm(up)
    x = np.eye(3)[int(np.argmin(np.abs(z)))]
    x = x - (x @ z) * z
    x /= np.linalg.norm(x)
    return np.stack((x, np.cross(z, x), z), 1)


def _calipers(xy: Float) -> float:
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = xy[ConvexHull(xy).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        along = xy[np.linalg.norm(xy - xy[0], axis=1).argmax()] - xy[0]
        return float(np.arctan2(along[1], along[0]))
    edges = np.roll(hull, -1, 0) - hull
    angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 9))
    c, s = np.cos(angles), np.sin(angles)
    u = hull[:, 0, None] * c + hull[:, 1, None] * s
    v = hull[:, 1, None] * c - hull[:, 0, None] * s
    return float(angles[np.argmin(np.ptp(u, 0) * np.ptp(v, 0))])
