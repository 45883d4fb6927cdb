"""Relations and changes between objects that were found, kind by kind."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Set
from typing import Any

from scenekeeper.evaluate.objects import Objects, Tables
from scenekeeper.evaluate.rows import Row

SYMMETRIC = frozenset({"next to"})

Fact = tuple[Hashable, ...]


def relation_rows(tables: Tables, o: Objects) -> Iterator[Row]:
    """F1, precision and recall of each kind of relation between paired objects."""
    true_id = {(s, f): t for s, t, f in o.pairs}
    known = {(s, t) for s, t, _ in o.pairs}
    there: set[tuple[str, Fact]] = set()
    said: set[tuple[str, Fact]] = set()
    for s in tables.sessions:
        for r in tables.of_truth("relations", s):
            if (s, r["subject"]) in known and (s, r["object"]) in known:
                there.add((r["predicate"], _fact(s, r["subject"], r["predicate"], r["object"])))
        for r in tables.of_labels("relations", s):
            a, b = true_id.get((s, r["subject"])), true_id.get((s, r["object"]))
            if a is not None and b is not None and a != b:
                said.add((r["predicate"], _fact(s, a, r["predicate"], b)))
    yield from kind_rows("relations", there, said)


def kind_rows(
    section: str, there: Set[tuple[str, Fact]], said: Set[tuple[str, Fact]]
) -> Iterator[Row]:
    """F1, precision and recall of each kind.

    Args:
        section: of the rows.
        there: ``(kind, what)`` that are true.
        said: ``(kind, what)`` that were said.
    """
    for kind in sorted({k for k, _ in there | said}):
        t, f = ({x for x in side if x[0] == kind} for side in (there, said))
        both = len(t & f)
        if t:
            yield Row(section, f"F1 of '{kind}'", 2 * both / (len(t) + len(f)), len(t))
        if f:
            yield Row(section, f"precision of '{kind}'", both / len(f), len(f))
        if t:
            yield Row(section, f"recall of '{kind}'", both / len(t), len(t))


def _fact(session: str, a: int, predicate: str, b: int) -> Fact:
    """A symmetric relation is the same either way round."""
    return (session, *sorted((a, b))) if predicate in SYMMETRIC else (session, a, b)


def change_rows(tables: Tables, o: Objects) -> tuple[list[Row], list[str]]:
    """What is said to have changed between sessions against what has.

    A change is found if the labels tell one of the same kind, between the same sessions, of the
    object that was paired with the true one in either of them; of what is ``swapped`` the thing
    before.

    Returns:
        Rows, and notes for the reader; neither where the truth tells of no change.
    """
    true = [c for s in tables.sessions for c in tables.of_truth("changes", s)]
    true = [c for c in true if c["since"] in tables.sessions]
    if not true:
        return [], []
    if not any("changes" in _runs(tables, s) for s in tables.sessions):
        told = f"{len(true)} changes between sessions are not judged (n/a): the labels tell of none"
        return [], [told + ", for they have no changes table"]
    there = {(c["kind"], (c["since"], c["session"], c["object"])) for c in true}
    said = {
        (c["kind"], (since, s, _true_object(c, since, s, o)))
        for s in tables.sessions
        for c in tables.of_labels("changes", s)
        for since in [_since(tables, c["since"])]
        if since in tables.sessions
    }
    rows = list(kind_rows("changes", there, said))
    any_kind = [{("change", what) for _, what in side} for side in (there, said)]
    return [*kind_rows("changes", any_kind[0], any_kind[1]), *rows], []


def _runs(tables: Tables, session: str) -> dict[str, str]:
    name = tables.alias.get(session, session)
    return tables.found.current(name)


def _since(tables: Tables, name: str) -> str:
    """The truth's name of a session of the labels."""
    return {v: k for k, v in tables.alias.items()}.get(name, name)


def _true_object(change: dict[str, Any], since: str, session: str, o: Objects) -> Hashable:
    """The true object that a change is said to be of; what was paired with none is its own."""
    for s in (session, since) if change["kind"] == "added" else (since, session):
        for where, t, f in o.pairs:
            if where == s and f == change["object"]:
                return t
    return ("not paired", change["object"])
