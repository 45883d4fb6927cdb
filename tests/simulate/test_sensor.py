"""Sensor faults: as large as they say, and none where none are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.geometry import pose_matrix
from scenekeeper.simulate.render import look_at
from scenekeeper.simulate.sensor import PERFECT, Sensor, drifted, picture, sense_depth
from scenekeeper.simulate.session import pinhole

CAMERA = pinhole("camera", 320, 240)


def gray(camera, T):
    """Light that grows to the right in the world, so that moving changes the picture."""
    u = np.arange(camera.width)[None] / camera.width + 0.1 * T[0, 3]
    rows = np.broadcast_to(u, (camera.height, camera.width)).astype(np.float32)
    return np.repeat(rows[..., None], 3, 2)


def still(ms: float) -> np.ndarray:
    return np.eye(4)


def moving(ms: float) -> np.ndarray:
    return look_at((ms, 0, 0), (ms, 1, 0))


def test_a_perfect_sensor_adds_nothing() -> None:
    a, b = (picture(gray, CAMERA, still, PERFECT, np.random.default_rng(k)) for k in (1, 2))
    assert np.array_equal(a, b)
    depth = np.full((240, 320), 2.0004, np.float32)
    sensed = sense_depth(depth, CAMERA, PERFECT, np.random.default_rng(0))
    assert sensed == pytest.approx(2.0)


def test_less_light_means_more_noise() -> None:
    def noise(sensor: Sensor) -> float:
        shots = [
            picture(gray, CAMERA, still, sensor, np.random.default_rng(k)).astype(float)
            for k in range(4)
        ]
        return float(np.std(shots, 0).mean())

    assert noise(Sensor(light=0.05)) > 2 * noise(Sensor())


def test_a_rolling_shutter_bends_what_moves_and_not_what_stands() -> None:
    rolling = Sensor(read_noise=0, shot_noise=0, readout_ms=30)
    bent = picture(gray, CAMERA, moving, rolling, np.random.default_rng(0)).astype(int)
    straight = picture(gray, CAMERA, still, rolling, np.random.default_rng(0)).astype(int)
    assert np.abs(straight[0] - straight[-1]).max() == 0
    assert np.abs(bent[0] - bent[-1]).mean() > 20


def test_an_open_shutter_averages_over_the_time_it_is_open() -> None:
    shots: list[float] = []

    def film(camera, T):
        shots.append(float(T[0, 3]))
        return gray(camera, T)

    picture(film, CAMERA, moving, Sensor(open_ms=12), np.random.default_rng(0))
    assert len(shots) > 3 and min(shots) >= -6 and max(shots) <= 6
    assert np.mean(shots) == pytest.approx(0)


@pytest.mark.parametrize(("kind", "low", "high"), [("kinect", 1.2, 3.5), ("stereo", 1.2, 4.5)])
def test_depth_noise_grows_with_distance(kind: str, low: float, high: float) -> None:
    def spread(z: float) -> float:
        depth = np.full((240, 320), z, np.float32)
        sensor = Sensor(depth=kind)  # type: ignore[arg-type]
        sensed = sense_depth(depth, CAMERA, sensor, np.random.default_rng(0))
        return float(np.std(sensed[sensed > 0] - z))

    assert low < spread(3.0) / spread(2.0) < high
    assert spread(2.0) < 0.05


def test_depth_is_lost_at_edges_and_beyond_the_range() -> None:
    depth = np.full((240, 320), 1.0, np.float32)
    depth[:, 160:] = 2.0
    depth[:20] = 9.0
    depth[-20:] = 0.2
    sensed = sense_depth(depth, CAMERA, Sensor(), np.random.default_rng(0))
    assert (sensed[:18] == 0).all() and (sensed[-18:] == 0).all()
    edge, flat = sensed[60:180, 159:162], sensed[60:180, 40:120]
    assert (edge == 0).mean() > 0.4 and (flat == 0).mean() == 0
    assert sensed * 1000 == pytest.approx(np.rint(sensed * 1000), abs=1e-3)


def test_a_close_sensor_sees_what_is_before_a_gripper() -> None:
    depth = np.full((240, 320), 0.15, np.float32)
    close, far = (
        sense_depth(depth, CAMERA, Sensor(depth=kind), np.random.default_rng(0))  # type: ignore[arg-type]
        for kind in ("close", "stereo")
    )
    assert (far == 0).all()
    assert close == pytest.approx(depth, abs=0.01)


def test_pose_noise_is_as_large_as_wanted_and_persists() -> None:
    t_ns = np.arange(20_000, dtype=np.int64) * 10_000_000
    poses = np.tile([0, 0, 0, 0, 0, 0, 1.0], (len(t_ns), 1))
    noisy = drifted(t_ns, poses, 0.01, 0.02, np.random.default_rng(0))
    assert noisy[:, :3].std() == pytest.approx(0.01, rel=0.2)
    angle = np.arccos(np.clip((np.trace(pose_matrix(noisy)[:, :3, :3], 0, 1, 2) - 1) / 2, -1, 1))
    assert np.sqrt((angle**2).mean() / 3) == pytest.approx(0.02, rel=0.2)
    step = np.diff(noisy[:, 0]).std()
    assert step < 0.2 * 0.01  # a sample is much like the one before
    assert drifted(t_ns, poses, 0, 0, np.random.default_rng(0)) is poses
