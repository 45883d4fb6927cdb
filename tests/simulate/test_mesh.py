"""Meshes: sizes, volumes, normals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.simulate.mesh import (
    Mesh,
    arc,
    ball,
    box,
    corner_normals,
    cylinder,
    join,
    lathe,
    tube,
)

sides = st.floats(0.01, 3)


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@given(sides, sides, sides)
def test_a_box_has_its_size_stands_on_the_ground_and_is_closed(
    x: float, y: float, z: float
) -> None:
    mesh = box(x, y, z)
    assert mesh.extent == pytest.approx((x, y, z))
    assert mesh.vertices[:, 2].min() == 0
    assert volume(mesh) == pytest.approx(x * y * z)


@settings(max_examples=20)
@given(sides, sides, sides, st.floats(0.001, 0.2))
def test_a_bevelled_box_is_a_little_smaller(x: float, y: float, z: float, bevel: float) -> None:
    mesh = box(x, y, z, bevel)
    assert mesh.extent == pytest.approx((x, y, z))
    assert 0.6 * x * y * z < volume(mesh) <= x * y * z


def test_round_things_have_the_volume_of_their_formula() -> None:
    assert volume(ball(1, 64)) == pytest.approx(4 / 3 * np.pi, rel=0.01)
    assert volume(cylinder(0.5, 2, 64)) == pytest.approx(np.pi / 2, rel=0.01)
    assert volume(cylinder(1, 3, 96, top=0)) == pytest.approx(np.pi, rel=0.01)


def test_the_outside_of_a_turned_profile_is_outside() -> None:
    mesh = lathe([(1, 0), (1, 2)], 24)
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    outward = np.cross(b - a, c - a)
    middle = (a + b + c) / 3
    assert (outward[:, :2] * middle[:, :2]).sum(1).min() > 0


def test_a_pipe_follows_its_path_at_its_radius() -> None:
    path = arc((0, 0, 0), 1.0, 0, 180, 20, "xz")
    mesh = tube(path, 0.1, 12)
    off = np.linalg.norm(mesh.vertices[:, None] - path[None], axis=-1).min(1)
    assert off.max() == pytest.approx(0.1, abs=0.02)
    assert off.min() == pytest.approx(0.1, abs=0.02)


def test_normals_are_smooth_on_a_ball_and_sharp_on_a_box() -> None:
    sphere = ball(1, 40)
    points = sphere.vertices[sphere.triangles]
    assert np.abs((corner_normals(sphere) * points).sum(-1) - 1).max() < 0.02
    cube = box(1, 1, 1)
    assert np.sort(np.abs(corner_normals(cube)).reshape(-1, 3), 1) == pytest.approx(
        np.tile([0, 0, 1], (36, 1))
    )


def test_joining_keeps_every_triangle_and_its_material() -> None:
    both = join(box(1, 1, 1, material=2), ball(0.5, 12).moved(2))
    assert len(both.triangles) == 12 + len(ball(0.5, 12).triangles)
    assert set(both.material.tolist()) == {0, 2}
    assert volume(both) == pytest.approx(1 + volume(ball(0.5, 12)))


@given(st.floats(-180, 180), st.sampled_from("xyz"))
def test_turning_keeps_the_volume(angle: float, axis: str) -> None:
    mesh = cylinder(0.3, 1.0, 16)
    assert volume(mesh.rotated(axis, angle)) == pytest.approx(volume(mesh))  # type: ignore[arg-type]
