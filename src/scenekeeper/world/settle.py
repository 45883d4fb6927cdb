"""Camera poses settled against the map while it is built: scan to map, weighed with what was told.

In: points of a frame and its recorded pose. Out: the pose that agrees with the map. A wall alone
does not say where along it the camera stands: the registration counts in each direction as far as
its surfaces tell, and the recorded pose for the rest.
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
        together: scan points that err as one: all that fall into one voxel of the map, and what
            neighbours share of the depth's error.
        registered: least standard deviation of registration, metres and radians,
        told: and that of recorded poses before anything is known of them; measured from then on.
        memory: frames over which it is measured,
        surprise: of which none counts as more than so many standard deviations.
        refused: standard deviations by which a registration differs from what was told that is a
            wrong one.
    """

    leaf: float = 0.2
    spacing: float = 0.06
    reach: float = 0.3
    least: int = 200
    overlap: float = 0.5
    together: float = 20.0
    registered: tuple[float, float] = (0.002, 0.001)
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
        self._told = _per_axis(self._config.told)
        self._off: tuple[Float, Float] | None = None

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
        laid = self._map.lay(scan, T_MAP_WORLD @ told, c.reach)
        if not laid.converged or laid.found < c.overlap * len(scan):
            return told
        off = _between(laid.T, T_MAP_WORLD @ told)
        if np.linalg.norm(off[3:]) > c.reach:  # farther than a point looks: that is another place
            return told
        covariance = self._covariance(laid)
        told_variance = np.diag(self._told)
        self._learn(off, covariance)
        back = np.linalg.solve(told_variance + covariance, off)
        if off @ back > c.refused**2:
            return told
        return np.asarray(T_MAP_WORLD.T @ _moved(laid.T, covariance @ back), np.float64)

    def _covariance(self, laid: Laid) -> Float:
        """Of a registration's pose ``[6, 6]``, turn before shift, along the map's axes: the inverse
        of its Hessian, scaled by what is left over."""
        c = self._config
        seen = laid.left * c.together * np.linalg.inv(laid.information + _OPEN * np.eye(6))
        return np.asarray(seen + np.diag(_per_axis(c.registered)), np.float64)

    def _learn(self, off: Float, covariance: Float) -> None:
        """How noisy recorded poses are, by how their disagreement with the map changes from frame
        to frame: what they agree on for long is no noise but the map's own drift.

        One step of expectation and maximisation (Shumway and Stoffer 1982): where a registration
        leaves a direction open, its disagreement says nothing of the recorded pose.
        """
        if self._off is not None:
            # A change has the errors of two frames; both are taken to be alike.
            change = (off - self._off[0]) / np.sqrt(2)
            between = (covariance + self._off[1]) / 2
            told = np.diag(self._told)
            gain = told @ np.linalg.inv(told + between)
            surprise = np.sqrt(change @ np.linalg.solve(told + between, change))
            change = change * min(1.0, self._config.surprise / max(surprise, 1e-9))
            noise = (gain @ change) ** 2 + np.diag(told - gain @ told)
            each = np.repeat(noise.reshape(2, 3).mean(1), 3)
            self._told = self._told + (each - self._told) / self._config.memory
        self._off = off, covariance


_OPEN = 1e-6
"""Keeps a Hessian invertible that leaves a direction open."""


def _per_axis(std: tuple[float, float]) -> Float:
    """Variances ``[6]``, of turns before shifts, of standard deviations in metres and radians."""
    return np.repeat(np.square([std[1], std[0]]), 3)


def _between(T: Float, other: Float) -> Float:
    """The small motion ``[6]`` from one pose to another: turn about the camera, then shift."""
    turn = Rotation.from_matrix(other[:3, :3] @ T[:3, :3].T).as_rotvec()
    return np.concatenate((turn, other[:3, 3] - T[:3, 3]))


def _moved(T: Float, motion: Float) -> Float:
    """A pose after the motion of :func:`_between`."""
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(motion[:3]).as_matrix() @ T[:3, :3]
    out[:3, 3] = T[:3, 3] + motion[3:]
    return out
