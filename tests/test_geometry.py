"""Poses, projection and boxes against slow or independent answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from scenekeeper import geometry

Float = NDArray[np.float64]

finite = st.floats(-100, 100, allow_nan=False)
vectors = arrays(np.float64, 3, elements=finite)
quaternions = arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(
    lambda q: np.linalg.norm(q) > 0.1
)
K = np.array([[525.0, 0, 319.5], [0, 530.0, 239.5], [0, 0, 1]])


@st.composite
def poses(draw: st.DrawFn) -> Float:
    q = draw(quaternions)
    return np.concatenate((draw(vectors), q / np.linalg.norm(q)))


@given(poses())
def test_a_pose_survives_as_matrix_and_back(pose: Float) -> None:
    back = geometry.pose_vector(geometry.pose_matrix(pose))
    same_side = back[3:] * np.sign(back[3:] @ pose[3:])
    assert back[:3] == pytest.approx(pose[:3]) and same_side == pytest.approx(pose[3:], abs=1e-9)
    assert back[6] >= 0


@given(poses())
def test_a_pose_matrix_is_that_of_scipy(pose: Float) -> None:
    T = geometry.pose_matrix(pose)
    assert T[:3, :3] == pytest.approx(Rotation.from_quat(pose[3:]).as_matrix(), abs=1e-9)
    assert T[:3, 3].tolist() == pose[:3].tolist() and T[3].tolist() == [0, 0, 0, 1]


@given(poses())
def test_the_inverse_undoes_a_pose(pose: Float) -> None:
    T = geometry.pose_matrix(pose)
    assert geometry.invert(T) @ T == pytest.approx(np.eye(4), abs=1e-9)


@pytest.mark.parametrize(
    "matrix",
    [np.full((4, 4), np.nan), np.eye(3), np.diag([1.0, 1, -1, 1]), np.diag([2.0, 2, 2, 1])],
    ids=["not a number", "too small", "mirrored", "scaled"],
)
def test_what_is_no_pose_is_refused(matrix: Float) -> None:
    with pytest.raises(ValueError, match="pose"):
        geometry.pose_vector(matrix)


def test_a_rotation_with_rounding_noise_is_mended() -> None:
    T = np.eye(4)
    T[:3, :3] += 1e-4
    assert np.linalg.norm(geometry.pose_vector(T)[3:]) == pytest.approx(1)


@given(poses(), poses(), st.integers(1, 999))
def test_between_two_poses_it_goes_straight_and_turns_evenly(a: Float, b: Float, at: int) -> None:
    assume(abs(a[3:] @ b[3:]) > 1e-3)  # half a turn apart there are two ways round
    between = geometry.interpolate_poses(np.array([0, 1000]), np.stack((a, b)), np.array([at]))[0]
    assert between[:3] == pytest.approx(a[:3] + (b[:3] - a[:3]) * at / 1000, abs=1e-9)
    expected = Slerp([0, 1000], Rotation.from_quat([a[3:], b[3:]]))(at)
    angle = (Rotation.from_quat(between[3:]).inv() * expected).magnitude()
    assert angle == pytest.approx(0, abs=1e-6)


@given(poses(), poses())
def test_at_a_sample_and_beyond_the_ends_a_pose_is_the_samples_own(a: Float, b: Float) -> None:
    at = np.array([-5, 10, 20, 99])
    found = geometry.interpolate_poses(np.array([10, 20]), np.stack((a, b)), at)
    assert found.tolist() == [a.tolist(), a.tolist(), b.tolist(), b.tolist()]


def test_one_sample_serves_all_times() -> None:
    only = np.array([[1.0, 2, 3, 0, 0, 0, 1]])
    assert (
        geometry.interpolate_poses(np.array([7]), only, np.array([0, 7, 9])).tolist()
        == [only[0].tolist()] * 3
    )


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20).map(sorted),
    st.lists(st.integers(-10, 60), max_size=10),
)
def test_the_nearest_sample_is_the_nearest_and_of_two_the_earlier(
    times: list[int], wanted: list[int]
) -> None:
    t = np.array(times, np.int64)
    for at, found in zip(wanted, geometry.nearest(t, np.array(wanted, np.int64)), strict=True):
        distance = np.abs(t - at)
        assert distance[found] == distance.min()
        assert t[found] == t[np.flatnonzero(distance == distance.min())[0]]


@given(arrays(np.float64, (5, 3), elements=st.floats(0.1, 50)))
def test_projection_and_rays_are_inverse(points: Float) -> None:
    uv = geometry.project(K, points)
    rays = np.linalg.inv(K) @ np.column_stack((uv, np.ones(5))).T
    assert rays.T * points[:, 2:] == pytest.approx(points)


def test_rays_go_through_the_pixels() -> None:
    rays = geometry.rays(K, 640, 480, stride=16)
    assert rays.shape == (30, 40, 3) and (rays[..., 2] == 1).all()
    uv = geometry.project(K, rays.astype(np.float64))
    assert uv[3, 5] == pytest.approx([80, 48], abs=1e-3)


def test_depth_becomes_points_at_that_depth_and_unknown_depth_zeros() -> None:
    depth = np.full((480, 640), 2.0, np.float32)
    depth[0, 0] = 0
    points = geometry.unproject(depth, geometry.rays(K, 640, 480))
    assert points[100, 200, 2] == 2 and points[0, 0].tolist() == [0, 0, 0]


boxes = arrays(np.float64, (4, 4), elements=st.integers(0, 12).map(float))


@given(boxes, boxes)
def test_box_iou_counts_shared_pixels(a: Float, b: Float) -> None:
    for box in (a, b):
        box[:, 2:] = np.maximum(box[:, :2], box[:, 2:])

    def pixels(box: Float) -> NDArray[np.bool_]:
        grid = np.zeros((12, 12), bool)
        x0, y0, x1, y1 = box.astype(int)
        grid[y0:y1, x0:x1] = True
        return grid

    found = geometry.box_iou(a, b)
    for i in range(4):
        for j in range(4):
            p, q = pixels(a[i]), pixels(b[j])
            union = (p | q).sum()
            assert found[i, j] == pytest.approx((p & q).sum() / union if union else 0.0)


clouds = st.integers(1, 40).flatmap(lambda n: arrays(np.float64, (n, 3), elements=finite))


@given(clouds, vectors.filter(lambda v: np.linalg.norm(v) > 0.1))
def test_an_upright_box_stands_upright_and_holds_the_points(points: Float, up: Float) -> None:
    up = up / np.linalg.norm(up)
    center, extent, R = geometry.upright_box(points, up)
    assert np.allclose(R.T @ R, np.eye(3)) and np.linalg.det(R) > 0
    assert R[:, 2] == pytest.approx(up)
    assert (np.abs((points - center) @ R) <= extent / 2 + 1e-6).all()


@given(clouds)
def test_no_other_yaw_gives_a_smaller_footprint(points: Float) -> None:
    _, extent, _ = geometry.upright_box(points, np.array([0.0, 0, 1]))
    for angle in np.linspace(0, np.pi / 2, 45):
        c, s = np.cos(angle), np.sin(angle)
        size = np.ptp(points[:, :2] @ np.array([[c, -s], [s, c]]), 0)
        assert extent[0] * extent[1] <= size.prod() * (1 + 1e-6) + 1e-6


def test_a_turned_box_is_found_exactly() -> None:
    R = Rotation.from_euler("z", 0.4).as_matrix()
    corners = geometry.box_corners(np.array([1.0, 2, 3]), np.array([0.4, 0.2, 0.6]), R)
    center, extent, _ = geometry.upright_box(corners, np.array([0.0, 0, 1]))
    assert center == pytest.approx([1, 2, 3])
    assert sorted(extent[:2]) == pytest.approx([0.2, 0.4]) and extent[2] == pytest.approx(0.6)


def test_corners_run_x_fastest() -> None:
    corners = geometry.box_corners(np.zeros(3), np.array([2.0, 4, 6]), np.eye(3))
    assert corners[:3].tolist() == [[-1, -2, -3], [1, -2, -3], [-1, 2, -3]]


@given(vectors.filter(lambda v: np.linalg.norm(v) > 0.1))
def test_an_upright_basis_is_right_handed(up: Float) -> None:
    R = geometry.upright_basis(up)
    assert np.allclose(R.T @ R, np.eye(3)) and np.linalg.det(R) > 0
    assert R[:, 2] == pytest.approx(up / np.linalg.norm(up))


def upright(center: Float, extent: Float, yaw: float) -> tuple[Float, Float, Float]:
    R = Rotation.from_euler("z", yaw).as_matrix()
    return np.array([center], float), np.array([extent], float), R[None]


def test_boxes_in_line_overlap_as_intervals_do() -> None:
    a, b = upright([0, 0, 0], [2, 2, 2], 0), upright([1, 0, 0.5], [2, 2, 2], 0)
    assert geometry.upright_iou(a, b, [0, 0, 1])[0, 0] == pytest.approx(3 / (16 - 3))
    assert geometry.upright_iou(a, a, [0, 0, 1])[0, 0] == pytest.approx(1)
    apart = upright([0, 0, 2], [2, 2, 2], 0)
    assert geometry.upright_iou(a, apart, [0, 0, 1])[0, 0] == 0


@pytest.mark.parametrize("turn", [np.pi / 4, -np.pi / 4, 3 * np.pi / 4])
def test_a_square_turned_by_an_eighth_shares_a_regular_octagon(turn: float) -> None:
    a, b = upright([3, 1, 0], [2, 2, 1], 0.3), upright([3, 1, 0], [2, 2, 1], 0.3 + turn)
    octagon = 8 * (np.sqrt(2) - 1)
    assert geometry.upright_iou(a, b, [0, 0, 1])[0, 0] == pytest.approx(octagon / (8 - octagon))


def test_a_box_within_another_shares_its_own_volume() -> None:
    a, b = upright([0, 0, 0], [4, 4, 4], 0.2), upright([0.3, -0.2, 0.5], [1, 2, 1], 1.1)
    assert geometry.upright_iou(a, b, [0, 0, 1])[0, 0] == pytest.approx(2 / 64)


@given(st.integers(0, 2**32))
def test_upright_boxes_overlap_as_random_points_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [
        upright(rng.uniform(-0.4, 0.4, 3), rng.uniform(0.5, 1.5, 3), rng.uniform(-4, 4))
        for _ in range(2)
    ]
    points = rng.uniform(-1.6, 1.6, (20000, 3))
    inside = [
        (np.abs((points - center[0]) @ R[0]) <= extent[0] / 2).all(1) for center, extent, R in boxes
    ]
    drawn = (inside[0] | inside[1]).sum()
    expected = (inside[0] & inside[1]).sum() / drawn
    chance = 5 * np.sqrt(expected * (1 - expected) / drawn) + 5 / drawn
    # The same in a world that lies on its side.
    tilt = Rotation.from_euler("xy", [1.1, 0.4]).as_matrix()
    tilted = [(center @ tilt.T, extent, tilt @ R) for center, extent, R in boxes]
    for a, b, up in ((*boxes, [0, 0, 1]), (*tilted, tilt[:, 2])):
        iou = geometry.upright_iou(a, b, up)[0, 0]
        assert iou == pytest.approx(expected, abs=chance)
        assert iou == pytest.approx(geometry.upright_iou(b, a, up)[0, 0], abs=1e-9)


def test_a_box_that_lies_on_its_side_is_the_same_box() -> None:
    a = upright([0, 0, 0], [1, 2, 3], 0.4)
    lying = a[0], a[1][:, [2, 0, 1]], a[2][:, :, [2, 0, 1]]
    assert geometry.upright_iou(a, lying, [0, 0, 1])[0, 0] == pytest.approx(1)
    none = np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 3))
    assert geometry.upright_iou(a, none, [0, 0, 1]).shape == (1, 0)
