"""A seven-joint arm: where its links are, and which joints bring its hand somewhere.

Pure functions of joint positions. Straight up, all joints are at 0; the axes turn about z and y in
turn, so the shoulder, the elbow and the wrist can each bend and roll. Frames are the base's: z up,
x forward, metres, radians.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]

JOINTS = 7
NAMES = tuple(f"joint_{k + 1}" for k in range(JOINTS))

RISE = np.array([0.15, 0.15, 0.21, 0.21, 0.2, 0.2, 0.05])
"""Metres ``[7]`` from each joint to the next along the arm, from the base on."""

FLANGE = 0.05
"""Metres from the last joint to the flange."""

LOW = np.array([-2.9, -1.9, -2.9, 0.05, -2.9, -1.6, -2.9])
HIGH = np.array([2.9, 1.9, 2.9, 2.7, 2.9, 2.6, 2.9])
"""Joint limits ``[7]``."""

SPEED = np.array([1.6, 1.6, 1.6, 1.6, 2.2, 2.2, 2.2])
"""Radians per second ``[7]`` that no joint exceeds."""

ACCELERATION = np.array([5.0, 5.0, 5.0, 5.0, 8.0, 8.0, 8.0])
"""Radians per square second ``[7]`` that no joint exceeds."""

REST = np.array([0.0, 0.2, 0.0, 1.7, 0.0, 1.24, 0.0])
"""Joints ``[7]`` of the hand pointing down in front: what the arm tends to where it can choose."""


def frames(q: Float) -> Float:
    """Frames ``T_base_link`` ``[..., 8, 4, 4]`` of the seven links and the flange.

    Args:
        q: ``[..., 7]`` joint positions.
    """
    out = _steps(q)
    for k in range(1, JOINTS + 1):
        out[..., k, :, :] = out[..., k - 1, :, :] @ out[..., k, :, :]
    return out


def flange(q: Float) -> Float:
    """``T_base_flange`` ``[..., 4, 4]``; the hand points along the flange's z."""
    return np.asarray(frames(q)[..., JOINTS, :, :], np.float64)


def jacobian(q: Float) -> Float:
    """How the flange moves with each joint, ``[6, 7]``: metres, then radians, in the base's frame.

    Args:
        q: ``[7]`` joint positions.
    """
    return _jacobian(frames(q))


def solve(T_base_flange: Float, start: Float, tolerance: float = 1e-6) -> Float | None:
    """Joints ``[7]`` within their limits that bring the flange to a pose.

    Damped least squares (Wampler, "Manipulator inverse kinematic solutions based on vector
    formulations and damped least-squares methods", 1986); what the pose leaves open tends to
    :data:`REST`.

    Args:
        T_base_flange: the wanted pose ``[4, 4]``.
        start: ``[7]`` joints to start from; near ones give a near answer.
        tolerance: metres and radians.

    Returns:
        ``None`` when the pose is out of reach.
    """
    q = np.clip(start, LOW, HIGH)
    for _ in range(80):
        T = frames(q)
        error = twist(T[JOINTS], T_base_flange)
        if np.abs(error).max() < tolerance:
            return q
        J = _jacobian(T)
        damping = 1e-2 * float(error @ error) + 1e-9
        idle = min(0.1, 2 * float(np.abs(error).max())) * (REST - q)
        step = idle + J.T @ np.linalg.solve(J @ J.T + damping * np.eye(6), error - J @ idle)
        q = np.clip(q + step * min(1.0, 0.3 / float(np.abs(step).max())), LOW, HIGH)
    return None


def twist(T: Float, to: Float) -> Float:
    """Translation and rotation vector ``[6]`` that bring one pose onto another."""
    turn = Rotation.from_matrix(to[:3, :3] @ T[:3, :3].T).as_rotvec()
    return np.concatenate((to[:3, 3] - T[:3, 3], turn))


def _jacobian(T: Float) -> Float:
    axes = T[:JOINTS, :3, 2].copy()
    axes[1::2] = T[1:JOINTS:2, :3, 1]
    lever = T[JOINTS, :3, 3] - T[:JOINTS, :3, 3]
    return np.concatenate((np.cross(axes, lever).T, axes.T))


def _steps(q: Float) -> Float:
    """Each link's frame, and the flange's, in the one before ``[..., 8, 4, 4]``."""
    c, s = np.cos(q), np.sin(q)
    T = np.zeros((*q.shape[:-1], JOINTS + 1, 4, 4))
    roll, bend = T[..., 0:JOINTS:2, :, :], T[..., 1:JOINTS:2, :, :]
    roll[..., 0, 0] = roll[..., 1, 1] = c[..., 0::2]
    roll[..., 1, 0], roll[..., 0, 1] = s[..., 0::2], -s[..., 0::2]
    roll[..., 2, 2] = 1
    bend[..., 0, 0] = bend[..., 2, 2] = c[..., 1::2]
    bend[..., 0, 2], bend[..., 2, 0] = s[..., 1::2], -s[..., 1::2]
    bend[..., 1, 1] = 1
    T[..., JOINTS, :, :] = np.eye(4)
    T[..., :JOINTS, 2, 3], T[..., JOINTS, 2, 3] = RISE, FLANGE
    T[..., 3, 3] = 1
    return T
