"""The benchmark of second visits: what counts as told, and what no picture tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.looked_at import looked_at
from benchmarks.revisited import Outcome
from benchmarks.world_visits import CLAIMED, FRAMES, LABELS, result

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
