"""Robots move as robots can: smoothly, through doorways, not through furniture."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.geometry import pose_matrix
from scenekeeper.simulate.home import furnish
from scenekeeper.simulate.motion import RATE, drive, orbit

HOME = furnish(12, ["kitchen", "living room"])


@pytest.fixture(scope="module")
def driven():
    return drive(HOME, 24.0, np.random.default_rng(0))


def test_a_drive_is_sampled_evenly_and_visits_every_room(driven) -> None:
    assert len(driven.t_ns) == 24 * RATE + 1
    assert set(np.diff(driven.t_ns)) == {10_000_000}
    x = driven.poses[:, 0]
    assert all(((r.x0 < x) & (x < r.x1)).any() for r in HOME.rooms)


def test_the_base_keeps_out_of_furniture(driven) -> None:
    xy = driven.joints[::20, :2]
    for thing in HOME.things:
        if thing.carrier is not None or thing.carried != "on" or thing.high[2] < 0.05:
            continue
        local = (xy - thing.T_world_thing[:2, 3]) @ thing.T_world_thing[:2, :2]
        inside = ((local > thing.low[:2]) & (local < thing.high[:2])).all(1)
        assert not inside.any(), thing.family.name


def test_it_moves_smoothly(driven) -> None:
    step = np.linalg.norm(np.diff(driven.poses[:, :3], axis=0), axis=1) * RATE
    assert step.max() < 1.5
    turn = np.abs(np.diff(driven.joints[:, 2])) * RATE
    assert turn.max() < 4


def test_joints_say_where_the_camera_looks(driven) -> None:
    """Pan and tilt on the base's heading give the optical axis."""
    _, _, yaw, pan, tilt = driven.joints.T
    axis = pose_matrix(driven.poses)[:, :3, 2]
    level = np.cos(tilt)
    ahead = np.stack((level * np.cos(yaw + pan), level * np.sin(yaw + pan), np.sin(tilt)), 1)
    assert axis == pytest.approx(ahead, abs=1e-6)


def test_actions_are_what_the_base_then_does(driven) -> None:
    forward = driven.actions[:, 0]
    step = np.diff(driven.joints[:, :2], axis=0) * RATE
    heading = driven.joints[:-1, 2]
    along = step[:, 0] * np.cos(heading) + step[:, 1] * np.sin(heading)
    assert forward[:-1] == pytest.approx(along)


def test_an_orbit_stays_inside_and_looks_at_one_place() -> None:
    motion = orbit(HOME, 10.0, np.random.default_rng(1))
    assert not motion.joint_names
    room = min(HOME.rooms, key=lambda r: abs(np.median(motion.poses[:, 0]) - r.center[0]))
    assert (motion.poses[:, 0] > room.x0).all() and (motion.poses[:, 0] < room.x1).all()
    T = pose_matrix(motion.poses)
    # All optical axes pass close to their least-squares meeting point.
    axes, eyes = T[:, :3, 2], T[:, :3, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    point = np.linalg.solve(across.sum(0), (across @ eyes[..., None]).sum(0)[:, 0])
    off = np.linalg.norm((across @ (point - eyes)[..., None])[..., 0], axis=1)
    assert off.max() < 0.02


def test_the_same_seed_moves_the_same() -> None:
    a, b = (drive(HOME, 5.0, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(a.poses, b.poses)
