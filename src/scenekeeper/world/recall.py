"""The world as it is believed to be, read from its memory: scenes, what has changed, what happened.

In: a dataset. Out: :class:`~scenekeeper.world.scene.Scene` values and events. Reading never waits
for who writes, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import DatasetError
from scenekeeper.schema import Relation
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.world.decay import Circumstances, fade, status
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import logit, sigmoid
from scenekeeper.world.memory import Event, Memory, Place, reading
from scenekeeper.world.scene import Scene, Thing

Float = NDArray[np.float64]

_SECOND = 1e-9
_MISSED = 0.5
"""Log-odds that a visit takes away which shows a surface at a thing's place, and not the thing."""

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
        """What is believed.

        Args:
            t_ns: the moment to believe at; beliefs fade from the last visit on. The end of the last
                visit when absent.
            place: which map, where sessions do not fit together; the last visit's when absent.

        Raises:
            DatasetError: there is no such place.
        """
        with reading(self.dataset.path) as memory:
            every = memory.places()
            number = every[-1].place if place is None else place
            own = [p for p in every if p.place == number]
            if not own:
                raise DatasetError(
                    f"has no place {number}",
                    path=self.dataset.path,
                    remedy=f"Its places are {sorted({p.place for p in every})}.",
                )
            names = self._names()
            return _scene(memory, own, names, own[-1].last_t_ns if t_ns is None else t_ns)

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

    def _names(self) -> dict[int, str]:
        return {r["object"]: r["phrase"] for r in self.dataset.table("names").to_pylist()}


def _scene(memory: Memory, places: Sequence[Place], names: Mapping[int, str], now: int) -> Scene:
    seen: dict[int, list[tuple[Place, Evidence]]] = {}
    absent: dict[int, list[tuple[Place, str, float]]] = {}
    relations: dict[tuple[int, str, int], Relation] = {}
    for p in places:
        for number, e in memory.evidence(p.session).items():
            seen.setdefault(number, []).append((p, e))
        for number, (verdict, score) in memory.absences(p.session).items():
            absent.setdefault(number, []).append((p, verdict, score))
        _update(relations, memory.relations(p.session), set(memory.evidence(p.session)), p)
    last = places[-1].session
    moved = {v.object for v in memory.events(last) if v.kind == "moved"}
    things = [
        _thing(
            number, seen[number], absent.get(number, []), names.get(number), number in moved, now
        )
        for number in sorted(seen)
    ]
    return Scene(
        tuple(things),
        tuple(relations[k] for k in sorted(relations)),
        places[0].up,
        now,
        tuple(p.session for p in places),
    )


def _update(
    relations: dict[tuple[int, str, int], Relation],
    said: Sequence[Relation],
    shown: set[int],
    place: Place,
) -> None:
    """What a session says of things that it shows replaces what was said of them before."""
    since = {k: r.since_t_ns for k, r in relations.items()}
    for key in [k for k in relations if k[0] in shown or k[2] in shown]:
        del relations[key]
    for r in said:
        key = r.subject, r.predicate, r.object
        relations[key] = replace(r, since_t_ns=since.get(key) or place.first_t_ns)


def _thing(
    number: int,
    seen: Sequence[tuple[Place, Evidence]],
    absent: Sequence[tuple[Place, str, float]],
    name: str | None,
    moved: bool,
    now: int,
) -> Thing:
    _, e = seen[-1]
    p, looked_ns = _belief(seen, absent)
    names = {name: 1.0} if name else _names([e for _, e in seen])
    p_now = fade(p, max(0, now - looked_ns) * _SECOND, names)
    gone = p < 0.2
    about = Circumstances(moved=moved and not gone, verified=name is not None)
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
        seen[0][1].first_t_ns,
        e.last_t_ns,
        sum(x.frames for _, x in seen),
        tuple((q.session, f) for q, x in reversed(seen) for f in x.views),
        tuple(q.session for q, _ in seen),
        e.embedding,
        status(p, p_now, about),
        name is not None,
    )


def _belief(
    seen: Sequence[tuple[Place, Evidence]], absent: Sequence[tuple[Place, str, float]]
) -> tuple[float, int]:
    """Probability at the last look that a thing is there, and when that was.

    Visits are told in order: one that shows it adds its evidence to what was believed before, one
    that saw its place empty outranks all before it.
    """
    told = [(p.first_t_ns, p, float(e.existence), "seen") for p, e in seen]
    told += [(p.first_t_ns, p, score, verdict) for p, verdict, score in absent]
    odds, looked = 0.0, seen[0][0].last_t_ns
    for _, place, score, verdict in sorted(told, key=lambda v: (v[0], v[3])):
        if verdict == "seen":
            before = max(0.0, float(odds))
            odds = float(logit(score)) + min(before, 2.0)
        elif verdict == "taken":
            odds = -float(logit(np.clip(score, 0.5, 0.98)))
        elif verdict == "missed":
            odds -= _MISSED
        if verdict != "unseen":
            looked = place.last_t_ns
    return float(sigmoid(np.array(odds))), looked


def _names(evidence: Sequence[Evidence]) -> dict[str, float]:
    """Names of all visits together, each visit's errors half its own: a geometric mean, sharpened
    by the square root of their number."""
    if len(evidence) == 1:
        return dict(evidence[0].names)
    words = sorted({w for e in evidence for w in e.names})
    if not words:
        return {}
    rest = [max(1e-3, 1 - sum(e.names.values())) for e in evidence]
    log = np.array(
        [
            [np.log(max(e.names.get(w, 0.1 * r / len(words)), 1e-4)) for w in words] + [np.log(r)]
            for e, r in zip(evidence, rest, strict=True)
        ]
    )
    total = log.mean(0) * np.sqrt(len(evidence))
    p = np.exp(total - total.max())
    p = p / p.sum()
    order = np.argsort(-p[:-1], kind="stable")
    return {words[k]: float(p[k]) for k in order.tolist() if p[k] >= 0.01}
