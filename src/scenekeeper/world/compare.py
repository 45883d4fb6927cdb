"""Yesterday's world against today's session: what is still there, moved, gone, new, or unknown.

In: objects as last known and objects of a session, in one frame, and the depth images of both. Out:
which is which and what has changed. Nothing is called gone that was not looked through, and
nothing is called new where nobody had looked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper.schema import UNNAMED
from scenekeeper.voxels import touching, voxel_centers
from scenekeeper.world.alike import (
    Light,
    names_agree,
    places_agree,
    same_looks,
    same_size,
    sizes_agree,
)
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import sigmoid
from scenekeeper.world.looked import Looked, LookedConfig, looked
from scenekeeper.world.moves import moves
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
        unlike: and its looks say by less than this log-likelihood ratio that it is the same, it has
            come for the first,
        reshaped: and also where so large a share of either is seen through in the other visit,
        pushed: unless looks and size say by so much that it is the same and was pushed,
        loose: unless its longest side is more than this, metres: furniture is not exchanged,
        light: or two thirds of all things do not look the same: the light differs.
        part: share of a thing that must lie on a larger one of its name to be part of it.
        absent: probability that it was not there from which a thing is gone, or new.
        shifted: share of both its places that is seen through, for one that still overlaps where it
            was to have moved,
        far: if its middle is this many metres away at least.
        existence: things believed in less than this neither come nor go.
    """

    overlap: float = 0.35
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
    light = Light.between([(known[i], things[n]) for n, i in placed.items()])
    other = _others(placed, things, known, (now, before), light, c)
    same = {n: i for n, i in placed.items() if n not in other}
    pushed = _pushed(same, known, things, (now, before), (keyframes, earlier), c)
    parts = _parts(known, things, placed, c)
    same |= parts.same
    rest = [i for i in ids if i not in same.values()]
    off = {*same, *parts.now}
    new = [n for n, e in enumerate(things) if n not in off and _comes_and_goes(e, c)]
    lost = [i for i in rest if i not in parts.known and _comes_and_goes(known[i], c)]
    # An exchange explains both; that one of them moved would leave the other to be explained.
    unknown, tied = LookedConfig().prior, 0.05
    moved = moves(
        {i: (known[i], tied if i in other.values() else now[i].absent) for i in lost},
        {n: (things[n], tied if n in other else before[n].absent) for n in new},
        other,
        light,
        unknown,
    )
    gone = {i: 1.0 if i in other.values() else now[i].absent for i in lost}
    left = {i for i, _ in moved.values()}
    swapped = {n: i for n, i in other.items() if n in new and n not in moved and i not in left}
    taken = [i for i in lost if gone[i] >= c.absent and i not in {*left, *swapped.values()}]
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
            _change("taken", known[i], i, None, None, known[i].existence * gone[i], now[i].at)
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
    looks = 0.2 + 0.8 * float(sigmoid(np.array(same_looks(b, a)))) ** 2
    fit = there * looks * (0.3 + 0.7 * sizes_agree(a, b)) * (0.4 + 0.6 * names_agree(a, b))
    return fit if fit >= c.fit else 0.0


def _others(
    placed: Mapping[int, int],
    things: Sequence[Evidence],
    known: Mapping[int, Evidence],
    places: tuple[Mapping[int, Looked], Mapping[int, Looked]],
    light: Light,
    c: CompareConfig,
) -> dict[int, int]:
    """Of the things that are in the place of known ones those that are not these: of other looks,
    or of another shape where looks and size do not say that the same one was pushed."""
    now, before = places
    looks = {n: same_looks(known[i], things[n], light) for n, i in placed.items()}
    if not looks or float(np.quantile(list(looks.values()), 2 / 3)) < c.light:
        return {}
    return {
        n: i
        for n, i in placed.items()
        for a, b in [(things[n], known[i])]
        for free in [now[i].is_free(c.reshaped) or before[n].is_free(c.reshaped)]
        if (looks[n] < c.unlike or (free and looks[n] + same_size(a, b) < c.pushed))
        and _comes_and_goes(a, c)
        and _comes_and_goes(b, c)
        and max(a.extent.max(), b.extent.max()) <= c.loose
        and places_agree(a, b) >= c.swapped
    }


class _Parts(NamedTuple):
    """Pieces that one visit took for things of their own, and the other did not.

    Attributes:
        known: ids of known things that are pieces of what the session shows,
        now: things of the session that are pieces of known ones,
        same: and what is known only by a piece: ``{thing: id}``.
    """

    known: set[int]
    now: set[int]
    same: dict[int, int]


def _parts(
    known: Mapping[int, Evidence],
    things: Sequence[Evidence],
    placed: Mapping[int, int],
    c: CompareConfig,
) -> _Parts:
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
    return _Parts(set(pieces), set(whole), {n: i for i, n in one.items()})


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
            alike = names_agree(e, w) > _WITHIN and _is_thing(e) == _is_thing(w)
            if larger and alike and float(touching(e.cells, w.cells).mean()) >= c.part:
                out[n] = ids[k]
    return out


_LARGER = 1.5
"""Times as many cells as a piece of it has a whole."""


def _pushed(
    same: Mapping[int, int],
    known: Mapping[int, Evidence],
    things: Sequence[Evidence],
    places: tuple[Mapping[int, Looked], Mapping[int, Looked]],
    images: tuple[Sequence[Keyframe], Sequence[Keyframe]],
    c: CompareConfig,
) -> dict[int, int]:
    """Of the things that are where they were those that were pushed a little.

    Args:
        same: which known thing each thing is.
        known: things before, by id.
        things: of the session.
        places: how the known things' places look now, and those of the session's looked before.
        images: of the session, and earlier ones.
        c: what counts.
    """
    now, before = places
    out = {n: i for n, i in same.items() if _shifted(known[i], now[i], things[n], before[n], c)}
    # Smeared evidence is seen through even by the visit that it is of.
    own = looked([things[n] for n in out], images[0])
    theirs = looked([known[i] for i in out.values()], images[1])
    return {
        n: i
        for (n, i), here, there in zip(out.items(), own, theirs, strict=True)
        if min(here.hit, there.hit) > 1 - c.shifted / 2
    }


def _shifted(a: Evidence, now: Looked, b: Evidence, before: Looked, c: CompareConfig) -> bool:
    """Whether a thing was pushed: of its old place is seen through now, and so was of the new."""
    if not (_comes_and_goes(a, c) and _comes_and_goes(b, c)):
        return False
    far = float(np.linalg.norm(a.center - b.center)) > c.far
    return far and now.is_free(c.shifted) and before.is_free(c.shifted)
