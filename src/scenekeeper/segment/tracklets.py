"""Short stretches of identity: detections of one thing in nearby frames, linked as they come.

In: frames with boxes. Out: stretches, each at most one detection a frame. The last box is carried
into the next picture: through its place in the world where pose and depth are known, else by the
step that most boxes take. What it is still off by tells how the thing itself moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper import geometry
from scenekeeper.schema import Camera

Float = NDArray[np.float64]
Int = NDArray[np.int64]

DISTANT = 100.0
"""Metres at which a thing is taken to be whose depth is unknown: only turning moves it."""

FAR = 1e6
"""Cost of what cannot be."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame's detections.

    Attributes:
        t_ns: capture time.
        camera: calibration.
        T_world_camera: ``float64 [4, 4]`` or ``None``.
        box_xyxy: ``float64 [N, 4]`` pixels.
        score: ``float64 [N]``.
        depth: ``float64 [N]`` metres along the optical axis; NaN = unknown.
        embedding: ``float32 [N, E]`` unit vectors, or ``None``.
    """

    t_ns: int
    camera: Camera
    T_world_camera: Float | None
    box_xyxy: Float
    score: Float
    depth: Float
    embedding: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.score)

    @property
    def placed(self) -> bool:
        """Whether its pixels have rays in the world."""
        return self.T_world_camera is not None and self.camera.intrinsics is not None


@dataclass(frozen=True)
class LinkConfig:
    """When a box is that of the frame before.

    Attributes:
        jitter: pixels that the middle of a box is off by itself,
        sway: and the share of its side.
        scale: spread of the logarithm of its sides.
        gate: standard deviations beyond which it is another thing.
        wait_s: seconds for which a thing out of sight is waited for,
        wait_frames: or so many frames, if that is longer.
        look: what looks weigh: -2 times by how much the log-likelihood of two looks being of one
            thing rises with their cosine similarity,
        alike: and the similarity that is as likely of one thing as of two.

    Looks and places are weighed as one: squared standard deviations are -2 log-likelihoods too.
    ``look`` and ``alike`` are those of embeddings of neighbouring frames of twelve simulated homes,
    seeds 9100 to 9111; on the real kitchen they are much the same.
    """

    jitter: float = 4.0
    sway: float = 0.12
    scale: float = 0.25
    gate: float = 3.0
    wait_s: float = 0.5
    wait_frames: int = 3
    look: float = 16.0
    alike: float = 0.55


@dataclass(eq=False)
class _Open:
    """A stretch that may go on: where its thing was when last seen, and how it moved by itself."""

    box: Float
    depth: float
    point: Float
    pace: Float
    t_ns: int
    frame: int
    embedding: Float | None
    members: list[tuple[int, int]] = field(default_factory=list)


def link(frames: Sequence[Seen], config: LinkConfig | None = None) -> list[Int]:
    """Stretches of detections of one thing each.

    Args:
        frames: in order of time; cameras may take turns.
        config: when a box is that of the frame before.

    Returns:
        Per stretch ``int64 [M, 2]``: frame and row of its detections, in order of time.
    """
    config = config or LinkConfig()
    done: list[_Open] = []
    for name in dict.fromkeys(f.camera.name for f in frames):
        own = [(k, f) for k, f in enumerate(frames) if f.camera.name == name]
        done += _link_camera(own, config)
    done.sort(key=lambda t: t.members[0])
    return [np.array(t.members, np.int64) for t in done]


def _link_camera(frames: Sequence[tuple[int, Seen]], config: LinkConfig) -> list[_Open]:
    done: list[_Open] = []
    going: list[_Open] = []
    before: Seen | None = None
    for n, (f, seen) in enumerate(frames):
        lost = [t for t in going if _is_lost(t, seen, n, config)]
        done += lost
        going = [t for t in going if t not in lost]
        box, depth = _expected(going, seen, common_step(before, seen))
        cost = _cost(going, box, depth, seen, config)
        rows, columns = linear_sum_assignment(cost)
        joined = {int(c): int(r) for r, c in zip(rows, columns, strict=True) if cost[r, c] < FAR}
        for k in range(len(seen)):
            if (m := joined.get(k)) is None:
                t = _begun(seen, k)
                going.append(t)
            else:
                t = going[m]
                _extend(t, box[m], float(depth[m]), seen, k)
            t.point, t.t_ns, t.frame = _point(seen, t.box, t.depth), seen.t_ns, n
            t.members.append((f, k))
        before = seen
    return done + going


def _is_lost(t: _Open, seen: Seen, n: int, config: LinkConfig) -> bool:
    return seen.t_ns - t.t_ns > 1e9 * config.wait_s and n - t.frame > config.wait_frames


def _expected(going: Sequence[_Open], seen: Seen, step: Float) -> tuple[Float, Float]:
    """What open stretches would look like now: boxes ``[M, 4]`` and depths ``[M]``."""
    if not going:
        return np.zeros((0, 4)), np.zeros(0)
    box, depth = np.array([t.box for t in going]), np.array([t.depth for t in going])
    point = np.array([t.point for t in going])
    known = np.isfinite(point[:, 0]) & seen.placed
    for m in np.flatnonzero(~known).tolist():
        going[m].box = going[m].box + np.tile(step, 2)  # keeps up while it is out of sight
        box[m] = going[m].box
    if known.any():
        box[known], depth[known] = _carried(box[known], point[known], depth[known], seen)
    since = np.array([seen.t_ns - t.t_ns for t in going])[:, None] / 1e9
    pace = np.array([t.pace for t in going])
    return box + np.tile(pace * np.minimum(since, 0.5), 2), depth


def _carried(box: Float, point: Float, depth: Float, seen: Seen) -> tuple[Float, Float]:
    """Boxes and depths of things that stand still, as they look from where the camera is now."""
    assert seen.T_world_camera is not None and seen.camera.intrinsics is not None
    now = geometry.transform(geometry.invert(seen.T_world_camera), point)
    before = np.where(np.isfinite(depth), depth, DISTANT)
    z = np.maximum(now[:, 2], 0.2 * before)
    half = (box[:, 2:] - box[:, :2]) / 2 * (before / z)[:, None]
    middle = geometry.project(seen.camera.intrinsics, np.column_stack((now[:, :2], z)))
    return np.concatenate((middle - half, middle + half), 1), np.where(np.isfinite(depth), z, depth)


def _point(seen: Seen, box: Float, depth: float) -> Float:
    """Where in the world the middle of a box is; NaN where its ray is unknown."""
    if not seen.placed:
        return np.full(3, np.nan)
    assert seen.T_world_camera is not None and seen.camera.intrinsics is not None
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1.0])
    ray = np.linalg.solve(seen.camera.intrinsics, middle)
    return np.asarray(
        geometry.transform(seen.T_world_camera, ray * (depth if np.isfinite(depth) else DISTANT))
    )


def common_step(before: Seen | None, seen: Seen) -> Float:
    """How the picture moved since the frame before, ``float64 [2]`` pixels: the step that most
    boxes of like size can have taken."""
    if before is None or not len(before) or not len(seen):
        return np.zeros(2)
    a, b = before.box_xyxy, seen.box_xyxy
    side_a, side_b = sides(a), sides(b)
    step = (b[None, :, :2] + b[None, :, 2:] - a[:, None, :2] - a[:, None, 2:]) / 2
    like = np.abs(np.log(side_b[None] / side_a[:, None])) < 0.3
    far = np.where(like, np.linalg.norm(step, axis=-1), np.inf)
    nearest = np.argsort(far, axis=1)[:, :4]
    steps = np.take_along_axis(step, nearest[..., None], 1)[
        np.isfinite(np.take_along_axis(far, nearest, 1))
    ]
    if not len(steps):
        return np.zeros(2)
    near = np.linalg.norm(steps[:, None] - steps[None], axis=-1) < 8.0 + 0.2 * np.median(side_a)
    agree = near.sum(1) - 0.01 * np.linalg.norm(steps, axis=1)  # of two as likely, the shorter
    return np.asarray(np.median(steps[near[int(agree.argmax())]], axis=0))


def sides(box: Float) -> Float:
    """Geometric mean of width and height ``[N]`` of boxes, at least a pixel."""
    return np.asarray(np.sqrt((box[:, 2:] - box[:, :2]).clip(1).prod(1)))


def _cost(
    going: Sequence[_Open], expected: Float, depth: Float, seen: Seen, config: LinkConfig
) -> Float:
    """How badly each box fits each open stretch, ``float64 [M, N]``; ``FAR`` where it does not."""
    if not len(going) or not len(seen):
        return np.full((len(going), len(seen)), FAR)
    box = seen.box_xyxy
    size, wanted = box[:, 2:] - box[:, :2], expected[:, 2:] - expected[:, :2]
    spread = config.jitter + config.sway * sides(expected)
    off = (box[None, :, :2] + box[None, :, 2:] - expected[:, None, :2] - expected[:, None, 2:]) / 2
    grown = np.log(size.clip(1)[None] / wanted.clip(1)[:, None]) / _scale(wanted, config)[:, None]
    deeper = np.log(seen.depth[None] / depth[:, None]) / config.scale
    squares = (off**2).sum(-1) / spread[:, None] ** 2 + (grown**2).sum(-1)
    squares += np.nan_to_num(deeper, nan=0.0) ** 2
    since = np.array([seen.t_ns - t.t_ns for t in going])[:, None] / 1e9
    gate = config.gate**2 * (1 + 2 * since)
    fits = squares < gate
    if seen.embedding is not None and seen.embedding.shape[1] > 1:
        known = np.stack([t.embedding for t in going if t.embedding is not None])
        similar = known @ seen.embedding.T.astype(np.float64)
        squares += config.look * (config.alike - similar)
        fits &= squares < gate
    return np.where(fits, squares, FAR)


def _scale(size: Float, config: LinkConfig) -> Float:
    """Spread ``[M, 2]`` of the logarithm of sides; small boxes are measured worse."""
    return np.asarray(config.scale + config.jitter / size.clip(4))


def _begun(seen: Seen, k: int) -> _Open:
    embedding = None if seen.embedding is None else seen.embedding[k].astype(np.float64)
    return _Open(
        seen.box_xyxy[k],
        float(seen.depth[k]),
        np.full(3, np.nan),
        np.zeros(2),
        seen.t_ns,
        0,
        embedding,
    )


def _extend(t: _Open, expected: Float, depth: float, seen: Seen, k: int) -> None:
    """Filter where it is (gains of an alpha-beta filter) and what it looks like."""
    off = seen.box_xyxy[k] - expected
    since = max((seen.t_ns - t.t_ns) / 1e9, 1e-3)
    t.box = expected + 0.6 * off
    t.pace = t.pace + 0.15 / since * (off[:2] + off[2:]) / 2
    measured = float(seen.depth[k])
    t.depth = depth
    if np.isfinite(measured):
        t.depth = 0.7 * depth + 0.3 * measured if np.isfinite(depth) else measured
    if seen.embedding is not None and t.embedding is not None:
        t.embedding = t.embedding + (seen.embedding[k] - t.embedding) / min(len(t.members) + 1, 50)
