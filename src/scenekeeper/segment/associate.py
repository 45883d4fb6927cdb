"""Identity for the detections of one session, offline: in the world where pose and depth allow.

In: per frame boxes with score, depth and embedding. Out: per detection a track id. Stretches that
are sure are linked first; camera poses are settled by them; stretches at one place are then one
thing, however long it was out of sight. What has no place is followed in the picture alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekeeper.segment.settle import Places, SettleConfig, moved, places, settle
from scenekeeper.segment.tracklets import LinkConfig, Seen, link

__all__ = ["AssociateConfig", "Seen", "Tracks", "associate"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class AssociateConfig:
    """When two stretches are one thing.

    Attributes:
        link: how stretches are made.
        settle: how good poses are.
        reach: metres by which a thing's place may differ,
        spread: and standard deviations of both places.
        farthest: metres beyond which places are never one.
        scale: greatest difference of the logarithm of sizes.
        alike: least cosine similarity of embeddings.
        glide_s: seconds for which a moving thing is expected to keep its pace.
        rounds: how often poses are settled and stretches joined.
    """

    link: LinkConfig = field(default_factory=LinkConfig)
    settle: SettleConfig = field(default_factory=SettleConfig)
    reach: float = 0.06
    spread: float = 3.0
    farthest: float = 0.6
    scale: float = 0.6
    alike: float = -0.2
    glide_s: float = 1.5
    rounds: int = 2


@dataclass(frozen=True, eq=False)
class Tracks:
    """Identities.

    Attributes:
        track: per frame ``int64 [N]``.
        position: ``float64 [K, 3]`` place of each track in the world, NaN = unknown; of what moves,
            where it was last.
        correction: ``float64 [F, 6]`` what is added to each frame's pose: a small turn about the
            camera, radians, and a shift, metres, in the world's axes.
        moves: ``bool [K]`` whether it was seen to move.
        core: ``int64 [K]`` detections of its longest stretch; what is chance has only short ones.
    """

    track: tuple[Int, ...]
    position: Float
    correction: Float
    moves: NDArray[np.bool_]
    core: Int


def associate(frames: Sequence[Seen], config: AssociateConfig | None = None) -> Tracks:
    """Identities of all detections; the same thing keeps its id when it comes back into view."""
    config = config or AssociateConfig()
    linked = stretches = link(frames, config.link)
    seen = places(frames, config.settle)
    correction = np.zeros((len(frames), 6))
    stays = stretches
    for _ in range(config.rounds):
        correction = settle(frames, seen, stays, config.settle)
        point = moved(seen, frames, correction)
        stretches = _joined(frames, stretches, seen, point, config)
        stays = [s for s in stretches if not _about(frames, s, seen, point, config).moves]
    about = [_about(frames, s, seen, point, config) for s in stretches]
    order = sorted(range(len(stretches)), key=lambda k: tuple(stretches[k][0]))
    track = [np.full(len(f), -1, np.int64) for f in frames]
    for n, k in enumerate(order):
        for f, row in stretches[k].tolist():
            track[f][row] = n
    return Tracks(
        tuple(track),
        np.array([about[k].last for k in order]).reshape(-1, 3),
        correction,
        np.array([about[k].moves for k in order], np.bool_),
        _longest(linked, track, len(order)),
    )


def _longest(linked: Sequence[Int], track: Sequence[Int], n: int) -> Int:
    """Length of the longest stretch of each track."""
    out = np.zeros(n, np.int64)
    for stretch in linked:
        f, row = stretch[0]
        out[track[f][row]] = max(out[track[f][row]], len(stretch))
    return out


@dataclass(frozen=True, eq=False)
class _About:
    """What is known of a stretch.

    Attributes:
        first: ``[3]`` where it began; the same as ``last`` for what stays.
        last: ``[3]`` where it ended.
        spread: standard deviation of these, metres.
        pace: ``[3]`` metres a second at its end.
        moves: whether its place changes by more than can be chance.
        size: metric side; NaN = unknown.
        start: first time, seconds.
        stop: last time.
        embedding: mean look, or ``None``.
    """

    first: Float
    last: Float
    spread: float
    pace: Float
    moves: bool
    size: float
    start: float
    stop: float
    embedding: Float | None


def _about(
    frames: Sequence[Seen], stretch: Int, seen: Places, point: Float, config: AssociateConfig
) -> _About:
    rows = seen.of(stretch)
    t = np.array([frames[f].t_ns for f in stretch[:, 0]]) / 1e9
    look = _look(frames, stretch)
    known = np.isfinite(point[rows, 0])
    nowhere = np.full(3, np.nan)
    if not known.any():
        return _About(nowhere, nowhere, np.nan, np.zeros(3), False, np.nan, t[0], t[-1], look)
    p, when, W = point[rows[known]], t[known], seen.precision[rows[known]]
    size = float(np.nanmedian(seen.size[rows]))
    whole, spread = _mean(p, W)
    ends = [whole, whole]
    pace, moves = np.zeros(3), False
    early, late = (np.abs(when - end) <= min(1.0, np.ptp(when) / 3) for end in when[[0, -1]])
    if min(early.sum(), late.sum()) >= 3:
        (a, sa), (b, sb) = _mean(p[early], W[early]), _mean(p[late], W[late])
        # One looks at other sides of a thing in time, so its size is a tolerance too.
        moves = bool(np.linalg.norm(a - b) > 4 * np.hypot(sa, sb) + 0.08 + 0.3 * size)
        if moves:
            ends, spread = [a, b], max(sa, sb)
            begins, pace = (
                _pace(p[early], when[early], W[early]),
                _pace(p[late], when[late], W[late]),
            )
            ends = [a - begins * _half(when[early]), b + pace * _half(when[late])]
    return _About(ends[0], ends[1], spread, pace, moves, size, t[0], t[-1], look)


def _mean(p: Float, W: Float) -> tuple[Float, float]:
    """Weighted mean of places and its standard deviation; half of the points' errors are shared."""
    total = W.sum(0)
    covariance = np.linalg.inv(total + 1e-9 * np.eye(3))
    mean = covariance @ (W @ p[:, :, None]).sum(0)[:, 0]
    return mean, float(np.sqrt(np.trace(covariance) / 3 * max(1.0, len(p) / 8)))


def _half(t: Float) -> float:
    """From the middle of some times to their end."""
    return float(np.ptp(t)) / 2


def _pace(p: Float, t: Float, W: Float) -> Float:
    """Metres a second along each axis, by a line through places."""
    w = np.trace(W, axis1=1, axis2=2)
    at = t - np.average(t, weights=w)
    return np.asarray((w * at) @ (p - np.average(p, axis=0, weights=w)) / max((w * at) @ at, 1e-9))


def _look(frames: Sequence[Seen], stretch: Int) -> Float | None:
    looks = [frames[f].embedding for f, _ in stretch.tolist()]
    if looks[0] is None or looks[0].shape[1] < 2:
        return None
    total = sum(
        e[k].astype(np.float64)
        for e, (_, k) in zip(looks, stretch.tolist(), strict=True)
        if e is not None
    )
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9))


def _joined(
    frames: Sequence[Seen],
    stretches: Sequence[Int],
    seen: Places,
    point: Float,
    config: AssociateConfig,
) -> list[Int]:
    """Stretches with those made one that are at one place and never in one picture, best first."""
    about = [_about(frames, s, seen, point, config) for s in stretches]
    group = list(range(len(stretches)))
    members = {k: [k] for k in group}
    shown = {k: set(stretches[k][:, 0].tolist()) for k in group}
    for _, i, j in sorted(_pairs(about, config)):
        a, b = group[i], group[j]
        if a == b or shown[a] & shown[b]:
            continue
        if not _one(about, members[a], members[b], config):
            continue
        for k in members[b]:
            group[k] = a
        members[a] += members.pop(b)
        shown[a] |= shown.pop(b)
    out = []
    for own in members.values():
        rows = np.concatenate([stretches[k] for k in own])
        out.append(rows[np.argsort(rows[:, 0], kind="stable")])
    return out


def _pairs(about: Sequence[_About], config: AssociateConfig) -> Iterator[tuple[float, int, int]]:
    """Pairs that may be one thing, with how far they are off."""
    at = np.array([k for k, a in enumerate(about) if np.isfinite(a.last[0])], np.int64)
    ends = np.array([p for k in at for p in (about[k].first, about[k].last)]).reshape(-1, 3)
    near = np.zeros((0, 2), np.int64)
    if len(at):
        near = cKDTree(ends).query_pairs(config.farthest, output_type="ndarray")
    tried = {tuple(sorted(pair)) for pair in np.repeat(at, 2)[near].tolist()}
    for i in (k for k in at.tolist() if about[k].moves):
        tried |= {
            (min(i, j), max(i, j))
            for j in at.tolist()
            if abs(about[j].start - about[i].stop) < config.glide_s
            or abs(about[i].start - about[j].stop) < config.glide_s
        }
    for i, j in sorted(tried):
        if i != j and (off := _off(about[i], about[j], config)) < 1:
            yield off, i, j


def _off(a: _About, b: _About, config: AssociateConfig) -> float:
    """How far two stretches are from being one thing; 1 = just too far."""
    if abs(np.log(a.size / b.size)) > config.scale:
        return np.inf
    if a.embedding is not None and b.embedding is not None:
        similar = float(a.embedding @ b.embedding)
        if similar < config.alike:
            return np.inf
    else:
        similar = 1.0
    size = min(a.size, b.size)
    gate = config.reach + 0.25 * size + config.spread * float(np.hypot(a.spread, b.spread))
    if not (a.moves or b.moves):
        far = float(np.linalg.norm(a.last - b.last))
    else:
        early, late = (a, b) if a.stop <= b.start else (b, a)
        gap = late.start - early.stop
        if not 0 < gap < config.glide_s:
            return np.inf
        half = gap / 2
        far = float(np.linalg.norm(early.last + half * early.pace - late.first))
        far = min(far, float(np.linalg.norm(early.last + gap * early.pace - late.first)))
        gate += 0.3 * gap
    return 0.8 * far / min(gate, config.farthest) + 0.2 * (1 - similar)


def _one(
    about: Sequence[_About], a: Sequence[int], b: Sequence[int], config: AssociateConfig
) -> bool:
    """Whether most of what stays in two groups agrees on one place."""
    stays = [[about[k] for k in g if not about[k].moves] for g in (a, b)]
    if not all(stays):
        return True
    fits = [_off(x, y, config) < 1 for x in stays[0] for y in stays[1]]
    return float(np.mean(fits)) > 0.5
