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
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe, Samples, look

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ChangeKind = Literal["moved", "taken", "added", "swapped"]

STRUCTURE = ("support", "wall")
"""Kinds that do not come and go."""


@dataclass(frozen=True)
class CompareConfig:
    """When two are the same, and when something is gone or new.

    Attributes:
        overlap: share of the smaller one's cells that the two must have in common to be the same
            where they are,
        alike: and how well looks must agree, 0 to 1.
        moved: how well looks must agree for one thing at two places.
        visible: share of a thing's samples that a depth image must test for it to have been
            looked for there,
        looks: images in which it must have been,
        through: and share of them in which its place must have been seen through.
        existence: things believed in less than this neither come nor go.
    """

    overlap: float = 0.3
    alike: float = 0.35
    moved: float = 0.6
    visible: float = 0.3
    looks: int = 2
    through: float = 0.6
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
    same = {n: ids[k] for n, k in in_place([known[i] for i in ids], things, c).items()}
    stayed = set(same.values())
    rest = [i for i in ids if i not in stayed]
    new = [n for n, e in enumerate(things) if n not in same and _comes_and_goes(e, c)]
    now = dict(zip(rest, _looked([known[i] for i in rest], keyframes, c), strict=True))
    before = dict(zip(new, _looked([things[n] for n in new], earlier, c), strict=True))
    gone = [i for i in rest if _comes_and_goes(known[i], c) and now[i].is_free(c)]
    moved = _moved(known, gone, things, new, c)
    left = {i for i, _ in moved.values()}
    arrived = [n for n in new if n not in moved]
    swapped = _swapped(known, [i for i in rest if i not in left], things, arrived, c)
    taken = [i for i in gone if i not in left and i not in swapped.values()]
    added = [n for n in arrived if n not in swapped and before[n].is_free(c)]
    changes = [
        *(_change("moved", known[i], i, things[n], n, p) for n, (i, p) in moved.items()),
        *(
            _change("swapped", known[i], i, things[n], n, things[n].existence)
            for n, i in swapped.items()
        ),
        *(_change("taken", known[i], i, None, None, now[i].freedom, now[i].at) for i in taken),
        *(
            _change("added", None, None, things[n], n, things[n].existence * before[n].freedom)
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


@dataclass(frozen=True)
class _Looked:
    """In how many depth images a thing's place was in full view, in how many of these it was empty,
    and the first of the latter."""

    seen: int
    empty: int
    at: tuple[int, ...]

    @property
    def freedom(self) -> float:
        """Probability that the place was empty."""
        return (self.empty + 0.5) / (self.seen + 1)

    def is_free(self, c: CompareConfig) -> bool:
        return self.empty >= c.looks and self.empty >= c.through * self.seen


def _looked(
    things: Sequence[Evidence], keyframes: Sequence[Keyframe], c: CompareConfig
) -> list[_Looked]:
    """How each thing's place looks in depth images."""
    samples = Samples.of_cells([t.cells for t in things], CELL)
    seen, empty = np.zeros(len(things), np.int64), np.zeros(len(things), np.int64)
    at: list[list[int]] = [[] for _ in things]
    for k, frame in enumerate(keyframes if things else ()):
        sight = look(samples, frame.metres, frame.intrinsics, frame.T_world_camera)
        tested = sight.hit + sight.through
        clear = (tested >= 4) & (tested >= c.visible * sight.total)
        free = clear & (sight.emptied > 0.6)
        seen, empty = seen + clear, empty + free
        for n in np.flatnonzero(free):
            at[n].append(k)
    return [_Looked(int(s), int(e), tuple(a[:4])) for s, e, a in zip(seen, empty, at, strict=True)]


def _is_thing(e: Evidence) -> bool:
    return e.kind not in STRUCTURE


def _comes_and_goes(e: Evidence, c: CompareConfig) -> bool:
    return _is_thing(e) and e.existence >= c.existence and len(e.cells) > 0


def likeness(a: Evidence, b: Evidence) -> float:
    """How well two things agree in name, looks and size, 0 to 1: a product of three shares."""
    return _names_agree(a, b) * _looks_agree(a, b) * _sizes_agree(a, b)


def _names_agree(a: Evidence, b: Evidence) -> float:
    """Probability that both have one name; what is called nothing may be anything."""
    both = sum(p * b.names.get(name, 0.0) for name, p in a.names.items())
    rest = (1 - sum(a.names.values()), 1 - sum(b.names.values()))
    unknown = max(rest[0], 0.0) + max(rest[1], 0.0) - max(rest[0], 0.0) * max(rest[1], 0.0)
    return float(min(1.0, both + 0.6 * unknown))


def _looks_agree(a: Evidence, b: Evidence) -> float:
    color = np.abs(a.rgb.astype(float) - b.rgb.astype(float))
    near = float(np.exp(-((color.mean() / 60) ** 2)))
    if a.embedding is None or b.embedding is None or len(a.embedding) != len(b.embedding):
        return near
    cosine = float(a.embedding @ b.embedding)
    return float(np.clip(0.5 + 0.5 * cosine, 0, 1)) * (0.5 + 0.5 * near)


def _sizes_agree(a: Evidence, b: Evidence) -> float:
    one, other = (np.sort(e.extent) + CELL for e in (a, b))
    return float(np.exp(-((np.log(one / other) ** 2).mean() / 0.5)))


def in_place(
    known: Sequence[Evidence], things: Sequence[Evidence], c: CompareConfig
) -> dict[int, int]:
    """Which known thing each thing is that stands where it stood: ``{thing: row of known}``."""
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
    """How surely two things at one place are the same, 0 = not."""
    if (a.kind in STRUCTURE) != (b.kind in STRUCTURE):
        return 0.0
    one, other = (a, b) if len(a.cells) <= len(b.cells) else (b, a)
    shared = float(touching(one.cells, other.cells).mean()) if len(one.cells) else 0.0
    if shared < c.overlap:
        return 0.0
    alike = _names_agree(a, b) * _looks_agree(a, b)
    return shared * alike if alike >= c.alike else 0.0


def _moved(
    known: Mapping[int, Evidence],
    gone: Sequence[int],
    things: Sequence[Evidence],
    new: Sequence[int],
    c: CompareConfig,
) -> dict[int, tuple[int, float]]:
    """Things that left one place and turned up at another: ``{thing: (id, probability)}``."""
    if not gone or not new:
        return {}
    fit = np.array([[likeness(things[n], known[i]) for i in gone] for n in new])
    rows, columns = linear_sum_assignment(-fit)
    return {
        new[r]: (gone[k], float(fit[r, k]))
        for r, k in zip(rows.tolist(), columns.tolist(), strict=True)
        if fit[r, k] >= c.moved
    }


def _swapped(
    known: Mapping[int, Evidence],
    rest: Sequence[int],
    things: Sequence[Evidence],
    new: Sequence[int],
    c: CompareConfig,
) -> dict[int, int]:
    """New things that stand where an unlike one stood: ``{thing: id before}``."""
    out: dict[int, int] = {}
    for n in new:
        for i in rest:
            e = known[i]
            if i in out.values() or not _is_thing(e) or not len(e.cells):
                continue
            if _same_place(things[n], e) and likeness(things[n], e) < c.alike:
                out[n] = i
                break
    return out


def _same_place(a: Evidence, b: Evidence) -> bool:
    shared = float(touching(a.cells, b.cells).mean()) if len(a.cells) else 0.0
    back = float(touching(b.cells, a.cells).mean())
    return min(shared, back) > 0.5
