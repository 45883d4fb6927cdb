"""Exact ray casting of a handful of analytic shapes, in vectorised NumPy.

In: shapes in the world, a pinhole camera, the pixels to look through. Out: metric depth, which
shape is nearest, and its outward surface. Coordinates come first, ``[3, N]``, so that each one is
contiguous; world z points up, metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert
from scenekeeper.schema import Camera

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Vec3 = tuple[float, float, float]
Kind = Literal["box", "rectangle", "cylinder", "cup", "sphere", "bowl"]

NEAR = 1e-3
"""Metres before the camera within which nothing is seen."""

_TINY = np.float32(1e-12)


@dataclass(frozen=True)
class Shape:
    """One surface, defined by its upright bounding box alone.

    Attributes:
        kind: ``box``; ``rectangle``, a box with one extent of zero; ``cylinder``, upright; ``cup``,
            a cylinder of no wall thickness without its top; ``sphere``; ``bowl``, the lower cap of
            a sphere, open at the top.
        center: of the bounding box.
        extent: full size along the shape's own axes; round kinds are as wide as they are deep.
        yaw: rotation about world z.
    """

    kind: Kind
    center: Vec3
    extent: Vec3
    yaw: float = 0.0

    def placed(self, at: Vec3, yaw: float) -> Shape:
        """The shape carried along when its parent frame is turned by ``yaw`` and moved ``at``."""
        x, y, z = _turned(np.array(self.center), yaw) + np.array(at)
        return replace(self, center=(float(x), float(y), float(z)), yaw=self.yaw + yaw)


@dataclass(frozen=True, eq=False)
class Hits:
    """What each ray meets first.

    Attributes:
        depth: ``float32 [N]`` metres along the optical axis; ``inf`` = nothing.
        shape: ``int16 [N]`` index of the shape; -1 = nothing.
        origin: ``float64 [3]`` where the rays start.
        directions: ``float32 [3, N]`` world directions, 1 m long along the optical axis.
    """

    depth: Float32
    shape: NDArray[np.int16]
    origin: Float
    directions: Float32

    def points(self) -> Float32:
        """World points ``float32 [3, N]``; not finite where nothing was hit."""
        return self.origin.astype(np.float32)[:, None] + self.directions * self.depth


def pixel_grid(width: int, height: int) -> Float32:
    """Centres of all pixels, row by row: ``float32 [2, H * W]``, u then v."""
    v, u = np.mgrid[0:height, 0:width]
    return np.stack((u.ravel(), v.ravel())).astype(np.float32)


def cast(shapes: Sequence[Shape], camera: Camera, T_world_camera: Float, pixels: Float32) -> Hits:
    """Nearest shape along the ray through each pixel.

    Args:
        shapes: the scene; later shapes lose ties.
        camera: calibrated, without distortion.
        T_world_camera: ``[4, 4]``.
        pixels: ``float32 [2, N]`` u and v, ascending in the row they round to.
    """
    assert camera.intrinsics is not None
    rays = T_world_camera[:3, :3] @ np.linalg.inv(camera.intrinsics)
    directions = _rotate(rays, pixels)
    origin = T_world_camera[:3, 3]
    depth = np.full(pixels.shape[1], np.inf, np.float32)
    shape = np.full(pixels.shape[1], -1, np.int16)
    rows = np.rint(pixels[1])
    for k, bound in enumerate(_pixel_bounds(shapes, camera, T_world_camera)):
        inside = _rays_within(bound, pixels[0], rows)
        if not len(inside):
            continue
        t = distance(shapes[k], origin, directions.take(inside, axis=1))
        closer = t < depth[inside]
        inside = inside[closer]
        depth[inside] = t[closer]
        shape[inside] = k
    return Hits(depth, shape, origin, directions)


def distance(shape: Shape, origin: Float, directions: Float32) -> Float32:
    """Ray parameter of the nearest hit, ``float32 [N]``; ``inf`` where the ray misses.

    Args:
        shape: what to hit.
        origin: ``[3]`` world point where all rays start.
        directions: ``float32 [3, N]`` world directions of any length.
    """
    o = _turned(origin - np.array(shape.center), -shape.yaw).astype(np.float32)
    half = _half(shape)
    with np.errstate(invalid="ignore", over="ignore"):
        return _DISTANCE[shape.kind](o, _turned(directions, -shape.yaw), half)


def to_local(shape: Shape, points: Float32) -> Float32:
    """World points ``[3, N]`` in the shape's own axes, from the centre of its box."""
    offset = points - np.array(shape.center, np.float32)[:, None]
    return _turned(offset, -shape.yaw)


def normal(shape: Shape, local: Float32) -> Float32:
    """Outward unit normals ``[3, N]`` in the shape's own axes at local surface points."""
    return _NORMAL[shape.kind](local, _half(shape))


def to_world(shape: Shape, normals: Float32) -> Float32:
    """Directions ``[3, N]`` from the shape's own axes to the world's."""
    return _turned(normals, shape.yaw)


# --- which rays can meet a shape at all -----------------------------------------------------------


def _pixel_bounds(shapes: Sequence[Shape], camera: Camera, T_world_camera: Float) -> Float32:
    """Boxes ``xyxy`` ``[S, 4]`` that hold the pixels each shape can touch; empty when behind."""
    assert camera.intrinsics is not None
    center = np.array([s.center for s in shapes])
    half = np.array([s.extent for s in shapes]) / 2
    yaw = np.array([s.yaw for s in shapes])
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = np.moveaxis(half[:, None] * signs, -1, 0)  # [3, S, 8]
    corners = _turned(corners, yaw[:, None]) + center.T[:, :, None]
    T = invert(T_world_camera)
    seen = np.einsum("ij,jsk->isk", T[:3, :3], corners) + T[:3, 3, None, None]
    z = seen[2]
    u, v, _ = np.einsum("ij,jsk->isk", camera.intrinsics, seen) / np.maximum(z, NEAR)
    bounds = np.stack((u.min(1) - 1, v.min(1) - 1, u.max(1) + 1, v.max(1) + 2), -1)
    bounds[z.min(1) < NEAR] = -np.inf, -np.inf, np.inf, np.inf
    bounds[z.max(1) < NEAR] = np.inf, np.inf, -np.inf, -np.inf
    return bounds.astype(np.float32)


def _rays_within(bound: Float32, u: Float32, rows: Float32) -> NDArray[np.intp]:
    """Indices of the rays inside a bound; ``rows`` ascends."""
    first, last = (int(i) for i in np.searchsorted(rows, bound[1::2]))
    columns = u[first:last]
    return np.flatnonzero((columns >= bound[0]) & (columns <= bound[2])) + first


# --- one function per kind, in the shape's own axes -----------------------------------------------


def _box(o: Float32, d: Float32, half: Float32) -> Float32:
    near, far = _slab(o[0], d[0], half[0])
    for axis in (1, 2):
        low, high = _slab(o[axis], d[axis], half[axis])
        near, far = np.maximum(near, low), np.minimum(far, high)
    return _visible(near, near, far)


def _rectangle(o: Float32, d: Float32, half: Float32) -> Float32:
    axis = int(np.argmin(half))
    t = -o[axis] / _nonzero(d[axis])
    hit = t > NEAR
    for other in {0, 1, 2} - {axis}:
        hit &= np.abs(o[other] + t * d[other]) <= half[other]
    return np.where(hit, t, np.float32(np.inf))


def _cylinder(o: Float32, d: Float32, half: Float32) -> Float32:
    near, far = _tube(o, d, half[0])
    low, high = _slab(o[2], d[2], half[2])
    near, far = np.maximum(near, low), np.minimum(far, high)
    return _visible(near, near, far)


def _cup(o: Float32, d: Float32, half: Float32) -> Float32:
    side, far = _tube(o, d, half[0])
    low, high = _slab(o[2], d[2], half[2])
    near, far = np.maximum(side, low), np.minimum(far, high)
    # What enters through the open top is seen on the inside, where the ray would leave.
    through_top = (d[2] < 0) & (low > side)
    return _visible(np.where(through_top, far, near), near, far)


def _sphere(o: Float32, d: Float32, half: Float32) -> Float32:
    near, far = _ball(o, d, half[0])
    return _visible(near, near, far)


def _bowl(o: Float32, d: Float32, half: Float32) -> Float32:
    ball, far = _ball(o - _bowl_center(half), d, _bowl_radius(half))
    top = (half[2] - o[2]) / _nonzero(d[2])
    down = d[2] < 0
    near = np.where(down, np.maximum(ball, top), ball)
    far = np.where(down, far, np.minimum(far, top))
    return _visible(np.where(down & (top > ball), far, near), near, far)


def _visible(t: Float32, near: Float32, far: Float32) -> Float32:
    """``t`` where the ray is in the solid from ``near`` to ``far``; from inside, the way out."""
    t = np.where(t > NEAR, t, far)
    return np.where((near <= far) & (far > NEAR), t, np.float32(np.inf))


def _slab(o: np.float32, d: Float32, half: np.float32) -> tuple[Float32, Float32]:
    inverse = 1 / _nonzero(d)
    a, b = (-half - o) * inverse, (half - o) * inverse
    return np.minimum(a, b), np.maximum(a, b)


def _tube(o: Float32, d: Float32, radius: np.float32) -> tuple[Float32, Float32]:
    a = np.maximum(d[0] * d[0] + d[1] * d[1], _TINY)
    b = o[0] * d[0] + o[1] * d[1]
    cross = o[0] * d[1] - o[1] * d[0]
    # The distance of line and axis by cross product: b^2 - a c would cancel in float32.
    root = np.sqrt(radius * radius * a - cross * cross)
    return (-b - root) / a, (-b + root) / a


def _ball(o: Float32, d: Float32, radius: np.float32) -> tuple[Float32, Float32]:
    a = (d * d).sum(0)
    b = (o[:, None] * d).sum(0)
    cross = np.stack([o[i] * d[j] - o[j] * d[i] for i, j in ((0, 1), (1, 2), (2, 0))])
    root = np.sqrt(radius * radius * a - (cross * cross).sum(0))
    return (-b - root) / a, (-b + root) / a


def _bowl_radius(half: Float32) -> np.float32:
    """Radius of the sphere whose cap has the given half width and half height."""
    height = 2 * half[2]
    return np.float32((half[0] ** 2 + height**2) / (2 * height))


def _bowl_center(half: Float32) -> Float32:
    return np.array([0, 0, _bowl_radius(half) - half[2]], np.float32)


def _box_normal(p: Float32, half: Float32) -> Float32:
    axis = np.argmin(half[:, None] - np.abs(p), 0)
    n = np.zeros_like(p)
    each = np.arange(p.shape[1])
    n[axis, each] = np.sign(p[axis, each])
    return n


def _rectangle_normal(p: Float32, half: Float32) -> Float32:
    n = np.zeros_like(p)
    n[int(np.argmin(half))] = 1
    return n


def _cylinder_normal(p: Float32, half: Float32) -> Float32:
    radius = np.maximum(np.hypot(p[0], p[1]), _TINY)
    cap = np.abs(half[2] - np.abs(p[2])) < np.abs(half[0] - radius)
    side = np.where(cap, 0, 1 / radius)
    return np.stack((p[0] * side, p[1] * side, np.where(cap, np.sign(p[2]), 0))).astype(np.float32)


def _sphere_normal(p: Float32, half: Float32) -> Float32:
    return np.asarray(p / half[0], np.float32)


def _bowl_normal(p: Float32, half: Float32) -> Float32:
    return np.asarray((p - _bowl_center(half)[:, None]) / _bowl_radius(half), np.float32)


_DISTANCE: dict[Kind, Callable[[Float32, Float32, Float32], Float32]] = {
    "box": _box,
    "rectangle": _rectangle,
    "cylinder": _cylinder,
    "cup": _cup,
    "sphere": _sphere,
    "bowl": _bowl,
}
_NORMAL: dict[Kind, Callable[[Float32, Float32], Float32]] = {
    "box": _box_normal,
    "rectangle": _rectangle_normal,
    "cylinder": _cylinder_normal,
    "cup": _cylinder_normal,
    "sphere": _sphere_normal,
    "bowl": _bowl_normal,
}


def _half(shape: Shape) -> Float32:
    return np.array([size / 2 for size in shape.extent], np.float32)


def _nonzero(d: Float32) -> Float32:
    return np.where(np.abs(d) < _TINY, _TINY, d)


def _rotate(rays: Float, pixels: Float32) -> Float32:
    """``rays @ [u, v, 1]`` without BLAS, whose blocking may differ from run to run."""
    u, v = pixels
    return np.stack([(r[0] * u + r[1] * v + r[2]) for r in rays.astype(np.float32)])


def _turned(p: NDArray[Any], yaw: float | Float) -> NDArray[Any]:
    """Coordinates ``[3, ...]`` rotated about z, keeping their dtype."""
    if np.ndim(yaw) == 0 and yaw == 0:
        return p
    c, s = np.asarray(np.cos(yaw), p.dtype), np.asarray(np.sin(yaw), p.dtype)
    return np.stack((c * p[0] - s * p[1], s * p[0] + c * p[1], p[2]))
