"""The transform tree gives camera poses in the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.geometry import pose_matrix
from scenekeeper.recording import tf
from scenekeeper.recording.columns import TimedRows
from scenekeeper.recording.messages import Transform

QUARTER = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))


def at(t_ns, parent, child, xyz=(0.0, 0.0, 0.0), q=(0.0, 0.0, 0.0, 1.0)):
    return Transform(t_ns, parent, child, (*xyz, *q))


def edges(moving, static=()):
    poses = {}
    for t in moving:
        poses.setdefault((t.parent, t.child), TimedRows()).add(t.t_ns, t.pose)
    return tf.moving_edges(poses) + tf.static_edges(static)


def tree(moving=(), static=()):
    return tf.make_tree(edges(moving, static))[0]


pose = st.tuples(*[st.floats(-5, 5)] * 3, *[st.floats(0.1, 1)] * 4)


@given(pose, pose)
def test_composition_is_the_product_of_the_matrices(a, b):
    a, b = np.array([a]), np.array([b])
    expected = pose_matrix(a) @ pose_matrix(b)
    assert np.allclose(pose_matrix(tf.compose(a, b)), expected, atol=1e-9)


@given(pose)
def test_a_pose_and_its_inverse_cancel(a):
    a = np.array([a])
    assert np.allclose(pose_matrix(tf.compose(a, tf.inverse(a))), np.eye(4), atol=1e-9)


def test_the_chain_runs_from_the_world_to_the_camera():
    found = tree([at(0, "map", "odom"), at(0, "odom", "base")], [at(0, "base", "cam")])
    assert [edge.child for edge in tf.chain_to_world(found, "cam")] == ["odom", "base", "cam"]


def test_frames_above_the_map_do_not_count():
    found = tree([at(0, "earth", "map"), at(0, "map", "cam")])
    assert [edge.parent for edge in tf.chain_to_world(found, "cam")] == ["map"]


def test_a_ring_of_frames_does_not_hang():
    found = tree([at(0, "a", "b"), at(0, "b", "a")])
    assert len(tf.chain_to_world(found, "a")) <= 2


def test_a_static_mount_moves_with_its_base():
    moving = [at(0, "odom", "base", (0, 0, 0)), at(100, "odom", "base", (1, 0, 0), QUARTER)]
    chain = tf.chain_to_world(tree(moving, [at(7, "base", "cam", (2, 0, 0))]), "cam")
    times = tf.chain_times(chain)
    poses, residual = tf.chain_poses(chain, times)
    assert times.tolist() == [0, 100]
    assert np.allclose(poses[:, :3], [[2, 0, 0], [1, 2, 0]])
    assert residual.tolist() == [0, 0]


def test_between_samples_rotation_is_spherical_and_the_distance_to_data_is_told():
    moving = [at(0, "odom", "cam"), at(100, "odom", "cam", (1, 0, 0), QUARTER)]
    poses, residual = tf.chain_poses(
        tf.chain_to_world(tree(moving), "cam"), np.array([40], np.int64)
    )
    angle = 0.4 * np.pi / 2
    assert np.allclose(poses[0], [0.4, 0, 0, 0, 0, np.sin(angle / 2), np.cos(angle / 2)])
    assert residual.tolist() == [40]


def test_two_moving_edges_are_evaluated_where_both_are_known():
    moving = [at(t, "map", "odom") for t in (0, 100)]
    moving += [at(t, "odom", "cam") for t in (50, 70, 120)]
    chain = tf.chain_to_world(tree(moving), "cam")
    assert tf.chain_times(chain).tolist() == [50, 70, 100]


def test_late_transforms_are_put_in_order_of_time():
    [edge] = edges([at(t, "a", "b", (t, 0, 0)) for t in (3, 1, 2)])
    assert edge.t_ns.tolist() == edge.poses[:, 0].tolist() == [1, 2, 3]


def test_a_frame_with_two_parents_is_reported_and_keeps_the_fuller_one():
    moving = [at(0, "x", "cam"), at(0, "odom", "cam"), at(1, "odom", "cam")]
    found, torn = tf.make_tree(edges(moving))
    assert found["cam"].parent == "odom" and torn == ("cam",)


@pytest.mark.parametrize("other", ["right", "nowhere"])
def test_relative_poses_need_a_common_root(other):
    mounts = [at(0, "rig", "left", (0, 1, 0), QUARTER), at(0, "rig", "right", (0, 3, 0))]
    found = tf.relative_pose(tree([], mounts), "left", other, 0)
    if other == "nowhere":
        assert found is None
    else:
        assert np.allclose(pose_matrix(found)[:3, 3], [2, 0, 0])
