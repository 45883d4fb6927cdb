"""Boxes as a robot's detector gives them, with the truth: for benchmarks of trackers.

A room of 18 things that stand and 3 that move, seen for 20 seconds by a camera that stands or
drives; things hide behind each other and now and then drop out of sight altogether. The detector
misses a tenth, puts every side 3 px off, and invents a tenth; depth is that of the surface in the
middle of the box. No picture is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.schema import Camera

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SIZE = (1280, 720)
SECONDS = 20
STANDING, MOVING = 18, 3
MISSES, JITTER_PX, INVENTED = 0.1, 3.0, 0.1
FOCAL = 1000.0


@dataclass(frozen=True)
class PoseNoise:
    """Standard deviations: of poses in metres and radians (they drift over 2 s), of depth."""

    metres: float = 0.0
    radians: float = 0.0
    depth: float = 0.01


EXACT = PoseNoise()
GOOD = PoseNoise(0.01, np.radians(0.3), 0.02)
BAD = PoseNoise(0.05, np.radians(2.0), 0.05)


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture's truth and detections.

    Attributes:
        t_ns: its time.
        T_world_camera: ``float64 [4, 4]`` as the robot believes it is.
        truth: ``float64 [K, 4]`` boxes of what is in sight.
        ids: ``int64 [K]`` whose.
        standing: ``bool [K]`` whether it stands.
        box: ``float64 [N, 4]`` detections.
        score: ``float64 [N]``.
        depth: ``float64 [N]`` metres.
    """

    t_ns: int
    T_world_camera: Float
    truth: Float
    ids: Int
    standing: NDArray[np.bool_]
    box: Float
    score: Float
    depth: Float


def camera() -> Camera:
    """The calibrated camera of all sequences."""
    w, h = SIZE
    return Camera("head", w, h, np.array([[FOCAL, 0, w / 2], [0, FOCAL, h / 2], [0, 0, 1.0]]))


def sequence(seed: int, fps: int, drives: bool, noise: PoseNoise) -> list[Frame]:
    """One sequence; the same room and drive for every rate and noise of a seed."""
    rng = np.random.default_rng([seed, 17])
    extent = rng.uniform((0.08, 0.08, 0.08), (0.5, 0.5, 0.6), (STANDING + MOVING, 3))
    extent[STANDING:] = rng.uniform((0.3, 0.3, 0.5), (0.5, 0.5, 1.6), (MOVING, 3))
    spots = _spots(rng)
    phase, pace = rng.uniform(0, 2 * np.pi, (MOVING, 2)), rng.uniform(0.2, 0.5, (MOVING, 2))
    hidden = [_hidden(rng) for _ in extent]
    steps = np.arange(0, SECONDS, 1 / fps)
    poses = _drive(rng, steps) if drives else np.repeat(_drive(rng, steps[:1]), len(steps), 0)
    believed = _believed(poses, steps, noise, np.random.default_rng([seed, fps, 3]))
    draw = np.random.default_rng([seed, fps, 5])
    frames = []
    for k, t in enumerate(steps):
        center = np.concatenate((spots, np.zeros((MOVING, 3))))
        center[STANDING:, :2] = 1.9 * np.sin(phase + pace * t)
        center[STANDING:, 2] = extent[STANDING:, 2] / 2
        there = np.array([not any(a <= t < b for a, b in h) for h in hidden])
        box, depth, seen = _seen(poses[k], center, extent, there)
        frames.append(_frame(round(1e9 * t), believed[k], box, depth, seen, noise, draw))
    return frames


def _spots(rng: np.random.Generator) -> Float:
    """Places of what stands, apart from each other."""
    spots: list[Float] = []
    while len(spots) < STANDING:
        at = rng.uniform((-2.4, -1.9, 0.1), (2.4, 1.9, 1.6))
        if all(np.linalg.norm(at - s) > 0.45 for s in spots):
            spots.append(at)
    return np.array(spots)


def _hidden(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Seconds during which a thing is out of sight altogether: 5 to 40 frames of 30 fps."""
    out, t = [], rng.exponential(6.0)
    while t < SECONDS:
        gone = rng.uniform(5, 40) / 30
        out.append((t, t + gone))
        t += gone + rng.exponential(6.0)
    return out


def _drive(rng: np.random.Generator, t: Float) -> Float:
    """``T_world_camera [N, 4, 4]`` of a base that wanders and looks around."""
    a, b, c = rng.uniform(0, 2 * np.pi, 3)
    around = a + 0.05 * t + 0.35 * np.sin(0.3 * t + b)
    far = 3.3 + 0.4 * np.sin(0.37 * t + c)
    x, y = far * np.cos(around), far * np.sin(around)
    yaw = around + np.pi + 0.6 * np.sin(0.55 * t + c) + 0.15 * np.sin(1.9 * t + a)
    pitch = -0.12 + 0.08 * np.sin(0.9 * t + b)
    T = np.tile(np.eye(4), (len(t), 1, 1))
    forward = np.stack((np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)), 1)
    right = np.stack((np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)), 1)
    T[:, :3, 0], T[:, :3, 1], T[:, :3, 2] = right, np.cross(forward, right), forward
    T[:, :3, 3] = np.stack((x, y, np.full_like(x, 1.25)), 1)
    return T


def _believed(poses: Float, t: Float, noise: PoseNoise, rng: np.random.Generator) -> Float:
    """Poses with errors that drift: first-order autoregressive, time constant 2 s."""
    keep = np.exp(-(t[1] - t[0]) / 2.0)
    white = rng.standard_normal((len(t), 6)) * np.sqrt(1 - keep**2)
    white[0] /= np.sqrt(1 - keep**2)
    drift = np.zeros_like(white)
    for k in range(len(t)):
        drift[k] = (keep * drift[k - 1] if k else 0) + white[k]
    out = poses.copy()
    out[:, :3, 3] += noise.metres * drift[:, :3]
    turn = Rotation.from_rotvec(noise.radians * drift[:, 3:]).as_matrix()
    out[:, :3, :3] = turn @ poses[:, :3, :3]
    return out


_CORNERS = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).reshape(3, 8).T


def _seen(
    T_world_camera: Float, center: Float, extent: Float, there: NDArray[np.bool_]
) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Visible boxes ``[M, 4]``, surface depths in their middle ``[M]``, and which are in sight."""
    R, origin = T_world_camera[:3, :3], T_world_camera[:3, 3]
    corners = (center[:, None] + extent[:, None] * _CORNERS - origin) @ R
    z = corners[..., 2]
    u = FOCAL * corners[..., 0] / np.maximum(z, 0.05) + SIZE[0] / 2
    v = FOCAL * corners[..., 1] / np.maximum(z, 0.05) + SIZE[1] / 2
    whole = np.stack((u.min(1), v.min(1), u.max(1), v.max(1)), 1)
    box = whole.clip(0, (*SIZE, *SIZE))
    area, full = _area(box), _area(whole)
    seen = there & (z.min(1) > 0.3) & (area > 225) & (area > 0.3 * full)
    distance = np.linalg.norm(center - origin, axis=1)
    for i in np.flatnonzero(seen):
        nearer = seen & (distance < distance[i])
        low, high = np.maximum(box[:, :2], box[i, :2]), np.minimum(box[:, 2:], box[i, 2:])
        covered = (high - low).clip(0).prod(1)[nearer] / area[i]
        if covered.max(initial=0) > 0.7:
            seen[i] = False
    middle = np.stack(((box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2), 1)
    rays = np.column_stack(((middle - np.array(SIZE) / 2) / FOCAL, np.ones(len(box)))) @ R.T
    with np.errstate(divide="ignore"):
        a = (center - extent / 2 - origin) / rays
        b = (center + extent / 2 - origin) / rays
    depth = np.minimum(a, b).max(1)  # where the ray enters the box; rays have unit depth
    return box, depth, seen


def _area(box: Float) -> Float:
    return np.asarray((box[:, 2:] - box[:, :2]).clip(0).prod(1))


def _frame(
    t_ns: int,
    pose: Float,
    box: Float,
    depth: Float,
    seen: NDArray[np.bool_],
    noise: PoseNoise,
    rng: np.random.Generator,
) -> Frame:
    ids = np.flatnonzero(seen)
    found = ids[rng.random(len(ids)) >= MISSES]
    n = rng.binomial(len(ids), INVENTED)
    corner = rng.uniform((0, 0), (SIZE[0] - 60, SIZE[1] - 60), (n, 2))
    invented = np.concatenate((corner, corner + rng.uniform(20, 250, (n, 2))), 1)
    boxes = np.concatenate((box[found] + rng.normal(0, JITTER_PX, (len(found), 4)), invented))
    boxes = boxes.clip(0, (*SIZE, *SIZE))
    z = np.concatenate((depth[found], rng.uniform(1, 5, n)))
    score = np.concatenate((rng.uniform(0.55, 1, len(found)), rng.uniform(0.4, 0.9, n)))
    real = (boxes[:, 2:] - boxes[:, :2] > 2).all(1)
    return Frame(
        t_ns,
        pose,
        box[ids],
        ids,
        ids < STANDING,
        boxes[real],
        score[real],
        (z * (1 + noise.depth * rng.standard_normal(len(z))))[real],
    )
