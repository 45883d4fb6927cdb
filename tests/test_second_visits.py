"""The benchmark of second visits: what counts as told, and what no picture tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmarks.lookalikes import told
from benchmarks.looked_at import looked_at
from benchmarks.revisited import Outcome
from benchmarks.world_visits import CLAIMED, FRAMES, LABELS, result

from scenekeeper.evaluate.objects import Objects, Tables
from scenekeeper.geometry import pose_vector
from scenekeeper.recording.base import Images, Recording, Signal, View
from scenekeeper.schema import Camera

SIZE = (160, 120)
K = np.array([[140.0, 0, 79.5], [0, 140.0, 59.5], [0, 0, 1]])
T_NS = np.arange(2) * 100_000_000


class Wall:
    """Pictures of a wall some metres ahead."""

    def __init__(self, metres: float) -> None:
        self._metres = metres

    def __len__(self) -> int:
        return len(T_NS)

    def read(self, rows: Any) -> Any:
        for _ in rows:
            yield np.full(SIZE[::-1], self._metres, np.float32)

    def encoded(self, row: int) -> None:
        return None


def recording(metres: float) -> Recording:
    """A camera at the origin that looks along z."""
    camera = Camera("front", *SIZE, K)
    poses = np.tile(pose_vector(np.eye(4)), (2, 1))
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    signal = Signal("pose", "pose", T_NS, poses, names)
    images = Images(T_NS, Wall(metres))
    view = View(camera, images, images, poses=signal)
    return Recording("r", Path(), "made", (view,), {}, None, (), "x")


def box(x: float, z: float, side: float = 0.3) -> dict[str, Any]:
    return {"center": [x, 0.0, z], "extent": [side] * 3, "R_world_box": np.eye(3).reshape(-1)}


def test_a_place_before_the_wall_is_looked_at_and_none_behind_beside_or_far_too_small() -> None:
    boxes = {1: box(0, 2), 2: box(0, 4), 3: box(3, 2), 4: box(0, -2), 5: box(0, 2, 0.02)}
    assert looked_at(recording(3.0), boxes) == {1}


def outcome(unexplored: int = 0, right: int = 9) -> Outcome:
    told = Counter({"added": 10})
    return Outcome(
        (20, 20), (9, 10), (0, 30), told, told, Counter({"added": right}), unexplored, 0.01, 0.0,
        False, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("unexplored", "right", "ok"), [(0, 9, True), (1, 9, False), (0, 8, False)]
)
def test_the_claim_needs_both_changes_told_and_nothing_made_of_unexplored_space(
    unexplored: int, right: int, ok: bool
) -> None:
    table = {(labels, frame): [outcome()] for labels in LABELS for frame in FRAMES}
    table[CLAIMED] = [outcome(unexplored, right)]
    assert result(table).ok is ok


# --- things that nobody can tell apart ------------------------------------------------------------


class Rows:
    """A dataset of rows by table and session."""

    def __init__(self, rows: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
        self._rows = rows

    def table(self, name: str, session: str) -> Any:
        return SimpleNamespace(to_pylist=lambda: list(self._rows.get((name, session), [])))


def cup(number: int, x: float, size: float = 0.1, name: str = "cup") -> dict[str, Any]:
    return {
        "object": number,
        "phrase": name,
        "center": [x, 0.0, 0.8],
        "extent": [size] * 3,
        "rgb": [9, 9, 9],
    }


def happened(kind: str, thing: int, new: int | None = None) -> dict[str, Any]:
    return {"kind": kind, "object": thing, "new_object": new, "since": "a", "session": "b"}


def judged(
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    changes: list[dict[str, Any]],
    pairs: list[tuple[str, int, int]],
) -> tuple[list[tuple[str, int, int | None]], dict[int, int]]:
    """Changes as they are asked for, and who is who in the second visit."""
    rows = {("objects", "a"): before, ("objects", "b"): after, ("changes", "b"): changes}
    true: Any = Rows(rows)
    sides = {"a": {r["object"]: r for r in before}, "b": {r["object"]: r for r in after}}
    tables, o = told(Tables(true, true, ("a", "b"), {}), Objects(sides, sides, tuple(pairs)))
    asked = [(r["kind"], r["object"], r["new_object"]) for r in tables.of_truth("changes", "b")]
    assert set(o.true["b"]) == {t for s, t, _ in o.pairs if s == "b"}
    return sorted(asked, key=str), {t: f for s, t, f in o.pairs if s == "b"}


def test_of_two_equal_cups_that_left_either_may_be_the_one_that_turned_up() -> None:
    before, after = [cup(1, 0), cup(2, 1)], [cup(1, 3)]
    changes = [happened("moved", 1), happened("taken", 2)]
    pairs = [("a", 1, 101), ("a", 2, 102)]
    right = judged(before, after, changes, [*pairs, ("b", 1, 101)])
    assert right == ([("moved", 1, None), ("taken", 2, None)], {1: 101})
    other = judged(before, after, changes, [*pairs, ("b", 1, 102)])
    assert other == ([("moved", 2, None), ("taken", 1, None)], {2: 102})
    neither = judged(before, after, changes, [*pairs, ("b", 1, 103)])
    assert neither == ([("moved", 1, None), ("taken", 2, None)], {1: 103})


def test_equal_cups_that_change_parts_are_as_they_are_called() -> None:
    before, after = [cup(1, 0), cup(2, 1), cup(3, 2)], [cup(1, 5), cup(2, 6), cup(3, 7)]
    changes = [happened("moved", k) for k in (1, 2, 3)]
    pairs = [("a", k, 100 + k) for k in (1, 2, 3)]
    _, now = judged(before, after, changes, [*pairs, ("b", 1, 102), ("b", 2, 103), ("b", 3, 101)])
    assert now == {1: 101, 2: 102, 3: 103}


def test_what_stayed_or_is_made_otherwise_is_itself() -> None:
    before, after = [cup(1, 0), cup(2, 1, 0.12), cup(3, 2)], [cup(1, 5), cup(3, 2)]
    changes = [happened("moved", 1), happened("taken", 2)]
    pairs = [("a", 1, 101), ("a", 2, 102), ("a", 3, 103), ("b", 1, 102), ("b", 3, 101)]
    asked, now = judged(before, after, changes, pairs)
    assert asked == [("moved", 1, None), ("taken", 2, None)] and now == {1: 102, 3: 101}


@pytest.mark.parametrize(
    ("x", "name", "exchanged"), [(0.05, "cup", True), (0.5, "cup", False), (0.05, "can", False)]
)
def test_a_thing_set_down_where_one_of_its_name_was_taken_is_an_exchange(
    x: float, name: str, exchanged: bool
) -> None:
    before, after = [cup(1, 0)], [cup(2, x, 0.12, name)]
    changes = [happened("taken", 1), happened("added", 2)]
    asked, _ = judged(before, after, changes, [("a", 1, 101), ("b", 2, 102)])
    apart = [("added", 2, None), ("taken", 1, None)]
    assert asked == ([("swapped", 1, 2)] if exchanged else apart)
