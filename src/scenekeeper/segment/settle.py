"""Camera poses made to agree with the things that stand still: what drifts in them is taken out.

In: frames with believed poses, stretches of detections that are one thing each. Out: poses by
which every such thing keeps its place. One least-squares problem over small corrections of
all poses and the places of the things; corrections follow each other smoothly and are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from scenekeeper import geometry
from scenekeeper.segment.tracklets import Seen, sides

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class SettleConfig:
    """How good poses, boxes and depth are taken to be.

    Attributes:
        drift: standard deviations of a pose's own error, metres and radians.
        steady: least standard deviation of its change over a second, radians; what the pictures
            show may be more.
        arm: metres by which a pose is shifted when it turns by a radian.
        jitter: of the middle of a box, pixels,
        sway: and the share of a thing's size, for one looks at other sides of it.
        depth: of depth, as a share of it.
        shortest: stretches of fewer detections say nothing.
        knots: most corrections; with more frames, neighbours share one.
        things: so many that are seen most have a say.
        rounds: of weighing down what does not fit, as what moves does not.
    """

    drift: tuple[float, float] = (0.1, 0.06)
    steady: float = 0.002
    arm: float = 1.6
    jitter: float = 4.0
    sway: float = 0.12
    depth: float = 0.03
    shortest: int = 5
    knots: int = 1000
    things: int = 300
    rounds: int = 2


@dataclass(frozen=True, eq=False)
class Places:
    """Detections as points in the world.

    Attributes:
        frame: ``int64 [M]`` whose.
        row: ``int64 [M]`` which of its detections.
        point: ``float64 [M, 3]`` by the believed pose; NaN = unknown.
        precision: ``float64 [M, 3, 3]`` inverse covariance of ``point``; 0 where unknown.
        size: ``float64 [M]`` metric side; NaN = unknown.
        index: ``int64 [F + 1]`` where each frame's detections begin.
    """

    frame: Int
    row: Int
    point: Float
    precision: Float
    size: Float
    index: Int

    def of(self, stretch: Int) -> Int:
        """Rows here of a stretch's ``(frame, row)`` pairs."""
        return np.asarray(self.index[stretch[:, 0]] + stretch[:, 1])


def places(frames: Sequence[Seen], config: SettleConfig | None = None) -> Places:
    """Where detections are in the world, and how well that is known."""
    c = config or SettleConfig()
    count = np.array([len(f) for f in frames], np.int64)
    index = np.concatenate(([0], np.cumsum(count)))
    total = int(index[-1])
    point, size = np.full((total, 3), np.nan), np.full(total, np.nan)
    precision = np.zeros((total, 3, 3))
    for f, seen in enumerate(frames):
        if not (seen.placed and len(seen)):
            continue
        assert seen.T_world_camera is not None and seen.camera.intrinsics is not None
        focal = float(seen.camera.intrinsics[0, 0])
        box, z = seen.box_xyxy, seen.depth
        middle = np.column_stack(((box[:, :2] + box[:, 2:]) / 2, np.ones(len(box))))
        ray = middle @ np.linalg.inv(seen.camera.intrinsics).T
        part = slice(index[f], index[f + 1])
        point[part] = geometry.transform(seen.T_world_camera, ray * z[:, None])
        size[part] = sides(box) * z / focal
        along = ray @ seen.T_world_camera[:3, :3].T
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = 1 / ((c.jitter * z / focal) ** 2 + (c.sway * size[part]) ** 2)
        deep = 1 / ((c.depth * z) ** 2 + (2 * c.sway * size[part]) ** 2)
        outer = along[:, :, None] * along[:, None]
        info = across[:, None, None] * (np.eye(3) - outer) + deep[:, None, None] * outer
        precision[part] = np.where(np.isfinite(z)[:, None, None], info, 0)
    frame = np.repeat(np.arange(len(frames)), count)
    return Places(frame, np.arange(total) - index[frame], point, precision, size, index)


def settle(
    frames: Sequence[Seen],
    seen: Places,
    stretches: Sequence[Int],
    config: SettleConfig | None = None,
) -> Float:
    """Corrected places of all detections, ``float64 [M, 3]``, and of the frames' cameras.

    Args:
        frames: in order of time.
        seen: of :func:`places`.
        stretches: ``(frame, row)`` pairs ``[M, 2]`` of one thing each.
        config: how good poses are taken to be.

    Returns:
        Per frame the correction ``[F, 6]``: a small turn about the camera, radians, and a shift,
        metres, both in the world's axes.
    """
    c = config or SettleConfig()
    out = np.zeros((len(frames), 6))
    rows = [seen.of(s) for s in stretches if len(s) >= c.shortest]
    rows = [r[np.isfinite(seen.point[r, 0])] for r in rows]
    rows = sorted((r for r in rows if len(r) >= c.shortest), key=len, reverse=True)[: c.things]
    if not rows:
        return out
    at = np.concatenate(rows)
    thing = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    knot = np.arange(len(frames)) * min(c.knots, len(frames)) // len(frames)
    t = np.array([f.t_ns for f in frames]) / 1e9
    first = np.searchsorted(knot, np.arange(knot[-1] + 1))
    origin = _origins(frames)
    arm = seen.point[at] - origin[seen.frame[at]]
    prior = _prior(t[first], max(c.steady, shake(frames, seen, stretches)), c)
    weight = np.ones(len(at))
    for _ in range(c.rounds):
        x, off = _solve(seen, at, thing, knot[seen.frame[at]], arm, weight, prior)
        weight = 1 / (1 + off / 9)  # what is off by three deviations counts half
    return np.asarray(x[knot])


def _solve(
    seen: Places,
    at: Int,
    thing: Int,
    knot: Int,
    arm: Float,
    weight: Float,
    prior: Float,
) -> tuple[Float, Float]:
    """Corrections of knots ``[K, 6]`` and the squared misfit ``[M]`` of each detection.

    Knots only know their neighbours, so they are eliminated first, as a matrix of few bands; what
    is left are the things, few and dense.
    """
    n, m = prior.shape[1] // 6, int(thing.max()) + 1
    J = np.zeros((len(at), 3, 9))  # of the corrected point less the thing's place
    J[:, :, :3] = -_cross(arm)
    J[:, :, 3:6], J[:, :, 6:] = np.eye(3), -np.eye(3)
    JW = J.transpose(0, 2, 1) @ (seen.precision[at] * weight[:, None, None])
    H = JW @ J
    middle = seen.point[at].mean(0)  # keeps numbers small
    point = seen.point[at] - middle
    g = -(JW @ point[:, :, None])[..., 0]
    own = _summed(H[:, :6, :6], knot, n)
    band = prior.copy()
    for k in range(6):  # entries k above the diagonal, in the layout of LAPACK
        band[6 - k].reshape(n, 6)[:, k:] += own[:, np.arange(6 - k), np.arange(k, 6)]
    both = np.zeros((n, m, 6, 3))
    np.add.at(both, (knot, thing), H[:, :6, 6:])
    B = both.transpose(0, 2, 1, 3).reshape(6 * n, 3 * m)
    right = np.column_stack((B, _summed(g[:, :6], knot, n).ravel()))
    solved = solveh_banded(band, right, overwrite_b=True, check_finite=False)
    S = -B.T @ solved[:, :-1]
    rows = (3 * np.arange(m)[:, None, None] + np.arange(3)[:, None]) + np.zeros(3, np.int64)
    S[rows, rows.transpose(0, 2, 1)] += _summed(H[:, 6:, 6:], thing, m) + 1e-6 * np.eye(3)
    place = np.linalg.solve(S, _summed(g[:, 6:], thing, m).ravel() - B.T @ solved[:, -1])
    x = (solved[:, -1] - solved[:, :-1] @ place).reshape(n, 6)
    off = point + np.einsum("mij,mj->mi", J[:, :, :6], x[knot]) - place.reshape(m, 3)[thing]
    return x, np.einsum("mi,mij,mj->m", off, seen.precision[at], off)


def _summed(values: Float, group: Int, n: int) -> Float:
    """Sums of values ``[M, ...]`` by group, ``[n, ...]``."""
    out = np.zeros((n, *values.shape[1:]))
    np.add.at(out, group, values)
    return out


def _prior(t: Float, wander: float, c: SettleConfig) -> Float:
    """Corrections are small, and change little from knot to knot: ``[7, 6 K]``, diagonal last."""
    n = len(t)
    band = np.zeros((7, 6 * n))
    band[6] = np.tile(np.repeat([c.drift[1], c.drift[0]], 3) ** -2.0, n)
    pace = np.repeat([wander, c.arm * wander], 3) ** -2.0
    smooth = (pace[None] / np.maximum(np.diff(t), 1e-3)[:, None]).ravel()
    band[6, :-6] += smooth
    band[6, 6:] += smooth
    band[0, 6:] -= smooth
    return band


def shake(frames: Sequence[Seen], seen: Places, stretches: Sequence[Int]) -> float:
    """How much poses err from one frame to the next: radians per square root of a second.

    What things that are carried from frame to frame are off by in common is the pose's error; what
    each is off by alone is the boxes'. 0 where poses are as good as boxes can tell.
    """
    pairs = [s[k : k + 2] for s in stretches for k in np.flatnonzero(np.diff(s[:, 0]) == 1)]
    rows = [(a, b) for a, b in pairs if frames[a[0]].placed and frames[b[0]].placed]
    if not rows:
        return 0.0
    now = np.array([b[0] for _, b in rows])
    off = np.array([_off(frames[b[0]], seen.point[seen.of(a[None])[0]], b[1]) for a, b in rows])
    known = np.isfinite(off[:, 0])
    now, off = now[known], off[known]
    common, alone, counts, steps = [], [], [], []
    for cut in np.split(
        np.arange(len(now))[order := np.argsort(now, kind="stable")],
        np.flatnonzero(np.diff(now[order])) + 1,
    ):
        if len(cut) < 4:
            continue
        middle = np.median(off[cut], axis=0)
        common.append(middle)
        alone.append(off[cut] - middle)
        counts.append(len(cut))
        f = int(now[cut[0]])
        steps.append((frames[f].t_ns - frames[f - 1].t_ns) / 1e9)
    if len(common) < 8:
        return 0.0
    by_chance = (
        (1.4826 * np.median(np.abs(np.concatenate(alone)))) ** 2
        * np.pi
        / 2
        * np.mean(1 / np.array(counts))
    )
    seen_common = (1.4826 * np.median(np.abs(np.array(common)))) ** 2
    return float(np.sqrt(max(0.0, seen_common - by_chance) / np.median(steps)))


def _off(seen: Seen, point: Float, row: int) -> Float:
    """How far a detection is from where a place is seen, in radians ``[2]``."""
    assert seen.T_world_camera is not None and seen.camera.intrinsics is not None
    local = seen.T_world_camera[:3, :3].T @ (point - seen.T_world_camera[:3, 3])
    if not local[2] > 0.1:
        return np.full(2, np.nan)
    box, K = seen.box_xyxy[row], seen.camera.intrinsics
    middle = (box[:2] + box[2:]) / 2
    return np.asarray((middle - (K @ local)[:2] / local[2]) / K[0, 0])


def _cross(v: Float) -> Float:
    """Matrices ``[M, 3, 3]`` whose product with w is v x w."""
    out = np.zeros((len(v), 3, 3))
    out[:, 0, 1], out[:, 0, 2], out[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    out[:, 1, 0], out[:, 2, 0], out[:, 2, 1] = v[:, 2], -v[:, 1], v[:, 0]
    return out


def _origins(frames: Sequence[Seen]) -> Float:
    """Where the cameras are believed to be, ``[F, 3]``; 0 where that is unknown."""
    poses = [f.T_world_camera for f in frames]
    return np.array([np.zeros(3) if T is None else T[:3, 3] for T in poses]).reshape(-1, 3)


def moved(seen: Places, frames: Sequence[Seen], correction: Float) -> Float:
    """Places ``[M, 3]`` by the corrected poses."""
    origin = _origins(frames)
    turn, shift = correction[seen.frame, :3], correction[seen.frame, 3:]
    return np.asarray(seen.point + np.cross(turn, seen.point - origin[seen.frame]) + shift)
