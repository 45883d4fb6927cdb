"""Identity for the detections of one session, offline: in the world where pose and depth allow.

In: per frame boxes with score, depth and embedding. Out: per detection a track id. A static thing
is remembered for ever at its place in the world; what has no depth is followed in the image.
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
        label: ``int64 [N]``; -1 = unknown.
        embedding: ``float32 [N, E]`` unit vectors, or ``None``.
        pose_sigma: standard deviations of the pose, metres and radians; ``None`` = unknown.
    """

    t_ns: int
    camera: Camera
    T_world_camera: Float | None
    box_xyxy: Float
    score: Float
    depth: Float
    label: Int
    embedding: NDArray[np.float32] | None = None
    pose_sigma: tuple[float, float] | None = None


@dataclass(frozen=True)
class AssociateConfig:
    """When two detections are of one thing.

    Attributes:
        reach: metres that a place may be off, at one metre of depth; grows with depth.
        overlap: least IoU with the last box, shifted along, where there is no depth.
        alike: least cosine similarity of embeddings.
        forget_s: seconds after which a thing without a place in the world is given up.
    """

    reach: float = 0.12
    overlap: float = 0.25
    alike: float = -0.2
    forget_s: float = 1.5


@dataclass(frozen=True, eq=False)
class Tracks:
    """Identities.

    Attributes:
        track: per frame ``int64 [N]``.
        position: ``float64 [K, 3]`` place of each track in the world, NaN = unknown.
    """

    track: tuple[Int, ...]
    position: Float


@dataclass
class _Thing:
    """A thing as known so far."""

    place: Float
    size: float
    box: Float
    t_ns: int
    embedding: Float | None
    count: int = 1
    members: list[tuple[int, int]] = field(default_factory=list)


def associate(frames: Sequence[Seen], config: AssociateConfig | None = None) -> Tracks:
    """Identities of all detections; the same thing keeps its id when it comes back into view."""
    config = config or AssociateConfig()
    things: list[_Thing] = []
    last: dict[str, tuple[Float, list[int]]] = {}
    for f, seen in enumerate(frames):
        places, sizes = _places(seen)
        shift = _shift(seen, things, last.get(seen.camera.name))
        cost = _costs(seen, places, sizes, things, shift, config)
        rows, columns = linear_sum_assignment(cost) if cost.size else ((), ())
        joined = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if cost[r, c] < 1}
        present = []
        for k in range(len(seen.score)):
            if k in joined:
                _update(things[joined[k]], seen, k, places[k], sizes[k])
                present.append(joined[k])
            else:
                things.append(_new(seen, k, places[k], sizes[k]))
                present.append(len(things) - 1)
            things[present[-1]].members.append((f, k))
        last[seen.camera.name] = (seen.box_xyxy, present)
    return _numbered(frames, things)


def _numbered(frames: Sequence[Seen], things: Sequence[_Thing]) -> Tracks:
    out = [np.full(len(s.score), -1, np.int64) for s in frames]
    places: list[Float] = []
    for thing in things:
        for f, k in thing.members:
            out[f][k] = len(places)
        places.append(thing.place)
    return Tracks(tuple(out), np.array(places, np.float64).reshape(-1, 3))


def _places(seen: Seen) -> tuple[Float, Float]:
    """World position ``[N, 3]`` and metric size ``[N]`` of each box; NaN = unknown."""
    n = len(seen.score)
    places, sizes = np.full((n, 3), np.nan), np.full(n, np.nan)
    K = seen.camera.intrinsics
    if K is None or seen.T_world_camera is None or not n:
        return places, sizes
    center = (seen.box_xyxy[:, :2] + seen.box_xyxy[:, 2:]) / 2
    rays = np.column_stack((center, np.ones(n))) @ np.linalg.inv(K).T
    known = np.isfinite(seen.depth)
    places[known] = geometry.transform(seen.T_world_camera, (rays * seen.depth[:, None])[known])
    side = np.sqrt((seen.box_xyxy[:, 2:] - seen.box_xyxy[:, :2]).prod(1))
    sizes[known] = side[known] * seen.depth[known] / K[0, 0]
    return places, sizes


def _shift(seen: Seen, things: Sequence[_Thing], before: tuple[Float, list[int]] | None) -> Float:
    """How the picture moved since the frame before: the median step of boxes' nearest partners."""
    if before is None or not len(before[0]) or not len(seen.box_xyxy):
        return np.zeros(2)
    a = (before[0][:, :2] + before[0][:, 2:]) / 2
    b = (seen.box_xyxy[:, :2] + seen.box_xyxy[:, 2:]) / 2
    step = b[None] - a[:, None]
    nearest = step[np.arange(len(a)), np.linalg.norm(step, axis=-1).argmin(1)]
    return np.asarray(np.median(nearest, 0), np.float64)


def _costs(
    seen: Seen,
    places: Float,
    sizes: Float,
    things: Sequence[_Thing],
    shift: Float,
    config: AssociateConfig,
) -> Float:
    """Cost ``[N, M]`` below 1 where a detection may be of a thing, else large."""
    n, m = len(seen.score), len(things)
    cost = np.full((n, m), 10.0)
    if not n or not m:
        return cost
    at = np.array([t.place for t in things])
    far = np.linalg.norm(places[:, None] - at[None], axis=-1)
    size = np.array([t.size for t in things])
    gate = config.reach * np.maximum(1.0, seen.depth)[:, None]
    gate = np.maximum(gate, 0.35 * np.fmax(sizes[:, None], size[None]))
    ratio = np.abs(np.log(np.maximum(sizes, 1e-3)[:, None] / np.maximum(size, 1e-3)[None]))
    world = np.isfinite(far) & (far < gate) & (ratio < 1.2)
    cost[world] = (0.6 * far / gate + 0.25 * ratio / 1.2)[world]
    recent = np.array([seen.t_ns - t.t_ns < config.forget_s * 1e9 for t in things])
    boxes = np.array([t.box for t in things]) + np.tile(shift, 2)
    iou = geometry.box_iou(seen.box_xyxy, boxes)
    blind = ~np.isfinite(far) & recent[None] & (iou > config.overlap)
    cost[blind] = (1 - iou)[blind]
    if seen.embedding is not None and seen.embedding.shape[1] > 1:
        known = np.stack([t.embedding for t in things if t.embedding is not None])
        similar = seen.embedding.astype(np.float64) @ known.T
        cost = cost + 0.15 * (1 - similar) / 2
        cost[similar < config.alike] = 10.0
    return cost


def _new(seen: Seen, k: int, place: Float, size: float) -> _Thing:
    embedding = None if seen.embedding is None else seen.embedding[k].astype(np.float64)
    return _Thing(place.copy(), float(size), seen.box_xyxy[k], seen.t_ns, embedding)


def _update(thing: _Thing, seen: Seen, k: int, place: Float, size: float) -> None:
    """A running mean that follows after fifty views at the latest."""
    thing.count += 1
    gain = 1 / min(thing.count, 50)
    if np.isfinite(place).all():
        old = np.where(np.isfinite(thing.place), thing.place, place)
        thing.place = old + gain * (place - old)
        known = thing.size if np.isfinite(thing.size) else size
        thing.size = float(known + gain * (size - known))
    thing.box, thing.t_ns = seen.box_xyxy[k], seen.t_ns
    if seen.embedding is not None and thing.embedding is not None:
        thing.embedding = thing.embedding + gain * (seen.embedding[k] - thing.embedding)
