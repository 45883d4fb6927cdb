"""How well two surfaces agree when one is laid onto the other, and where else it might lie.

In: two clouds and a pose. Out: shares of what both visits must have seen that fits, and the poses
that an honest doubter would try next. Nothing here decides; :mod:`scenekeeper.world.align` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert, transform
from scenekeeper.voxels import touching, voxel_keys

Float = NDArray[np.float64]

SPACING = 0.04
"""Metres between the points that are compared; finer costs time and adds depth noise."""

SEEN = 0.25
"""Metres; a point in or beside a cell of this size that holds points was in the other's view."""

_NEIGHBOURS = 20
_CURVED = 0.1
_CELL = 0.1
_LAYER = 0.2


@dataclass(frozen=True, eq=False)
class Cloud:
    """A surface prepared for comparison.

    Attributes:
        points: ``float64 [N, 3]`` metres, about :data:`SPACING` apart.
        normals: ``float64 [N, 3]`` unit, of either sign.
        structure: ``bool [N]``, where the surface bends: edges, corners, small things. Floors and
            walls fit in many places, and these do not.
        seen: ascending ``int64 [K]`` keys of the :data:`SEEN` cells with points.
        tree: k-d tree of ``points``.
    """

    points: Float
    normals: Float
    structure: NDArray[np.bool_]
    seen: NDArray[np.int64]
    tree: Any

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def of(cls, points: NDArray[Any]) -> Cloud:
        """Thin and describe points ``[N, 3]``, at least :data:`_NEIGHBOURS` of them."""
        from scipy.spatial import cKDTree

        thin = thinned(points, SPACING)
        tree = cKDTree(thin)
        _, near = tree.query(thin, k=min(_NEIGHBOURS, len(thin)))
        around = thin[near] - thin[near].mean(1, keepdims=True)
        _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
        normals = axes[:, :, 0]
        alike = np.abs(np.einsum("nki,ni->nk", normals[near], normals)).mean(1)
        seen = np.unique(voxel_keys(thin, SEEN))
        return cls(thin, normals, alike < 1 - _CURVED, seen, tree)


@dataclass(frozen=True)
class Fit:
    """How much of one surface lies on another.

    Attributes:
        overlap: share of its points that the other visit had in view.
        inliers: share of those that lie on the other surface.
        structure: the same share of edges, corners and small things alone.
    """

    overlap: float
    inliers: float
    structure: float

    @property
    def explained(self) -> float:
        """Share of all points that lie on the other surface."""
        return self.overlap * self.inliers

    @property
    def score(self) -> float:
        """Inliers with structure counting as much as all the flat surface together."""
        return float(np.sqrt(self.inliers * self.structure))


def thinned(points: NDArray[Any], size: float) -> Float:
    """One mean point per voxel of ``size`` metres: ``float64 [K, 3]``, ordered by voxel."""
    key, inverse, n = np.unique(voxel_keys(points, size), return_inverse=True, return_counts=True)
    columns = [np.bincount(inverse, column, len(key)) / n for column in points.T]
    return np.stack(columns, 1).astype(np.float64)


def fit(target: Cloud, source: Cloud, T_target_source: Float, reach: float) -> Fit:
    """How much of ``source`` lies within ``reach`` metres of ``target``."""
    points = transform(T_target_source, source.points)
    shared = touching(voxel_keys(points, SEEN), target.seen)
    distance, _ = target.tree.query(points, distance_upper_bound=reach)
    close = np.isfinite(distance)
    curved = shared & source.structure
    return Fit(_share(shared), _share(close[shared]), _share(close[curved]))


def both_ways(target: Cloud, source: Cloud, T_target_source: Float, reach: float) -> Fit:
    """Both surfaces on each other: the smaller one's overlap, shares weighed by what each saw."""
    a = fit(target, source, T_target_source, reach)
    b = fit(source, target, invert(T_target_source), reach)
    total = max(a.overlap + b.overlap, 1e-9)

    def mean(x: float, y: float) -> float:
        return (x * a.overlap + y * b.overlap) / total

    overlap = max(a.overlap, b.overlap)
    return Fit(overlap, mean(a.inliers, b.inliers), mean(a.structure, b.structure))


def sketched(target: Cloud, source: Cloud, T_target_source: Float, reach: float) -> float:
    """Share of a tenth of the smaller cloud's points that lie on the other; quick."""
    onto, points = target, transform(T_target_source, source.points[::10])
    if len(target) < len(source):
        onto, points = source, transform(invert(T_target_source), target.points[::10])
    distance, _ = onto.tree.query(points, distance_upper_bound=reach)
    return float(np.isfinite(distance).mean())


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def pose_std(points: Float, normals: Float, residuals: Float) -> tuple[float, float]:
    """How far a pose that was fitted point to plane may be off: metres and radians.

    The inverse of the fit's Hessian, at the middle of the points, scaled by what is left over.

    Args:
        points: ``[N, 3]`` of the source that found a partner, in the target's frame.
        normals: ``[N, 3]`` of the partners.
        residuals: ``[N]`` metres along the normals.

    Returns:
        Roots of the largest variances of position and of rotation; infinite where the points
        leave a direction open.
    """
    if len(points) < 6:
        return float("inf"), float("inf")
    arm = points - points.mean(0)
    J = np.concatenate((np.cross(arm, normals), normals), 1)
    hessian = J.T @ J
    if np.linalg.cond(hessian) > 1e12:
        return float("inf"), float("inf")
    # Neighbouring points err together: they were seen by the same few frames.
    variance = float(residuals @ residuals) / len(residuals) * _ERR_TOGETHER
    covariance = variance * np.linalg.inv(hessian)
    worst = [float(np.linalg.eigvalsh(covariance[k : k + 3, k : k + 3])[-1]) for k in (3, 0)]
    return float(np.sqrt(worst[0])), float(np.sqrt(worst[1]))


_ERR_TOGETHER = 1000.0


def rivals(target: Cloud, source: Cloud, T_target_source: Float, up: Float) -> Iterator[Float]:
    """Other poses that boxy rooms suggest: quarter turns, each shifted to where it fits best.

    Args:
        target: the map.
        source: the session.
        T_target_source: the pose to doubt.
        up: unit ``[3]`` in the target's frame.

    Yields:
        ``float64 [4, 4]`` good to about :data:`_CELL`; for no turn, the best shift of at least
        half a metre.
    """
    basis = level(up)
    flat_target = target.points @ basis.T
    placed = transform(T_target_source, source.points) @ basis.T
    middle = placed.mean(0)
    for quarter in range(4):
        turn = np.eye(3)
        c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
        turn[:2, :2] = (c, -s), (s, c)
        turned = (placed - middle) @ turn.T + middle
        shift = _best_shift(flat_target, turned, apart=0.5 if quarter == 0 else 0.0)
        moved = np.eye(4)
        moved[:3, :3] = turn
        moved[:3, 3] = middle - turn @ middle + shift
        frame = np.eye(4)
        frame[:3, :3] = basis
        yield frame.T @ moved @ frame @ T_target_source


def level(up: Float) -> Float:
    """Rotation ``[3, 3]`` into a frame whose third axis is ``up``."""
    x = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    x /= np.linalg.norm(x)
    return np.stack((x, np.cross(up, x), up))


def _best_shift(target: Float, source: Float, apart: float) -> Float:
    """Horizontal shift ``[3]`` of ``source`` under which most layers coincide, by correlation."""
    low = np.minimum(target.min(0), source.min(0))
    extent = np.maximum(target.max(0), source.max(0)) - low
    layers = int(extent[2] / _LAYER) + 1
    shape = tuple(int(2 * e / _CELL) + 4 for e in extent[:2])
    a, b = (_layered(p - low, layers, shape) for p in (target, source))
    product = np.fft.rfft2(a) * np.conj(np.fft.rfft2(b))
    found = np.fft.irfft2(product.sum(0), shape)
    steps = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) * _CELL for n in shape), indexing="ij")
    found[np.hypot(*steps) < apart] = -np.inf
    best = np.unravel_index(int(np.argmax(found)), shape)
    return np.array([steps[0][best], steps[1][best], 0.0])


def _layered(points: Float, layers: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Occupancy ``float32 [layers, *shape]``; a layer weighs by the root of its cells.

    So the floor, which fits anywhere, does not outweigh what stands on it.
    """
    grid = np.zeros((layers, *shape), np.float32)
    x, y = (points[:, :2] / _CELL).astype(np.int64).T
    grid[(points[:, 2] / _LAYER).astype(np.int64), x, y] = 1
    cells = np.maximum(grid.sum((1, 2), keepdims=True), 1)
    return np.asarray(grid / np.sqrt(cells), np.float32)
