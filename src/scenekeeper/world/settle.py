"""Camera poses settled against the map while it is built: scan to map, and back to what was told.

In: points of a frame and its recorded pose. Out: the pose that agrees with the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.world.gaussians import GaussianMap, Scan

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
        registered: standard deviation of registration, metres and radians,
        told: and of recorded poses before anything is known of them; measured from then on.
        memory: frames over which it is measured.
    """

    leaf: float = 0.2
    spacing: float = 0.06
    reach: float = 0.3
    least: int = 200
    overlap: float = 0.5
    registered: tuple[float, float] = (0.005, 0.002)
    told: tuple[float, float] = (0.01, 0.004)
    memory: float = 20.0


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
        T = T_MAP_WORLD.T @ laid.T
        if not laid.converged or laid.found < c.overlap * len(scan):
            return told
        shift = told[:3, 3] - T[:3, 3]
        if np.linalg.norm(shift) > c.reach:  # farther than a point looks: that is another place
            return told
        turn = Rotation.from_matrix(T[:3, :3].T @ told[:3, :3]).as_rotvec()
        self._learn(shift, turn)
        trust = np.square(c.registered) / (np.square(c.registered) + self._told)
        out = np.eye(4)
        out[:3, :3] = T[:3, :3] @ Rotation.from_rotvec(trust[1] * turn).as_matrix()
        out[:3, 3] = T[:3, 3] + trust[0] * shift
        return out

    def _learn(self, shift: Float, turn: Float) -> None:
        """How noisy recorded poses are, by how their disagreement with the map changes from frame
        to frame: what they agree on for long is no noise but the map's own drift."""
        if self._off is not None:
            changes = [now - before for now, before in zip((shift, turn), self._off, strict=True)]
            noise = np.array([d @ d for d in changes]) / 6  # of two poses, along three axes
            self._told += (noise - self._told) / self._config.memory
        self._off = shift, turn
