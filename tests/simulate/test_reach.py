"""An arm reaches over things as arms can, moves one, and the truth follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.geometry import invert, pose_matrix
from scenekeeper.recording import open_recording
from scenekeeper.simulate import arm, robot
from scenekeeper.simulate.home import furnish
from scenekeeper.simulate.motion import RATE
from scenekeeper.simulate.produce import TRUTH, Scenario, simulate, visits_of
from scenekeeper.simulate.reach import AHEAD, reach
from scenekeeper.simulate.render import see
from scenekeeper.simulate.truth import IDS, object_id
from scenekeeper.store import open_dataset

SEED = 7
SECONDS = 12.0
SCENARIO = Scenario(path="wrist", seconds=SECONDS, fps=1, size=(96, 72), finer=1, clutter=0.5)


@pytest.fixture(scope="module")
def visit():
    return visits_of(SEED, SCENARIO)[0][0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reached")
    simulate(out, [SEED], "mcap", SCENARIO)
    return out


def carried(visit):
    """The moved thing as it ends."""
    return next(t for t in visit.motion.things if t.id != robot.GRIPPER)


@pytest.mark.parametrize("seconds", [0.5, SECONDS, 45.0])
def test_joints_keep_their_limits_and_never_jump(seconds: float) -> None:
    motion = reach(furnish(2, clutter=0.6), seconds, np.random.default_rng(0))
    q, gap = motion.joints[:, :7], motion.joints[:, 7]
    assert len(q) == seconds * RATE + 1
    assert ((q >= arm.LOW) & (q <= arm.HIGH)).all()
    speed = np.diff(q, axis=0) * RATE
    assert (np.abs(speed) <= 1.001 * arm.SPEED).all()
    assert (np.abs(np.diff(speed, axis=0)) * RATE <= 1.01 * arm.ACCELERATION).all()
    assert ((gap >= 0) & (gap <= robot.WIDEST)).all()
    assert np.abs(q[-1] - q[0]).max() > 0.02


def test_an_empty_table_is_reached_over_too() -> None:
    motion = reach(furnish(6, ["kitchen"], clutter=0), 6.0, np.random.default_rng(0))
    assert [t.id for t in motion.things] == [robot.GRIPPER]
    assert np.ptp(motion.joints, axis=0).max() > 0.1


def test_commands_come_before_what_the_joints_do(visit) -> None:
    motion = visit.motion
    assert motion.joint_names == motion.action_names == (*arm.NAMES, "gripper")
    assert np.array_equal(motion.actions[:-AHEAD], motion.joints[AHEAD:])


def test_the_gripper_is_rigid_with_the_camera_and_always_in_view(visit) -> None:
    cameras = pose_matrix(visit.motion.poses)
    palm = [m for m in visit.motion.moving if m.part.instance == robot.GRIPPER][-1]
    apart = invert(cameras) @ palm.poses
    assert apart == pytest.approx(np.broadcast_to(apart[0], apart.shape), abs=1e-9)
    for row in range(len(visit.t_ns)):
        shot = see(visit.scene_of(row), visit.camera, visit.pose(row))
        own = shot.ids == robot.GRIPPER
        assert 0.02 < own.mean() < 0.5
        assert shot.depth[own].min() > 0.04


def test_a_thing_is_lifted_and_put_down_elsewhere_at_the_same_height(visit) -> None:
    thing, home = carried(visit), furnish(SEED, clutter=0.5)
    at_first = home.thing(thing.id)
    where = next(m for m in visit.motion.moving if m.part.instance == thing.id).poses
    assert where[0] == pytest.approx(at_first.T_world_thing)
    assert where[-1] == pytest.approx(thing.T_world_thing)
    assert np.linalg.norm(where[-1, :2, 3] - where[0, :2, 3]) > 0.05
    assert where[-1, 2, 3] == pytest.approx(where[0, 2, 3], abs=1e-5)
    assert where[:, 2, 3].max() > where[0, 2, 3] + 0.1
    assert thing.carrier == at_first.carrier


def test_what_is_held_moves_with_the_hand(visit) -> None:
    thing = carried(visit)
    poses = next(m for m in visit.motion.moving if m.part.instance == thing.id).poses
    palm = [m for m in visit.motion.moving if m.part.instance == robot.GRIPPER][-1].poses
    lifted = poses[:, 2, 3] > poses[0, 2, 3] + 0.01
    apart = invert(palm[lifted]) @ poses[lifted]
    assert apart == pytest.approx(np.broadcast_to(apart[0], apart.shape), abs=1e-9)


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    for path in simulate(tmp_path, [SEED], "mcap", SCENARIO):
        assert path.read_bytes() == (made / path.name).read_bytes()


def test_a_recording_holds_joints_and_actions_at_100_hz(made: Path, visit) -> None:
    recording = open_recording(next(made.glob("*.mcap")))
    joints, actions = recording.signals["/joint_states"], recording.signals["/action"]
    assert (joints.kind, actions.kind) == ("joint_state", "action")
    for signal, values in ((joints, visit.motion.joints), (actions, visit.motion.actions)):
        assert signal.names == (*arm.NAMES, "gripper")
        assert set(np.diff(signal.t_ns)) == {10_000_000}
        assert signal.values == pytest.approx(values)
    assert recording.task == f"move the {carried(visit).family.phrase}"


def test_the_truth_follows_the_gripper_and_what_it_moves(made: Path, visit) -> None:
    truth, thing = open_dataset(made / TRUTH), carried(visit)
    seen = {robot.GRIPPER: 0, thing.id: 0}
    for row, labels in enumerate(truth.labels(visit.name)):
        ids = see(visit.scene_of(row), visit.camera, visit.pose(row)).ids
        for k, track in enumerate(labels.track.tolist()):
            id = track - SEED * IDS
            if id not in seen:
                continue
            seen[id] += 1
            assert np.array_equal(masks.decode(labels.mask[k], labels.size), ids == id)
            told = [labels.signals[f"pose_{n}"][k] for n in ("tx", "ty", "tz")]
            there = visit.pose_of(next(t for t in visit.motion.things if t.id == id), row)
            assert told == pytest.approx(there[:3, 3], abs=1e-5)
            assert labels.phrase[k] == ("gripper" if id == robot.GRIPPER else thing.family.phrase)
    assert seen[robot.GRIPPER] == len(visit.t_ns) and seen[thing.id] > 3


def test_the_truth_says_where_the_moved_thing_ended_and_that_it_moved(made: Path, visit) -> None:
    truth, thing = open_dataset(made / TRUTH), carried(visit)
    own = object_id(visit.home, thing.id)
    objects = {o["object"]: o for o in truth.table("objects", visit.name).to_pylist()}
    assert objects[own]["center"] == pytest.approx(thing.center, abs=1e-6)
    assert any(f"{thing.family.phrase} {own} moves" in n for n in truth.session(visit.name).notes)
    captions = [c["text"] for c in truth.table("captions", visit.name).to_pylist()]
    assert any("held by a gripper" in text for text in captions)
    subjects = {r["subject"] for r in truth.table("relations", visit.name).to_pylist()}
    assert own in subjects and object_id(visit.home, robot.GRIPPER) not in subjects


def test_the_next_visit_finds_things_where_the_last_one_left_them() -> None:
    scenario = replace(SCENARIO, visits=2, changes=())
    (first, _), (second, changes) = visits_of(SEED, scenario)
    left, again = carried(first), carried(second)
    found = second.home.thing(left.id)
    if left.id != again.id:
        assert found.T_world_thing == pytest.approx(left.T_world_thing)
    assert [(c.kind, c.thing) for c in changes] == [("moved", again.id)]
