"""Poses that agree with the map: noise goes, what is right stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.schema import Camera
from scenekeeper.simulate.raycast import Shape, cast, pixel_grid
from scenekeeper.world.settle import Settler

Float = NDArray[np.float64]

CAMERA = Camera("front", 107, 80, np.array([[90.0, 0, 53], [0, 90, 39.5], [0, 0, 1]]))
ROOM = [
    Shape("rectangle", (0, 0, 0), (6, 5, 0)),
    Shape("rectangle", (3, 0, 1.3), (0, 5, 2.6)),
    Shape("rectangle", (0, 2.5, 1.3), (6, 0, 2.6)),
    Shape("rectangle", (0, -2.5, 1.3), (6, 0, 2.6)),
    Shape("box", (2.2, 0.6, 0.4), (0.8, 1.2, 0.8)),
    Shape("box", (1.8, -1.4, 0.6), (0.5, 0.5, 1.2), 0.5),
    Shape("cylinder", (2.1, 0.5, 0.95), (0.3, 0.3, 0.3)),
]
CORNER = np.array([1.8, 1.2, 0.8])
"""A fixed point of the room: a corner of the table."""


def pose(k: int) -> Float:
    """A camera that sways before the far wall."""
    turn = Rotation.from_euler("ZY", [0.25 * np.sin(0.2 * k), 0.15 + 0.05 * np.cos(0.3 * k)])
    T = np.eye(4)
    T[:3, :3] = turn.as_matrix() @ np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    T[:3, 3] = -1.5 + 0.02 * k, 0.4 * np.sin(0.15 * k), 1.4
    return T


def points(T: Float, rng: np.random.Generator, room: list[Shape] = ROOM) -> NDArray[np.float32]:
    """What a depth camera sees of a room, with its noise, camera frame."""
    pixels = pixel_grid(CAMERA.width, CAMERA.height)
    hits = cast(room, CAMERA, T, pixels)
    z = hits.depth * (1 + rng.normal(0, 0.002, len(hits.depth)))
    rays = np.linalg.inv(CAMERA.intrinsics) @ np.vstack((pixels, np.ones(len(z))))
    hit = np.isfinite(z)
    return (rays[:, hit] * z[hit]).T.astype(np.float32)


def noisy(T: Float, rng: np.random.Generator, metres: float, degrees: float) -> Float:
    out = T.copy()
    turn = Rotation.from_rotvec(np.radians(rng.normal(0, degrees / np.sqrt(3), 3)))
    out[:3, :3] = T[:3, :3] @ turn.as_matrix()
    out[:3, 3] += rng.normal(0, metres / np.sqrt(3), 3)
    return out


def session(metres: float, degrees: float, frames: int = 50) -> tuple[list[Float], list[Float]]:
    """Told and settled poses."""
    rng, settle = np.random.default_rng(1), Settler()
    told = [noisy(pose(k), rng, metres, degrees) for k in range(frames)]
    return told, [settle(points(pose(k), rng), T) for k, T in enumerate(told)]


def test_a_registration_far_off_what_was_told_is_refused() -> None:
    rng, settle = np.random.default_rng(1), Settler()
    for k in range(40):
        settle(points(pose(k), rng), noisy(pose(k), rng, 0.005, 0.1))
    # A tall thing has moved while the camera was not looking; all else is out of view.
    near = [Shape("box", (0.4, 0.0, 1.2), (0.3, 3.0, 2.4))]
    moved = [Shape("box", (0.52, 0.0, 1.2), (0.3, 3.0, 2.4))]
    settle(points(pose(40), rng, near), pose(40))
    settled = settle(points(pose(40), rng, moved), pose(40))
    assert np.linalg.norm(settled[:3, 3] - pose(40)[:3, 3]) < 0.01


def corner(poses: list[Float]) -> Float:
    """Where each pose puts the corner of the table, seen from where the camera really was."""
    seen = [np.linalg.inv(pose(k)) @ [*CORNER, 1] for k in range(len(poses))]
    return np.array([(T @ p)[:3] for T, p in zip(poses, seen, strict=True)])


@pytest.mark.parametrize(("metres", "degrees"), [(0.02, 0.5), (0.04, 1.0)])
def test_noisy_poses_come_out_consistent(metres: float, degrees: float) -> None:
    told, settled = session(metres, degrees)
    spread = [np.linalg.norm(corner(poses)[10:].std(0)) for poses in (told, settled)]
    assert spread[1] <= spread[0] / 3


def test_clean_poses_stay() -> None:
    told, settled = session(0.0, 0.0)
    off = [np.linalg.norm(T[:3, 3] - S[:3, 3]) for T, S in zip(told, settled, strict=True)]
    turn = [
        Rotation.from_matrix(T[:3, :3].T @ S[:3, :3]).magnitude()
        for T, S in zip(told, settled, strict=True)
    ]
    assert max(off) < 0.005 and np.degrees(max(turn)) < 0.25


def test_along_a_bare_wall_poses_are_as_told() -> None:
    """Nothing but the wall's distance and tilt can be told from what the camera sees."""
    rng, settle, wall = (
        np.random.default_rng(1),
        Settler(),
        [Shape("rectangle", (3, 0, 0), (0, 40, 40))],
    )
    for k in range(40):
        told = noisy(pose(0), rng, 0.01, 0.0)
        told[1, 3] += 0.05 * k
        settled = settle(points(told, rng, wall), told)
        assert np.abs(settled[1:3, 3] - told[1:3, 3]).max() < 0.01, k


def test_a_jump_is_believed() -> None:
    rng, settle = np.random.default_rng(1), Settler()
    for k in range(40):
        told = pose(k)
        told[0, 3] += 1.0 * (k >= 20)
        settled = settle(points(pose(k), rng), told)
        assert np.linalg.norm(settled[:3, 3] - told[:3, 3]) < 0.02, k


@pytest.mark.parametrize("n", [0, 1, 5, 60])
def test_too_few_points_give_the_told_pose_back(n: int) -> None:
    rng, settle = np.random.default_rng(1), Settler()
    few = rng.uniform(1, 3, (n, 3)).astype(np.float32)
    told = noisy(pose(0), rng, 0.1, 5.0)
    assert np.array_equal(settle(few, told), told)
    settle(points(pose(0), rng), pose(0))
    assert np.array_equal(settle(few, told), told)


def test_what_was_never_seen_keeps_its_told_pose() -> None:
    rng, settle = np.random.default_rng(1), Settler()
    settle(points(pose(0), rng), pose(0))
    away = pose(0)
    away[:3, 3] += 50.0
    assert np.array_equal(settle(points(pose(0), rng), away), away)


def test_the_same_frames_settle_the_same() -> None:
    one, other = session(0.02, 0.5, 8)[1], session(0.02, 0.5, 8)[1]
    assert np.array_equal(one, other)
