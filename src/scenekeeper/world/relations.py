"""Relations that geometry decides: on, in, next to; from upright boxes and what is beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import Relation

CONTACT = 0.05
"""Metres of gap or overlap at which two surfaces count as touching."""

NEAR = 0.25
"""Metres between outlines within which two things on one support are next to each other."""


@dataclass(frozen=True, eq=False)
class Solid:
    """An object as geometry sees it, in a frame whose third axis is up.

    Attributes:
        object: its id.
        kind: ``thing``, ``flat``, ``support`` or ``wall``.
        low: ``[3]`` minimum of its axis-aligned box, metres.
        high: ``[3]`` maximum of its axis-aligned box, metres.
        hull: ``[N, 2]`` convex outline seen from above, counter-clockwise.
        level: height of its supporting surface, metres: the plane of a support, else its top.
    """

    object: int
    kind: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    hull: NDArray[np.float64]
    level: float


def relate(solids: Sequence[Solid]) -> list[Relation]:
    """All relations among solids, sorted by subject.

    ``a on b``: b's surface is at a's foot, beneath a's middle. ``a in b``: a's middle is within
    b's outline, between b's foot and rim. ``a next to b``: on the same support with little
    between them; said once per pair, lower id first.
    """
    found: list[Relation] = []
    carrier: dict[int, int] = {}
    for a in solids:
        if a.kind not in ("thing", "flat"):
            continue
        holder = _container(a, solids)
        if holder is not None:
            found.append(Relation(a.object, "in", holder.object, 0.8))
            continue
        support = _support(a, solids)
        if support is not None:
            carrier[a.object] = support[0].object
            found.append(Relation(a.object, "on", support[0].object, support[1]))
    found += _neighbours(solids, carrier)
    return sorted(found, key=lambda r: (r.subject, r.predicate, r.object))


def _support(a: Solid, solids: Sequence[Solid]) -> tuple[Solid, float] | None:
    middle = a.hull.mean(0)
    best: tuple[Solid, float] | None = None
    for b in solids:
        if b is a or b.kind == "wall" or (b.kind == "flat" and a.kind == "flat"):
            continue
        if b.kind == "thing" and _area(b.hull) < _area(a.hull):
            continue
        gap = abs(float(a.low[2]) - b.level)
        foot = float(a.high[2]) if a.kind == "flat" else float(a.low[2])
        gap = min(gap, abs(foot - b.level))
        if gap > CONTACT or not inside(middle, b.hull):
            continue
        score = 1 - 0.5 * gap / CONTACT
        if best is None or score > best[1]:
            best = (b, score)
    return best


def _container(a: Solid, solids: Sequence[Solid]) -> Solid | None:
    middle = (a.low + a.high) / 2
    for b in solids:
        if b is a or b.kind != "thing" or _area(b.hull) < 1.5 * _area(a.hull):
            continue
        within = b.low[2] - CONTACT < a.low[2] and middle[2] < b.high[2] - 0.01
        deep = a.low[2] < b.high[2] - 0.5 * min(a.high[2] - a.low[2], b.high[2] - b.low[2])
        if within and deep and all(inside(p, b.hull) for p in (middle[:2], a.hull.mean(0))):
            return b
    return None


def _neighbours(solids: Sequence[Solid], carrier: dict[int, int]) -> list[Relation]:
    carried = [s for s in solids if s.object in carrier]
    found = []
    for i, a in enumerate(carried):
        for b in carried[i + 1 :]:
            if carrier[a.object] != carrier[b.object]:
                continue
            gap = _gap(a.hull, b.hull)
            if gap < NEAR:
                first, second = sorted((a.object, b.object))
                found.append(Relation(first, "next to", second, float(1 - 0.5 * gap / NEAR)))
    return found


def hull_2d(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convex outline ``[N, 2]`` of points, counter-clockwise; a sliver gives its box."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.asarray(points[ConvexHull(points).vertices], np.float64)
    except (QhullError, ValueError):
        (x0, y0), (x1, y1) = points.min(0) - 1e-3, points.max(0) + 1e-3
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def inside(point: NDArray[np.float64], hull: NDArray[np.float64]) -> bool:
    """Whether a point lies in a counter-clockwise convex outline."""
    edge = np.roll(hull, -1, 0) - hull
    to = point - hull
    return bool((edge[:, 0] * to[:, 1] - edge[:, 1] * to[:, 0] >= -1e-9).all())


def _area(hull: NDArray[np.float64]) -> float:
    x, y = hull.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Distance between two convex outlines, 0 when they overlap."""
    if any(inside(p, b) for p in a) or any(inside(p, a) for p in b):
        return 0.0
    return min(_to_edges(a, b), _to_edges(b, a))


def _to_edges(points: NDArray[np.float64], hull: NDArray[np.float64]) -> float:
    start, edge = hull, np.roll(hull, -1, 0) - hull
    length = np.maximum((edge**2).sum(1), 1e-12)
    along = ((points[:, None] - start) * edge).sum(2) / length
    foot = start + np.clip(along, 0, 1)[..., None] * edge
    return float(np.linalg.norm(points[:, None] - foot, axis=2).min())
