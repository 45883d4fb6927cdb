"""Small pictures with depth worth keeping of a session, and the surface that they show.

In: frames in order with settled poses. Out: a session's evidence. However long the session, no more
is held than a few hundred small images and one point per voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.world.evidence import Evidence, SessionEvidence
from scenekeeper.world.gathering import Shown
from scenekeeper.world.summary import surface
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]

_TURN = np.radians(7)
_STEP = 0.1
"""A picture is kept whenever its camera has turned or moved by so much (metres). With half as many,
changes are told a point of F1 worse (simulated homes, seeds 9400 to 9431)."""

_MOST = 400
_SURFACE_REACH = 5.0
"""Farther depth is too noisy for a surface, metres."""

_PENDING = 64


@dataclass
class Keyframes:
    """Keyframes being chosen.

    Attributes:
        frames: kept so far,
        ids: the frames that they are of.
        points: what they show, in parts, metres.
        span: time of the earliest and of the latest frame; ``None`` before any.
    """

    frames: list[Keyframe] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    span: tuple[int, int] | None = None
    _last: dict[str, Float] = field(default_factory=dict)
    _stride: int = 1
    _candidates: int = 0

    def add(self, shown: Shown, camera: str, T: Float) -> None:
        """Keep a frame of a camera if that has gone on since its last one that was kept."""
        before = self.span or (shown.t_ns, shown.t_ns)
        self.span = min(before[0], shown.t_ns), max(before[1], shown.t_ns)
        if camera in self._last and not _went_on(self._last[camera], T):
            return
        self._last[camera] = T
        self.points.append(_points(shown, T))
        if len(self.points) > _PENDING:
            self.points = [surface(self.points)]
        if self._candidates % self._stride == 0:
            mm = np.rint(shown.depth * 1000).astype(np.uint16)
            self.frames.append(Keyframe(mm, shown.intrinsics, T, shown.picture))
            self.ids.append(shown.frame_id)
            if len(self.frames) >= 2 * _MOST:  # from here on every second one
                self.frames, self.ids = self.frames[::2], self.ids[::2]
                self._stride *= 2
        self._candidates += 1

    def evidence(
        self, session: str, run: str, up: Float, things: Sequence[Evidence]
    ) -> SessionEvidence:
        """All that the session says, with its ``things``."""
        n = len(self.frames)
        kept = np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(np.int64))
        return SessionEvidence(
            session,
            run,
            up,
            *(self.span or (0, 0)),
            tuple(things),
            surface(self.points),
            tuple(self.frames[k] for k in kept),
            tuple(self.ids[k] for k in kept),
        )


def _points(shown: Shown, T: Float) -> NDArray[np.float32]:
    v, u = np.nonzero((shown.depth > 0) & (shown.depth < _SURFACE_REACH))
    z, K = shown.depth[v, u], shown.intrinsics
    local = np.stack(((u - K[0, 2]) * z / K[0, 0], (v - K[1, 2]) * z / K[1, 1], z), 1)
    return geometry.transform(T, local).astype(np.float32)


def _went_on(before: Float, now: Float) -> bool:
    turn = np.arccos(np.clip((np.trace(before[:3, :3].T @ now[:3, :3]) - 1) / 2, -1, 1))
    return bool(np.linalg.norm(before[:3, 3] - now[:3, 3]) > _STEP or turn > _TURN)
