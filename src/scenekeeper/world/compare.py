"""Yesterday's world against today's session: what is still there, moved, gone, new, or unknown.

In: objects as last known and objects of a session, in one frame, and pictures with depth of both.
Out: which is which and what has changed. Nothing is called gone whose place was not looked at, and
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
from scenekeeper.world.alike import Light, names_agree, places_agree, same_looks, same_size
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.looked import Looked, LookedConfig, looked
from scenekeeper.world.moves import moves
from scenekeeper.world.same_place import (
    NAMED,
    CompareConfig,
    comes_and_goes,
    doubles,
    from_other_sides,
    in_place,
    parts_of,
)
from scenekeeper.world.shades import cast, others, shades
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
        frames: what shows it: frames that show the thing, or, of what was taken, pictures of the
            session, by index, that show its place: empty, if depth tells.
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
        keyframes: pictures with depth of the session.
        earlier: and of the sessions that ``known`` rests on.
        config: when two are the same.
    """
    both = _Both.of(known, things, keyframes, earlier, config or CompareConfig())
    stands = _standing(both)
    moved = _moved(both, stands)
    swapped = _swapped(both, stands, moved)
    explained = {*(i for i, _ in moved.values()), *swapped.values()}
    taken = _taken(both, stands, explained)
    added = _added(both, stands, moved, swapped, taken)
    now = both.now
    changes = [
        *(both.change("moved", i, n, things[n].existence) for n, i in stands.pushed.items()),
        *(both.change("moved", i, n, p) for n, (i, p) in moved.items()),
        *(both.change("swapped", i, n, things[n].existence) for n, i in swapped.items()),
        *(both.change("taken", i, None, p) for i, p in taken.items()),
        *(both.change("added", None, n, p) for n, p in added.items()),
    ]
    open_ = [i for i in stands.rest if i not in explained and i not in taken]
    return Comparison(
        {**stands.same, **{n: i for n, (i, _) in moved.items()}},
        tuple(changes),
        tuple(i for i in open_ if not now[i].seen),
        tuple(i for i in open_ if now[i].seen),
    )


Moves = Mapping[int, tuple[int, float]]
"""Which known thing, by id, each moved thing of the session is, and how probably."""


@dataclass(frozen=True, eq=False)
class _Both:
    """Two visits: their things, and how the places of these look in the other visit.

    Attributes:
        known: things before, by id.
        things: of the session.
        images: of the visits before, and of the session.
        now: how known things' places look in the session, by id,
        before: and how the session's things' places had looked, by index.
        config: what counts.
    """

    known: Mapping[int, Evidence]
    things: Sequence[Evidence]
    images: tuple[Sequence[Keyframe], Sequence[Keyframe]]
    now: Mapping[int, Looked]
    before: Mapping[int, Looked]
    config: CompareConfig

    @classmethod
    def of(
        cls,
        known: Mapping[int, Evidence],
        things: Sequence[Evidence],
        keyframes: Sequence[Keyframe],
        earlier: Sequence[Keyframe],
        config: CompareConfig,
    ) -> _Both:
        """Look at all places."""
        was = [known[i] for i in sorted(known)]
        pair = shades(was, earlier, keyframes), shades(things, earlier, keyframes)
        light = cast(pair[0])
        said = [others(s, light).tolist() for s in pair]
        shown = looked(was, keyframes), looked(things, earlier)
        told = [
            [one.told(x) for one, x in zip(*both, strict=True)]
            for both in zip(shown, said, strict=True)
        ]
        now, before = dict(zip(sorted(known), told[0], strict=True)), dict(enumerate(told[1]))
        return cls(known, things, (earlier, keyframes), now, before, config)

    def change(self, kind: ChangeKind, before: int | None, now: int | None, score: float) -> Change:
        """One change, with the frames that show it."""
        was = None if before is None else self.known[before]
        thing = None if now is None else self.things[now]
        told = was or thing
        assert told is not None
        at = None if was is None else was.center
        if thing is not None:
            return Change(kind, before, now, score, told.phrase, at, thing.views)
        place = self.now[before or 0]
        return Change(kind, before, now, score, told.phrase, at, place.at or place.shown)


@dataclass(frozen=True, eq=False)
class _Standing:
    """What stands where something was known to stand.

    Attributes:
        same: which known thing each thing is, of those that stayed,
        pushed: and of these, those that were pushed a little.
        other: things that are in the place of a known one, and are not it.
        rest: known things that did not stay,
        lost: and those of them that may have gone.
        new: things that may have come.
        light: between the visits.
    """

    same: Mapping[int, int]
    pushed: Mapping[int, int]
    other: Mapping[int, int]
    rest: Sequence[int]
    lost: Sequence[int]
    new: Sequence[int]
    light: Light


def _standing(both: _Both) -> _Standing:
    known, things, c = both.known, both.things, both.config
    ids = sorted(known)
    placed = {n: ids[k] for n, k in in_place([known[i] for i in ids], things, c).items()}
    placed |= from_other_sides(known, things, placed, (both.now, both.before), c)
    light = Light.between([(known[i], things[n]) for n, i in placed.items()])
    other = _others(both, placed, light)
    stayed = {n: i for n, i in placed.items() if n not in other}
    parts = parts_of(known, things, placed, c)
    same = {**stayed, **parts.same}
    rest = [i for i in ids if i not in same.values()]
    held = parts.known | doubles(known)
    off = {*same, *parts.now, *doubles(dict(enumerate(things)))}
    return _Standing(
        same,
        _pushed(both, stayed),
        other,
        rest,
        [i for i in rest if i not in held and comes_and_goes(known[i], c)],
        [n for n, e in enumerate(things) if n not in off and comes_and_goes(e, c)],
        light,
    )


def _moved(both: _Both, stands: _Standing) -> Moves:
    """Of what is gone and what is new, what is one."""
    unknown, other = LookedConfig().prior, stands.other
    exchanged = set(other.values())
    freed = [(both.known[i].cells, both.now[i].absent) for i in stands.lost if i not in exchanged]
    # An exchange explains both; that one of them moved would leave the other to be explained.
    gone = {
        i: (both.known[i], unknown if i in exchanged else both.now[i].absent) for i in stands.lost
    }
    new = {
        n: (both.things[n], unknown if n in other else _was_absent(both, n, freed))
        for n in stands.new
    }
    return moves(gone, new, other, stands.light, unknown)


def _swapped(both: _Both, stands: _Standing, moved: Moves) -> dict[int, int]:
    """Things that have come for others of their name, neither of which is elsewhere."""
    left = {i for i, _ in moved.values()}
    return {
        n: i
        for n, i in stands.other.items()
        if n in stands.new and n not in moved and i not in left
        if names_agree(both.known[i], both.things[n]) > NAMED
    }


def _taken(both: _Both, stands: _Standing, explained: set[int]) -> dict[int, float]:
    """What is gone, and nowhere else."""
    exchanged = set(stands.other.values())
    gone = {
        i: both.known[i].existence * (1.0 if i in exchanged else both.now[i].absent)
        for i in stands.lost
        if i not in explained
    }
    return {i: p for i, p in gone.items() if p >= both.config.absent}


def _added(
    both: _Both,
    stands: _Standing,
    moved: Moves,
    swapped: Mapping[int, int],
    taken: Mapping[int, float],
) -> dict[int, float]:
    """What has come, and from nowhere else."""
    left = {i for i, _ in moved.values()}
    instead = {n for n, i in stands.other.items() if i not in left}
    emptied = [(both.known[i].cells, p) for i, p in (*moved.values(), *taken.items())]
    come = {
        n: both.things[n].existence * (1.0 if n in instead else _was_absent(both, n, emptied))
        for n in stands.new
        if n not in moved and n not in swapped
    }
    return {n: p for n, p in come.items() if p >= both.config.absent}


def _was_absent(both: _Both, n: int, emptied: Sequence[tuple[Int, float]]) -> float:
    """Probability that a thing was not there before: its place looked so, or it held another that
    has left, as sure as that is.

    Args:
        both: the visits.
        n: the thing.
        emptied: cells of what has left, and the probability of that.
    """
    cells, before = both.things[n].cells, both.before[n]
    freed = (p for place, p in emptied if float(touching(cells, place).mean()) > _WITHIN)
    return max((before.absent, *freed)) if before.seen else before.absent


def _others(both: _Both, placed: Mapping[int, int], light: Light) -> dict[int, int]:
    """Of the things that are in the place of known ones those that are not these: of other looks,
    or of another shape where looks and size do not say that the same one was pushed."""
    known, things, now, before, c = both.known, both.things, both.now, both.before, both.config
    looks = {
        n: same_looks(known[i], things[n], light, -(now[i].other + before[n].other) / 2)
        for n, i in placed.items()
    }
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


def _pushed(both: _Both, same: Mapping[int, int]) -> dict[int, int]:
    """Of the things that are where they were those that were pushed a little."""
    known, things, now, before, c = both.known, both.things, both.now, both.before, both.config
    out = {n: i for n, i in same.items() if _shifted(known[i], now[i], things[n], before[n], c)}
    # Smeared evidence is seen through even by the visit that it is of.
    earlier, later = both.images
    own = looked([things[n] for n in out], later)
    theirs = looked([known[i] for i in out.values()], earlier)
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
