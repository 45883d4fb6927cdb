"""What is seen of objects, and how much of it lies in a detection."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.glance import Glance, covered
from scenekeeper.world.lift import Lifted, lift
from scenekeeper.world.votes import Votes

CELL = 0.025
K = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
H, W = 240, 320
WALL = np.full((H, W), 1.5, np.float32)
HERE = geometry.pose_matrix([3.0, -2, 1, 0.1, 0.2, 0.3, 0.9])

Place = tuple[int, int, int, int]
LEFT, RIGHT, ALL = (40, 60, 160, 180), (160, 60, 280, 180), (40, 60, 280, 180)


def lifted(*places: Place, depth: NDArray[np.float32] = WALL) -> Lifted:
    masks = [np.ones((y1 - y0, x1 - x0), np.bool_) for x0, y0, x1, y1 in places]
    where = np.array(places, np.int64).reshape(-1, 4)
    return lift(depth, K, masks, where, cell=CELL, max_depth=6.0)


def the_map(*places: Place, times: int = 1) -> Votes:
    """Every place is an object that was seen some times."""
    votes, seen = Votes(), lifted(*places)
    ids = votes.born(len(places))
    key = voxel_keys(geometry.transform(HERE, seen.point), CELL)
    for _ in range(times):
        votes.add(key, seen.start, ids)
    return votes


def shares(
    votes: Votes, detections: list[Place], depth: NDArray[np.float32] = WALL
) -> NDArray[np.float64]:
    """Of every object, how much of what is seen lies in every detection: ``[M, K]``."""
    m, k = len(detections), len(votes.alias)
    det, obj = np.repeat(np.arange(m), k), np.tile(np.arange(k), m)
    seen = lifted(*detections, depth=depth)
    return covered(Glance.of(depth, K), HERE, seen, det, obj, votes, CELL).reshape(m, k)


def test_a_mask_covers_its_own_thing_and_not_the_one_beside_it() -> None:
    found = shares(the_map(LEFT, RIGHT), [LEFT, RIGHT])
    assert (np.diag(found) > 0.9).all() and found[0, 1] < 0.1 and found[1, 0] < 0.1


def test_half_a_mask_covers_half() -> None:
    assert shares(the_map(ALL), [LEFT, RIGHT]) == pytest.approx(0.5, abs=0.06)


def test_what_is_hidden_does_not_count() -> None:
    depth = WALL.copy()
    depth[:, 160:] = 0.8  # something before its right half
    assert shares(the_map(ALL), [LEFT], depth)[0, 0] > 0.9


@pytest.mark.parametrize("place", [LEFT, (0, 0, 0, 0)])
def test_of_what_is_not_seen_nothing_is_known(place: Place) -> None:
    nearer = np.full_like(WALL, 0.7)
    for depth in (nearer, np.zeros_like(WALL)):
        assert shares(the_map(LEFT), [place], depth).tolist() == [[0.5]]


def test_cells_of_two_objects_count_by_their_votes() -> None:
    votes = the_map(ALL)
    part = the_map(LEFT)
    key, _, _ = part.all_votes()
    new = votes.born(1)
    for _ in range(3):
        votes.add(key, np.array([0, len(key)]), new)
    whole, mine = shares(votes, [LEFT])[0].tolist()
    assert mine > 0.9 and whole == pytest.approx(0.25 / 1.25, abs=0.05)


def test_objects_that_became_one_are_seen_together() -> None:
    votes = the_map(LEFT, RIGHT)
    votes.join(1, 0)
    assert shares(votes, [LEFT, ALL])[:, 0] == pytest.approx([0.5, 1.0], abs=0.06)


def test_nothing_asked_nothing_answered() -> None:
    none = np.zeros(0, np.int64)
    assert len(covered(Glance.of(WALL, K), HERE, lifted(), none, none, Votes(), CELL)) == 0


def test_a_glance_is_some_pixels_of_the_depth_image() -> None:
    depth = (1 + np.arange(H * W).reshape(H, W) / (H * W)).astype(np.float32)
    depth[0, :5], depth[3, 6], depth[9:] = [0, np.nan, np.inf, -1, 7], np.nan, 9.0
    glance = Glance.of(depth, K, max_depth=6.0, across=107)
    assert glance.size == (80, 107) and not np.isin([0, 1, 109], glance.pixel).any()
    v, u = np.divmod(glance.pixel, 107)
    assert np.array_equal(glance.point[:, 2], depth[3 * v, 3 * u]) and v.max() == 2
    assert geometry.project(K, glance.point) == pytest.approx(np.stack((3 * u, 3 * v), 1), abs=1e-3)
    uv = geometry.project(glance.intrinsics, glance.point)
    assert uv == pytest.approx(np.stack((u, v), 1), abs=1e-3)
