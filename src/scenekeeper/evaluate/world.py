"""Objects in 3D, their ids over sessions, and relations between them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row
from scenekeeper.store import Dataset


def world_rows(found: Dataset, true: Dataset, p: Pairing) -> Iterator[Row]:
    """Objects in 3D, their ids over sessions, and relations between them."""
    section = "objects in 3D"
    sessions = list(dict.fromkeys(s for s, _ in p.truth.frames))
    votes = _object_votes(p)
    true_rows = {s: _objects(true, s, _shown_objects(p.truth, s)) for s in sessions}
    counted = p.found[p.truth_of != -2]
    found_rows = {s: _objects(found, s, _shown_objects(counted, s)) for s in sessions}
    total = sum(len(r) for r in true_rows.values())
    said = sum(len(r) for r in found_rows.values())
    if not total or not said:
        return
    pairs = [
        (s, t, votes[s, t])
        for s in sessions
        for t in true_rows[s]
        if (s, t) in votes and votes[s, t] in found_rows[s]
    ]
    off = np.array(
        [
            np.linalg.norm(
                np.array(true_rows[s][t]["center"]) - np.array(found_rows[s][f]["center"])
            )
            for s, t, f in pairs
        ]
    )
    yield Row(section, "objects found", len({(s, t) for s, t, _ in pairs}) / total, total)
    yield Row(section, "objects that are real", len({(s, f) for s, _, f in pairs}) / said, said)
    if len(off):
        yield Row(
            section, "median position error, m", float(np.median(off)), len(off), better="lower"
        )
    yield from _stability(pairs, sessions)
    yield from _relations(found, true, sessions, pairs)


def _shown_objects(side: Labelled, session: str) -> set[int]:
    """Objects of which something that counts is in some frame."""
    here = np.array([s == session for s, _ in side.frames], np.bool_)
    return set(side.object[here[side.image]].tolist())


def _objects(dataset: Dataset, session: str, shown: set[int]) -> dict[int, dict[str, Any]]:
    rows = dataset.table("objects", session).to_pylist()
    return {r["object"]: r for r in rows if r["object"] in shown and r["center"] is not None}


def _object_votes(p: Pairing) -> dict[tuple[str, int], int]:
    """The found object that most of a true object's frames were paired with."""
    counts: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for g in np.flatnonzero(p.found_of >= 0):
        session = p.truth.frames[p.truth.image[g]][0]
        found = int(p.found.object[p.found_of[g]])
        if found >= 0:
            counts[session, int(p.truth.object[g])][found] += 1
    return {key: c.most_common(1)[0][0] for key, c in counts.items()}


def _stability(pairs: Sequence[tuple[str, int, int]], sessions: Sequence[str]) -> Iterator[Row]:
    ids: dict[int, list[int]] = defaultdict(list)
    for s in sessions:
        for session, t, f in pairs:
            if session == s:
                ids[t].append(f)
    again = [found for found in ids.values() if len(found) > 1]
    if again:
        kept = np.mean([len(set(found)) == 1 for found in again])
        yield Row("objects in 3D", "ids that hold across sessions", float(kept), len(again))


def _relations(
    found: Dataset, true: Dataset, sessions: Sequence[str], pairs: Sequence[tuple[str, int, int]]
) -> Iterator[Row]:
    """Relations between paired objects, per kind."""
    section = "relations"
    true_id = {(s, f): t for s, t, f in pairs}
    known = {(s, t) for s, t, _ in pairs}
    there, said = set(), set()
    for s in sessions:
        for r in true.table("relations", s).to_pylist():
            if (s, r["subject"]) in known and (s, r["object"]) in known:
                there.add((s, *_ordered(r["subject"], r["predicate"], r["object"])))
        for r in found.table("relations", s).to_pylist():
            a, b = true_id.get((s, r["subject"])), true_id.get((s, r["object"]))
            if a is not None and b is not None and a != b:
                said.add((s, *_ordered(a, r["predicate"], b)))
    for kind in sorted({r[2] for r in there}):
        t, f = ({r for r in side if r[2] == kind} for side in (there, said))
        both = len(t & f)
        f1 = 2 * both / max(1, len(t) + len(f))
        yield Row(section, f"F1 of '{kind}'", f1, len(t))


def _ordered(a: int, predicate: str, b: int) -> tuple[int, str, int]:
    """A symmetric relation is the same either way round."""
    return (min(a, b), predicate, max(a, b)) if predicate == "next to" else (a, predicate, b)
