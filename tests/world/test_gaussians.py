"""Scans laid onto a map of Gaussians: planes find their planes, and what says nothing moves
nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.world.gaussians import GaussianMap, Scan

Float = NDArray[np.float64]

TILT = Rotation.from_rotvec([0.4, 0.3, 0.5]).as_matrix()


def plane(normal: Float, rng: np.random.Generator, n: int = 4000, noise: float = 0.002) -> Float:
    """Points of a square of 2 m, at a distance of 1 m from the origin along its normal."""
    along = np.linalg.svd(normal[None])[2][1:]
    flat = rng.uniform(-1, 1, (n, 2)) @ along
    return np.asarray(flat + (1 + rng.normal(0, noise, (n, 1))) * normal)


def corner(rng: np.random.Generator) -> Float:
    """Three walls, none along the axes."""
    return np.concatenate([plane(axis, rng) for axis in TILT])


def moved(degrees: float, metres: float) -> Float:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * TILT[1]).as_matrix()
    T[:3, 3] = metres * TILT[2]
    return T


def the_map(rng: np.random.Generator) -> GaussianMap:
    grown = GaussianMap(0.2)
    for _ in range(3):
        grown.insert(Scan.of(corner(rng), 0.06), np.eye(4))
    return grown


@pytest.mark.parametrize("axis", range(3))
def test_patches_face_as_their_surface_does(axis: int) -> None:
    points = plane(TILT[axis], np.random.default_rng(0))
    scan = Scan.of(points, 0.06)
    assert np.abs(scan.middle @ TILT[axis] - 1).max() < 0.01
    assert np.linalg.norm(scan.normal, axis=1) == pytest.approx(np.ones(len(scan)))
    assert (np.abs(scan.normal @ TILT[axis]) > 0.99).mean() > 0.95


def test_a_cube_of_points_is_one_patch() -> None:
    rng = np.random.default_rng(0)
    index = rng.permutation(np.repeat(np.arange(-20, 20), 3))
    points = np.stack((0.06 * (index + 0.5), 0 * index + 0.01, 0 * index + 0.01), 1)
    points += rng.uniform(-0.009, 0.009, points.shape)
    scan = Scan.of(points, 0.06)
    found = {int(np.floor(x / 0.06)): x for x in scan.middle[:, 0].tolist()}
    assert len(scan) == len(found) == 40
    for k, x in found.items():
        assert x == pytest.approx(points[index == k, 0].mean())


@pytest.mark.parametrize(("degrees", "metres"), [(0.0, 0.0), (1.0, 0.03), (2.0, 0.06)])
def test_a_scan_finds_its_place(degrees: float, metres: float) -> None:
    rng = np.random.default_rng(0)
    laid = the_map(rng).lay(Scan.of(corner(rng), 0.06), moved(degrees, metres), reach=0.3)
    assert laid.converged and laid.found > 1000
    assert np.linalg.norm(laid.T[:3, 3]) < 0.002
    assert np.degrees(Rotation.from_matrix(laid.T[:3, :3]).magnitude()) < 0.1


def test_along_one_wall_nothing_pulls() -> None:
    rng, grown = np.random.default_rng(0), GaussianMap(0.2)
    grown.insert(Scan.of(plane(TILT[0], rng, 20_000), 0.06), np.eye(4))
    guess = np.eye(4)
    guess[:3, 3] = 0.04 * TILT[0] + 0.03 * TILT[1]
    laid = grown.lay(Scan.of(plane(TILT[0], rng, 20_000), 0.06), guess, reach=0.3)
    across, along = laid.T[:3, 3] @ TILT[0], laid.T[:3, 3] @ TILT[1]
    assert abs(across) < 0.002 and along == pytest.approx(0.03, abs=0.01)


def test_nothing_is_found_where_the_map_is_empty() -> None:
    rng = np.random.default_rng(0)
    scan = Scan.of(corner(rng), 0.06)
    for grown, guess in ((GaussianMap(0.2), np.eye(4)), (the_map(rng), moved(0.0, 30.0))):
        laid = grown.lay(scan, guess, reach=0.3)
        assert not laid.converged and laid.found == 0 and np.array_equal(laid.T, guess)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_few_points_face_nowhere(n: int) -> None:
    scan = Scan.of(np.full((n, 3), 0.01) + np.arange(n)[:, None] * 1e-3, 0.06)
    assert len(scan) == min(n, 1) and not scan.normal.any()


def test_a_map_grows_with_the_place_not_with_the_scans() -> None:
    rng, grown = np.random.default_rng(0), GaussianMap(0.2)
    sizes = []
    for k in range(40):
        T = np.eye(4)
        T[0, 3] = 5.0 * (k % 20)
        grown.insert(Scan.of(corner(rng), 0.06), T)
        sizes.append(len(grown))
    assert sizes[19] > 15 * sizes[0] and sizes[39] < 1.05 * sizes[19]
