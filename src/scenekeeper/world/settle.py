"""Camera poses settled against the map while it is built: scan to map, and back to what was told.

In: points of a frame and its recorded pose. Out: the pose that agrees with the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.world.gaussians import GaussianMap, Laid, Scan

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
        memory: frames over which it is measured,
        surprise: of which none that comes later counts as more than so many standard deviations,
        refused: and so many by which a registration differs from what was told make it a wrong one.
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
    surprise: float = 4.0
    refused: float = 10.0


T_MAP_WORLD = np.eye(4)
"""Floors and walls lie along the world's axes. Were the map's voxels so too, a surface between two
layers of them would be in either, as noise has it, and poses would settle at one of two places."""
T_MAP_WORLD[:3, :3] = Rotation.from_rotvec([0.4, 0.3, 0.5]).as_matrix()


class Settler:
    """The map as a registration target, growing with every frame."""

    def __init__(self, config: SettleConfig | None = None) -> None:
        self._config = config or SettleConfig()
        self._map = GaussianMap(self._config.leaf)
        self._told = np.array(self._config.told) ** 2
        self._off: tuple[Float, Float] | None = None
        self._measured = 0

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
        scan = Scan.of(points, c.spacing)
        if len(scan) < c.least:
            return T_world_camera
        T = T_world_camera
        if len(self._map):
            T = self._settled(scan, T_world_camera)
        self._map.insert(scan, T_MAP_WORLD @ T)
        return T

    def _settled(self, scan: Scan, told: Float) -> Float:
        c = self._config
        guess = T_MAP_WORLD @ told
        laid = self._map.lay(scan, guess, c.reach)
        if not laid.converged or laid.found < c.overlap * len(scan):
            return told
        off = _between(laid.T, guess)
        if np.linalg.norm(off[3:]) > c.reach:  # farther than a point looks: that is another place
            return told
        noise = self._noise(laid, scan)
        expected = noise + self._recorded()
        self._learn(off, noise)
        if self._known() and off @ np.linalg.solve(expected, off) > c.refused**2:
            return told
        back = noise @ np.linalg.solve(noise + self._recorded(), off)
        return np.asarray(T_MAP_WORLD.T @ _moved(laid.T, back), np.float64)

    def _known(self) -> bool:
        """Whether so many frames were measured that surprises are known as such."""
        return self._measured >= self._config.memory

    def _recorded(self) -> Float:
        """Covariance ``[6, 6]`` of a recorded pose, rotation first, as far as it is known."""
        return np.diag(np.repeat(np.maximum(self._told[::-1], 0.0), 3))

    def _noise(self, laid: Laid, scan: Scan) -> Float:
        """Covariance ``[6, 6]`` of a registration, rotation first, by the curvature of its cost.

        Surfaces are taken for discs, thin across and a metre wide along. That they hold a patch
        along them at all keeps the cost solvable and is no measurement: it is taken off.
        """
        c = self._config
        held = _DISC * laid.found / len(scan) * _lever(scan.middle @ laid.T[:3, :3].T)
        curvature, axes = np.linalg.eigh(laid.information - held)
        variance = c.spread**2 / np.maximum(curvature, c.spread**2 / c.reach**2)
        floor = np.diag(np.repeat(np.square(c.registered[::-1]), 3))
        return np.asarray((axes * variance) @ axes.T + floor, np.float64)

    def _learn(self, off: Float, noise: Float) -> None:
        """How noisy recorded poses are, by how their disagreement with the map changes from frame
        to frame: what they agree on for long is no noise but the map's own drift. What registration
        itself errs by is taken off; directions in which it errs much count for little."""
        if self._off is not None:
            change, of_both = off - self._off[0], noise + self._off[1]
            expected = of_both + 2 * self._recorded()
            surprise = float(np.sqrt(change @ np.linalg.solve(expected, change)))
            if self._known():
                change = change * min(1.0, self._config.surprise / max(surprise, 1e-9))
            self._measured += 1
            for k, part in enumerate((slice(3, 6), slice(0, 3))):
                own, axes = np.linalg.eigh(of_both[part, part])
                more = np.square(axes.T @ change[part]) - own
                weight = 1 / np.square(own + 2 * max(self._told[k], 0.0))
                told = float((weight * more).sum() / weight.sum()) / 2  # of two poses
                self._told[k] += (told - self._told[k]) / self._config.memory
        self._off = off, noise


_DISC = 0.5
"""What a patch and a surface, each a disc with a variance of 1 square metre along it, hold each
other by along the disc, 1/m2."""


def _lever(points: Float) -> Float:
    """Sum ``[6, 6]`` over points ``[P, 3]`` of the squares of how turns and shifts move each."""
    (x, y, z), n = points.sum(0), len(points)
    out = np.zeros((6, 6))
    out[:3, :3] = np.square(points).sum() * np.eye(3) - points.T @ points
    out[:3, 3:] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    out[3:, :3] = out[:3, 3:].T
    out[3:, 3:] = n * np.eye(3)
    return out


def _between(a: Float, b: Float) -> Float:
    """What moves pose a to pose b, ``[6]``: a turn about its origin, radians, and metres."""
    turn = Rotation.from_matrix(b[:3, :3] @ a[:3, :3].T).as_rotvec()
    return np.concatenate((turn, b[:3, 3] - a[:3, 3]))


def _moved(T: Float, by: Float) -> Float:
    """A pose moved so."""
    out = np.array(T)
    out[:3, :3] = Rotation.from_rotvec(by[:3]).as_matrix() @ T[:3, :3]
    out[:3, 3] += by[3:]
    return out
