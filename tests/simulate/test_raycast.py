"""Rays meet analytic shapes exactly where geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.schema import Camera
from scenekeeper.simulate import raycast
from scenekeeper.simulate.raycast import Shape, cast, pixel_grid

DOWN = np.array([0.0, 0.0, -1.0])


def ray(origin: tuple[float, float, float], direction: tuple[float, float, float]):
    return np.array(origin, np.float64), np.array([direction], np.float32).T


def hit(shape: Shape, origin, direction) -> float:
    return float(raycast.distance(shape, *ray(origin, direction))[0])


@pytest.mark.parametrize(
    ("shape", "origin", "direction", "expected"),
    [
        (Shape("box", (0, 0, 1), (2, 2, 2)), (-3, 0.3, 1), (1, 0, 0), 2.0),
        (Shape("box", (0, 0, 1), (2, 2, 2)), (-3, 1.01, 1), (1, 0, 0), np.inf),
        (Shape("box", (0, 0, 1), (2, 2, 2)), (3, 0, 1), (1, 0, 0), np.inf),
        (Shape("box", (0, 0, 1), (2, 2, 2)), (0, 0, 1), (1, 0, 0), 1.0),
        (Shape("box", (0, 0, 0), (2, 2, 2), np.pi / 4), (-3, 0, 0), (1, 0, 0), 3 - np.sqrt(2)),
        (Shape("rectangle", (0, 0, 0), (4, 4, 0)), (0, 0, 2), (1, 0, -1), 2.0),
        (Shape("rectangle", (0, 0, 0), (4, 4, 0)), (1, 0, 2), (1, 0, -1), np.inf),
        (Shape("rectangle", (0, 2, 1), (4, 0, 2), np.pi / 2), (3, 2.5, 1), (-1, 0, 0), 3.0),
        (Shape("cylinder", (0, 0, 1), (1, 1, 2)), (-2, 0.3, 1), (1, 0, 0), 2 - 0.4),
        (Shape("cylinder", (0, 0, 1), (1, 1, 2)), (0.2, 0, 5), (0, 0, -1), 3.0),
        (Shape("cup", (0, 0, 1), (1, 1, 2)), (0.2, 0, 5), (0, 0, -1), 5.0),
        (Shape("cup", (0, 0, 1), (1, 1, 2)), (-1, 0, 3), (1, 0, -1), 1.5),
        (Shape("cup", (0, 0, 1), (1, 1, 2)), (-2, 0, 1), (1, 0, 0), 1.5),
        (Shape("sphere", (0, 0, 0), (2, 2, 2)), (-3, 0, 0.6), (1, 0, 0), 3 - 0.8),
        (Shape("sphere", (0, 0, 0), (2, 2, 2)), (-3, 0, 1.001), (1, 0, 0), np.inf),
        (Shape("bowl", (0, 0, 0.5), (2, 2, 1)), (0, 0, 3), (0, 0, -1), 3.0),
        (Shape("bowl", (0, 0, 0.5), (2, 2, 1)), (-3, 0, 0.4), (1, 0, 0), 3 - 0.8),
        (Shape("bowl", (0, 0, 0.5), (2, 2, 1)), (-3, 0, 1.1), (1, 0, 0), np.inf),
    ],
)
def test_distance_is_the_analytic_one(shape, origin, direction, expected):
    assert hit(shape, origin, direction) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["box", "cylinder", "cup", "sphere", "bowl"])
def test_hits_lie_on_the_surface_with_a_unit_normal_that_matches_it(kind):
    rng = np.random.default_rng(3)
    width, height = 0.5, {"sphere": 0.5, "bowl": 0.2}.get(kind, 0.8)
    shape = Shape(kind, (0.3, -0.2, 0.7), (width, width, height), 0.4)
    origin = np.array([1.7, -1.2, 1.9])
    aim = np.array(shape.center) + rng.uniform(-0.3, 0.3, (4000, 3))
    directions = (aim - origin).T.astype(np.float32)
    t = raycast.distance(shape, origin, directions)
    met = np.isfinite(t)
    assert 0.2 < met.mean() < 1
    local = raycast.to_local(
        shape, (origin[:, None] + directions[:, met] * t[met]).astype(np.float32)
    )
    assert np.abs(surface_error(kind, local, width / 2, height / 2)).max() < 1e-5
    n = raycast.normal(shape, local)
    assert np.abs(np.linalg.norm(n, axis=0) - 1).max() < 1e-4
    moved = np.abs(surface_error(kind, local + 1e-3 * n, width / 2, height / 2))
    np.testing.assert_allclose(moved, 1e-3, atol=2e-5)


def surface_error(kind: str, p, radius: float, half: float):
    """Signed distance of local points to the surface, near it."""
    rim = np.hypot(p[0], p[1])
    match kind:
        case "box":
            return np.max([np.abs(p[0]) - radius, np.abs(p[1]) - radius, np.abs(p[2]) - half], 0)
        case "cylinder":
            return np.maximum(rim - radius, np.abs(p[2]) - half)
        case "cup":
            return np.maximum(rim - radius, -p[2] - half)
        case "sphere":
            return np.linalg.norm(p, axis=0) - radius
    ball = (radius**2 + (2 * half) ** 2) / (4 * half)
    return np.sqrt(rim**2 + (p[2] + half - ball) ** 2) - ball


def test_depth_is_along_the_optical_axis_and_the_nearest_shape_wins():
    camera = Camera("c", 64, 48, np.array([[50.0, 0, 31.5], [0, 50, 23.5], [0, 0, 1]]))
    T = np.eye(4)
    T[:3, :3] = np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]).T  # looks straight down
    T[:3, 3] = 0, 0, 3
    shapes = [
        Shape("rectangle", (0, 0, 0), (20, 20, 0)),
        Shape("box", (0, 0, 0.5), (0.98, 0.98, 1)),
    ]
    hits = cast(shapes, camera, T, pixel_grid(64, 48))
    depth, index = hits.depth.reshape(48, 64), hits.shape.reshape(48, 64)
    np.testing.assert_allclose(depth[index == 0], 3, atol=1e-5)
    np.testing.assert_allclose(depth[index == 1], 2, atol=1e-5)
    # The box's top, 0.98 m wide and 2 m away, spans 24.5 pixels around the middle.
    u, v = np.meshgrid(np.arange(64) - 31.5, np.arange(48) - 23.5)
    np.testing.assert_array_equal(index == 1, (np.abs(u) < 12.25) & (np.abs(v) < 12.25))


def test_looking_only_at_pixels_within_bounds_changes_nothing():
    rng = np.random.default_rng(0)
    camera = Camera("c", 80, 60, np.array([[60.0, 0, 39.5], [0, 60, 29.5], [0, 0, 1]]))
    kinds = ("box", "cylinder", "cup", "sphere", "bowl")
    shapes = [
        Shape(kinds[k % 5], tuple(rng.uniform(-1.5, 1.5, 3)), (0.4, 0.4, 0.4), rng.uniform(0, 6))
        for k in range(40)
    ]
    hits = cast(shapes, camera, np.eye(4), pixel_grid(80, 60))  # some behind, some at the camera
    each = [raycast.distance(s, hits.origin, hits.directions) for s in shapes]
    np.testing.assert_array_equal(hits.depth, np.min(each, axis=0))
    assert len(np.unique(hits.shape)) > 8


def test_a_ray_that_meets_nothing_says_so():
    camera = Camera("c", 8, 8, np.array([[8.0, 0, 3.5], [0, 8, 3.5], [0, 0, 1]]))
    hits = cast([Shape("sphere", (0, 0, -5), (1, 1, 1))], camera, np.eye(4), pixel_grid(8, 8))
    assert np.isinf(hits.depth).all()
    assert (hits.shape == -1).all()


def test_a_placed_shape_moves_with_its_frame():
    part = Shape("box", (1, 0, 0.5), (0.4, 0.2, 1), 0.1).placed((2, 3, 0), np.pi / 2)
    np.testing.assert_allclose(part.center, (2, 4, 0.5), atol=1e-12)
    assert part.yaw == pytest.approx(np.pi / 2 + 0.1)
    assert hit(part, (2, 4, 5), tuple(DOWN)) == pytest.approx(4)
