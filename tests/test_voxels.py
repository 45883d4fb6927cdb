"""Sparse voxels: keys, neighbours, merging, and the surface that one frame sees."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from scenekeeper import voxels
from scenekeeper.schema import SURFACE, Camera, Frame
from scenekeeper.voxels import Surface

SIZE = 0.05
indices = arrays(np.int64, st.tuples(st.integers(1, 30), st.just(3)), elements=st.integers(-4, 4))


def keys_of(index: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(voxels.voxel_keys((index + 0.5) * SIZE, SIZE))


@given(arrays(np.float64, (10, 3), elements=st.floats(-1000, 1000)))
def test_a_point_lies_in_the_voxel_of_its_key(points: NDArray[np.float64]) -> None:
    centers = voxels.voxel_centers(voxels.voxel_keys(points, SIZE), SIZE)
    assert (np.abs(points - centers) <= SIZE / 2 + 1e-6).all()


@given(indices)
def test_keys_are_as_different_as_the_voxels(index: NDArray[np.int64]) -> None:
    assert len(keys_of(index)) == len(np.unique(index, axis=0))


@given(indices)
def test_a_coarser_key_is_that_of_a_voxel_of_twice_the_edge(index: NDArray[np.int64]) -> None:
    points = (index + 0.5) * SIZE
    fine = voxels.coarser(voxels.voxel_keys(points, SIZE))
    centers = voxels.voxel_centers(fine, 2 * SIZE)
    # Keys are offset by an odd number of coarse voxels, so compare which voxels fall together.
    assert (np.abs(centers - centers[0] - (points - points[0])) <= 2 * SIZE + 1e-9).all()
    together = np.abs(index[:, None] // 2 - index[None] // 2).max(-1) == 0
    assert np.array_equal(fine[:, None] == fine[None], together)


@given(indices, st.integers(1, 2))
def test_neighbours_are_all_pairs_within_reach_once(index: NDArray[np.int64], reach: int) -> None:
    index = np.unique(index, axis=0)
    keys = keys_of(index)
    centers = np.rint(voxels.voxel_centers(keys, SIZE) / SIZE - 0.5)
    a, b = voxels.neighbours(keys, reach)
    found = sorted(tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True))
    near = np.abs(centers[:, None] - centers[None]).max(-1) <= reach
    assert found == [(i, j) for i, j in product(range(len(keys)), repeat=2) if i < j and near[i, j]]


@given(indices, indices, st.integers(1, 2))
def test_touching_is_having_a_neighbour_in_the_other(
    first: NDArray[np.int64], second: NDArray[np.int64], reach: int
) -> None:
    a, b = keys_of(first), keys_of(second)
    near = np.abs(voxels.voxel_centers(a, 1.0)[:, None] - voxels.voxel_centers(b, 1.0)[None]).max(
        -1
    )
    assert voxels.touching(a, b, reach).tolist() == (near <= reach).any(1).tolist()


def test_nothing_touches_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert not voxels.touching(np.array([5]), none).any()
    assert len(voxels.neighbours(none)[0]) == 0


def surface(keys: list[int], count: int, height: float, rgb: float) -> Surface:
    n = len(keys)
    return Surface(
        np.array(keys, np.int64),
        np.full(n, count, np.int32),
        np.full((n, 3), height, np.float32),
        np.tile(np.array([0, 0, 1], np.float32), (n, 1)),
        np.full((n, 3), rgb, np.float32),
        np.full(n, height, np.float32),
    )


def test_merging_weighs_by_the_frames_that_saw_a_voxel() -> None:
    merged = voxels.merge([surface([1, 5], 3, 1.0, 90), surface([5, 7], 1, 2.0, 30)])
    assert merged.key.tolist() == [1, 5, 7] and merged.count.tolist() == [3, 4, 1]
    assert merged.position[:, 0].tolist() == [1.0, 1.25, 2.0]
    assert merged.rgb[:, 0].tolist() == [90, 75, 30] and merged.range[1] == 1.25


def test_merging_in_parts_or_at_once_is_the_same() -> None:
    parts = [surface([1, 2, 3], 2, 1.0, 10), surface([2, 3, 4], 5, 2.0, 20), surface([3], 1, 3, 30)]
    stepwise = voxels.merge([voxels.merge(parts[:2]), parts[2]])
    at_once = voxels.merge(parts)
    for name in ("key", "count", "position", "normal", "rgb", "range"):
        assert getattr(stepwise, name) == pytest.approx(getattr(at_once, name), rel=1e-6)


def test_opposite_normals_cancel_to_none() -> None:
    up = surface([1], 1, 1.0, 0)
    down = Surface(up.key, up.count, up.position, -up.normal, up.rgb, up.range)
    assert voxels.merge([up, down]).normal.tolist() == [[0, 0, 0]]


def test_a_surface_survives_as_a_table() -> None:
    made = surface([1, 5], 3, 1.5, 90)
    table = made.to_table("s")
    assert table.schema.equals(SURFACE)
    back = Surface.from_table(table)
    for name in ("key", "count", "position", "normal", "rgb", "range"):
        assert np.array_equal(getattr(back, name), getattr(made, name))


# --- what one frame sees --------------------------------------------------------------------------

CAMERA = Camera("front", 64, 48, np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]]))
# The camera looks along the world's x axis from (1, 2, 3).
T_WORLD_CAMERA = np.array([[0.0, 0, 1, 1], [-1, 0, 0, 2], [0, -1, 0, 3], [0, 0, 0, 1]])


def frame(depth: NDArray[np.float32] | None, pose: bool = True) -> Frame:
    rgb = np.full((48, 64, 3), 200, np.uint8)
    return Frame(0, "s", CAMERA, 0, rgb, depth, T_WORLD_CAMERA if pose else None)


def test_a_wall_is_seen_where_it_is_facing_the_camera() -> None:
    seen = voxels.frame_surface(frame(np.full((48, 64), 2.0, np.float32)), SIZE, 5.0)
    assert seen is not None and len(seen) > 200
    assert seen.position[:, 0] == pytest.approx(np.full(len(seen), 3.0), abs=1e-5)
    known = np.linalg.norm(seen.normal, axis=1) > 0
    assert known.mean() > 0.7
    assert seen.normal[known] == pytest.approx(np.tile([-1, 0, 0], (known.sum(), 1)), abs=1e-3)
    assert (seen.rgb == 200).all() and seen.range == pytest.approx(np.full(len(seen), 2.0))
    assert (np.diff(seen.key) > 0).all()


def test_points_at_a_depth_jump_and_beyond_reach_are_left_out() -> None:
    depth = np.full((48, 64), 1.0, np.float32)
    depth[:, 32:] = 2.0
    near = voxels.frame_surface(frame(depth), SIZE, 1.5)
    both = voxels.frame_surface(frame(depth), SIZE, 5.0)
    assert near is not None and both is not None
    assert near.position[:, 0].max() == pytest.approx(2.0)
    assert set(np.round(both.position[:, 0], 3)) == {2.0, 3.0}  # nothing hangs between


@pytest.mark.parametrize("lacking", ["depth", "pose"])
def test_without_depth_or_pose_there_is_no_surface(lacking: str) -> None:
    depth = None if lacking == "depth" else np.ones((48, 64), np.float32)
    assert voxels.frame_surface(frame(depth, lacking != "pose"), SIZE, 5.0) is None


def test_an_all_unknown_depth_image_gives_an_empty_surface() -> None:
    seen = voxels.frame_surface(frame(np.zeros((48, 64), np.float32)), SIZE, 5.0)
    assert seen is not None and len(seen) == 0
