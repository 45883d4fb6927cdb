"""A session taken into the world's memory: aligned, compared with what was known, given ids.

In: a session's evidence and the memory. Out: the object that each of its things is, and what has
changed since. Doing it again for the same run changes nothing and gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from scenekeeper.world.align import Alignment, align
from scenekeeper.world.compare import Change, ChangeKind, Comparison, compare
from scenekeeper.world.confirm import Visit, confirmed
from scenekeeper.world.evidence import Evidence, SessionEvidence
from scenekeeper.world.memory import Memory, Place, placed
from scenekeeper.world.same_place import CompareConfig, in_place
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]
Points = NDArray[np.float32]
Align = Callable[[Points, Points, Float, Float], Alignment]


@dataclass(frozen=True, eq=False)
class Remembered:
    """What became of a session.

    Attributes:
        ids: object of each of its things, by index.
        place: where the session lies.
        since: the session it was compared with; ``None`` if it is the first of its place.
        changes: since then; ``before`` and ``now`` are objects.
    """

    ids: tuple[int, ...]
    place: Place
    since: str | None
    changes: tuple[Change, ...]


def remember(
    memory: Memory,
    e: SessionEvidence,
    config: CompareConfig | None = None,
    aligned: Align | None = None,
) -> Remembered:
    """Take a session in.

    Args:
        memory: inside a transaction.
        e: what the session says, in its own frame.
        config: when two things are the same.
        aligned: finds a session's place in a map; :func:`~scenekeeper.world.align.align` if absent.
    """
    config = config or CompareConfig()
    others = [p for p in memory.places() if p.session != e.session]
    before = next((p for p in memory.places() if p.session == e.session), None)
    same = before is not None and before.run == e.run
    # Another release of a library may round otherwise, and so find other things in the same run.
    if before is not None and same and set(memory.tracks(e.session)) == {t.track for t in e.things}:
        return _as_before(memory, e, before, others)
    again = memory.evidence(e.session)
    place = _place(memory, e, others, aligned)
    here = _earlier(others, place)
    things = [placed(t, place.T_place_session) for t in e.things]
    frames = [_carried(k, place.T_place_session) for k in e.keyframes]
    known = known_at(memory, [p.session for p in here])
    earlier = [k for p in here for k in memory.keyframes(p.session)]
    memory.forget(e.session)
    told = compare(known, things, frames, earlier, config)
    own = _own(again, things, told, before, place, config)
    later = _later(memory, others, place, things, frames, {**own, **told.same}, config)
    ids = _ids(memory, e, told, {**later, **own})
    moved_in = replace(
        e,
        keyframes=tuple(frames),
        surface=_shifted(e.surface, place.T_place_session),
    )
    memory.put_session(moved_in, place)
    for number, thing in zip(ids, things, strict=True):
        memory.put_evidence(e.session, number, thing)
    changes = _log(memory, e, told, ids, place, again)
    return Remembered(tuple(ids), place, here[-1].session if here else None, changes)


def _earlier(others: Sequence[Place], place: Place) -> list[Place]:
    return [p for p in others if p.place == place.place and p.first_t_ns <= place.first_t_ns]


def _as_before(
    memory: Memory, e: SessionEvidence, place: Place, others: Sequence[Place]
) -> Remembered:
    """The same run was remembered before; its tables were not written, as after a kill."""
    number = memory.tracks(e.session)
    here = _earlier(others, place)
    known = {n: t for p in here for n, t in memory.evidence(p.session).items()}
    own = memory.evidence(e.session)
    changes = []
    for v in memory.events(e.session):
        if v.run != e.run or v.kind not in ("moved", "taken", "added", "swapped"):
            continue
        now = {"taken": None, "swapped": v.other}.get(v.kind, v.object)
        before = None if v.kind == "added" else v.object
        was = None if before is None else known.get(before)
        told = was or own.get(-1 if now is None else now)
        if told is None:  # the session that knew it has been labelled again since, without it
            continue
        at = None if was is None else was.center
        frames = tuple(v.detail["frames"])
        kind: ChangeKind = v.kind  # type: ignore[assignment]
        changes.append(Change(kind, before, now, v.score or 0.0, told.phrase, at, frames))
    ids = tuple(number[t.track] for t in e.things)
    return Remembered(ids, place, here[-1].session if here else None, tuple(changes))


def known_at(memory: Memory, sessions: Sequence[str]) -> dict[int, Evidence]:
    """Objects as last seen in sessions, which are in order of time; without what was taken."""
    known: dict[int, Evidence] = {}
    for session in sessions:
        known |= memory.evidence(session)
        for number, (verdict, _) in memory.absences(session).items():
            if verdict == "taken":
                known.pop(number, None)
    return known


def _place(
    memory: Memory, e: SessionEvidence, others: Sequence[Place], aligned: Align | None
) -> Place:
    """Where a session lies: in the map of an earlier one, the best that it fits, or in its own."""
    best: tuple[float, Place, Alignment] | None = None
    reasons = []
    for number in sorted({p.place for p in others}):
        own = [p for p in others if p.place == number]
        surface = np.concatenate([memory.surface(p.session) for p in own])
        if aligned is not None:
            found = aligned(surface, e.surface, own[0].up, e.up)
        else:
            seen = Visit(surface, [k for p in own for k in memory.keyframes(p.session)])
            now = Visit(e.surface, e.keyframes)
            check = partial(confirmed, seen, now)
            found = align(surface, e.surface, up_map=own[0].up, up_session=e.up, confirm=check)
        reasons.append(found.reason)
        if found.accepted and (best is None or found.inliers > best[0]):
            best = found.inliers, own[0], found
    common = (e.session, e.run, e.first_t_ns, e.last_t_ns)
    if best is None:
        number = 1 + max((p.place for p in others), default=-1)
        how = "apart" if others else "first"
        why = " ".join(reasons) if others else "The first session of this world."
        return Place(*common, number, np.eye(4), how, why, e.up)
    _, first, found = best
    return Place(*common, first.place, found.T_map_session, found.how, found.reason, first.up)


def _own(
    again: Mapping[int, Evidence],
    things: Sequence[Evidence],
    told: Comparison,
    before: Place | None,
    place: Place,
    config: CompareConfig,
) -> dict[int, int]:
    """Ids that things had when the same session was labelled before, of those not known since."""
    if before is None or not again:
        return {}
    # An earlier run's evidence lies where that run put the session.
    T = place.T_place_session @ np.linalg.inv(before.T_place_session)
    old = {i: placed(t, T) for i, t in again.items() if i not in told.same.values()}
    ids = sorted(old)
    rest = [n for n in range(len(things)) if n not in told.same]
    anything = replace(config, fit=0.0)
    found = in_place([old[i] for i in ids], [things[n] for n in rest], anything)
    return {rest[n]: ids[k] for n, k in found.items()}


def _later(
    memory: Memory,
    others: Sequence[Place],
    place: Place,
    things: Sequence[Evidence],
    frames: Sequence[Keyframe],
    known: Mapping[int, int],
    config: CompareConfig,
) -> dict[int, int]:
    """Ids that later visits, which were labelled before this one, have given to its things."""
    after = [p for p in others if p.place == place.place and p.first_t_ns > place.first_t_ns]
    rest = [n for n in range(len(things)) if n not in known]
    if not after or not rest:
        return {}
    seen: dict[int, Evidence] = {}
    for p in reversed(after):  # the visit right after this one is told last
        seen |= memory.evidence(p.session)
    free = {i: t for i, t in seen.items() if i not in set(known.values())}
    images = [k for p in after for k in memory.keyframes(p.session)]
    told = compare(free, [things[n] for n in rest], frames, images, config)
    return {rest[n]: i for n, i in told.same.items()}


def _ids(memory: Memory, e: SessionEvidence, told: Comparison, own: Mapping[int, int]) -> list[int]:
    out = []
    for n in range(len(e.things)):
        number = told.same.get(n, own.get(n))
        out.append(memory.born(e.session, e.run) if number is None else number)
    return out


def _log(
    memory: Memory,
    e: SessionEvidence,
    told: Comparison,
    ids: Sequence[int],
    place: Place,
    again: Mapping[int, Evidence],
) -> tuple[Change, ...]:
    """Write down what happened; the changes, with objects for indices."""
    kind = "apart" if place.how == "apart" else "aligned"
    memory.log(e.session, e.run, kind, how=place.how, reason=place.reason, place=place.place)
    out = []
    for c in told.changes:
        now = None if c.now is None else ids[c.now]
        frames = c.frames
        if c.kind == "taken":
            frames = tuple(e.keyframe_ids[k] for k in c.frames)
        out.append(replace(c, now=now, frames=frames))
        number = now if c.before is None else c.before
        other = now if c.kind == "swapped" else None
        memory.log(e.session, e.run, c.kind, number, other, c.score, frames=list(frames))
        if c.before is not None and c.kind in ("taken", "swapped"):
            memory.put_absence(e.session, c.before, "taken", c.score)
    for number in told.unseen:
        memory.put_absence(e.session, number, "unseen", 1.0)
    for number in told.missed:
        memory.put_absence(e.session, number, "missed", 1.0)
        memory.log(e.session, e.run, "missed", number)
    for number in sorted(set(again) - set(ids)):
        memory.log(e.session, e.run, "not found", number)
    return tuple(out)


def _carried(k: Keyframe, T: Float) -> Keyframe:
    return replace(k, T_world_camera=T @ k.T_world_camera)


def _shifted(points: Points, T: Float) -> Points:
    return np.asarray(points @ T[:3, :3].T + T[:3, 3], np.float32)
