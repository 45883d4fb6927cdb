"""What a depth image says of an object's place: there, empty, hidden, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.visibility import AT_MOST, Samples, SightConfig, keyframe, look, look_back

K = np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]])
HERE = np.eye(4)


def wall(z: float) -> NDArray[np.float32]:
    return np.full((480, 640), z, np.float32)


def patch(z: float, at: tuple[float, float] = (0, 0), half: float = 0.1) -> NDArray[np.float64]:
    side = np.linspace(-half, half, 8)
    x, y = np.meshgrid(side + at[0], side + at[1])
    return np.stack((x.ravel(), y.ravel(), np.full(x.size, z)), 1)


def one(points: NDArray[np.float64]) -> Samples:
    return Samples.of_points([points])


@pytest.mark.parametrize(
    ("surface", "field"), [(2.0, "hit"), (2.5, "through"), (1.5, "occluded"), (0.0, "unknown")]
)
def test_depth_decides_what_becomes_of_samples_at_two_metres(surface: float, field: str) -> None:
    seen = look(one(patch(2.0)), wall(surface), K, HERE)
    assert getattr(seen, field).tolist() == [AT_MOST]
    assert seen.total.tolist() == [AT_MOST]


def test_what_is_behind_the_camera_or_beside_the_picture_is_outside() -> None:
    samples = Samples.of_points([patch(-2.0), patch(2.0, at=(5.0, 0)), patch(6.0)])
    seen = look(samples, wall(2.0), K, HERE)
    assert seen.outside.tolist() == [AT_MOST] * 3
    assert seen.in_view.tolist() == [0, 0, 0] and seen.side_px.tolist() == [0, 0, 0]


def test_an_object_that_is_cut_off_is_partly_in_view() -> None:
    edge = 320 / 525 * 2.0
    seen = look(one(patch(2.0, at=(edge, 0))), wall(2.0), K, HERE)
    assert seen.in_view[0] == pytest.approx(0.5, abs=0.05)


def test_errors_within_the_tolerance_are_hits() -> None:
    config = SightConfig()
    slack = config.slack + 2.0 * config.slope
    for surface in (2.0 - 0.9 * slack, 2.0 + 0.9 * slack):
        assert look(one(patch(2.0)), wall(surface), K, HERE).hit[0] == AT_MOST
    assert look(one(patch(2.0)), wall(2.0 + 1.1 * slack), K, HERE).through[0] == AT_MOST


def test_a_sample_beside_a_depth_edge_is_not_seen_through() -> None:
    depth = wall(3.0)
    depth[:, :320] = 2.0  # the sample falls on the first pixel behind the edge
    point = np.array([[0.5 / 525 * 2.0, 0.0, 2.0]])
    assert look(one(point), depth, K, HERE).through[0] == 0


def test_the_side_in_pixels_is_that_of_the_projection() -> None:
    seen = look(one(patch(2.0, half=0.1)), wall(2.0), K, HERE)
    assert seen.side_px[0] == pytest.approx(0.2 * 525 / 2.0, rel=0.05)


@given(
    st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
)
def test_moving_camera_and_world_together_changes_nothing(
    shift: list[float], turn: list[float]
) -> None:
    rng = np.random.default_rng(0)
    depth = (2 + 0.3 * rng.standard_normal((480, 640))).astype(np.float32)
    points = rng.uniform((-1.5, -1, 0.5), (1.5, 1, 3.5), (40, 3))
    T = geometry.pose_matrix(np.array([*shift[:3], *turn]))
    here = look(one(points), depth, K, HERE)
    there = look(one(geometry.transform(T, points)), depth, K, T)
    # Rounding can move a sample over a pixel's edge, no more.
    assert abs(here.hit - there.hit).max() <= 1 and abs(here.outside - there.outside).max() <= 1


def test_counts_agree_with_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    depth = np.where(rng.random((480, 640)) < 0.2, 0, rng.uniform(1.8, 2.4, (480, 640)))
    depth = depth.astype(np.float32)
    points = rng.uniform((-2, -1.5, 0.1), (2, 1.5, 4.5), (AT_MOST, 3))
    seen = look(one(points), depth, K, HERE)
    counts = dict.fromkeys(("hit", "through", "occluded", "unknown", "outside"), 0)
    for point in points:
        counts[_plainly(point, depth)] += 1
    assert {name: int(getattr(seen, name)[0]) for name in counts} == counts


def _plainly(point: NDArray[np.float64], depth: NDArray[np.float32]) -> str:
    z = point[2]
    if not 0.15 <= z <= 4.0:
        return "outside"
    u, v = np.floor(geometry.project(K, point) + 0.5).astype(int)
    if not (1 <= u <= 638 and 1 <= v <= 478):
        return "outside"
    around = depth[v - 1 : v + 2, u - 1 : u + 2]
    around = around[around > 0]
    slack = 0.04 + 0.01 * z
    if len(around) < 5:
        return "unknown"
    if around.min() > z + slack:
        return "through"
    return "occluded" if around.max() < z - slack else "hit"


def test_a_keyframe_remembers_what_was_free_in_ten_kilobytes() -> None:
    depth = wall(3.0)
    depth[:, 400:] = 1.0
    kept = keyframe(depth, K, HERE)
    assert kept.depth_mm.shape == (60, 80) and kept.depth_mm.nbytes == 9600
    samples = Samples.of_points([patch(2.0), patch(2.0, at=(0.8, 0)), patch(3.0, at=(-0.5, 0))])
    seen = look_back(samples, [kept, kept])
    assert seen.through.tolist() == [2 * AT_MOST, 0, 0]
    assert seen.occluded.tolist() == [0, 2 * AT_MOST, 0]
    assert seen.hit.tolist() == [0, 0, 2 * AT_MOST]


def test_without_keyframes_nothing_is_known() -> None:
    assert look_back(one(patch(2.0)), []).total.tolist() == [0]


def test_samples_of_cells_cover_the_object() -> None:
    points = np.random.default_rng(2).uniform(0, 1, (5000, 3))
    keys = np.unique(voxel_keys(points, 0.025))
    samples = Samples.of_cells([keys, keys[:3], keys[:0]], 0.025)
    assert np.diff(samples.start).tolist() == [AT_MOST, 3, 0]
    assert np.ptp(samples.points[:AT_MOST], 0) == pytest.approx([1, 1, 1], abs=0.15)
