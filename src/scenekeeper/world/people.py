"""What people said of objects, as the world heeds it: names, what is one thing, what is none.

In: a dataset whose labels people have reviewed, or named objects in. Out: plain mappings, and what
a visit says once they are applied to it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scenekeeper.schema import UNNAMED, Relation
from scenekeeper.store import Dataset
from scenekeeper.world.evidence import Evidence


@dataclass(frozen=True)
class People:
    """What people said.

    Attributes:
        names: of objects.
        same: per object that is one with another, the object that stands for both.
        hidden: session and object: there is no such thing in that session.
        said: session, subject, predicate and object, and whether it is so.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    same: Mapping[int, int] = field(default_factory=dict)
    hidden: frozenset[tuple[str, int]] = frozenset()
    said: Mapping[tuple[str, int, str, int], bool] = field(default_factory=dict)

    def one(self, number: int) -> int:
        """The object that stands for an object."""
        return self.same.get(number, number)

    def shown(self, session: str, evidence: Mapping[int, Evidence]) -> dict[int, Evidence]:
        """What a session shows; of what is one thing, what it says of the most seen."""
        out: dict[int, Evidence] = {}
        for number, e in sorted(evidence.items()):
            one = self.one(number)
            if (session, one) not in self.hidden and (one not in out or out[one].frames < e.frames):
                out[one] = e
        return out

    def absent(self, verdicts: Mapping[int, Any], shown: Iterable[int]) -> dict[int, Any]:
        """What a session does not show; not what it shows under another number."""
        there = set(shown)
        found = {self.one(n): said for n, said in sorted(verdicts.items(), reverse=True)}
        return {n: said for n, said in found.items() if n not in there}

    def relations(
        self, session: str, relations: Sequence[Relation], shown: Container[int]
    ) -> Sequence[Relation]:
        """What a session says of how things lie, put right; what people say only of the shown."""
        if not (self.same or self.hidden or self.said):
            return relations
        out: dict[tuple[int, str, int], Relation] = {}
        for r in relations:
            a, b = self.one(r.subject), self.one(r.object)
            if r.predicate == "next to":
                a, b = min(a, b), max(a, b)
            holds = self.said.get((session, a, r.predicate, b), True)
            is_hidden = (session, a) in self.hidden or (session, b) in self.hidden
            if a != b and holds and not is_hidden:
                out.setdefault((a, r.predicate, b), replace(r, subject=a, object=b))
        for (of, a, predicate, b), holds in self.said.items():
            if of == session and holds and a in shown and b in shown:
                machine = out.get((a, predicate, b))
                source = "person" if machine is None else f"{machine.source}+person"
                out[a, predicate, b] = Relation(a, predicate, b, 1.0, source)
        return list(out.values())


def people(dataset: Dataset) -> People:
    """What people said of a dataset's objects.

    Raises:
        DatasetError: the dataset cannot be read.
    """
    names = {r["object"]: r["phrase"] for r in dataset.table("names").to_pylist()}
    if dataset.applied() is None:
        return People(names)
    sayings = dataset.sql("SELECT * FROM sayings WHERE holds OR kind = 'relation'").to_pylist()
    same = {r["subject"]: r["object"] for r in sayings if r["kind"] == "same"}
    # Names that tracks were given hold for the object that they are of.
    called = dataset.sql(
        "SELECT object, arg_max(phrase, last_t_ns) AS phrase FROM objects"
        " WHERE status = 'verified' AND phrase <> ? AND last_t_ns IS NOT NULL GROUP BY object",
        [UNNAMED],
    ).to_pylist()
    hidden = dataset.sql(
        "SELECT o.session, coalesce(s.object, o.object) AS object FROM objects_auto o"
        " LEFT JOIN same_object s ON s.subject = o.object"
        " EXCEPT SELECT session, object FROM objects"
    ).to_pylist()
    return People(
        names | {r["object"]: r["phrase"] for r in called},
        same,
        frozenset((r["session"], r["object"]) for r in hidden),
        {
            (r["session"], r["subject"], r["predicate"], r["object"]): r["holds"]
            for r in sayings
            if r["kind"] == "relation"
        },
    )
