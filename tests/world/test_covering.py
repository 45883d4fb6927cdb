"""How much of what is seen of an object a detection covers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.voxels import voxel_keys
from scenekeeper.world.covering import Showing, covered
from scenekeeper.world.scene import CELL

Int = NDArray[np.int64]


def row(first: int, last: int) -> Int:
    """Cells side by side along x."""
    at = [[(k + 0.5) * CELL, 0.01, 0.01] for k in range(first, last)]
    return voxel_keys(np.array(at).reshape(-1, 3), CELL)


def showing(*objects: tuple[int, Int]) -> Showing:
    start = np.concatenate(([0], np.cumsum([len(keys) for _, keys in objects])))
    key = np.concatenate([np.zeros(0, np.int64), *(keys for _, keys in objects)])
    return Showing(np.array([o for o, _ in objects], np.int64), key, start)


def share(seen: Showing, detection: Int, obj: int) -> float:
    start = np.array([0, len(detection)])
    return float(covered(seen, detection, start, np.array([0]), np.array([obj]))[0])


@pytest.mark.parametrize(
    ("first", "last", "within"),
    [
        (0, 40, 40),
        (10, 14, 6),  # the cells beside it as well
        (-20, -2, 0),
    ],
)
def test_of_what_is_seen_of_an_object_a_detection_covers_a_share(
    first: int, last: int, within: int
) -> None:
    seen = showing((3, row(100, 110)), (7, row(0, 40)))
    assert share(seen, row(first, last), 7) == pytest.approx((within + 1) / 41)


def test_order_of_cells_is_of_no_importance() -> None:
    seen = showing((7, row(0, 40)))
    assert share(seen, row(0, 20)[::-1], 7) == share(seen, row(0, 20), 7)


def test_every_pair_is_told_apart() -> None:
    seen = showing((3, row(100, 119)), (7, row(0, 39)))
    key, start = np.concatenate((row(0, 39), row(100, 119))), np.array([0, 39, 58])
    pairs = np.array([0, 0, 1, 1]), np.array([3, 7, 3, 7])
    assert covered(seen, key, start, *pairs).tolist() == [1 / 20, 1, 1, 1 / 40]


@pytest.mark.parametrize(
    "seen",
    [showing(), showing((3, row(0, 10))), showing((7, row(0, 0)))],
    ids=["nothing", "another", "none of it"],
)
def test_nothing_speaks_against_an_object_that_is_not_seen(seen: Showing) -> None:
    assert share(seen, row(50, 60), 7) == 1
