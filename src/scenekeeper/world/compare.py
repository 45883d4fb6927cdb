"""Yesterday's world against today's session: what is still there, moved, gone, new, or unknown.

In: objects as last known and objects of a session, in one frame, and the depth images of both. Out:
which is which and what has changed. Nothing is called gone that was not looked through, and
nothing is called new where nobody had looked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper.schema import UNNAMED
from scenekeeper.voxels import touching, voxel_centers
from scenekeeper.world.alike import (
    colors_agree,
    likeness,
    looks_agree,
    names_agree,
    places_agree,
    sizes_agree,
)
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.looked import Looked, looked
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ChangeKind = Literal["moved", "taken", "added", "swapped"]

_NONE = np.zeros(0, np.int64)

_WITHIN = 0.5
"""Share of a thing's cells where others have left."""

STRUCTURE = ("support", "wall")
"""Kinds that do not come and go."""


@dataclass(frozen=True)
class CompareConfig:
    """When two are the same, and when something is gone or new.

    Attributes:
        overlap: how far two must fill one place to be the same there (a geometric mean of shares),
        fit: and how well place, looks, size and name must agree together.
        swapped: where another thing fills the place so well,
        unlike: and agrees in colour less than this, it has come for the first,
        light: unless fewer than a third of all things agree in colour so well: the light differs,
        loose: or its longest side is more than this, metres: furniture is not exchanged.
        moved: how well name, looks and size must agree for one thing at two places.
        unknown: and how well where it cannot be told whether the first place is empty.
        absent: probability that it was not there from which a thing is gone, or new.
        through: share of a thing's place that is seen through from which that is empty, whatever
            stands there now,
        shifted: and of both its places for one that still overlaps where it was to have moved,
        far: if its middle is this many metres away at least.
        existence: things believed in less than this neither come nor go.
    """

    overlap: float = 0.35
    fit: float = 0.08
    swapped: float = 0.6
    unlike: float = 0.55
    light: float = 0.7
    loose: float = 0.5
    moved: float = 0.5
    unknown: float = 0.7
    absent: float = 0.5
    through: float = 0.35
    shifted: float = 0.2
    far: float = 0.06
    existence: float = 0.5


@dataclass(frozen=True, eq=False)
class Change:
    """Something that is otherwise than it was.

    Attributes:
        kind: ``moved``; ``taken``, gone; ``added``, new; ``swapped`` for another at the same place.
        before: id of the thing before; ``None`` of what was added.
        now: index of the thing in the session; ``None`` of what was taken.
        score: probability that it is so.
        phrase: what the thing is called,
        was_at: and where it was, ``float64 [3]`` metres; ``None`` of what was added.
        frames: what shows it: frames that show the thing, or, of what was taken, depth images of
            the session, by index, that show its place empty.
    """

    kind: ChangeKind
    before: int | None
    now: int | None
    score: float
    phrase: str = UNNAMED
    was_at: Float | None = None
    frames: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What became of known things.

    Attributes:
        same: id of the known thing that each thing of the session is, by index; moved ones too.
        changes: what is otherwise.
        unseen: ids of known things that the session did not look at.
        missed: ids of known things whose place shows a surface that nothing was recognised in.
    """

    same: Mapping[int, int]
    changes: tuple[Change, ...] = ()
    unseen: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()


def compare(
    known: Mapping[int, Evidence],
    things: Sequence[Evidence],
    keyframes: Sequence[Keyframe],
    earlier: Sequence[Keyframe],
    config: CompareConfig | None = None,
) -> Comparison:
    """Compare a session with what was known before it; everything in one frame.

    Args:
        known: things by id, as last seen.
        things: of the session.
        keyframes: depth images of the session.
        earlier: depth images of the sessions that ``known`` rests on.
        config: when two are the same.
    """
    c = config or CompareConfig()
    ids = sorted(known)
    now = dict(zip(ids, looked([known[i] for i in ids], keyframes), strict=True))
    before = dict(enumerate(looked(things, earlier)))
    placed = {n: ids[k] for n, k in in_place([known[i] for i in ids], things, c).items()}
    other = _others(placed, things, known, c)
    same = {n: i for n, i in placed.items() if n not in other}
    pushed = {n: i for n, i in same.items() if _shifted(known[i], now[i], things[n], before[n], c)}
    # Smeared evidence is seen through even by the visit that it is of.
    own = looked([things[n] for n in pushed], keyframes)
    theirs = looked([known[i] for i in pushed.values()], earlier)
    pushed = {
        n: i
        for (n, i), here, there in zip(pushed.items(), own, theirs, strict=True)
        if min(here.hit, there.hit) > 1 - c.shifted / 2
    }
    rest = [i for i in ids if i not in same.values()]
    new = [n for n, e in enumerate(things) if n not in same and _comes_and_goes(e, c)]
    away = [i for i in rest if _comes_and_goes(known[i], c) and now[i].absent >= c.absent]
    gone = {i: c.moved for i in (*away, *(i for n, i in other.items() if n in new))}
    lost = [i for i in rest if _comes_and_goes(known[i], c)]
    moved = _moved(known, dict.fromkeys(lost, c.unknown) | gone, things, new, other, c)
    left = {i for i, _ in moved.values()}
    swapped = {
        n: i
        for n, i in other.items()
        if n in new and n not in moved and i not in left and not now[i].is_free(c.through)
    }
    taken = [i for i in away if i not in left and i not in swapped.values()]
    empty = np.unique(np.concatenate([_NONE, *(known[i].cells for i in {*left, *taken})]))
    added = [
        n
        for n in new
        if n not in moved and n not in swapped and _is_new(things[n], before[n], empty, c)
    ]
    changes = [
        *(
            _change("moved", known[i], i, things[n], n, things[n].existence)
            for n, i in pushed.items()
        ),
        *(_change("moved", known[i], i, things[n], n, p) for n, (i, p) in moved.items()),
        *(
            _change("swapped", known[i], i, things[n], n, things[n].existence)
            for n, i in swapped.items()
        ),
        *(
            _change("taken", known[i], i, None, None, known[i].existence * now[i].absent, now[i].at)
            for i in taken
        ),
        *(
            _change("added", None, None, things[n], n, things[n].existence * before[n].absent)
            for n in added
        ),
    ]
    explained = left | set(swapped.values()) | set(taken)
    open_ = [i for i in rest if i not in explained]
    return Comparison(
        same | {n: i for n, (i, _) in moved.items()},
        tuple(changes),
        tuple(i for i in open_ if not now[i].seen),
        tuple(i for i in open_ if now[i].seen),
    )


def _change(
    kind: ChangeKind,
    was: Evidence | None,
    before: int | None,
    thing: Evidence | None,
    now: int | None,
    score: float,
    frames: tuple[int, ...] = (),
) -> Change:
    known = was or thing
    assert known is not None
    at = None if was is None else was.center
    return Change(kind, before, now, score, known.phrase, at, thing.views if thing else frames)


def _is_thing(e: Evidence) -> bool:
    return e.kind not in STRUCTURE


def _comes_and_goes(e: Evidence, c: CompareConfig) -> bool:
    return _is_thing(e) and e.existence >= c.existence and len(e.cells) > 0


def _is_new(e: Evidence, before: Looked, empty: Int, c: CompareConfig) -> bool:
    """Whether a thing was not there before; or it is where another has left."""
    if before.absent >= c.absent:
        return True
    return before.seen > 0 and float(touching(e.cells, empty).mean()) > _WITHIN


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
    if _is_thing(a) != _is_thing(b):
        return 0.0
    there = places_agree(a, b)
    if there < c.overlap:
        return 0.0
    # None of these can speak alone against the place.
    looks = 0.2 + 0.8 * looks_agree(a, b) ** 2
    fit = there * looks * (0.3 + 0.7 * sizes_agree(a, b)) * (0.4 + 0.6 * names_agree(a, b))
    return fit if fit >= c.fit else 0.0


def _others(
    placed: Mapping[int, int],
    things: Sequence[Evidence],
    known: Mapping[int, Evidence],
    c: CompareConfig,
) -> dict[int, int]:
    """Of the things that are in the place of known ones those that are not these."""
    colors = {n: colors_agree(things[n], known[i]) for n, i in placed.items()}
    if not colors or float(np.quantile(list(colors.values()), 2 / 3)) < c.light:
        return {}
    return {
        n: i
        for n, i in placed.items()
        for a, b in [(things[n], known[i])]
        if colors[n] < c.unlike
        and _comes_and_goes(a, c)
        and _comes_and_goes(b, c)
        and max(a.extent.max(), b.extent.max()) <= c.loose
        and places_agree(a, b) >= c.swapped
    }


def _shifted(a: Evidence, now: Looked, b: Evidence, before: Looked, c: CompareConfig) -> bool:
    """Whether a thing was pushed: of its old place is seen through now, and so was of the new."""
    if not (_comes_and_goes(a, c) and _comes_and_goes(b, c)):
        return False
    far = float(np.linalg.norm(a.center - b.center)) > c.far
    return far and now.is_free(c.shifted) and before.is_free(c.shifted)


def _moved(
    known: Mapping[int, Evidence],
    gone: Mapping[int, float],
    things: Sequence[Evidence],
    new: Sequence[int],
    other: Mapping[int, int],
    c: CompareConfig,
) -> dict[int, tuple[int, float]]:
    """Things that left one place and turned up at another: ``{thing: (id, probability)}``.

    ``gone`` says how alike each must be. Of those equally alike the nearest; a thing is never what
    it has taken the place of.
    """
    if not gone or not new:
        return {}
    ids = list(gone)
    alike = np.array([[likeness(things[n], known[i]) for i in gone] for n in new])
    alike *= [[other.get(n) != i for i in gone] for n in new]
    metres = np.linalg.norm(
        np.array([things[n].center for n in new])[:, None]
        - np.array([known[i].center for i in gone]),
        axis=2,
    )
    good = alike >= list(gone.values())
    rows, columns = linear_sum_assignment(
        np.where(good, 0.02 * np.minimum(metres, 10) - 1 - alike, 0.0)
    )
    return {
        new[r]: (ids[k], float(alike[r, k]))
        for r, k in zip(rows.tolist(), columns.tolist(), strict=True)
        if good[r, k]
    }
