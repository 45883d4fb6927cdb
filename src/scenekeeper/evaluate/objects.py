"""Objects in 3D: found or not, where, how large, and under which id over sessions.

In: two datasets and the pairing of their instances. Out: rows, and the pairing of objects that
relations and changes are judged by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row
from scenekeeper.geometry import upright_iou
from scenekeeper.store import Dataset

Float = NDArray[np.float64]
Rows = dict[int, dict[str, Any]]

SECTION = "objects in 3D"

ROBOT = "gripper"
"""What the truth calls the robot's own arm and hand, which move and are no object of the place."""


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of both sides.

    Attributes:
        found: the labels.
        true: the truth.
        sessions: the truth's names of the sessions that both have.
        alias: the labels' name of a session, where it is another.
    """

    found: Dataset
    true: Dataset
    sessions: tuple[str, ...]
    alias: Mapping[str, str]

    def of_truth(self, table: str, session: str) -> list[dict[str, Any]]:
        """Rows of a session of the truth."""
        return list(self.true.table(table, session).to_pylist())

    def of_labels(self, table: str, session: str) -> list[dict[str, Any]]:
        """Rows of the same session of the labels."""
        return list(self.found.table(table, self.alias.get(session, session)).to_pylist())


@dataclass(frozen=True, eq=False)
class Objects:
    """Which object is which.

    Attributes:
        true: per session the true objects that were shown, by id; the robot is left out.
        found: the same of the labels.
        pairs: ``(session, true id, found id)``; the found one is what most of the true one's
            instances were paired with.
    """

    true: Mapping[str, Rows]
    found: Mapping[str, Rows]
    pairs: tuple[tuple[str, int, int], ...]


def pair_objects(tables: Tables, p: Pairing) -> Objects:
    """Pair objects by the votes of their instances."""
    votes = _votes(p)
    things = p.truth[np.array([w != ROBOT for w in p.truth.phrase], np.bool_)]
    counted = p.found[(p.truth_of != -2) & ~_of_robot(p)]
    true = {s: _objects(tables.of_truth("objects", s), things, s) for s in tables.sessions}
    found = {s: _objects(tables.of_labels("objects", s), counted, s) for s in tables.sessions}
    pairs = tuple(
        (s, t, votes[s, t])
        for s in tables.sessions
        for t in true[s]
        if (s, t) in votes and votes[s, t] in found[s]
    )
    return Objects(true, found, pairs)


def object_rows(o: Objects) -> Iterator[Row]:
    """Objects found, real, where they are, by oriented boxes, and ids over sessions."""
    total, said = (sum(map(len, side.values())) for side in (o.true, o.found))
    if not total or not said:
        return
    off = [
        float(np.linalg.norm(np.subtract(o.true[s][t]["center"], o.found[s][f]["center"])))
        for s, t, f in o.pairs
    ]
    yield Row(SECTION, "objects found", len({(s, t) for s, t, _ in o.pairs}) / total, total)
    yield Row(SECTION, "objects that are real", len({(s, f) for s, _, f in o.pairs}) / said, said)
    if off:
        median = float(np.median(off))
        yield Row(SECTION, "median position error, m", median, len(off), better="lower")
    yield from _box_rows(o, total, said)
    yield from stability(o.pairs)


def stability(pairs: Sequence[tuple[str, int, int]]) -> Iterator[Row]:
    """Does a thing have the same id in every session, and is it the only one that has it.

    Args:
        pairs: ``(session, true id, found id)``, each true id once per session.
    """
    ids: dict[int, list[int]] = defaultdict(list)
    things: dict[int, set[int]] = defaultdict(set)
    for _, t, f in pairs:
        ids[t].append(f)
        things[f].add(t)
    again = [found for found in ids.values() if len(found) > 1]
    if again:
        kept = float(np.mean([len(set(found)) == 1 for found in again]))
        yield Row(SECTION, "ids that hold across sessions", kept, len(again))
        alone = float(np.mean([len(one) == 1 for one in things.values()]))
        yield Row(SECTION, "ids that are of one thing only", alone, len(things))


def _box_rows(o: Objects, total: int, said: int) -> Iterator[Row]:
    overlaps = [_overlap(o.true[s], o.found[s]) for s in o.true]
    for least in (0.25, 0.5):
        met = sum(_matched(iou, least) for iou in overlaps)
        at = f"at box IoU {least:g}".replace("0.", ".")
        yield Row(SECTION, f"3D recall {at}", met / total, total)
        yield Row(SECTION, f"3D precision {at}", met / said, said)


def _overlap(true: Rows, found: Rows) -> Float:
    """IoU of the boxes of one session; what has no box overlaps nothing."""
    a, b = ([r for r in side.values() if r["R_world_box"]] for side in (true, found))
    if not a or not b:
        return np.zeros((0, 0))
    up = _boxes(b)[2][:, :, 2].sum(0)
    if np.linalg.norm(up) < 1e-6:
        up = np.array([0.0, 0.0, 1.0])
    return upright_iou(_boxes(a), _boxes(b), up)


def _boxes(rows: Sequence[Mapping[str, Any]]) -> tuple[Float, Float, Float]:
    center, extent, R = (
        np.array([r[name] for r in rows], np.float64)
        for name in ("center", "extent", "R_world_box")
    )
    return center, extent, R.reshape(-1, 3, 3)


def _matched(iou: Float, least: float) -> int:
    """Most pairs of that overlap, each box in one."""
    from scipy.optimize import linear_sum_assignment

    good = iou >= least
    row, column = linear_sum_assignment(good, maximize=True)
    return int(good[row, column].sum())


def _objects(rows: Sequence[dict[str, Any]], side: Labelled, session: str) -> Rows:
    """Objects of which something that counts is in some frame."""
    here = np.array([s == session for s, _ in side.frames], np.bool_)
    shown = set(side.object[here[side.image]].tolist())
    return {r["object"]: r for r in rows if r["object"] in shown and r["center"] is not None}


def _of_robot(p: Pairing) -> NDArray[np.bool_]:
    """``bool [D]``: of a found object that was paired with the robot in most of its frames."""
    votes: dict[tuple[str, int], list[bool]] = defaultdict(list)
    keys = [
        (p.found.frames[k][0], int(o)) for k, o in zip(p.found.image, p.found.object, strict=True)
    ]
    for d in np.flatnonzero(p.truth_of >= 0):
        votes[keys[d]].append(p.truth.phrase[p.truth_of[d]] == ROBOT)
    robot = {key for key, said in votes.items() if 2 * sum(said) > len(said)}
    return np.array([key in robot for key in keys], np.bool_)


def _votes(p: Pairing) -> dict[tuple[str, int], int]:
    """The found object that most of a true object's frames were paired with."""
    counts: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for g in np.flatnonzero(p.found_of >= 0):
        session = p.truth.frames[p.truth.image[g]][0]
        found = int(p.found.object[p.found_of[g]])
        if found >= 0:
            counts[session, int(p.truth.object[g])][found] += 1
    return {key: c.most_common(1)[0][0] for key, c in counts.items()}
