"""Lay one scan onto the map from a good guess: refinement alone, with small_gicp.

In: a map prepared once, a scan, a guess. Out: the refined pose, how much of the scan lies on the
map, and how sure the pose is. Needs the extra ``reloc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import transform
from scenekeeper.world.agreement import Cloud, pose_std, thinned

Float = NDArray[np.float64]

REACH = 0.04
"""Metres within which a point lies on the other surface: voxels, depth noise and the poses of two
visits add up to 2 to 3 cm."""

ICP_SPACING = 0.05


class Refined(NamedTuple):
    """A refined pose ``T [4, 4]``, the share of points on the map, and the pose's deviations."""

    T: Float
    inliers: float
    std: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Target:
    """A map that many scans are laid onto: described once.

    Attributes:
        cloud: what scans are compared with.
        points: the points in small_gicp's own form, with covariances.
        tree: its k-d tree of them.
    """

    cloud: Cloud
    points: Any
    tree: Any

    @classmethod
    def of(cls, map_points: NDArray[Any]) -> Target:
        """Prepare points ``[N, 3]`` in metres; needs small_gicp."""
        cloud = Cloud.of(map_points)
        return cls(cloud, *prepared(thinned(cloud.points, ICP_SPACING)))


def refine(
    map_points: NDArray[Any] | Target,
    scan_points: NDArray[Any],
    T_guess: Float,
    search: float = 0.1,
) -> Refined:
    """Lay one scan onto the map from a good guess; for every frame, so nothing is gated.

    Args:
        map_points: a prepared map, or ``[N, 3]`` metres.
        scan_points: ``[M, 3]`` metres, scan frame.
        T_guess: ``T_map_scan [4, 4]``.
        search: metres within which points are paired.

    Returns:
        The pose, the share of scan points within :data:`REACH` of the map, and the
        pose's standard deviations.
    """
    target = map_points if isinstance(map_points, Target) else Target.of(map_points)
    scan = thinned(checked(scan_points, "scan_points"), ICP_SPACING)
    T = icp(target, prepared(scan)[0], T_guess, search)
    inliers, std = left_over(target.cloud, scan, T, REACH)
    return Refined(T, inliers, std)


def prepared(points: Float) -> tuple[Any, Any]:
    """Points with covariances, and their tree."""
    import small_gicp

    cloud = small_gicp.PointCloud(points)
    tree = small_gicp.KdTree(cloud)
    small_gicp.estimate_normals_covariances(cloud, tree, num_neighbors=20, num_threads=1)
    return cloud, tree


def icp(target: Target, source: Any, T: Float, search: float) -> Float:
    """Refine a pose, pairing points within ``search`` metres."""
    import small_gicp

    found = small_gicp.align(
        target.points,
        source,
        target.tree,
        T,
        registration_type="GICP",
        max_correspondence_distance=search,
        num_threads=1,
        max_iterations=30,
    )
    return np.asarray(found.T_target_source, np.float64)


def left_over(
    target: Cloud, points: Float, T: Float, reach: float
) -> tuple[float, tuple[float, float]]:
    """Share of points within reach of the target, and the pose's standard deviations."""
    placed = transform(T, points)
    distance, at = target.tree.query(placed, distance_upper_bound=reach)
    close = np.isfinite(distance)
    placed, partner = placed[close], at[close]
    normals = target.normals[partner]
    residuals = ((placed - target.points[partner]) * normals).sum(1)
    return float(close.mean()), pose_std(placed, normals, residuals)


def checked(points: NDArray[Any], name: str) -> Float:
    """Points as ``float64 [N, 3]``.

    Raises:
        ValueError: another shape, or not finite.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite and [N, 3], not {points.shape}")
    return points
