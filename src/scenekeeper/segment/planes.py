"""Large flat patches of a surface: floors, walls, table tops; what things stand on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scenekeeper.voxels import Pairs, Surface, coarser, depth_noise, neighbours

_NORMAL_COS = 0.9
_HYPOTHESES = 200
_SAMPLE = 6000
_MOST = 60
_SAME_COS = 0.98
_PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Plane:
    """One connected flat patch.

    Attributes:
        normal: unit vector ``float64 [3]`` towards the viewers, world frame.
        offset: metres; points x of the plane satisfy ``normal @ x + offset = 0``.
        rows: ``int64``, rows of the surface that belong to it, ascending.
        area: square metres seen.
    """

    normal: NDArray[np.float64]
    offset: float
    rows: NDArray[np.int64]
    area: float

    def distance(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Signed distance of points ``[..., 3]`` in metres, positive on the viewers' side."""
        return np.asarray(points @ self.normal + self.offset, np.float64)


def find_planes(surface: Surface, size: float, min_area: float, seed: int = 0) -> list[Plane]:
    """Peel planes off a surface, largest first.

    RANSAC over oriented voxels (a position and a normal are a hypothesis), least-squares refit,
    split into connected patches, patches of one and the same plane joined, and the noisy voxels
    right at a patch taken in.

    Args:
        surface: V voxels with normals.
        size: voxel edge, metres.
        min_area: square metres below which a flat patch is part of a thing, not structure.
        seed: of the sampling; the same surface and seed give the same planes.
    """
    rng = np.random.default_rng(seed)
    free = np.linalg.norm(surface.normal, axis=1) > 0
    tolerance = 1.2 * size + depth_noise(surface.range)
    planes: list[Plane] = []
    for _ in range(_MOST):
        candidates = np.flatnonzero(free)
        if len(candidates) * size * size < min_area:
            break
        guess = _hypothesis(surface, candidates, tolerance, rng)
        normal, offset, inliers = _refit(surface, candidates, *guess, tolerance)
        # Small patches of the same plane may be tops of things; none can win a later round.
        free[inliers] = False
        if len(inliers) * size * size < min_area:
            break
        for rows in _patches(surface.key, inliers):
            area = _area(surface, rows, normal, size)
            if area >= min_area:
                planes.append(Plane(normal, offset, rows, area))
    planes = sorted(_joined(surface, planes, tolerance), key=lambda p: -p.area)
    return _thickened(surface, planes, tolerance) if planes else []


def up_direction(planes: list[Plane], camera_up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which way is up: the area-weighted normal of the planes that face the cameras' up.

    Args:
        planes: of one session.
        camera_up: mean of the cameras' up vectors (``-y`` of the camera) ``[3]``, world frame.

    Returns:
        Unit vector ``[3]``; ``camera_up`` itself when no plane is within 50 degrees of it.
    """
    rough = camera_up / np.linalg.norm(camera_up)
    level = [p for p in planes if p.normal @ rough > np.cos(np.radians(50))]
    if not level:
        return rough
    # The largest plane decides; those within ten degrees of it sharpen the estimate.
    best = max(level, key=lambda p: p.area)
    total = sum(
        (p.normal * p.area for p in level if p.normal @ best.normal > np.cos(np.radians(10))),
        np.zeros(3),
    )
    return np.asarray(total / np.linalg.norm(total), np.float64)


def components(pairs: Pairs, n: int) -> NDArray[np.int64]:
    """Connected component of each of ``n`` nodes under undirected pairs.

    A part of the pairs at a time, because a graph takes ten times the memory of its pairs.
    """
    label = np.arange(n)
    for start in range(0, max(len(pairs[0]), 1), _PAIRS_AT_ONCE):
        a, b = (label[side[start : start + _PAIRS_AT_ONCE]] for side in pairs)
        graph = sparse.coo_matrix((np.ones(len(a), np.bool_), (a, b)), (n, n))
        label = connected_components(graph, directed=False)[1][label]
    return np.asarray(label, np.int64)


def _hypothesis(
    surface: Surface,
    candidates: NDArray[np.int64],
    tolerance: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float]:
    sample = rng.choice(candidates, min(len(candidates), _SAMPLE), replace=False)
    seeds = rng.choice(candidates, _HYPOTHESES)
    normals = surface.normal[seeds].astype(np.float64)
    offsets = -np.einsum("ij,ij->i", normals, surface.position[seeds])
    distance = np.abs(surface.position[sample] @ normals.T + offsets)
    facing = surface.normal[sample] @ normals.T > _NORMAL_COS
    best = int(((distance < tolerance[sample, None]) & facing).sum(0).argmax())
    return normals[best], float(offsets[best])


def _refit(
    surface: Surface,
    candidates: NDArray[np.int64],
    normal: NDArray[np.float64],
    offset: float,
    tolerance: NDArray[np.float32],
) -> tuple[NDArray[np.float64], float, NDArray[np.int64]]:
    points, normals = surface.position[candidates], surface.normal[candidates]
    limit = tolerance[candidates]
    for _ in range(3):
        inside = (np.abs(points @ normal + offset) < limit) & (normals @ normal > _NORMAL_COS)
        if inside.sum() < 10:
            break
        normal, offset = _fit(points[inside], normal)
    inside = (np.abs(points @ normal + offset) < limit) & (normals @ normal > _NORMAL_COS)
    return normal, offset, candidates[inside]


def _fit(
    points: NDArray[np.float32], towards: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Least-squares plane through points, its normal on the side of ``towards``."""
    exact = points.astype(np.float64)
    center = exact.mean(0)
    normal = np.linalg.eigh(np.cov((exact - center).T))[1][:, 0]
    normal = normal * np.sign(normal @ towards)
    return normal, float(-normal @ center)


def _patches(keys: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Connected groups of rows, tolerating gaps of a voxel or two; largest first."""
    coarse, place = np.unique(coarser(keys[rows]), return_inverse=True)
    label = components(neighbours(coarse), len(coarse))[place]
    sizes = np.bincount(label)
    return [rows[label == k] for k in np.argsort(-sizes, kind="stable") if sizes[k] > 50]


def _area(
    surface: Surface, rows: NDArray[np.int64], normal: NDArray[np.float64], size: float
) -> float:
    """Area of a patch: occupied cells of a grid across its plane."""
    axis = int(np.argmax(np.abs(normal)))
    flat = np.delete(np.floor(surface.position[rows] / size).astype(np.int64), axis, 1)
    cells = len(np.unique(flat[:, 0] * (1 << 32) + flat[:, 1]))
    return float(cells * size * size / np.abs(normal[axis]))


def _joined(surface: Surface, planes: list[Plane], tolerance: NDArray[np.float32]) -> list[Plane]:
    """Touching patches that are one plane up to noise become one patch."""
    owner = _owners(surface, planes)
    meet = neighbours(
        surface.key, keep=lambda a, b: (owner[a] >= 0) & (owner[b] >= 0) & (owner[a] != owner[b])
    )
    touch = np.unique(np.sort(np.stack((owner[meet[0]], owner[meet[1]]), 1), 1), axis=0)
    same = [(i, j) for i, j in touch if _one_plane(surface, planes[i], planes[j], tolerance)]
    first, second = np.array(same, np.int32).reshape(-1, 2).T
    label = components((first, second), len(planes))
    return [
        _union(surface, [p for p, k in zip(planes, label, strict=True) if k == g])
        for g in range(label.max(initial=-1) + 1)
    ]


def _one_plane(surface: Surface, a: Plane, b: Plane, tolerance: NDArray[np.float32]) -> bool:
    if a.normal @ b.normal < _SAME_COS:
        return False
    large, small = (a, b) if a.area >= b.area else (b, a)
    rows = small.rows
    off = np.abs(large.distance(surface.position[rows]))
    return bool((off < 2 * tolerance[rows]).mean() > 0.7)


def _union(surface: Surface, planes: list[Plane]) -> Plane:
    if len(planes) == 1:
        return planes[0]
    rows = np.unique(np.concatenate([p.rows for p in planes]))
    largest = max(planes, key=lambda p: p.area)
    normal, offset = _fit(surface.position[rows], largest.normal)
    return Plane(normal, offset, rows, sum(p.area for p in planes))


def _thickened(
    surface: Surface, planes: list[Plane], tolerance: NDArray[np.float32]
) -> list[Plane]:
    """Take in the noisy voxels right at a plane that no plane owns."""
    owner = _owners(surface, planes)
    normals = np.array([p.normal for p in planes])
    offsets = np.array([p.offset for p in planes])
    for _ in range(2):
        owned = owner >= 0
        a, b = neighbours(surface.key, keep=partial(_one_of_two, owned))
        plane, row = np.maximum(owner[a], owner[b]), np.where(owner[a] < 0, a, b)
        off = np.abs(np.einsum("ij,ij->i", normals[plane], surface.position[row]) + offsets[plane])
        taken = off < 1.3 * tolerance[row]
        owner = owner.copy()
        owner[row[taken]] = plane[taken]
    return [
        Plane(p.normal, p.offset, np.flatnonzero(owner == k), p.area) for k, p in enumerate(planes)
    ]


def _one_of_two(
    owned: NDArray[np.bool_], a: NDArray[np.int32], b: NDArray[np.int32]
) -> NDArray[np.bool_]:
    return np.asarray(owned[a] != owned[b], np.bool_)


def _owners(surface: Surface, planes: list[Plane]) -> NDArray[np.int64]:
    """Which plane each voxel belongs to, ``int64 [V]``; -1 = none."""
    owner = np.full(len(surface), -1)
    for k, plane in enumerate(planes):
        owner[plane.rows] = k
    return owner
