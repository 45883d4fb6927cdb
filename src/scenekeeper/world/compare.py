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

from scenekeeper.schema import UNNAMED
from scenekeeper.voxels import touching
from scenekeeper.world.alike import Light, places_agree, same_looks, same_size
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.looked import Looked, LookedConfig, looked
from scenekeeper.world.moves import moves
from scenekeeper.world.same_place import (
    CompareConfig,
    comes_and_goes,
    doubles,
    from_other_sides,
    in_place,
    parts_of,
)
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ChangeKind = Literal["moved", "taken", "added", "swapped"]

_WITHIN = 0.5
"""Share of a thing's cells where others have left."""


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
    placed |= from_other_sides(known, things, placed, (now, before), c)
    light = Light.between([(known[i], things[n]) for n, i in placed.items()])
    other = _others(placed, things, known, (now, before), light, c)
    same = {n: i for n, i in placed.items() if n not in other}
    pushed = _pushed(same, known, things, (now, before), (keyframes, earlier), c)
    parts = parts_of(known, things, placed, c)
    same |= parts.same
    rest = [i for i in ids if i not in same.values()]
    off = {*same, *parts.now, *doubles(dict(enumerate(things)))}
    new = [n for n, e in enumerate(things) if n not in off and comes_and_goes(e, c)]
    held = parts.known | doubles(known)
    lost = [i for i in rest if i not in held and comes_and_goes(known[i], c)]
    # An exchange explains both; that one of them moved would leave the other to be explained.
    unknown = LookedConfig().prior
    moved = moves(
        {i: (known[i], unknown if i in other.values() else now[i].absent) for i in lost},
        {n: (things[n], unknown if n in other else before[n].absent) for n in new},
        other,
        light,
        unknown,
    )
    gone = {i: 1.0 if i in other.values() else now[i].absent for i in lost}
    left = {i for i, _ in moved.values()}
    swapped = {n: i for n, i in other.items() if n in new and n not in moved and i not in left}
    explained = {*left, *swapped.values()}
    taken = {i: known[i].existence * gone[i] for i in lost if i not in explained}
    taken = {i: p for i, p in taken.items() if p >= c.absent}
    emptied = [(known[i].cells, p) for i, p in (*moved.values(), *taken.items())]
    free = [n for n in new if n not in moved and n not in swapped]
    added = {n: things[n].existence * _was_absent(things[n], before[n], emptied) for n in free}
    added = {n: p for n, p in added.items() if p >= c.absent}
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
        *(_change("taken", known[i], i, None, None, p, now[i].at) for i, p in taken.items()),
        *(_change("added", None, None, things[n], n, p) for n, p in added.items()),
    ]
    open_ = [i for i in rest if i not in explained and i not in taken]
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


def _was_absent(e: Evidence, before: Looked, emptied: Sequence[tuple[Int, float]]) -> float:
    """Probability that a thing was not there before: its place looked so, or it held another that
    has left, as sure as that is.

    Args:
        e: the thing.
        before: how its place looked.
        emptied: cells of what has left, and the probability of that.
    """
    freed = (p for cells, p in emptied if float(touching(e.cells, cells).mean()) > _WITHIN)
    return max((before.absent, *freed)) if before.seen else before.absent


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
        and comes_and_goes(a, c)
        and comes_and_goes(b, c)
        and max(a.extent.max(), b.extent.max()) <= c.loose
        and places_agree(a, b) >= c.swapped
    }


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
    if not (comes_and_goes(a, c) and comes_and_goes(b, c)):
        return False
    far = float(np.linalg.norm(a.center - b.center)) > c.far
    return far and now.is_free(c.shifted) and before.is_free(c.shifted)
