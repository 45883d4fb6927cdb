"""Which known thing stands where a thing of today stands, by place, looks, size and name.

In: what was known and what a session shows, in one frame. Out: pairs, one to one: things that fill
one place, things that the visits saw different sides of, and pieces of what the other saw whole.
Whether what stands there is indeed the same, :mod:`scenekeeper.world.compare` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper.voxels import touching, voxel_centers
from scenekeeper.world.alike import names_agree, places_agree, same_looks, sizes_agree
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import sigmoid
from scenekeeper.world.looked import Looked
from scenekeeper.world.scene import CELL

Float = NDArray[np.float64]

NAMED = 0.5
"""How well two names must agree to be one."""

STRUCTURE = ("support", "wall")
"""Kinds that do not come and go."""


@dataclass(frozen=True)
class CompareConfig:
    """When two are the same, and when something is gone or new.

    Attributes:
        overlap: how far two must fill one place to be the same there (a geometric mean of shares),
        boxes: share of the smaller of two boxes that must lie in the larger one for what the visits
            saw different sides of,
        fit: and how well place, looks, size and name must agree together.
        swapped: where another thing fills the place so well,
        unlike: and its looks say by less than this log-likelihood ratio that it is the same, it has
            come for the first,
        reshaped: and also where so large a share of either is seen through in the other visit,
        pushed: unless looks and size say by so much that it is the same and was pushed,
        loose: unless its longest side is more than this, metres: furniture is not exchanged,
        light: or two thirds of all things do not look the same: the light differs.
        part: share of a thing that must lie on a larger one of its name to be part of it.
        absent: probability from which a thing is said to be gone, or new.
        shifted: share of both its places that is seen through, for one that still overlaps where it
            was to have moved,
        far: if its middle is this many metres away at least.
        existence: things believed in less than this neither come nor go.
    """

    overlap: float = 0.35
    boxes: float = 0.25
    fit: float = 0.08
    swapped: float = 0.45
    unlike: float = -1.0
    reshaped: float = 0.35
    pushed: float = 1.0
    loose: float = 0.5
    light: float = 0.0
    part: float = 0.5
    absent: float = 0.5
    shifted: float = 0.2
    far: float = 0.06
    existence: float = 0.5


def in_place(
    known: Sequence[Evidence], things: Sequence[Evidence], c: CompareConfig
) -> dict[int, int]:
    """Which known thing each thing stands in the place of: ``{thing: row of known}``.

    Each has one at most; of several the one that fills the place and is alike. It may yet be
    another thing (see :attr:`CompareConfig.unlike`).
    """
    if not known or not things:
        return {}
    fit = np.zeros((len(things), len(known)))
    low, high = _bounds(known)
    for n, thing in enumerate(things):
        if not len(thing.cells):
            continue
        points = voxel_centers(thing.cells, CELL)
        near = (low <= points.max(0) + CELL).all(1) & (high >= points.min(0) - CELL).all(1)
        for k in np.flatnonzero(near).tolist():
            fit[n, k] = _fit(thing, known[k], c)
    rows, columns = linear_sum_assignment(-fit)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {n: k for n, k in pairs if fit[n, k] > 0}


def _bounds(things: Sequence[Evidence]) -> tuple[Float, Float]:
    low, high = np.full((len(things), 3), np.inf), np.full((len(things), 3), -np.inf)
    for k, e in enumerate(things):
        if len(e.cells):
            points = voxel_centers(e.cells, CELL)
            low[k], high[k] = points.min(0), points.max(0)
    return low, high


def _fit(a: Evidence, b: Evidence, c: CompareConfig) -> float:
    """How well one fits into the place of the other, 0 = not."""
    if is_thing(a) != is_thing(b):
        return 0.0
    there = places_agree(a, b)
    if there < c.overlap:
        return 0.0
    # None of these can speak alone against the place.
    looks = 0.2 + 0.8 * float(sigmoid(np.array(same_looks(b, a)))) ** 2
    fit = there * looks * (0.3 + 0.7 * sizes_agree(a, b)) * (0.4 + 0.6 * names_agree(a, b))
    return fit if fit >= c.fit else 0.0


def from_other_sides(
    known: Mapping[int, Evidence],
    things: Sequence[Evidence],
    placed: Mapping[int, int],
    places: tuple[Mapping[int, Looked], Mapping[int, Looked]],
    c: CompareConfig,
) -> dict[int, int]:
    """What the visits saw different sides of, so that it shares a box and hardly a surface.

    Neither may be seen through by the other visit, and names and looks must agree.
    """
    now, before = places
    ids = [i for i in known if i not in placed.values() and now[i].absent < c.absent]
    rest = [n for n in range(len(things)) if n not in placed and before[n].absent < c.absent]
    if not ids or not rest:
        return {}
    shares = _boxes_share([things[n] for n in rest], [known[i] for i in ids])
    shares[shares < c.boxes] = 0
    for r, k in np.argwhere(shares).tolist():
        a, b = known[ids[k]], things[rest[r]]
        alike = is_thing(a) == is_thing(b) and same_looks(a, b) >= c.unlike
        shares[r, k] *= alike * names_agree(a, b)
    rows, columns = linear_sum_assignment(-shares)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {rest[r]: ids[k] for r, k in pairs if shares[r, k] >= c.boxes * NAMED}


def _boxes_share(a: Sequence[Evidence], b: Sequence[Evidence]) -> Float:
    """Share ``[A, B]`` of the smaller box that lies in the larger one, both a cell wider."""
    (low_a, high_a), (low_b, high_b) = ((x - CELL, y + CELL) for x, y in map(_bounds, (a, b)))
    sides = np.minimum(high_a[:, None], high_b) - np.maximum(low_a[:, None], low_b)
    common = np.maximum(np.nan_to_num(sides, neginf=0.0), 0).prod(2)
    volumes = [
        np.nan_to_num(np.maximum(h - w, 0), posinf=0.0).prod(1)
        for w, h in ((low_a, high_a), (low_b, high_b))
    ]
    return np.asarray(common / np.maximum(np.minimum(volumes[0][:, None], volumes[1]), 1e-9))


class Parts(NamedTuple):
    """Pieces that one visit took for things of their own, and the other did not.

    Attributes:
        known: ids of known things that are pieces of what the session shows,
        now: things of the session that are pieces of known ones,
        same: and what is known only by a piece: ``{thing: id}``.
    """

    known: set[int]
    now: set[int]
    same: dict[int, int]


def parts_of(
    known: Mapping[int, Evidence],
    things: Sequence[Evidence],
    placed: Mapping[int, int],
    c: CompareConfig,
) -> Parts:
    """What is in no place of its own, and lies on a larger thing of its name.

    A leg of a table that one visit sees without the rest is neither new nor gone.
    """
    rest = {i: e for i, e in known.items() if i not in placed.values()}
    free = {n: e for n, e in enumerate(things) if n not in placed}
    whole = _wholes(free, known, c)
    pieces = _wholes(rest, dict(enumerate(things)), c)
    same = {n: i for i, n in pieces.items() if n in free}
    for n in sorted(whole, key=lambda n: len(things[n].cells)):
        same |= {m: i for m, i in ((n, whole[n]),) if i in rest and i not in pieces}
    one = {i: n for n, i in same.items()}
    return Parts(set(pieces), set(whole), {n: i for i, n in one.items()})


def doubles(things: Mapping[int, Evidence]) -> set[int]:
    """Which of one visit's things lie within larger ones of their name: seen whole and in part.

    A face of a carton that is followed on its own is no second carton in the first.
    """
    ids = list(things)
    shares = _boxes_share(*[list(things.values())] * 2)
    out = set()
    for n, w in np.argwhere(shares >= _INSIDE).tolist():
        part, whole = things[ids[n]], things[ids[w]]
        larger = len(whole.cells) > _LARGER * len(part.cells) > 0
        alike = is_thing(part) and is_thing(whole) and names_agree(part, whole) > NAMED
        if larger and alike and float(touching(part.cells, whole.cells).mean()) >= _INSIDE:
            out.add(ids[n])
    return out


_INSIDE = 0.75
"""Share of a piece's box, and of its cells, that lie in and next to the whole's. What merely stands
beside another shares no box with it."""


def _wholes(
    parts: Mapping[int, Evidence], wholes: Mapping[int, Evidence], c: CompareConfig
) -> dict[int, int]:
    """What each is a part of, of those that are: ``{part: whole}``."""
    low, high = _bounds(list(wholes.values()))
    ids, out = list(wholes), {}
    for n, e in parts.items():
        if not len(e.cells):
            continue
        points = voxel_centers(e.cells, CELL)
        near = (low <= points.max(0) + CELL).all(1) & (high >= points.min(0) - CELL).all(1)
        for k in np.flatnonzero(near).tolist():
            w = wholes[ids[k]]
            larger = len(w.cells) > _LARGER * len(e.cells)
            alike = names_agree(e, w) > NAMED and is_thing(e) == is_thing(w)
            if larger and alike and float(touching(e.cells, w.cells).mean()) >= c.part:
                out[n] = ids[k]
    return out


_LARGER = 1.5
"""Times as many cells as a piece of it has a whole."""


def is_thing(e: Evidence) -> bool:
    """Whether it is no part of the place itself."""
    return e.kind not in STRUCTURE


def comes_and_goes(e: Evidence, c: CompareConfig) -> bool:
    """Whether it is a thing that is believed in."""
    return is_thing(e) and e.existence >= c.existence and len(e.cells) > 0
