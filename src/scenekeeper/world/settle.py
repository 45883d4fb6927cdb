"""Camera poses settled against the map while it is built: scan to map, and back to what was told.

In: points of a frame and its recorded pose. Out: the pose that agrees with the map. Registration
is small_gicp's (Koide 2024, voxelised GICP); without that library recorded poses are taken as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]


@dataclass(frozen=True)
class SettleConfig:
    """How far poses are trusted.

    Attributes:
        leaf: edge of the map's Gaussian voxels, metres.
        spacing: of a scan's points, metres.
        reach: metres within which a point looks for its surface.
        least: scan points that are needed,
        overlap: and share of them that must find a surface.
        registered: standard deviation of registration, metres and radians, at best,
        spread: and beyond that, of what the curvature of its cost says: along a wall that is all
            that a frame sees, next to nothing holds the camera.
        told: standard deviation of recorded poses before anything is known of them; measured from
            then on.
        memory: frames over which it is measured.
    """

    leaf: float = 0.2
    spacing: float = 0.06
    reach: float = 0.3
    least: int = 200
    overlap: float = 0.5
    registered: tuple[float, float] = (0.005, 0.002)
    spread: float = 0.3
    told: tuple[float, float] = (0.01, 0.004)
    memory: float = 20.0


T_MAP_WORLD = np.eye(4)
"""Floors and walls lie along the world's axes. Were the map's voxels so too, a surface between two
layers of them would be in either, as noise has it, and poses would settle at one of two places."""
T_MAP_WORLD[:3, :3] = Rotation.from_rotvec([0.4, 0.3, 0.5]).as_matrix()


def available() -> bool:
    """Whether the library that settles poses is installed."""
    return find_spec("small_gicp") is not None


class Settler:
    """The map as a registration target, growing with every frame."""

    def __init__(self, config: SettleConfig | None = None) -> None:
        import small_gicp

        self._gicp: Any = small_gicp
        self._config = config or SettleConfig()
        self._map: Any = small_gicp.GaussianVoxelMap(self._config.leaf)
        self._map.set_lru(1 << 30, 1 << 30)  # the place is kept, however long ago it was seen
        self._told = np.array(self._config.told) ** 2
        self._off: tuple[Float, Float] | None = None
        self._empty = True

    def __call__(self, points: NDArray[np.float32], T_world_camera: Float) -> Float:
        """The settled pose ``[4, 4]`` of one frame, which then is part of the map.

        Args:
            points: ``[P, 3]`` of what the frame sees, structure included, metres, camera frame.
            T_world_camera: as recorded; returned as it is where too few points are given, or too
                few of them find their surface, as after a jump.
        """
        c = self._config
        if len(points) < c.least:
            return T_world_camera
        scan, _ = self._gicp.preprocess_points(
            np.asarray(points, np.float64),
            downsampling_resolution=c.spacing,
            num_neighbors=10,
            num_threads=1,
        )
        if scan.size() < c.least:
            return T_world_camera
        T = T_world_camera
        if not self._empty:
            T = self._settled(scan, T_world_camera)
        self._map.insert(scan, T_MAP_WORLD @ T)
        self._empty = False
        return T

    def _settled(self, scan: Any, told: Float) -> Float:
        c = self._config
        found = self._gicp.align(
            self._map,
            scan,
            init_T_target_source=T_MAP_WORLD @ told,
            max_correspondence_distance=c.reach,
            num_threads=1,
            max_iterations=20,
        )
        T = T_MAP_WORLD.T @ found.T_target_source
        if not found.converged or found.num_inliers < c.overlap * scan.size():
            return told
        if np.linalg.norm(told[:3, 3] - T[:3, 3]) > c.reach:
            return told  # farther than a point looks: that is another place
        off = _between(T, told)
        noise = self._noise(np.asarray(found.H), scan.points()[:, :3])
        self._learn(off, noise)
        recorded = np.diag(np.repeat(np.maximum(self._told[::-1], 0.0), 3))
        return _moved(T, noise @ np.linalg.pinv(noise + recorded) @ off)

    def _noise(self, H: Float, points: Float) -> Float:
        """Covariance ``[6, 6]`` of a registration, rotation first, by the curvature of its cost.

        Surfaces are taken for discs, thin across and a metre wide along. That they hold a point
        along them at all keeps the cost solvable and is no measurement: it is taken off.
        """
        c = self._config
        told, axes = np.linalg.eigh(H - _DISC * _lever(points))
        least = c.spread**2 / c.reach**2
        curvature = (axes * np.maximum(told, least)) @ axes.T
        floor = np.diag(np.repeat(np.square(c.registered[::-1]), 3))
        return np.asarray(c.spread**2 * np.linalg.inv(curvature) + floor, np.float64)

    def _learn(self, off: Float, noise: Float) -> None:
        """How noisy recorded poses are, by how their disagreement with the map changes from frame
        to frame: what they agree on for long is no noise but the map's own drift. What registration
        itself errs by is taken off; directions in which it errs much count for little."""
        if self._off is not None:
            change, of_both = off - self._off[0], noise + self._off[1]
            for k, part in enumerate((slice(3, 6), slice(0, 3))):
                own, axes = np.linalg.eigh(of_both[part, part])
                more = np.square(axes.T @ change[part]) - own
                weight = 1 / np.square(own + 2 * max(self._told[k], 0.0))
                told = float((weight * more).sum() / weight.sum()) / 2  # of two poses
                self._told[k] += (told - self._told[k]) / self._config.memory
        self._off = off, noise


_DISC = 0.5
"""What a point and a surface, each a disc with a variance of 1 square metre along it, hold each
other by along the disc, 1/m2."""


def _lever(points: Float) -> Float:
    """Sum ``[6, 6]`` over points ``[P, 3]`` of how turning and shifting moves each."""
    middle, n = points.sum(0), len(points)
    out = np.zeros((6, 6))
    out[:3, :3] = np.square(points).sum() * np.eye(3) - points.T @ points
    out[3:, 3:] = n * np.eye(3)
    x, y, z = middle
    out[:3, 3:] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    out[3:, :3] = out[:3, 3:].T
    return out


def _between(a: Float, b: Float) -> Float:
    """What moves pose a to pose b, ``[6]``: rotation vector, then metres, in the frame of a."""
    D = np.linalg.inv(a) @ b
    return np.concatenate((Rotation.from_matrix(D[:3, :3]).as_rotvec(), D[:3, 3]))


def _moved(T: Float, by: Float) -> Float:
    """A pose moved so."""
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = Rotation.from_rotvec(by[:3]).as_matrix(), by[3:]
    return np.asarray(T @ step, np.float64)
