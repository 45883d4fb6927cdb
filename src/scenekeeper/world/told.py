"""Relations that geometry sees and that describers tell of, as one set with one belief each.

In: objects with geometric relations, and statements of a describer about their tracks. Out: the
relations that hold by both, see :mod:`scenekeeper.world.fused_relations`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import pyarrow as pa

from scenekeeper.schema import RELATIONS, Relation
from scenekeeper.store import Dataset
from scenekeeper.world.fused_relations import fuse_relations

IN_ANY_VIEW = frozenset({"on", "in", "under", "above", "next to", "attached to"})
"""Predicates that mean the same from everywhere; the others are true of one view alone."""


class SessionTables(Protocol):
    """What the stage reads; the engine provides it."""

    @property
    def dataset(self) -> Dataset:
        """Where the memory lies."""
        ...

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


@dataclass(frozen=True)
class Agree:
    """Session stage: geometry's relations and what was told in, relations out."""

    name: str = "agree"
    reads: tuple[str, ...] = ("objects", "relations", "statements")
    writes: tuple[str, ...] = ("relations",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Fuse the session's relations, and remember them."""
        from scenekeeper.world.memory import writing

        objects = tables.of_session("objects").select(["track", "object"])
        of_track = dict(zip(*(c.to_pylist() for c in objects.columns), strict=True))
        statements = (s for part in tables.each_clip("statements") for s in part.to_pylist())
        rows = tables.of_session("relations").drop_columns(["session"]).to_pylist()
        relations = fuse_relations((Relation(**r) for r in rows), told(statements, of_track))
        with writing(tables.dataset.path) as memory:
            memory.put_relations(tables.session, relations)
        out = [{"session": tables.session, **asdict(r)} for r in relations]
        return {"relations": pa.Table.from_pylist(out, RELATIONS)}


def told(statements: Iterable[Mapping[str, Any]], of_track: Mapping[int, int]) -> list[Relation]:
    """What a describer says of objects, each fact once.

    One model errs alike in all views of two things, so what it said in many counts as said once,
    with the mean of its probabilities.

    Args:
        statements: rows of the table; those that are no relations are passed over.
        of_track: object of each track; what is said of others is passed over.
    """
    said: dict[tuple[int, str, int], list[float]] = defaultdict(list)
    for s in statements:
        if s["kind"] != "relation" or s["predicate"] not in IN_ANY_VIEW:
            continue
        a, b = of_track.get(s["subject"]), of_track.get(s["object"])
        if a is not None and b is not None and a != b:
            said[a, s["predicate"], b].append(1.0 if s["score"] is None else s["score"])
    return [
        Relation(a, predicate, b, sum(scores) / len(scores), "vlm")
        for (a, predicate, b), scores in sorted(said.items())
    ]
