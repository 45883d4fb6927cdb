"""The world as it is believed to be, read from its memory: scenes, what has changed, what happened.

In: a dataset. Out: :class:`~scenekeeper.world.scene.Scene` values and events. Reading never waits
for who writes, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.schema import Relation
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.world.decay import (
    Circumstances,
    Looks,
    Mobility,
    fade,
    learned,
    mobility_of,
    status,
)
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.memory import Event, Memory, Place, reading
from scenekeeper.world.people import People, people
from scenekeeper.world.scene import Scene, Thing

Pair = tuple[int, str, int]
"""Subject, predicate and object."""

_SECOND = 1e-9
_MISSED = 0.5
"""Log-odds that a visit takes away which shows a surface at a thing's place, and not the thing."""

_CARRIED = 2.0
"""Log-odds that earlier visits lend to a visit that shows a thing, at most."""

_GONE = (0.85, 0.98)
"""Probability that a thing whose place was seen empty is gone: at least, at most."""

CHANGES = ("moved", "taken", "added", "swapped")


def open_world(path: str | os.PathLike[str] | Dataset) -> WorldView:
    """Open the world of a labelled dataset.

    Raises:
        DatasetError: there is no dataset, or nothing of it has been labelled yet.
    """
    dataset = path if isinstance(path, Dataset) else open_dataset(path)
    world = WorldView(dataset)
    if not world.places():
        raise DatasetError(
            "has no world yet",
            path=dataset.path,
            remedy=f"Label a recording with depth and poses into it: scenekeeper label RECORDING"
            f" --into {dataset.path}. From labels that are there: scenekeeper world build"
            f" {dataset.path}",
        )
    return world


@dataclass(frozen=True, eq=False)
class WorldView:
    """The world of a dataset.

    Attributes:
        dataset: whose.
    """

    dataset: Dataset

    def places(self) -> list[Place]:
        """All sessions that it rests on, in order of time, and where each lies."""
        if not (self.path / "world.sqlite").exists():
            return []
        with reading(self.dataset.path) as memory:
            return memory.places()

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.dataset.path / "world"

    def scene(self, t_ns: int | None = None, place: int | None = None) -> Scene:
        """What is believed, or was.

        Args:
            t_ns: the moment to believe at: visits that began later are left out, and beliefs fade
                from the last look on. The end of the last visit when absent.
            place: which map, where sessions do not fit together; the last visit's when absent.

        Raises:
            DatasetError: there is no such place, or nothing was known at that moment.
        """
        with reading(self.dataset.path) as memory:
            every = memory.places()
            number = every[-1].place if place is None and every else place
            own = [p for p in every if p.place == number]
            if not own:
                raise DatasetError(
                    f"has no place {number}",
                    path=self.dataset.path,
                    remedy=f"Its places are {sorted({p.place for p in every})}.",
                )
            now = max(p.last_t_ns for p in own) if t_ns is None else t_ns
            past = [p for p in own if p.first_t_ns <= now]
            if not past:
                raise DatasetError(
                    f"knew nothing of place {number} at {now} ns",
                    path=self.dataset.path,
                    remedy=f"Its first visit began at {own[0].first_t_ns} ns.",
                )
            return _scene(memory, past, people(self.dataset), now)

    def events(self, session: str | None = None) -> list[Event]:
        """Everything that happened to objects, in order; of one session or of all."""
        with reading(self.dataset.path) as memory:
            return memory.events(session)

    def changes(self, session: str | None = None) -> list[dict[str, Any]]:
        """What had changed when a session came, as rows of the table ``changes``.

        Args:
            session: whose; the last one's when absent.
        """
        name = session or self.places()[-1].session
        return list(self.dataset.table("changes", name).to_pylist())


def _scene(memory: Memory, places: Sequence[Place], said: People, now: int) -> Scene:
    """What visits in order of time come to, and what people said of it."""
    told: dict[int, _Told] = {}
    relations: dict[Pair, Relation] = {}
    looks: list[_Look] = []
    for p in places:
        shown = said.shown(p.session, memory.evidence(p.session))
        absent = said.absent(memory.absences(p.session), shown)
        moved = {
            said.one(v.object)
            for v in memory.events(p.session, "moved")
            if v.run == p.run and v.object is not None
        }
        taken = {number for number, (verdict, _) in absent.items() if verdict == "taken"}
        looks += _looks(told, p, set(shown), taken, moved)
        for number, e in shown.items():
            told.setdefault(number, _Told()).seen(p, e)
        for number, (verdict, score) in absent.items():
            if number in told:
                told[number].absent(p, verdict, score)
        lie = said.relations(p.session, memory.relations(p.session), shown)
        _update(relations, lie, set(shown), taken, moved, p.first_t_ns)
    table = learned(_collected(looks))
    things = [
        _thing(number, told[number], said.names.get(number), number in moved, now, table)
        for number in sorted(told)
    ]
    return Scene(
        tuple(things),
        tuple(relations[k] for k in sorted(relations)),
        places[0].up,
        now,
        tuple(p.session for p in places),
    )


def _update(
    relations: dict[Pair, Relation],
    said: Sequence[Relation],
    shown: set[int],
    taken: set[int],
    moved: set[int],
    t_ns: int,
) -> None:
    """What a visit from ``t_ns`` on says of how things lie, taken into what was said before.

    A relation that it repeats goes on. One that it does not repeat is dropped if it shows both
    things, or one of them at another place. One whose thing it found gone is kept as the last that
    is known, and ends. What it did not look at stays.
    """
    repeated = {(r.subject, r.predicate, r.object) for r in said}
    for key in [k for k in relations if k not in repeated]:
        pair, r = {key[0], key[2]}, relations[key]
        if pair & taken and not pair & moved:
            relations[key] = r if r.until_t_ns is not None else replace(r, until_t_ns=t_ns)
        elif pair <= shown or pair & moved:
            del relations[key]
    for r in said:
        key = r.subject, r.predicate, r.object
        before = relations.get(key)
        goes_on = before is not None and before.until_t_ns is None
        since = before.since_t_ns if before is not None and goes_on else t_ns
        relations[key] = Relation(*key, r.score, r.source, r.frame, since)


_Look = tuple[str, float, bool]
"""Mobility of a thing that was looked for again, seconds since the look before, whether it had
left."""


def _looks(
    told: Mapping[int, _Told], place: Place, shown: set[int], taken: set[int], moved: set[int]
) -> Iterator[_Look]:
    """What a visit tells of how soon things leave their places."""
    for number in sorted(told.keys() & (shown | taken)):
        before = told[number]
        seconds = max(0, place.first_t_ns - before.looked_t_ns) * _SECOND
        name = before.evidence[-1][1].phrase
        yield mobility_of(name), seconds, number in taken or number in moved


def _collected(looks: Sequence[_Look]) -> Looks:
    kinds, seconds, moved = ([look[k] for look in looks] for k in range(3))
    return Looks(np.array(kinds, np.str_), np.array(seconds, np.float64), np.array(moved, np.bool_))


def _thing(
    number: int,
    told: _Told,
    name: str | None,
    moved: bool,
    now: int,
    table: Mapping[str, Mobility],
) -> Thing:
    """One thing as believed now: where and how the last visit that saw it did."""
    evidence = [e for _, e in told.evidence]
    e, p = evidence[-1], told.belief
    names = {name: 1.0} if name is not None else _names(evidence)
    p_now = fade(p, max(0, now - told.looked_t_ns) * _SECOND, names, table)
    about = Circumstances(moved=moved, verified=name is not None)
    return Thing(
        number,
        names,
        e.kind,
        p_now,
        e.center,
        e.extent,
        e.R_world_box,
        e.position_std,
        e.cells,
        e.rgb,
        e.colors,
        evidence[0].first_t_ns,
        e.last_t_ns,
        sum(x.frames for x in evidence),
        tuple((q.session, f) for q, x in reversed(told.evidence) for f in x.views),
        tuple(q.session for q, _ in told.evidence),
        next((x.embedding for x in reversed(evidence) if x.embedding is not None), None),
        status(p, p_now, about),
        name is not None,
    )


@dataclass
class _Told:
    """What visits said of one thing, the earliest first.

    Attributes:
        evidence: of those that saw it.
        odds: log-odds at the last look that it is there.
        looked_t_ns: when that was.
    """

    evidence: list[tuple[Place, Evidence]] = field(default_factory=list)
    odds: float = 0.0
    looked_t_ns: int = 0

    def seen(self, place: Place, e: Evidence) -> None:
        """A visit shows it: its evidence counts, and lasting belief before it counts a little."""
        self.evidence.append((place, e))
        before = min(max(self.odds, 0.0), _CARRIED)
        self.odds = _log_odds(e.existence) + before
        self.looked_t_ns = max(self.looked_t_ns, place.last_t_ns)

    def absent(self, place: Place, verdict: str, score: float) -> None:
        """A visit does not show it. Its place seen empty outranks all before; a surface there in
        which it was not recognised lowers belief a little; not looking says nothing."""
        if verdict == "taken":
            self.odds = -_log_odds(min(max(score, _GONE[0]), _GONE[1]))
        elif verdict == "missed":
            self.odds -= _MISSED
        if verdict != "unseen":
            self.looked_t_ns = max(self.looked_t_ns, place.last_t_ns)

    @property
    def belief(self) -> float:
        """Probability at the last look that it is there."""
        return 1 / (1 + exp(-min(max(self.odds, -60.0), 60.0)))


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return log(p / (1 - p))


def _names(evidence: Sequence[Evidence]) -> dict[str, float]:
    """Names of all visits together, falling: a geometric mean, sharpened by the square root of
    their number, as if each visit's errors were half its own. A visit that heard no name says
    nothing."""
    told = [e.names for e in evidence if e.names]
    if len(told) < 2:
        return dict(told[0]) if told else {}
    words = sorted({w for names in told for w in names})
    total = [0.0] * (len(words) + 1)  # the last is any other name
    for names in told:
        rest = max(1e-3, 1 - sum(names.values()))
        unsaid = 0.1 * rest / len(words)  # what it did not name shares a tenth of what it left open
        for k, word in enumerate(words):
            total[k] += log(max(names.get(word) or unsaid, 1e-4))
        total[-1] += log(rest)
    weight = [exp((t - max(total)) / sqrt(len(told))) for t in total]
    p = {word: w / sum(weight) for word, w in zip(words, weight, strict=False)}
    return {word: p[word] for word in sorted(p, key=lambda w: -p[w]) if p[word] >= 0.01}
