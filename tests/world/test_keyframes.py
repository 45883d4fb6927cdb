"""Keyframes are spread over the session, per camera, and take no more room the longer it lasts."""

from __future__ import annotations

import numpy as np

from scenekeeper.world.gathering import Shown
from scenekeeper.world.keyframes import Keyframes
from scenekeeper.world.lift import Lifted
from scenekeeper.world.summary import surface

K = np.array([[4.0, 0, 1.5], [0, 4, 1], [0, 0, 1]])
NONE = np.zeros(0)


def shown(frame_id: int, depth: float = 2.0, t_ns: int = 0) -> Shown:
    points = Lifted(np.zeros((0, 3), np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64))
    image = np.full((3, 4), depth, np.float32)
    none = np.zeros(0, np.int64)
    return Shown(frame_id, t_ns, (), np.eye(4), image, K, 1, points, none, (), NONE, NONE, NONE, ())


def at(x: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    T = np.eye(4)
    T[0, 3] = x
    return T


def test_a_camera_that_stands_still_leaves_one_keyframe_and_its_times() -> None:
    kept = Keyframes()
    for k, t_ns in enumerate((5, 0, 9)):
        kept.add(shown(k, t_ns=t_ns), "front", at(0.0))
    e = kept.evidence("s", "a", np.array([0.0, 0, 1]), ())
    assert e.keyframe_ids == (0,) and (e.first_t_ns, e.last_t_ns) == (0, 9)
    assert e.keyframes[0].depth_mm.tolist() == [[2000] * 4] * 3


def test_turning_by_seven_degrees_is_going_on() -> None:
    kept, turned = Keyframes(), np.eye(4)
    turned[:2, :2] = [[np.cos(0.13), -np.sin(0.13)], [np.sin(0.13), np.cos(0.13)]]
    kept.add(shown(0), "front", np.eye(4))
    kept.add(shown(1), "front", turned)
    assert kept.ids == [0, 1]


def test_each_camera_is_compared_with_itself() -> None:
    kept = Keyframes()
    for k in range(10):
        kept.add(shown(k), ("left", "right")[k % 2], at(float(k % 2)))
    assert kept.ids == [0, 1]


def test_however_long_the_way_keyframes_are_few_and_evenly_spread() -> None:
    kept = Keyframes()
    for k in range(3000):
        kept.add(shown(k), "front", at(0.3 * k))
        assert len(kept.frames) <= 800
    e = kept.evidence("s", "a", np.array([0.0, 0, 1]), ())
    gaps = np.diff(e.keyframe_ids)
    assert len(e.keyframes) == 400 and gaps.max() <= 2 * gaps.min()
    assert e.keyframe_ids[0] == 0 and e.keyframe_ids[-1] > 2900


def test_the_surface_is_that_of_all_keyframes_however_it_was_gathered() -> None:
    kept = Keyframes()
    for k in range(150):
        kept.add(shown(k, 1 + 0.01 * (k % 7)), "front", at(0.3 * k))
    v, u = np.mgrid[:3, :4].reshape(2, -1)
    every = []
    for k in range(150):
        z = np.float32(1 + 0.01 * (k % 7))
        local = np.stack(((u - 1.5) * z / 4, (v - 1) * z / 4, np.full(12, z)), 1)
        every.append((local + np.array([0.3 * k, 0, 0])).astype(np.float32))
    e = kept.evidence("s", "a", np.array([0.0, 0, 1]), ())
    assert np.allclose(e.surface, surface(every), atol=1e-5)


def test_no_frames_leave_nothing() -> None:
    e = Keyframes().evidence("s", "a", np.array([0.0, 0, 1]), ())
    assert e.keyframes == () and e.surface.shape == (0, 3) and e.last_t_ns == 0
