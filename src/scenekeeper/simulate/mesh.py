"""Triangle meshes from a handful of procedures: box, lathe, tube, ball, grid.

z points up, metres; the front of a thing faces -y. Triangles are counter-clockwise from outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Float = NDArray[np.float64]
Profile = Sequence[tuple[float, float]]
Surface = Callable[[Float, Float], tuple[Float, Float, Float]]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A shape with texture coordinates.

    Attributes:
        vertices: ``float64 [V, 3]``.
        triangles: ``int32 [T, 3]``.
        uv: ``float32 [T, 3, 2]`` per corner; one unit is one texture.
        material: ``int32 [T]`` index into the materials of the model.
        two_sided: ``bool [T]``: seen from behind, too.
    """

    vertices: Float
    triangles: NDArray[np.int32]
    uv: NDArray[np.float32]
    material: NDArray[np.int32]
    two_sided: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        vertices: ArrayLike,
        triangles: ArrayLike,
        uv: ArrayLike | None = None,
        material: int = 0,
        two_sided: bool = False,
    ) -> Mesh:
        """A mesh of one material."""
        corners = np.asarray(triangles, np.int32).reshape(-1, 3)
        n = len(corners)
        return cls(
            np.asarray(vertices, np.float64).reshape(-1, 3),
            corners,
            np.zeros((n, 3, 2), np.float32) if uv is None else np.asarray(uv, np.float32),
            np.full(n, material, np.int32),
            np.full(n, two_sided),
        )

    @property
    def extent(self) -> Float:
        """Size ``[3]`` of its axis-aligned box."""
        return np.asarray(np.ptp(self.vertices, axis=0), np.float64)

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
        """The mesh elsewhere."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Mesh:
        """The mesh in another size; one number scales all axes."""
        factors = (x, x if y is None else y, x if z is None else z)
        return replace(self, vertices=self.vertices * factors)

    def rotated(self, axis: Literal["x", "y", "z"], degrees: float) -> Mesh:
        """The mesh turned about an axis through the origin, right-handed."""
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        R = {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
        return replace(self, vertices=self.vertices @ np.array(R).T)

    def using(self, material: int) -> Mesh:
        """The mesh of another material throughout."""
        return replace(self, material=np.full(len(self.triangles), material, np.int32))

    def seen_from_behind(self) -> Mesh:
        """The mesh with both sides drawn."""
        return replace(self, two_sided=np.ones(len(self.triangles), np.bool_))

    def grounded(self) -> Mesh:
        """The mesh standing on z = 0."""
        return self.moved(z=-float(self.vertices[:, 2].min()))


def join(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.triangles + s for m, s in zip(meshes, starts, strict=True)]).astype(
            np.int32
        ),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.material for m in meshes]),
        np.concatenate([m.two_sided for m in meshes]),
    )


def grid(
    columns: int,
    rows: int,
    surface: Surface,
    material: int = 0,
    two_sided: bool = False,
    flip: bool = False,
) -> Mesh:
    """A surface ``(u, v) -> x, y, z`` over the unit square, as so many quads."""
    u, v = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1), indexing="ij")
    points = np.stack(surface(u.ravel(), v.ravel()), -1)
    i, j = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    a = (i * (rows + 1) + j).ravel()
    b = a + rows + 1
    corners = np.concatenate((np.stack((a, b, b + 1), -1), np.stack((a, b + 1, a + 1), -1)))
    if flip:
        corners = corners[:, ::-1]
    uv = np.stack((u.ravel(), v.ravel()), -1)[corners]
    p, q, r = (points[corners[:, k]] for k in range(3))
    real = np.linalg.norm(np.cross(q - p, r - p), axis=1) > 1e-10
    return Mesh.of(points, corners[real], uv[real], material, two_sided)


def lathe(profile: Profile | Float, segments: int = 28, material: int = 0) -> Mesh:
    """A profile of (radius, z) turned about the z axis; going up, the outside is the outside."""
    p = np.asarray(profile, np.float64)
    last = len(p) - 1

    def surface(u: Float, v: Float) -> tuple[Float, Float, Float]:
        k = np.rint(v * last).astype(int)
        angle = 2 * np.pi * u
        return p[k, 0] * np.cos(angle), p[k, 0] * np.sin(angle), p[k, 1]

    turned = grid(segments, last, surface, material)
    upright = turned.uv * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    return replace(turned, uv=upright)


def cylinder(
    radius: float, height: float, segments: int = 24, top: float | None = None, material: int = 0
) -> Mesh:
    """A closed cylinder or, with another radius at the ``top``, a cone's frustum."""
    upper = radius if top is None else top
    profile = [(0, 0), (radius, 0), (radius, 1e-4), (upper, height - 1e-4), (upper, height)]
    return lathe([*profile, (0, height)], segments, material)


def ball(
    radius: float,
    segments: int = 20,
    stretch: tuple[float, float, float] = (1, 1, 1),
    material: int = 0,
) -> Mesh:
    """A sphere about the origin, stretched along the axes."""
    a = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    profile = np.stack((radius * np.cos(a).clip(0), radius * np.sin(a)), -1)
    return lathe(profile, segments, material).scaled(*stretch)


def box(x: float, y: float, z: float, bevel: float = 0, material: int = 0) -> Mesh:
    """A box of full size x, y, z, centred on the z axis, standing on z = 0."""
    bevel = min(bevel, 0.3 * x, 0.3 * y, 0.3 * z)
    return _sharp_box(x, y, z, material) if bevel <= 0 else _round_box(x, y, z, bevel, material)


def _sharp_box(x: float, y: float, z: float, material: int) -> Mesh:
    corners = [
        (sx * x / 2, sy * y / 2, sz * z) for sz in (0, 1) for sy in (-1, 1) for sx in (-1, 1)
    ]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    triangles = [t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))]
    square = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    uv = np.array([square[[0, 1, 2]], square[[0, 2, 3]]] * 6)
    return Mesh.of(corners, triangles, uv, material)


def _round_box(x: float, y: float, z: float, bevel: float, material: int) -> Mesh:
    half = np.array([x, y, z]) / 2
    core = half - bevel
    knots = np.array([0, 0.12, 0.2, 0.5, 0.8, 0.88, 1.0])

    def face(axis: int, sign: int) -> Mesh:
        first, second = ((1, 2), (2, 0), (0, 1))[axis]

        def along(t: Float, k: int) -> Float:
            h, c = half[k], core[k]
            bend = (h - c) / 2
            knots_at = [-h, bend - h, -c, c, h - bend, h]
            return np.asarray(np.interp(t, [0, 0.12, 0.2, 0.8, 0.88, 1], knots_at), np.float64)

        def surface(u: Float, v: Float) -> tuple[Float, Float, Float]:
            u, v = knots[np.rint(6 * u).astype(int)], knots[np.rint(6 * v).astype(int)]
            p = np.empty((len(u), 3))
            p[:, axis] = sign * half[axis]
            p[:, first], p[:, second] = along(u, first), along(v, second)
            inner = np.clip(p, -core, core)
            out = p - inner
            p = inner + bevel * out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
            return p[:, 0], p[:, 1], p[:, 2] + half[2]

        return _upright_uv(grid(6, 6, surface, material, flip=sign < 0), axis, sign)

    return join(*(face(axis, sign) for axis in range(3) for sign in (-1, 1)))


def _upright_uv(side: Mesh, axis: int, sign: int) -> Mesh:
    """Textures stand upright on the sides of a box and read from left to right."""
    u, v = side.uv[..., 0], side.uv[..., 1]
    if axis == 0:  # u runs along y, v along z
        across, up = (u if sign > 0 else 1 - u), v
    elif axis == 1:  # u runs along z, v along x
        across, up = (v if sign < 0 else 1 - v), u
    else:  # u runs along x, v along y
        across, up = (u if sign > 0 else 1 - u), v
    return replace(side, uv=np.stack((across, 1 - up), -1))


def tube(
    path: ArrayLike, radius: float | Sequence[float], segments: int = 10, material: int = 0
) -> Mesh:
    """A pipe along a path ``[N, 3]``, open at both ends."""
    p = np.asarray(path, np.float64)
    along = np.gradient(p, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-12
    up = (0, 0, 1.0) if np.abs(along[:, 2]).mean() < 0.7 else (1.0, 0, 0)
    normal = np.cross(along[0], up)
    normals = np.empty_like(p)
    for k, direction in enumerate(along):  # parallel transport, so that the pipe is not twisted
        normal = normal - direction * (normal @ direction)
        normal /= np.linalg.norm(normal)
        normals[k] = normal
    binormals = np.cross(along, normals)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(p),))

    def surface(u: Float, v: Float) -> tuple[Float, Float, Float]:
        k = np.rint(u * (len(p) - 1)).astype(int)
        angle = -2 * np.pi * v[:, None]
        ring = normals[k] * np.cos(angle) + binormals[k] * np.sin(angle)
        q = p[k] + radii[k, None] * ring
        return q[:, 0], q[:, 1], q[:, 2]

    return grid(len(p) - 1, segments, surface, material)


def arc(
    center: tuple[float, float, float],
    radius: float,
    start: float,
    stop: float,
    points: int,
    plane: Literal["xz", "xy", "yz"] = "xz",
    other_radius: float | None = None,
) -> Float:
    """Points ``[N, 3]`` of an elliptic arc from one angle to another, degrees."""
    a = np.radians(np.linspace(start, stop, points))
    x, y = radius * np.cos(a), (radius if other_radius is None else other_radius) * np.sin(a)
    zero = np.zeros(points)
    planes = {"xz": (x, zero, y), "xy": (x, y, zero), "yz": (zero, x, y)}
    return np.asarray(np.stack(planes[plane], -1) + center, np.float64)


def corner_normals(mesh: Mesh, crease_degrees: float = 42) -> NDArray[np.float32]:
    """Unit normals ``float32 [T, 3, 3]`` per corner, smooth except across creases.

    Each corner takes the area-weighted mean over the triangles that meet there and are tilted
    against its own by less than the crease angle.
    """
    v, t = mesh.vertices, mesh.triangles
    point = np.unique(np.round(v, 5), axis=0, return_inverse=True)[1].ravel()[t].ravel()
    of = np.repeat(np.arange(len(t)), 3)
    face = np.cross(v[t[:, 1]] - v[t[:, 0]], v[t[:, 2]] - v[t[:, 0]])
    unit = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-12)
    meets = sparse.csr_matrix((np.ones(len(point)), (point, of)), (int(point.max()) + 1, len(t)))
    pairs = meets[point].tocoo()
    smooth = (unit[of[pairs.row]] * unit[pairs.col]).sum(1) > math.cos(math.radians(crease_degrees))
    corner, other = pairs.row[smooth], pairs.col[smooth]
    mixer = sparse.csr_matrix((np.ones(len(corner)), (corner, other)), (len(point), len(t)))
    out = mixer @ face
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return np.asarray(out, np.float32).reshape(-1, 3, 3)
