"""What carries a thing: it is on it, in it, or attached to it.

In: a thing and what is near it. Out: its direct carrier, or none. A surface below is looked for at
the thing's own foot, so boards of shelves and tables with things on them are found; what the thing
itself hides of that surface is bridged by the outline of what shows around.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.world.solids import Solid, numbers_of, outline, within

Float = NDArray[np.float64]
How = Literal["on", "in", "attached to"]

BELOW, ABOVE = 0.06, 0.04
"""Metres below and above a thing's foot within which a surface carries it."""

HIDDEN = 0.15
"""Metres below a thing's lowest seen point down to which its foot may be hidden; a thing of which
more shows may hide as much again."""

COVER = 0.5
"""Share of a thing that must be over what carries it."""

RIM = 0.015
"""Metres by which a container's rim is above the foot of what is in it."""

TOUCH = 0.06
"""Metres between surfaces that touch, seen in voxels and from the front only."""

_BRIDGE = 0.3
_LARGEST_STACKED = 0.4
_SECTORS = 8


@dataclass(frozen=True)
class Carried:
    """How a thing is carried.

    Attributes:
        how: ``on``, ``in`` or ``attached to``.
        by: number of the carrier.
        score: probability.
    """

    how: How
    by: int
    score: float


def carrier_of(a: Solid, others: Iterable[tuple[int, Solid]]) -> Carried | None:
    """The direct carrier of a thing, the most probable one.

    Args:
        a: what is carried.
        others: what is near it, with numbers to name it by.
    """
    near = [(k, b) for k, b in others if b is not a]
    below = [(k, b) for k, b in near if b.kind != "wall" and not _alike(a, b)]
    # Of containers within each other it is the smallest.
    held = _best("in", ((k, -b.width, _held(a, b)) for k, b in below))
    if held is not None:
        return held
    rests = _best("on", ((k, *_rests(a, b)) for k, b in below))
    if rests is not None:
        return rests
    walls = [(k, b) for k, b in near if b.kind == "wall"]
    return (
        _best("attached to", ((k, 0.0, _touches(a, b)) for k, b in walls))
        or _best("on", ((k, *_hides(a, b)) for k, b in below))
        or _best("attached to", ((k, 0.0, _touches(a, b)) for k, b in below))
    )


def _alike(a: Solid, b: Solid) -> bool:
    """Whether neither of two sheets carries the other; one that is seen within a larger one does.

    Which of them is higher is below what depth can tell.
    """
    if a.kind != "flat" or b.kind != "flat":
        return False
    return bool(b.width < 1.3 * a.width or within(a.spread, b.outline, 0.01).mean() < 0.8)


def _best(how: How, scores: Iterable[tuple[int, float, float]]) -> Carried | None:
    """The first in rank of what is probable, by ``(number, rank, probability)``."""
    found = [(rank, score, -k) for k, rank, score in scores if score >= 0.5]
    if not found:
        return None
    _, score, k = max(found)
    return Carried(how, -k, score)


def _rests(a: Solid, b: Solid) -> tuple[float, float]:
    """Height of the surface of b that a's foot is on, and the probability of that."""
    foot = _foot(a)
    if stacked(a, b):
        return (float(b.high[2]), 0.9) if _higher(a, b) else (0.0, 0.0)
    if not b.low[2] - 0.015 < foot < b.high[2] + BELOW or _cover(a, b.outline, b) < COVER:
        return 0.0, 0.0
    near = b.near(a, _BRIDGE)
    at = near[(near[:, 2] > foot - BELOW) & (near[:, 2] < foot + ABOVE)]
    if len(at) < 3:
        return 0.0, 0.0
    cover = _cover(a, outline(at[:, :2]), b)
    if cover < COVER:
        return 0.0, 0.0
    around = at[a.is_around(at)]
    # A surface shows beside what stands on it; legs around a thing do not.
    shown = len(set(numbers_of(around).tolist())) / max(1, len(a.around) - len(a.cells))
    heights = (around if len(around) else at)[:, 2]
    off = max(0.0, _rank(np.abs(heights - foot), 0.25) - 0.02) / 0.03
    score = 0.99 * np.exp(-(off**2)) * min(1.0, 0.55 + shown) * min(1.0, cover + 0.2)
    return _rank(heights, 0.75), float(score)


def _cover(a: Solid, edge: Float, b: Solid) -> float:
    """Share of a that is over b, as far as an outline of b reaches."""
    if b.kind in ("thing", "flat") and 0.5 * a.width < b.width and b.high[2] < _foot(a) + ABOVE:
        # What is under the whole of another shows at its rim only.
        below = float(within(b.spread, a.outline, 0.01).mean())
        if below >= COVER:
            return below
    return float(within(a.spread, edge, _unseen(a, b)).mean())


def _rank(values: Float, share: float) -> float:
    """The value that so large a share of others is below."""
    k = int(share * (len(values) - 1))
    return float(np.partition(values, k)[k])


def stacked(a: Solid, b: Solid) -> bool:
    """Whether two things of one shape are on top of, or partly in, one another."""
    if "support" in (a.kind, b.kind) or not _alike_in_shape(a, b):
        return False
    if max(a.width, b.width) > _LARGEST_STACKED:
        return False
    if not (a.low[2] < b.high[2] + ABOVE and b.low[2] < a.high[2] + ABOVE):
        return False
    apart = float(np.linalg.norm(((a.low + a.high) - (b.low + b.high))[:2])) / 2
    if apart < 0.3 * max(a.width, b.width):
        return True
    # Of the lower one perhaps no more than an edge is seen.
    lower, upper = (b, a) if _higher(a, b) else (a, b)
    on_top = upper.low[2] > lower.high[2] - 0.01
    return bool(on_top and within(lower.spread, upper.outline, 0.02).mean() > 0.6)


def _higher(a: Solid, b: Solid) -> bool:
    rank_a, rank_b = ((float(s.high[2]), float(s.points[:, 2].mean())) for s in (a, b))
    return rank_a > rank_b


def _alike_in_shape(a: Solid, b: Solid) -> bool:
    small, large = sorted((a.width, b.width))
    return small > (0.6 if a.phrase and a.phrase == b.phrase else 0.8) * large


def _unseen(a: Solid, b: Solid) -> float:
    """Metres that a surface goes on beyond what shows of it: floors do so below what hides them."""
    return a.width if b.phrase == "floor" else 0.01


def _foot(a: Solid) -> float:
    # Of a sheet only the upper side is ever seen.
    return float(a.high[2]) if a.kind == "flat" else a.foot


def _hides(a: Solid, b: Solid) -> tuple[float, float]:
    """Height of b, next below a whose foot is not seen, and the probability that a is on it."""
    foot = _foot(a)
    heights = np.full(1, b.level) if b.phrase == "floor" else b.near(a, 0.05)[:, 2]
    heights = heights[heights < foot]
    if not len(heights):
        return 0.0, 0.0
    height = _rank(heights, 0.95)
    depth = (foot - height) / max(HIDDEN, float(a.high[2]) - foot)
    most = 1.5 if b.phrase == "floor" else 1.0
    if a.kind == "support" and b.phrase == "floor":
        depth = min(depth, most)  # a level surface has legs, seen or not
    if depth > most or _cover(a, b.outline, b) < COVER:
        return 0.0, 0.0
    return height, 0.9 - 0.25 * depth


def _held(a: Solid, b: Solid) -> float:
    """Probability that a is in the hollow of b."""
    if b.kind != "thing" or b.holds is False or b.width < a.width or a.kind == "support":
        return 0.0
    if not b.low[2] - ABOVE < a.foot < b.high[2] - RIM:
        return 0.0
    if within(a.spread, b.outline, 0.01).mean() < 0.6 or stacked(a, b):
        return 0.0
    closed = _closed(a, b)
    if b.holds:
        return 0.5 + 0.45 * closed if closed >= 0.5 else 0.0
    roomy = b.width > 1.3 * a.width and not _roofed(a, b)
    return 0.8 if closed == 1 and roomy else 0.0


def _closed(a: Solid, b: Solid) -> float:
    """Share of the directions around a's middle in which b rises above a's foot."""
    higher = b.points[b.points[:, 2] > a.foot + RIM]
    x, y = (higher[:, :2] - a.cells.mean(0)).T
    sector = np.floor(np.arctan2(y, x) / (2 * np.pi) * _SECTORS).astype(np.int64)
    return len(np.unique(sector)) / _SECTORS


def _roofed(a: Solid, b: Solid) -> bool:
    """Whether b covers most of a from above, as shelves do."""
    over = b.points[b.points[:, 2] > a.high[2] + 0.02]
    return bool(np.isin(numbers_of(a.cells), numbers_of(over)).mean() > 0.5)


def _touches(a: Solid, b: Solid) -> float:
    """Probability that a hangs at an upright face of b."""
    from scipy.spatial import cKDTree

    if a.kind == "support" or (b.kind != "wall" and b.width < 1.5 * a.width):
        return 0.0
    if b.low[2] > a.low[2] or b.high[2] < a.high[2]:
        return 0.0
    near = b.near(a, TOUCH)
    near = near[(near[:, 2] > a.low[2] - TOUCH) & (near[:, 2] < a.high[2] + TOUCH)]
    if not len(near):
        return 0.0
    distance, _ = cKDTree(near).query(a.points, distance_upper_bound=TOUCH)
    if np.isfinite(distance).mean() < 0.05:
        return 0.0
    return 0.95 if b.kind == "wall" else 0.7
