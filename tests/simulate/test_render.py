"""The renderer against geometry: depth, ids, shadows, order, and the same bytes every time."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper import geometry
from scenekeeper.simulate.families import Material, Model
from scenekeeper.simulate.mesh import ball, box
from scenekeeper.simulate.render import (
    Lamp,
    Part,
    assemble,
    develop,
    film,
    light,
    look_at,
    see,
    see_whole,
)
from scenekeeper.simulate.session import pinhole
from scenekeeper.simulate.textures import textures

CAMERA = pinhole("camera", 160, 120)
PLAIN = (Material((0.6, 0.6, 0.6)),)


def at(x: float, y: float, z: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


def scene(*parts: Part):
    return assemble(parts, textures(0))


def test_depth_is_exact_at_pixel_centres() -> None:
    """A ball of radius one, seen from three metres: against the ray's own equation."""
    things = scene(Part(1, Model(ball(1, 400), PLAIN), at(0, 0, 0)))
    T = look_at((0, -3, 0), (0, 0, 0))
    shot = see(things, CAMERA, T)
    rays = geometry.rays(CAMERA.intrinsics, 160, 120).astype(np.float64)
    unit = np.linalg.norm(rays, axis=-1)
    b = 3 * rays[..., 2] / unit
    inside = b**2 - 8
    hit = inside > 0.05
    along = b - np.sqrt(np.where(hit, inside, 0))
    assert (shot.ids[hit] == 1).all() and (shot.ids[inside < -0.05] == 0).all()
    assert shot.depth[hit] == pytest.approx((along / unit)[hit], abs=0.003)


def test_the_nearer_of_two_things_is_seen_and_the_other_is_partly_hidden() -> None:
    near = Part(1, Model(box(1, 0.1, 1), PLAIN), at(0, 0, 0))
    far = Part(2, Model(box(2, 0.1, 1), PLAIN), at(0, 1, 0))
    T = look_at((0, -3, 0.5), (0, 0, 0.5))
    shot = see(scene(near, far), CAMERA, T)
    whole = see_whole(scene(near, far), CAMERA, T)
    seen = [(shot.ids == i).sum() for i in (1, 2)]
    assert whole.ids.tolist() == [1, 2]
    assert whole.pixels[0] == seen[0] and whole.pixels[1] > 1.5 * seen[1]
    alone = see(scene(far), CAMERA, T)
    assert whole.pixels[1] == (alone.ids == 2).sum()


def test_the_whole_box_of_a_thing_reaches_beyond_the_picture() -> None:
    things = scene(Part(1, Model(box(4, 0.1, 1), PLAIN), at(1.5, 0, 0)))
    box_xyxy = see_whole(things, CAMERA, look_at((0, -2, 0.5), (0, 0, 0.5))).box_xyxy[0]
    assert box_xyxy[2] > 160 and box_xyxy[0] > 0


def test_a_lamp_throws_a_shadow() -> None:
    floor = Part(1, Model(box(4, 4, 0.1), PLAIN), at(0, 0, -0.1))
    block = Part(2, Model(box(0.5, 0.5, 0.5), PLAIN), at(0, 0, 0.5))
    things = scene(floor, block)
    lamp = Lamp((0, 0, 3), (0.001, 0, 0), (1, 1, 1), 0)
    lit = light(things, [lamp], (0.1, 0.1, 0.1))
    T = look_at((0, -3, 1.2), (0, 0, 0))
    rgb, shot = film(things, lit, CAMERA, T), see(things, CAMERA, T)
    rays = geometry.rays(CAMERA.intrinsics, 160, 120)
    points = geometry.transform(T, geometry.unproject(shot.depth, rays))
    on_floor = (shot.ids == 1) & (points[..., 2] > -0.01)
    under = on_floor & (np.abs(points[..., :2]).max(-1) < 0.2)
    beside = on_floor & (np.abs(points[..., :2]).max(-1) > 0.6)
    assert under.sum() > 10 and rgb[under].mean() < 0.35 * rgb[beside].mean()


def test_a_moved_part_is_drawn_as_if_it_had_always_been_there() -> None:
    floor = Part(1, Model(box(4, 4, 0.1), PLAIN), at(0, 0, -0.1))
    first = Part(2, Model(box(0.5, 0.3, 0.5), PLAIN), at(0, 0, 0))
    turned = at(0.4, 0.2, 0.1)
    turned[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    T = look_at((0, -3, 1), (0, 0, 0))
    moved = scene(floor, first).moved({1: turned})
    fresh = scene(floor, Part(2, first.model, turned))
    lamp = Lamp((1, -1, 3), (0, 0, 0), (1, 1, 1))
    a, b = (film(s, light(s, [lamp], (0.2,) * 3), CAMERA, T) for s in (moved, fresh))
    assert np.array_equal(see(moved, CAMERA, T).ids, see(fresh, CAMERA, T).ids)
    assert a == pytest.approx(b, abs=1e-4)


def test_the_same_scene_gives_the_same_bytes() -> None:
    things = scene(Part(1, Model(ball(0.5, 30), PLAIN), at(0, 0, 0.5)))
    lit = light(things, [Lamp((1, -1, 3), (0, 0, 0), (1, 1, 1))], (0.3,) * 3)
    T = look_at((0, -2, 1), (0, 0, 0.5))
    first, again = (develop(film(things, lit, CAMERA, T, 2)) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.shape == (120, 160, 3) and first.std() > 10
