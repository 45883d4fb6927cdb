"""Planes come off a surface whole, and say which way is up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenekeeper.segment.planes import Plane, find_planes, up_direction
from scenekeeper.voxels import Surface, voxel_keys
from tests.made_surfaces import SIZE, box, joined, rectangle, rows_of

FLOOR = rectangle((0, 0, 0), (2, 0, 0), (0, 2, 0))
WALL = rectangle((0, 2, 0), (2, 0, 0), (0, 0, 1.5))
TABLE = rectangle((0.5, 0.5, 0.7), (1, 0, 0), (0, 0.8, 0))
CRATE = box((1.5, 0.2, 0.0), (0.3, 0.3, 0.3))
ROOM = joined([FLOOR, WALL, TABLE, CRATE])


def noisy(surface: Surface, metres: float, seed: int = 0) -> Surface:
    rng = np.random.default_rng(seed)
    moved = surface.position + rng.normal(0, metres, surface.position.shape).astype(np.float32)
    key, first = np.unique(voxel_keys(moved, SIZE), return_index=True)
    return replace(surface[first], key=key, position=moved[first])


def planes_of(surface: Surface) -> list[Plane]:
    return find_planes(surface, SIZE, min_area=0.35)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_every_large_flat_patch_is_found_and_nothing_else(noise: float) -> None:
    planes = planes_of(noisy(ROOM, noise))
    found = [tuple(np.round(p.normal, 1).tolist()) for p in planes]
    assert sorted(found) == [(0, -1, 0), (0, 0, 1), (0, 0, 1)]
    assert [p.area for p in planes] == pytest.approx([4.0, 3.0, 0.8], rel=0.25)


def test_a_plane_holds_the_voxels_of_its_patch() -> None:
    table = planes_of(ROOM)[2]
    expected = rows_of(ROOM, TABLE)
    assert len(np.intersect1d(table.rows, expected)) > 0.99 * len(expected)
    assert np.abs(table.distance(ROOM.position[table.rows])).max() < 2 * SIZE


def test_distance_is_positive_on_the_viewers_side() -> None:
    table = planes_of(ROOM)[2]
    above, below = np.array([[1, 1, 0.8], [1, 1, 0.5]], np.float32)
    assert table.distance(above) == pytest.approx(0.1, abs=0.01)
    assert table.distance(below) == pytest.approx(-0.2, abs=0.01)


def test_the_same_surface_gives_the_same_planes() -> None:
    first, second = planes_of(noisy(ROOM, 0.003)), planes_of(noisy(ROOM, 0.003))
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(first, second, strict=True))


def test_a_hole_does_not_cut_a_table_in_two() -> None:
    halves = [
        rectangle((0, 0, 0.7), (0.6, 0, 0), (0, 0.8, 0)),
        rectangle((0.62, 0, 0.7), (0.6, 0, 0), (0, 0.8, 0)),
    ]
    assert len(planes_of(joined(halves))) == 1


def test_an_empty_surface_has_no_planes() -> None:
    assert planes_of(ROOM[:0]) == []


def test_up_is_the_largest_level_plane_even_for_a_tilted_camera() -> None:
    tilted = np.array([0.0, -0.5, 0.8])
    assert up_direction(planes_of(ROOM), tilted) == pytest.approx([0, 0, 1], abs=1e-3)


def test_without_a_level_plane_up_is_the_cameras() -> None:
    camera_up = np.array([0.0, 0.1, 2.0])
    expected = camera_up / np.linalg.norm(camera_up)
    assert up_direction(planes_of(WALL), camera_up) == pytest.approx(expected)
