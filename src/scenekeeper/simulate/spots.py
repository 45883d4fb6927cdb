"""Free places for things on what carries them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import box_corners, invert
from scenekeeper.simulate.families import Family, Model, Support

Float = NDArray[np.float64]
Footprint = tuple[float, float, float, float]
"""Centre x, y and half extents of what stands somewhere, in the frame of what carries it."""

Taken = dict[tuple[int, float], list[Footprint]]
"""Footprints on each support, by the carrier's id and the support's height."""

GAP = 0.01
"""Metres left free around what stands on a surface."""


LARGE = 0.02
"""Square metres of a container's ground from which on it holds anything, not fruit alone."""


class Carrier(Protocol):
    """What can carry others: a thing in the home."""

    @property
    def id(self) -> int: ...  # noqa: D102

    @property
    def family(self) -> Family: ...  # noqa: D102

    @property
    def model(self) -> Model: ...  # noqa: D102

    @property
    def T_world_thing(self) -> Float: ...  # noqa: D102

    @property
    def carrier(self) -> int | None: ...  # noqa: D102

    @property
    def low(self) -> Float: ...  # noqa: D102

    @property
    def high(self) -> Float: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Spot:
    """A free place: on whose support, and the pose of what is put there."""

    carrier: int
    support: Support
    T_world_thing: Float

    @property
    def how(self) -> Literal["on", "in"]:
        """How it would be carried."""
        return "in" if self.support.kind == "inside" else "on"


def find_spot(
    carriers: Sequence[Carrier],
    taken: Taken,
    family: Family,
    model: Model,
    yaw: float,
    rng: np.random.Generator,
) -> Spot | None:
    """A random free place where such a thing is usually found, and mark it as taken.

    Returns:
        ``None`` when nothing was free in a dozen tries.
    """
    low, high = model.mesh.vertices.min(0), model.mesh.vertices.max(0)
    hx, hy = half_footprint(high - low, yaw, GAP)
    places = [
        (c, s, weight)
        for c, s, weight in _places(carriers, family)
        if s.clearance > high[2] - low[2] + 0.01 and s.x1 - s.x0 > 2 * hx and s.y1 - s.y0 > 2 * hy
    ]
    if not places:
        return None
    chances = np.array([weight for _, _, weight in places])
    for _ in range(12):
        carrier, s, _ = places[int(rng.choice(len(places), p=chances / chances.sum()))]
        x, y = rng.uniform(s.x0 + hx, s.x1 - hx), rng.uniform(s.y0 + hy, s.y1 - hy)
        there = taken.setdefault((carrier.id, s.z), [])
        if overlaps((x, y, hx, hy), there, 0.94):
            continue
        there.append((x, y, hx, hy))
        middle = rotation(yaw)[:2, :2] @ ((low + high) / 2)[:2]
        local = pose((x - middle[0], y - middle[1], s.z - low[2]), yaw)
        return Spot(carrier.id, s, carrier.T_world_thing @ local)
    return None


def taken_by(things: Sequence[Carrier]) -> Taken:
    """What is taken on every support of a furnished home."""
    by_id = {t.id: t for t in things}
    taken: Taken = {}
    for thing in things:
        carrier = by_id.get(thing.carrier) if thing.carrier is not None else None
        if carrier is None:
            continue
        T = invert(carrier.T_world_thing) @ thing.T_world_thing
        corners = box_corners(np.zeros(3), thing.high - thing.low, np.eye(3))
        corners = (corners + (thing.low + thing.high) / 2) @ T[:3, :3].T + T[:3, 3]
        low, high = corners.min(0), corners.max(0)
        supports = carrier.model.supports
        if supports:
            nearest = min(supports, key=lambda s: abs(s.z - low[2]))
            x, y, _ = (low + high) / 2
            hx, hy, _ = (high - low) / 2 + GAP
            taken.setdefault((carrier.id, nearest.z), []).append((x, y, hx, hy))
    return taken


def _places(
    carriers: Sequence[Carrier], family: Family
) -> Iterator[tuple[Carrier, Support, float]]:
    """Supports where such things are found, and how likely each is."""
    for carrier in carriers:
        for s in carrier.model.supports:
            area = (s.x1 - s.x0) * (s.y1 - s.y0)
            large = area > LARGE
            if s.kind == "shelf":
                fits = bool({"surface", "shelf"} & family.where)
            elif s.kind == "inside":
                fits = "inside" in family.where or (large and "surface" in family.where)
            else:
                fits = "surface" in family.where
            if not fits:
                continue
            favourite = 3.0 if carrier.family.phrase == "table" else 1.0
            yield carrier, s, area * (4.0 if s.kind == "inside" else favourite)


def half_footprint(extent: Float, yaw: float, gap: float) -> tuple[float, float]:
    """Half extents in x and y of a turned box, and a gap around it."""
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    return (
        float(extent[0] * c + extent[1] * s) / 2 + gap,
        float(extent[0] * s + extent[1] * c) / 2 + gap,
    )


def overlaps(a: Footprint, others: Sequence[Footprint], strictness: float) -> bool:
    """Whether a footprint meets another; below 1, a little overlap is let pass."""
    return any(
        abs(a[0] - b[0]) < (a[2] + b[2]) * strictness
        and abs(a[1] - b[1]) < (a[3] + b[3]) * strictness
        for b in others
    )


def rotation(yaw: float) -> Float:
    """Rotation ``[3, 3]`` about z."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def pose(position: tuple[float, float, float], yaw: float) -> Float:
    """A pose ``[4, 4]`` upright at a position."""
    T = np.eye(4)
    T[:3, :3] = rotation(yaw)
    T[:3, 3] = position
    return T
