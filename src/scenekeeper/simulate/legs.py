"""Stretches of an arm's movement, from rest to rest, and how long they take.

In: joints along a way. Out: joints by time, within the limits on speed and acceleration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from scenekeeper.simulate import arm

Float = NDArray[np.float64]

JAW_SPEED = 0.12
"""Metres per second that the gripper opens or closes, at most."""

_KNOTS = 10


@dataclass(frozen=True, eq=False)
class Leg:
    """A stretch of the movement, from rest to rest.

    Attributes:
        q: ``float64 [K, 7]`` joints, evenly along the way; the arm stays where all are alike.
        opening: of the gripper at the start and at the end, metres.
        holds: the gripper holds something.
    """

    q: Float
    opening: tuple[float, float]
    holds: bool

    @cached_property
    def seconds(self) -> float:
        """How long it takes at least, by the limits on speed and acceleration."""
        u = np.linspace(0, 1, 200)
        s, ds, dds = _eased(u)
        first, second = self.way(s, 1), self.way(s, 2)
        speed = np.abs(first * ds[:, None]) / arm.SPEED
        push = np.abs(second * ds[:, None] ** 2 + first * dds[:, None]) / arm.ACCELERATION
        jaws = 1.875 * abs(self.opening[1] - self.opening[0]) / JAW_SPEED
        return max(1.001 * float(speed.max()), 1.001 * float(np.sqrt(push.max())), jaws, 0.25)

    @cached_property
    def way(self) -> CubicSpline:
        """Joints by the share of the way."""
        return CubicSpline(np.linspace(0, 1, len(self.q)), self.q)

    def at(self, u: Float) -> Float:
        """Joints and opening ``[N, 8]`` by the share ``[N]`` of its time."""
        s = _eased(u)[0]
        a, b = self.opening
        return np.column_stack((self.way(s), a + (b - a) * s))


def _eased(u: Float) -> tuple[Float, Float, Float]:
    """Way, speed and acceleration by time, all from 0 to 1, of the least jerk."""
    return (
        u**3 * (10 - 15 * u + 6 * u**2),
        30 * u**2 * (1 - u) ** 2,
        60 * u * (1 - u) * (1 - 2 * u),
    )


def straight(q: Float, T_base_flange: Float) -> Float | None:
    """Joints ``[K, 7]`` along the straight way of the flange to a pose.

    Returns:
        ``None`` when a part of the way is out of reach, or joints would have to jump.
    """
    start = arm.flange(q)
    move = arm.twist(start, T_base_flange)
    shares = np.linspace(0, 1, _KNOTS)[1:]
    turns = Rotation.from_rotvec(shares[:, None] * move[3:]).as_matrix()
    out = [q]
    for s, turn in zip(shares, turns, strict=True):
        T = np.eye(4)
        T[:3, :3] = turn @ start[:3, :3]
        T[:3, 3] = start[:3, 3] + s * move[:3]
        found = arm.solve(T, out[-1])
        if found is None or np.abs(found - out[-1]).max() > 0.5:
            return None
        out.append(found)
    way = np.array(out)
    fine = CubicSpline(np.linspace(0, 1, _KNOTS), way)(np.linspace(0, 1, 100))
    return way if ((fine >= arm.LOW) & (fine <= arm.HIGH)).all() else None


def follow(legs: Sequence[Leg], durations: Float, t: Float) -> Float:
    """Joints and opening ``[N, 8]`` at times ``[N]`` of legs one after another.

    Args:
        legs: at least one.
        durations: seconds that each takes; before the first and after the last, nothing moves.
        t: seconds, ascending.
    """
    ends = np.cumsum(durations)
    of = np.minimum(np.searchsorted(ends, t, side="right"), len(ends) - 1)
    out = np.empty((len(t), arm.JOINTS + 1))
    for k, leg in enumerate(legs):
        own = of == k
        start = ends[k] - durations[k]
        out[own] = leg.at(np.clip((t[own] - start) / durations[k], 0, 1))
    return out
