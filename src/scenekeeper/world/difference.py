"""What had changed when a session came, for people: one sentence per change, and its evidence.

In: a world and one of its sessions. Out: the changes with positions, probabilities and frames; what
was not looked at; and how the session was laid onto the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.schema import UNNAMED, Relation
from scenekeeper.store import Dataset
from scenekeeper.world import phrasing
from scenekeeper.world.memory import Memory, Place, reading
from scenekeeper.world.recall import WorldView
from scenekeeper.world.scene import Scene
from scenekeeper.world.spatial import Space

_STRUCTURE = ("support", "wall")
_NAMED = 8
"""So many things are told by name; the rest is counted."""

_BELIEVED = 0.5
"""Things that were never believed in so much are not spoken of."""

Spot = tuple[float, float, float]


@dataclass(frozen=True)
class Changed:
    """One thing that is otherwise than it was.

    Attributes:
        kind: ``moved``, ``taken``, ``added`` or ``swapped``.
        object: the thing before; of ``added``, after.
        new_object: what stands there now, where that is another thing.
        name: what the thing is called, with its id: ``white mug o7``.
        new_name: the same of what stands there now; empty where nothing else does.
        before: its middle then, metres, in the place's frame; ``None`` of what was added.
        after: its middle now; ``None`` of what was taken.
        held_before: what it was on or in: ``on the table``; empty where that is not known.
        held_after: what it is on or in.
        score: probability that it is so.
        frames: ids of frames of the session that show it: the thing, or its place empty.
    """

    kind: str
    object: int
    new_object: int | None
    name: str
    new_name: str
    before: Spot | None
    after: Spot | None
    held_before: str
    held_after: str
    score: float
    frames: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """What happened, and where."""
        then = _where(self.before, self.held_before)
        now = _where(self.after, self.held_after)
        if self.kind == "moved" and self.before and self.after:
            far = float(np.linalg.norm(np.subtract(self.before, self.after)))
            return f"The {self.name} was moved {far:.2f} m: it was {then} and is {now}."
        if self.kind == "added":
            return f"The {self.name} is new, {now}."
        if self.kind == "swapped":
            return f"The {self.name} was swapped for the {self.new_name}, {now or then}."
        return f"The {self.name} was {self.kind}; it was {then}."

    @property
    def line(self) -> str:
        """The sentence with how sure it is, and the frames that show it."""
        shown = ", ".join(map(str, self.frames))
        frames = f", {'frame' if len(self.frames) == 1 else 'frames'} {shown}" if shown else ""
        return f"{self.sentence.rstrip('.')}: p {self.score:.2f}{frames}"


@dataclass(frozen=True)
class Difference:
    """What had changed when a session came.

    Attributes:
        session: which came.
        since: the session before it at its place; ``None`` where it is the first.
        place: number of the map that it is part of.
        how: how it was laid onto the map: ``first``, ``same frame``, ``relocated`` or ``apart``.
        reason: the same in a sentence.
        changes: the surest first.
        same: how many known things are where they were; of these and of the following only what is
            more likely there than not, and no walls and supports.
        found: names of things seen for the first time, where nobody had looked before.
        unseen: names of known things whose place was not looked at.
        missed: names of known things whose place shows something that was not recognised.
    """

    session: str
    since: str | None
    place: int
    how: str
    reason: str
    changes: tuple[Changed, ...]
    same: int
    found: tuple[str, ...]
    unseen: tuple[str, ...]
    missed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        told = [{**asdict(c), "sentence": c.sentence} for c in self.changes]
        return {**asdict(self), "changes": told}

    @property
    def headline(self) -> str:
        """What came of it, in one sentence."""
        if self.how == "apart":
            return f"{self.session} lies apart from all earlier sessions. {self.reason}"
        if self.since is None:
            return f"{self.session} is the first session of its place: nothing to compare it with."
        counts = f"{_things(self.same)} where they were"
        if not self.changes:
            return f"Since {self.since} nothing changed that was looked at: {counts}."
        n = len(self.changes)
        return f"Since {self.since} {n} {'thing' if n == 1 else 'things'} changed; {counts}."

    @property
    def rest(self) -> tuple[str, ...]:
        """What cannot be told, in sentences."""
        said = (
            ("Seen for the first time, where nobody had looked", self.found),
            ("Not looked at", self.unseen),
            ("Looked at and not recognised, though something is there", self.missed),
        )
        return tuple(f"{what}: {_listed(names)}." for what, names in said if names)


def difference(world: WorldView, session: str | None = None) -> Difference:
    """What had changed when a session came.

    Args:
        world: whose.
        session: which; the last one when absent.

    Raises:
        DatasetError: no such session, or it has no place in the world.
    """
    places = world.places()
    place = places[-1] if session is None else _place(world, places, session)
    earlier = _earlier(places, place)
    scene = world.scene(place=place.place)
    with reading(world.dataset.path) as memory:
        shown = _believed(memory, [place])
        known = _believed(memory, earlier)
        absences = memory.absences(place.session)
        then = Space.seen(replace(scene, relations=_said(memory, earlier)), None)
        now = Space.seen(replace(scene, relations=_said(memory, [place])), None)
        frames = _frames(memory, place)
    rows = sorted(world.changes(place.session), key=lambda r: -r["score"])
    changes = tuple(_changed(r, scene, then, now, frames) for r in rows)
    new = {n for c in changes for n in (c.object, c.new_object)}
    lost = {
        verdict: _names(scene, known & {n for n, (v, _) in absences.items() if v == verdict})
        for verdict in ("unseen", "missed")
    }
    return Difference(
        place.session,
        earlier[-1].session if earlier else None,
        place.place,
        place.how,
        place.reason,
        changes,
        len(_names(scene, (shown & known) - new)),
        _names(scene, shown - known - new) if earlier else (),
        lost["unseen"],
        lost["missed"],
    )


def told(dataset: Dataset, session: str) -> tuple[str, ...]:
    """What a later visit changed, as lines for a summary: what came of it, and each change.

    Empty for the first session of a world, and for sessions without a place in it.
    """
    world = WorldView(dataset)
    places = world.places()
    if len(places) < 2 or session not in {p.session for p in places}:
        return ()
    found = difference(world, session)
    if found.since is None and found.how != "apart":
        return ()
    return (found.headline, *(c.line for c in found.changes))


def _place(world: WorldView, places: Sequence[Place], session: str) -> Place:
    world.dataset.session(session)
    found = next((p for p in places if p.session == session), None)
    if found is None:
        raise DatasetError(
            f"session {session!r} has no place in the world",
            path=world.dataset.path,
            remedy=f"Label it, with depth and poses. The world holds: "
            f"{', '.join(p.session for p in places[:5])}",
        )
    return found


def _earlier(places: Sequence[Place], place: Place) -> list[Place]:
    return [
        p
        for p in places
        if p.place == place.place
        and p.session != place.session
        and p.first_t_ns <= place.first_t_ns
    ]


def _believed(memory: Memory, places: Sequence[Place]) -> set[int]:
    """Objects that a session found more likely there than not."""
    seen = (item for p in places for item in memory.evidence(p.session).items())
    return {number for number, e in seen if e.existence >= _BELIEVED}


def _said(memory: Memory, places: Sequence[Place]) -> tuple[Relation, ...]:
    """What sessions said of things; of each thing, the last that said anything."""
    said: dict[int, list[Relation]] = {}
    for p in places:
        relations = memory.relations(p.session)
        said |= {r.subject: [] for r in relations}
        for r in relations:
            said[r.subject].append(r)
    return tuple(r for rows in said.values() for r in rows)


def _frames(memory: Memory, place: Place) -> dict[tuple[str, int], tuple[int, ...]]:
    """Frames that show each change, by kind and object."""
    return {
        (e.kind, e.object): tuple(e.detail["frames"])
        for e in memory.events(place.session)
        if e.run == place.run and e.object is not None and "frames" in e.detail
    }


def _changed(
    row: Mapping[str, Any],
    scene: Scene,
    then: Space,
    now: Space,
    frames: Mapping[tuple[str, int], tuple[int, ...]],
) -> Changed:
    number, other = row["object"], row["new_object"]
    return Changed(
        row["kind"],
        number,
        other,
        _name(scene, number),
        "" if other is None else _name(scene, other),
        _spot(row["before"]),
        _spot(row["after"]),
        "" if row["before"] is None else _held(then, number),
        "" if row["after"] is None else _held(now, number if other is None else other),
        float(row["score"]),
        frames.get((row["kind"], number), ()),
    )


def _held(space: Space, number: int) -> str:
    return phrasing.place(space, space.row[number]) if number in space.row else ""


def _name(scene: Scene, number: int) -> str:
    try:
        return f"{scene[number].phrase} o{number}"
    except KeyError:  # of a run that was labelled again since
        return f"thing o{number}"


def _names(scene: Scene, numbers: Set[int]) -> tuple[str, ...]:
    """Names of the things among them, those with a name first; walls and floors stay anyway."""
    things = [t for t in scene if t.object in numbers and t.kind not in _STRUCTURE]
    things.sort(key=lambda t: (t.phrase == UNNAMED, -t.existence, t.object))
    return tuple(_name(scene, t.object) for t in things)


def _spot(values: Sequence[float] | None) -> Spot | None:
    return None if values is None else (float(values[0]), float(values[1]), float(values[2]))


def _where(spot: Spot | None, held: str) -> str:
    at = "" if spot is None else f"({', '.join(f'{v + 0.0:.2f}' for v in spot)})"
    return f"{held} at {at}".strip() if held else at and f"at {at}"


def _things(n: int) -> str:
    return f"{n} thing is" if n == 1 else f"{n} things are"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    shown = [*names[:_NAMED], f"{more} more"] if more > 0 else list(names)
    return phrasing.joined(shown)
