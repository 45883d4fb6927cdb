"""Relations and changes between objects that were found, kind by kind.

A relation counts whichever side it is told from: ``a above b`` is ``b under a``, and ``a next to
b`` is ``b next to a``. Truth names direct carriers alone. What follows from them counts neither as
found nor as missed: what is on a book on a table is on the table, and a table is under what is on
it. Floors and walls are judged like things: whatever pieces the labels have of them are one to the
truth. Relations that hold from one view alone are judged where the truth has such, too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from typing import Any

from scenekeeper.evaluate.labelled import STRUCTURE
from scenekeeper.evaluate.objects import Objects, Tables
from scenekeeper.evaluate.rows import Row

SYMMETRIC = frozenset({"next to"})
CARRIED = frozenset({"on", "in", "attached to"})
INVERSE = {"above": "under", "right of": "left of", "in front of": "behind"}
"""Predicates that are another one told from the other side."""

Fact = tuple[Hashable, ...]


def relation_rows(tables: Tables, o: Objects) -> Iterator[Row]:
    """F1, precision and recall of relations, of all and of each kind, between paired objects."""
    true_id = {(s, f): t for s, t, f in o.pairs}
    known = {(s, t) for s, t, _ in o.pairs}
    there: dict[Fact, str] = {}
    said: dict[Fact, str] = {}
    for s in tables.sessions:
        structure = _structure(tables, s)
        known |= {(s, t) for t in structure.values()}
        true = tables.of_truth("relations", s)
        entailed = _entailed(s, true)
        views = any(r.get("frame") for r in true)
        for r in true:
            if (s, r["subject"]) in known and (s, r["object"]) in known:
                fact = _fact(s, r["subject"], r["predicate"], r["object"], _view(r))
                there[fact] = r["predicate"]
        for r in tables.of_labels("relations", s):
            a, b = (
                true_id.get((s, r[side]), structure.get(r[side])) for side in ("subject", "object")
            )
            if a is None or b is None or a == b or (r.get("frame") and not views):
                continue
            fact = _fact(s, a, r["predicate"], b, _view(r))
            if fact not in entailed:
                said[fact] = r["predicate"]
    # What is true is of the kind that the truth calls it, whichever side the labels tell it from.
    named = {(there.get(fact, kind), fact) for fact, kind in said.items()}
    true_named = {(kind, fact) for fact, kind in there.items()}
    alike = [{("any relation", fact) for _, fact in side} for side in (true_named, named)]
    yield from kind_rows("relations", *alike)
    yield from kind_rows("relations", true_named, named)


def _structure(tables: Tables, session: str) -> dict[int, int]:
    """The true floor and walls of the pieces of floor and walls that the labels have."""
    true = {r["phrase"]: r["object"] for r in tables.of_truth("objects", session)}
    out = {}
    for r in tables.of_labels("objects", session):
        name = "wall" if r["kind"] == "wall" else r["phrase"]
        if name in STRUCTURE and name in true:
            out[r["object"]] = true[name]
    return out


def _entailed(session: str, true: Sequence[Mapping[str, Any]]) -> set[Fact]:
    """What follows from who carries what, without being said."""
    carrier = {r["subject"]: r["object"] for r in true if r["predicate"] in CARRIED}
    out: set[Fact] = set()
    for thing, direct in carrier.items():
        chain = [direct]
        while chain[-1] in carrier and carrier[chain[-1]] not in (*chain, thing):
            chain.append(carrier[chain[-1]])
        out |= {_fact(session, thing, how, far) for far in chain[1:] for how in ("on", "in")}
        out |= {_fact(session, far, "under", thing) for far in chain}
    return out


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


def _view(r: Mapping[str, Any]) -> str:
    """The frame whose view is meant; sessions may be called differently on both sides."""
    return str(r.get("frame") or "").rpartition("/")[2]


def _fact(session: str, a: int, predicate: str, b: int, view: str = "") -> Fact:
    """What a relation states, alike for both ways to tell it."""
    if predicate in SYMMETRIC:
        return (session, view, predicate, *sorted((a, b)))
    if predicate in INVERSE:
        return (session, view, INVERSE[predicate], b, a)
    return (session, view, predicate, a, b)


def change_rows(tables: Tables, o: Objects) -> tuple[list[Row], list[str]]:
    """What is said to have changed between sessions against what has.

    A change is found if the labels tell one of the same kind, between the same sessions, of the
    object that was paired with the true one in either of them; of what is ``swapped`` the thing
    before. Changes of things that the frames of a session do not show, though they were there,
    count neither as found nor as missed.

    Returns:
        Rows, and notes for the reader; neither where the truth tells of no change.
    """
    true = _true_changes(tables)
    if not true:
        return [], []
    if not any("changes" in _runs(tables, s) for s in tables.sessions):
        told = f"{len(true)} changes between sessions are not judged (n/a): the labels have no"
        return [], [f"{told} changes table"]
    there, said = changed(tables, o)
    alike = [{("any change", what) for _, what in side} for side in (there, said)]
    return [*kind_rows("changes", *alike), *kind_rows("changes", there, said)], []


def changed(tables: Tables, o: Objects) -> tuple[set[tuple[str, Fact]], set[tuple[str, Fact]]]:
    """Changes that are to be found and those that were said: ``(kind, (since, session, thing))``,
    of things by their true id where they have one."""
    true = _true_changes(tables)
    there = {_change(c, c["object"]) for c in true if _was_shown(c, o)}
    excused = {_change(c, c["object"]) for c in true} - there
    said = {
        _change({**c, "session": s, "since": since}, _true_object(c["object"], (since, s), o))
        for s in tables.sessions
        for c in tables.of_labels("changes", s)
        for since in [_since(tables, c["since"])]
        if since in tables.sessions and any(c["object"] in o.found[x] for x in (since, s))
    }
    return there, said - excused


def _true_changes(tables: Tables) -> list[dict[str, Any]]:
    true = [c for s in tables.sessions for c in tables.of_truth("changes", s)]
    return [c for c in true if c["since"] in tables.sessions]


def _change(c: Mapping[str, Any], thing: Hashable) -> tuple[str, Fact]:
    return c["kind"], (c["since"], c["session"], thing)


def _was_shown(c: Mapping[str, Any], o: Objects) -> bool:
    """Whether what was there before and after is in the frames before and after."""
    now = c["object"] if c["new_object"] is None else c["new_object"]
    before = c["kind"] == "added" or c["object"] in o.true[c["since"]]
    return before and (c["kind"] == "taken" or now in o.true[c["session"]])


def _runs(tables: Tables, session: str) -> Mapping[str, str]:
    return tables.found.current(tables.alias.get(session, session))


def _since(tables: Tables, name: str) -> str:
    """The truth's name of a session of the labels."""
    return {v: k for k, v in tables.alias.items()}.get(name, name)


def _true_object(found: int, sessions: Sequence[str], o: Objects) -> Hashable:
    """The true object of a found one in the first session that has it; else one of its own."""
    for s in sessions:
        for where, t, f in o.pairs:
            if where == s and f == found:
                return t
    return ("not paired", found)
