"""A session is laid onto the map where it belongs, or not at all."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.geometry import invert, transform
from scenekeeper.world import align as module
from scenekeeper.world.agreement import Cloud, both_ways, fit, pose_std, rivals
from scenekeeper.world.align import EXTRA, AlignConfig, Target, align, refine

Float = NDArray[np.float64]
UP = np.array([0, 0, 1.0])
QUICK = AlignConfig(resolutions=(0.1,))

needs_extra = pytest.mark.skipif(
    any(find_spec(name) is None for name in EXTRA),
    reason="needs kiss-matcher and small_gicp: pip install 'scenekeeper[reloc]'",
)


def sheet(corner: tuple[float, ...], u: tuple[float, ...], v: tuple[float, ...]) -> Float:
    """Points every 3 cm on a rectangle."""
    n = [int(np.linalg.norm(side) / 0.03) + 1 for side in (u, v)]
    a, b = np.meshgrid(np.linspace(0, 1, n[0]), np.linspace(0, 1, n[1]))
    return np.array(corner) + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v


def block(center: tuple[float, float], size: tuple[float, float, float], turn: float) -> Float:
    """The sides and the top of a box on the floor."""
    x, y, z = size
    faces = [sheet((-x / 2, -y / 2, z), (x, 0, 0), (0, y, 0))]
    faces += [sheet((-x / 2, s * y / 2, 0), (x, 0, 0), (0, 0, z)) for s in (-1, 1)]
    faces += [sheet((s * x / 2, -y / 2, 0), (0, y, 0), (0, 0, z)) for s in (-1, 1)]
    points = np.concatenate(faces) @ Rotation.from_euler("z", turn).as_matrix().T
    return points + np.array([*center, 0])


def shell(wide: float, deep: float) -> Float:
    """A floor and four walls about the origin."""
    x, y = wide / 2, deep / 2
    walls = [sheet((-x, s * y, 0), (wide, 0, 0), (0, 0, 1.2)) for s in (-1, 1)]
    walls += [sheet((s * x, -y, 0), (0, deep, 0), (0, 0, 1.2)) for s in (-1, 1)]
    return np.concatenate([sheet((-x, -y, 0), (wide, 0, 0), (0, deep, 0)), *walls])


def room(seed: int, noise_seed: int = 0, wide: float = 3.2, deep: float = 2.6) -> Float:
    """A box of a room with nine boxes in it, each point a few millimetres off."""
    rng = np.random.default_rng(seed)
    things = [
        block(
            (rng.uniform(-1, 1) * wide * 0.4, rng.uniform(-1, 1) * deep * 0.4),
            tuple(rng.uniform(0.2, 0.9, 3)),
            rng.uniform(0, np.pi),
        )
        for _ in range(9)
    ]
    points = np.concatenate([shell(wide, deep), *things])
    return points + np.random.default_rng(noise_seed).normal(0, 0.004, points.shape)


def moved(yaw: float, x: float = 2.0, y: float = -3.0, z: float = 0.4) -> Float:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw, degrees=True).as_matrix()
    T[:3, 3] = x, y, z
    return T


def off(T: Float) -> tuple[float, float]:
    """Metres and degrees from identity."""
    angle = np.arccos(np.clip((np.trace(T[:3, :3]) - 1) / 2, -1, 1))
    return float(np.linalg.norm(T[:3, 3])), float(np.degrees(angle))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the packages that search were not installed."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)


# --- without the optional packages ----------------------------------------------------------------


@pytest.mark.usefixtures("bare")
def test_sessions_in_one_frame_need_no_packages() -> None:
    found = align(room(1), room(1, noise_seed=1), up_map=UP, up_session=UP)
    assert found.accepted and found.how == "same frame" and found.inliers > 0.9
    assert np.array_equal(found.T_map_session, np.eye(4)) or off(found.T_map_session)[0] < 1e-9


@pytest.mark.usefixtures("bare")
def test_without_packages_a_session_elsewhere_is_not_placed_and_the_remedy_is_said() -> None:
    found = align(room(1), transform(moved(70), room(1, 1)), up_map=UP, up_session=UP)
    assert not found.accepted and found.how == "unavailable"
    assert "pip install 'scenekeeper[reloc]'" in found.reason


@pytest.mark.usefixtures("bare")
def test_another_room_in_the_same_place_is_not_the_same_frame() -> None:
    assert not align(room(1), room(2), up_map=UP, up_session=UP).accepted


@pytest.mark.usefixtures("bare")
def test_a_veto_is_heard_and_repeated() -> None:
    found = align(room(1), room(1, 1), veto=lambda T: "the door says otherwise")
    assert not found.accepted and "the door says otherwise" in found.reason


def test_too_little_surface_is_refused() -> None:
    found = align(room(1), room(1)[:200])
    assert not found.accepted and found.how == "refused" and "too little" in found.reason


@pytest.mark.parametrize(
    ("points", "up"),
    [(np.zeros((9, 2)), UP), (np.full((9, 3), np.nan), UP), (room(1), np.zeros(3))],
    ids=["not 3D", "not finite", "no direction"],
)
def test_what_is_no_cloud_or_direction_is_named(points: Float, up: Float) -> None:
    with pytest.raises(ValueError, match="session"):
        align(room(1), points, up_map=UP, up_session=up)


def test_a_part_of_a_surface_fits_it_and_only_what_both_saw_counts() -> None:
    whole = Cloud.of(room(1))
    left = Cloud.of(room(1, 1)[room(1, 1)[:, 0] < 0])
    one_way = fit(whole, left, np.eye(4), 0.04)
    other_way = fit(left, whole, np.eye(4), 0.04)
    assert one_way.overlap > 0.99 and one_way.inliers > 0.95
    assert 0.4 < other_way.overlap < 0.75 and other_way.inliers > 0.7
    assert both_ways(whole, left, np.eye(4), 0.04).overlap == one_way.overlap


def test_floors_are_flat_and_boxes_have_structure() -> None:
    floor, furnished = Cloud.of(shell(4, 3)), Cloud.of(room(1))
    assert floor.structure.mean() < 0.2 < furnished.structure.mean()


def test_quarter_turns_are_among_the_doubts() -> None:
    cloud = Cloud.of(room(1))
    for degrees in (90, 180, 270):
        doubts = rivals(cloud, cloud, moved(degrees, 0.3, -0.2, 0), UP)
        nearest = min((off(T) for T in doubts), key=lambda far: far[0] + far[1])
        assert nearest[0] < 0.15 and nearest[1] < 1e-3


@settings(max_examples=20, deadline=None)
@given(yaw=st.floats(-180, 180), x=st.floats(-50, 50), y=st.floats(-50, 50))
def test_how_sure_a_pose_is_does_not_depend_on_the_frame(yaw: float, x: float, y: float) -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.uniform(-1, 1, (400, 3)), rng.standard_normal((400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    left = rng.normal(0, 0.01, 400)
    T = moved(yaw, x, y)
    there = pose_std(transform(T, points), normals @ T[:3, :3].T, left)
    assert there == pytest.approx(pose_std(points, normals, left), rel=1e-4)


def test_a_corridor_leaves_its_length_open() -> None:
    walls = np.concatenate([sheet((0, y, 0), (6, 0, 0), (0, 0, 2)) for y in (0.0, 1.2)])
    floor = sheet((0, 0, 0), (6, 0, 0), (0, 1.2, 0))
    normals = np.concatenate([np.tile((0, 1.0, 0), (len(walls), 1)), np.tile(UP, (len(floor), 1))])
    left = np.full(len(normals), 0.005)
    assert pose_std(np.concatenate([walls, floor]), normals, left)[0] == np.inf


# --- with them ------------------------------------------------------------------------------------


@needs_extra
def test_a_moved_session_is_found_again() -> None:
    T = moved(140)
    found = align(room(1), transform(T, room(1, 1)), up_map=UP, up_session=UP)
    metres, degrees = off(found.T_map_session @ T)
    assert found.accepted and found.how == "relocated", found.reason
    assert metres < 0.02 and degrees < 0.3 and found.std[0] < 0.02


@needs_extra
def test_up_may_be_any_axis() -> None:
    tip = np.eye(4)
    tip[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    T = tip @ moved(35)
    found = align(room(1), transform(T, room(1, 1)), up_map=UP, up_session=tip[:3, :3] @ UP)
    assert found.accepted and off(found.T_map_session @ T)[0] < 0.02


@needs_extra
def test_asking_again_gives_the_same_answer() -> None:
    clouds = room(3), transform(moved(100), room(3, 1))
    first, second = (align(*clouds, up_map=UP, up_session=UP) for _ in range(2))
    assert np.allclose(first.T_map_session, second.T_map_session, atol=1e-3)
    assert first.accepted and second.accepted and first.how == second.how


@needs_extra
def test_a_mirrored_room_is_refused() -> None:
    mirrored = transform(moved(20), room(1, 1) * [-1, 1, 1])
    found = align(room(1), mirrored, up_map=UP, up_session=UP, config=QUICK)
    assert not found.accepted and found.how == "refused"


@needs_extra
def test_another_room_within_equal_walls_is_refused() -> None:
    found = align(room(1), transform(moved(20), room(2)), up_map=UP, up_session=UP, config=QUICK)
    assert not found.accepted


@needs_extra
def test_a_room_that_looks_the_same_turned_around_is_refused_as_ambiguous() -> None:
    half = [block((1.0, 0.7), (0.6, 0.4, 0.8), 0.0), block((-0.5, 0.9), (0.3, 0.5, 0.5), 0.4)]
    turned = [thing * [-1, -1, 1] for thing in half]
    points = np.concatenate([shell(3.2, 2.6), *half, *turned])
    found = align(points, transform(moved(60), points), up_map=UP, up_session=UP)
    assert not found.accepted and "another place" in found.reason


@needs_extra
def test_a_corner_of_the_room_is_not_enough() -> None:
    points = room(1, 1)
    corner = points[(points[:, 0] < -1.0) & (points[:, 1] < -0.8)]
    found = align(room(4), transform(moved(60), corner), up_map=UP, up_session=UP, config=QUICK)
    assert not found.accepted


@needs_extra
def test_a_scan_is_refined_on_a_prepared_map() -> None:
    points = room(1, 1)
    scan = points[points[:, 0] > 0.3]
    T = moved(30)
    guess = invert(T) @ moved(1.0, 0.03, -0.02, 0.01)
    target = Target.of(room(1))
    found = refine(target, transform(T, scan), guess)
    metres, degrees = off(found.T @ T)
    assert metres < 0.01 and degrees < 0.2 and found.inliers > 0.9 and found.std[0] < 0.02
    again = refine(room(1), transform(T, scan), guess)
    assert np.array_equal(again.T, found.T)
