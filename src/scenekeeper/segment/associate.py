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

BLOCK = 64
"""Anchors whose neighbours are looked at together."""


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
        look: what looks weigh, as in :class:`~scenekeeper.segment.tracklets.LinkConfig`, in units
            of the squared gate; less than there, for a thing looks less like itself after a while,
        alike: and the cosine similarity that is as likely of one thing as of two.
        glide_s: seconds for which a moving thing is expected to keep its pace.
        anchor: stretches of so many detections take others in; what is short on both sides is
            mostly chance.
        rounds: how often poses are settled and stretches joined.
    """

    link: LinkConfig = field(default_factory=LinkConfig)
    settle: SettleConfig = field(default_factory=SettleConfig)
    reach: float = 0.06
    spread: float = 3.0
    farthest: float = 0.6
    scale: float = 0.6
    look: float = 1.33
    alike: float = 0.45
    glide_s: float = 1.5
    anchor: int = 3
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
    moves = np.zeros(len(stretches), np.bool_)
    last = np.zeros((0, 3))
    for _ in range(config.rounds):
        stays = [s for s, m in zip(stretches, moves, strict=True) if not m]
        correction = settle(frames, seen, stays, config.settle)
        point = moved(seen, frames, correction)
        stretches = _joined(stretches, _known(frames, stretches, seen, point), config)
        known = _known(frames, stretches, seen, point)
        moves, last = known.moves, known.last
    order = sorted(range(len(stretches)), key=lambda k: tuple(stretches[k][0]))
    track = [np.full(len(f), -1, np.int64) for f in frames]
    for n, k in enumerate(order):
        for f, row in stretches[k].tolist():
            track[f][row] = n
    return Tracks(
        tuple(track), last[order], correction, moves[order], _longest(linked, track, len(order))
    )


def _longest(linked: Sequence[Int], track: Sequence[Int], n: int) -> Int:
    """Length of the longest stretch of each track."""
    out = np.zeros(n, np.int64)
    for stretch in linked:
        f, row = stretch[0]
        out[track[f][row]] = max(out[track[f][row]], len(stretch))
    return out


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of stretches, a row each; NaN where they have no place in the world.

    Attributes:
        first: ``[K, 3]`` where each began; the same as ``last`` for what stays.
        last: ``[K, 3]`` where it ended.
        spread: ``[K]`` standard deviation of these, metres.
        pace: ``[K, 3]`` metres a second at its end.
        moves: ``[K]`` whether its place changes by more than can be chance.
        size: ``[K]`` metric side.
        start: ``[K]`` first time, seconds.
        stop: ``[K]`` last time.
        length: ``[K]`` detections.
        look: ``[K, E]`` mean embedding, unit length, or ``None``.
    """

    first: Float
    last: Float
    spread: Float
    pace: Float
    moves: NDArray[np.bool_]
    size: Float
    start: Float
    stop: Float
    length: Int
    look: Float | None


def _known(frames: Sequence[Seen], stretches: Sequence[Int], seen: Places, point: Float) -> _Known:
    t = np.array([f.t_ns for f in frames]) / 1e9
    n = len(stretches)
    start = np.array([t[s[0, 0]] for s in stretches])
    stop = np.array([t[s[-1, 0]] for s in stretches])
    first, last, pace = np.full((n, 3), np.nan), np.full((n, 3), np.nan), np.zeros((n, 3))
    spread, size, moves = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.bool_)
    for k, stretch in enumerate(stretches):
        rows = seen.of(stretch)
        when = t[stretch[:, 0]]
        good = np.isfinite(point[rows, 0])
        if not good.all():
            rows, when = rows[good], when[good]
        if not len(rows):
            continue
        size[k] = np.median(seen.size[rows])
        p, W = point[rows], seen.precision[rows]
        first[k], spread[k] = _mean(p, W)
        last[k] = first[k]
        if len(p) >= 6 and (ends := _movement(p, W, when, float(size[k]))) is not None:
            first[k], last[k], pace[k], spread[k] = ends
            moves[k] = True
    length = np.array([len(s) for s in stretches], np.int64)
    look = _looks(frames, stretches)
    return _Known(first, last, spread, pace, moves, size, start, stop, length, look)


def _movement(
    p: Float, W: Float, when: Float, size: float
) -> tuple[Float, Float, Float, float] | None:
    """Where a thing began and ended, its last pace and the spread of these; ``None`` if it stayed.

    One looks at other sides of a thing in time, so its size is a tolerance too.
    """
    early, late = (np.abs(when - end) <= min(1.0, np.ptp(when) / 3) for end in when[[0, -1]])
    if min(early.sum(), late.sum()) < 3:
        return None
    (a, spread_a), (b, spread_b) = _mean(p[early], W[early]), _mean(p[late], W[late])
    if np.linalg.norm(a - b) <= 4 * np.hypot(spread_a, spread_b) + 0.08 + 0.3 * size:
        return None
    began, ended = _pace(p[early], when[early], W[early]), _pace(p[late], when[late], W[late])
    half = float(np.ptp(when[early])) / 2, float(np.ptp(when[late])) / 2
    return a - began * half[0], b + ended * half[1], ended, max(spread_a, spread_b)


def _mean(p: Float, W: Float) -> tuple[Float, float]:
    """Weighted mean of places and its standard deviation; neighbours share part of their errors."""
    covariance = np.linalg.inv(W.sum(0) + 1e-9 * np.eye(3))
    mean = covariance @ (W @ p[:, :, None]).sum(0)[:, 0]
    return mean, float(np.sqrt(np.trace(covariance) / 3 * max(1.0, len(p) / 8)))


def _pace(p: Float, t: Float, W: Float) -> Float:
    """Metres a second along each axis, by a line through places."""
    w = np.trace(W, axis1=1, axis2=2)
    at = t - np.average(t, weights=w)
    return np.asarray((w * at) @ (p - np.average(p, axis=0, weights=w)) / max((w * at) @ at, 1e-9))


def _looks(frames: Sequence[Seen], stretches: Sequence[Int]) -> Float | None:
    given = next((f.embedding for f in frames if f.embedding is not None), None)
    if given is None or given.shape[1] < 2:
        return None
    out = np.zeros((len(stretches), given.shape[1]))
    for k, stretch in enumerate(stretches):
        for f, row in stretch.tolist():
            embedding = frames[f].embedding
            assert embedding is not None
            out[k] += embedding[row]
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True).clip(1e-9))


def _joined(stretches: Sequence[Int], known: _Known, config: AssociateConfig) -> list[Int]:
    """Stretches with those made one that are at one place and never in one picture, best first."""
    n = len(stretches)
    group, members = list(range(n)), {k: [k] for k in range(n)}
    shown = {k: set(stretches[k][:, 0].tolist()) for k in range(n)}
    for i, j in _pairs(known, config):
        a, b = group[i], group[j]
        if a == b or not shown[a].isdisjoint(shown[b]):
            continue
        if not _agree(known, members[a], members[b], config):
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


def _pairs(known: _Known, config: AssociateConfig) -> list[tuple[int, int]]:
    """Pairs that may be one thing, the likeliest first."""
    placed = np.flatnonzero(np.isfinite(known.last[:, 0]))
    enough = min(config.anchor, int(known.length.max(initial=0)))
    longest = placed[known.length[placed] >= enough]
    found = [np.zeros((0, 3))]
    for pairs in _near(known, placed, longest, config):
        both = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        off = _off(known, both[:, 0], both[:, 1], config)
        found.append(np.column_stack((off, both))[off < 1])
    every = np.unique(np.concatenate(found), axis=0)  # by how far they are off
    return [(int(i), int(j)) for _, i, j in every]


def _near(known: _Known, placed: Int, longest: Int, config: AssociateConfig) -> Iterator[Int]:
    """Pairs worth a look, ``[P, 2]``, a block of anchors at a time: there may be millions."""
    stays, own = (rows[~known.moves[rows]] for rows in (placed, longest))
    if len(stays):
        tree, usual = cKDTree(known.last[stays]), float(np.median(known.spread[stays]))
        gate = config.reach + 0.25 * known.size[own]
        gate = gate + config.spread * np.hypot(known.spread[own], usual)
        for k in range(0, len(own), BLOCK):
            block = own[k : k + BLOCK]
            radius = np.minimum(gate[k : k + BLOCK], config.farthest)
            near = tree.query_ball_point(known.last[block], radius)
            others = stays[np.concatenate([np.zeros(0), *near]).astype(np.int64)]
            yield np.stack((np.repeat(block, [len(n) for n in near]), others), 1)
    for i in longest[known.moves[longest]].tolist():
        soon = np.abs(known.start[placed] - known.stop[i]) < config.glide_s
        soon |= np.abs(known.start[i] - known.stop[placed]) < config.glide_s
        yield np.stack((np.full(soon.sum(), i), placed[soon]), 1)


def _off(known: _Known, i: Int, j: Int, config: AssociateConfig) -> Float:
    """How far pairs of stretches are from being one thing; 1 = just too far."""
    size = np.minimum(known.size[i], known.size[j])
    gate = config.reach + 0.25 * size
    gate = gate + config.spread * np.hypot(known.spread[i], known.spread[j])
    early, late = np.where(known.stop[i] <= known.start[j], (i, j), (j, i))
    gap = known.start[late] - known.stop[early]
    moves = known.moves[i] | known.moves[j]
    ahead = known.last[early][None] + gap[None, :, None] * known.pace[early][None] * [
        [[0.5]],
        [[1]],
    ]
    far = np.linalg.norm(ahead - known.first[late][None], axis=-1).min(0)
    far = np.where(moves, far, np.linalg.norm(known.last[i] - known.last[j], axis=-1))
    gate = np.minimum(np.where(moves, gate + 0.3 * gap, gate), config.farthest)
    similar = np.full(len(i), config.alike)
    if known.look is not None:
        similar = (known.look[i] * known.look[j]).sum(1)
    can = np.abs(np.log(known.size[i] / known.size[j])) <= config.scale
    can &= far < gate
    can &= ~moves | ((gap > 0) & (gap < config.glide_s))
    off = (far / gate) ** 2 + config.look * (config.alike - similar)
    return np.asarray(np.where(can, off, np.inf))


def _agree(known: _Known, a: Sequence[int], b: Sequence[int], config: AssociateConfig) -> bool:
    """Whether most of what stays in two groups agrees on one place."""
    one, other = (np.array([k for k in g if not known.moves[k]], np.int64) for g in (a, b))
    if not len(one) or not len(other):
        return True
    i, j = np.repeat(one, len(other)), np.tile(other, len(one))
    return float(np.mean(_off(known, i, j, config) < 1)) > 0.5
