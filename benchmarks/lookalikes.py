"""The truth of two visits, told as pictures can tell it.

In: what people did to a home, and what was found. Out: the same, without what nobody could tell.
Things that are made alike have each other's fate: if two such cups leave their places and one turns
up elsewhere, no picture tells which of them it is. And where a jar was taken and another jar set
down in its place, the one was exchanged for the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scenekeeper.evaluate.objects import Objects, Tables

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Told(Tables):
    """Tables whose truth is told otherwise.

    Attributes:
        name: other ids of things in the second visit's tables.
        exchanged: by what was taken, what was set down in its place.
    """

    name: Mapping[int, int] = field(default_factory=dict)
    exchanged: Mapping[int, int] = field(default_factory=dict)

    def of_truth(self, table: str, session: str) -> list[Row]:
        """Rows of a session of the truth."""
        rows = super().of_truth(table, session)
        if session != self.sessions[1]:
            return rows
        if table == "changes":
            rows = list(self._changes(rows))
        return [{**r, "object": self.name.get(r["object"], r["object"])} for r in rows]

    def _changes(self, rows: list[Row]) -> Iterator[Row]:
        come = set(self.exchanged.values())
        for r in rows:
            if r["object"] in self.exchanged:
                yield {**r, "kind": "swapped", "new_object": self.exchanged[r["object"]]}
            elif r["object"] not in come:
                yield r


def told(tables: Tables, o: Objects) -> tuple[Tables, Objects]:
    """Both, told so: things made alike that all left their places have each other's fate as the
    labels say, where they can have it."""
    plain = Told(tables.found, tables.true, tables.sessions, tables.alias)
    exchanged = replace(plain, exchanged=_exchanged(plain))
    name = _names(exchanged, o)
    second = tables.sessions[1]
    pairs = tuple((s, name.get(t, t) if s == second else t, f) for s, t, f in o.pairs)
    true = {**o.true, second: {name.get(t, t): r for t, r in o.true[second].items()}}
    return replace(exchanged, name=name), replace(o, pairs=pairs, true=true)


def _exchanged(tables: Tables) -> dict[int, int]:
    """What was taken, and what of its name was added in its place."""
    first, second = (
        {r["object"]: r for r in tables.of_truth("objects", s)} for s in tables.sessions
    )
    kinds = {r["object"]: r["kind"] for r in tables.of_truth("changes", tables.sessions[1])}
    taken = [first[t] for t, kind in kinds.items() if kind == "taken" and t in first]
    added = [second[t] for t, kind in kinds.items() if kind == "added" and t in second]
    return {a["object"]: b["object"] for a in taken for b in added if _same_spot(a, b)}


def _same_spot(a: Row, b: Row) -> bool:
    """Whether two of one name could not stand there together."""
    if a["phrase"] != b["phrase"]:
        return False
    off = np.abs(np.subtract(a["center"], b["center"]))
    level = min(*a["extent"][:2], *b["extent"][:2])
    return bool(np.hypot(*off[:2]) < level and off[2] < max(a["extent"][2], b["extent"][2]))


def _names(tables: Tables, o: Objects) -> dict[int, int]:
    """Whose fate each thing that is made like another has."""
    first, second = tables.sessions
    was = {t: f for s, t, f in o.pairs if s == first}
    now = {t: f for s, t, f in o.pairs if s == second}
    name: dict[int, int] = {}
    for group in _groups(tables):
        at = {was[t]: t for t in group if t in was}
        told = {t: at[now[t]] for t in group if now.get(t) in at}
        rest = [t for t in group if t not in told]
        free = [t for t in group if t not in told.values()]
        own = [t for t in rest if t in free]
        others = [t for t in free if t not in own]
        told |= {t: t for t in own}
        name |= told | dict(zip((t for t in rest if t not in own), others, strict=True))
    return name


def _groups(tables: Tables) -> Iterator[list[int]]:
    """Things that left their places in the second visit and are made alike."""
    first, second = tables.sessions
    left = {r["object"] for r in tables.of_truth("changes", second) if r["kind"] in _LEFT}
    groups: dict[Hashable, list[int]] = {}
    for r in tables.of_truth("objects", first):
        if r["object"] in left:
            groups.setdefault(_make(r), []).append(r["object"])
    return (sorted(g) for g in groups.values() if len(g) > 1)


_LEFT = ("moved", "taken")


def _make(r: Row) -> Hashable:
    """The same for things of one model: name, exact size, colour."""
    return r["phrase"], tuple(round(x, 6) for x in sorted(r["extent"])), tuple(r["rgb"] or ())
