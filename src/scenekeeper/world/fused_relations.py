"""One set of relations from what geometry, a vision-language model and people say.

In: relations from several sources. Out: each statement once, with the log-odds of all who made it
added up, and no two that contradict each other. A person outranks everybody else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scenekeeper.schema import Relation

RELIABILITY: Mapping[str, Mapping[str, float]] = {
    # Share of what geometry says that holds, on simulated rooms with exact masks, less a little
    # for the masks of real ones: `python -m benchmarks world_relations`.
    "geometry": {
        "on": 0.95,
        "in": 0.9,
        "attached to": 0.9,
        "under": 0.88,
        "above": 0.8,
        "next to": 0.9,
        "left of": 0.95,
        "right of": 0.95,
        "in front of": 0.9,
        "behind": 0.9,
    },
    # Supposed, not measured: models name what holds things well and are weak in directions.
    "vlm": {
        "on": 0.85,
        "in": 0.85,
        "attached to": 0.85,
        "under": 0.75,
        "above": 0.75,
        "next to": 0.75,
        "left of": 0.65,
        "right of": 0.65,
        "in front of": 0.6,
        "behind": 0.6,
    },
}
"""By source and predicate, how often the source is right where it is sure."""

OTHERWISE = 0.6
"""Reliability of sources and predicates that are not in the table."""

PERSON, SURE = "person", 0.999
INVERSE: Mapping[str, str] = {
    "above": "under",
    "right of": "left of",
    "in front of": "behind",
}
"""Predicates that are another one told from the other side: ``a above b`` is ``b under a``."""

CARRIED = frozenset({"on", "in", "attached to"})
_ONE_OF_A_PAIR = CARRIED | {"under", "next to"}
_ORDER = ("geometry", "vlm", PERSON)

Key = tuple[int, str, int, str]


def fuse_relations(
    geometry: Iterable[Relation], vlm: Iterable[Relation], person: Iterable[Relation] = ()
) -> list[Relation]:
    """What is to be believed, of all that is said.

    The score ``p`` of a source that is right with probability ``r`` counts as evidence of
    ``r p + (1 - r) (1 - p)``, and the log-odds of all sources are added. Of statements that
    contradict each other the most probable stays: a thing has one carrier, two things are one to
    the other in one way alone, and nothing is both left and right of another in one view.

    Args:
        geometry: what surfaces say,
        vlm: what a vision-language model says,
        person: what people say. A score below one half denies the statement.

    Returns:
        By subject, predicate and object. Scores are probabilities; the source names all who said
        it, as in ``geometry+vlm``; predicate and direction are those of the first who did.
    """
    said: dict[Key, list[Relation]] = defaultdict(list)
    for name, relations in zip(_ORDER, (geometry, vlm, person), strict=True):
        for r in relations:
            said[fact(r)].append(replace(r, source=name))
    fused = [_fused(alike) for alike in said.values()]
    likely = [r for r in fused if r.score >= 0.5]
    likely.sort(key=lambda r: (PERSON not in r.source, -r.score, fact(r)))
    kept: list[Relation] = []
    rivals: dict[tuple[object, ...], set[Key]] = defaultdict(set)
    for r in likely:
        places = _places(r)
        if all(rivals[place] <= {fact(r)} for place in places):
            kept.append(r)
            for place in places:
                rivals[place].add(fact(r))
    return sorted(kept, key=lambda r: (r.subject, r.predicate, r.object, r.frame))


def fact(r: Relation) -> Key:
    """What a relation states, alike for all ways to say it."""
    if r.predicate == "next to":
        return min(r.subject, r.object), r.predicate, max(r.subject, r.object), r.frame
    if r.predicate in INVERSE:
        return r.object, INVERSE[r.predicate], r.subject, r.frame
    return r.subject, r.predicate, r.object, r.frame


def _fused(alike: Sequence[Relation]) -> Relation:
    """One of the same statement from several sources."""
    people = [r for r in alike if r.source == PERSON]
    sources = "+".join(name for name in _ORDER if any(r.source == name for r in alike))
    if people:
        return replace(people[-1], score=SURE if people[-1].score >= 0.5 else 0.0, source=sources)
    odds = sum(_evidence(r) for r in alike)
    return replace(alike[0], score=1 / (1 + math.exp(-odds)), source=sources)


def _evidence(r: Relation) -> float:
    """Log-odds that a statement holds, by the score of one source and its reliability."""
    reliable = RELIABILITY.get(r.source, {}).get(r.predicate, OTHERWISE)
    p = min(max(reliable * r.score + (1 - reliable) * (1 - r.score), 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _places(r: Relation) -> list[tuple[object, ...]]:
    """What only one statement can fill: a thing's carrier, how a pair lies, each axis of a view."""
    a, predicate, b, frame = fact(r)
    pair = (min(a, b), max(a, b))
    places: list[tuple[object, ...]] = []
    if predicate in CARRIED:
        places.append(("carrier", a))
    if predicate in _ONE_OF_A_PAIR:
        places.append(("pair", *pair))
    else:
        places.append((predicate, *pair, frame))
    return places
