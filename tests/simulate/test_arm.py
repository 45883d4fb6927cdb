"""The arm's kinematics: known poses, exact derivatives, and joints that reach what they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.simulate import arm

POSTURES = st.tuples(
    *(st.floats(float(a), float(b)) for a, b in zip(arm.LOW, arm.HIGH, strict=True))
).map(np.array)


def test_straight_up_the_flange_is_as_high_as_the_arm_is_long() -> None:
    T = arm.flange(np.zeros(7))
    assert T[:3, :3] == pytest.approx(np.eye(3))
    assert T[:3, 3] == pytest.approx([0, 0, 1.22])


def test_a_bent_elbow_brings_the_flange_where_geometry_says() -> None:
    """Turned left, the forearm level (0.42 up to the elbow, 0.5 m beyond it), the hand down."""
    T = arm.flange(np.radians([90, 0, 0, 90, 0, 90, 0]))
    assert T[:3, 3] == pytest.approx([0, 0.4, 0.72 - 0.1])
    assert T[:3, 2] == pytest.approx([0, 0, -1])


def test_many_postures_at_once_are_as_one_by_one() -> None:
    q = np.random.default_rng(0).uniform(arm.LOW, arm.HIGH, (5, 7))
    assert arm.frames(q) == pytest.approx(np.array([arm.frames(p) for p in q]))


@settings(max_examples=40, deadline=None)
@given(POSTURES)
def test_the_jacobian_is_how_the_flange_moves(q: np.ndarray) -> None:
    step = 1e-6
    moved = [arm.twist(arm.flange(q - e), arm.flange(q + e)) / (2 * step) for e in step * np.eye(7)]
    assert arm.jacobian(q) == pytest.approx(np.array(moved).T, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(POSTURES, st.integers(0, 1 << 30))
def test_joints_are_found_for_any_pose_nearby(q: np.ndarray, seed: int) -> None:
    near = np.clip(q, arm.LOW + 0.2, arm.HIGH - 0.2)
    there = near + np.random.default_rng(seed).uniform(-0.05, 0.05, 7)
    found = arm.solve(arm.flange(there), near)
    if found is None:  # close to where the arm is stretched, it may give up, but never lie
        assert np.linalg.svd(arm.jacobian(there))[1][-1] < 0.08
        return
    assert np.abs(arm.twist(arm.flange(found), arm.flange(there))).max() < 1e-6
    assert ((found >= arm.LOW) & (found <= arm.HIGH)).all()


def test_what_is_out_of_reach_is_said_to_be() -> None:
    T = arm.flange(arm.REST)
    T[:3, 3] = 3, 0, 0
    assert arm.solve(T, arm.REST) is None


def test_a_twist_leads_from_pose_to_pose_even_half_around() -> None:
    T = np.diag([-1.0, -1, 1, 1])
    assert np.abs(arm.twist(np.eye(4), T)[3:]).max() == pytest.approx(np.pi, abs=1e-6)
