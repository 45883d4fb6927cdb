"""What real cameras do to light and depth: noise, blur, rolling exposure, glare, holes.

In: an exact renderer and where the camera is at any time. Out: pictures and depth as a sensor
gives them. Every fault is drawn from the generator that is passed in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper.geometry import interpolate_poses, pose_matrix, pose_vector
from scenekeeper.schema import Camera
from scenekeeper.simulate.render import Float32, develop

Float = NDArray[np.float64]
Film = Callable[[Camera, Any], Float32]
"""Renders linear light for a camera at a pose, or at whatever else says where it is."""


@dataclass(frozen=True)
class Sensor:
    """An RGB-D camera's character.

    Attributes:
        exposure: brightness; the picture of a well lit room is right at 0.8.
        read_noise: standard deviation of a dark pixel, share of full scale.
        shot_noise: standard deviation of a white pixel, share of full scale.
        open_ms: how long the shutter is open; what moves is smeared.
        readout_ms: time from the first row to the last; 0 = global shutter.
        glare: share of bright light that spreads over the picture.
        light: share of the light that is left; 0.05 is dusk with the lamps off.
        depth: ``exact``; ``kinect``, structured light (disparity in eighths of a pixel, holes at
            edges and beyond its range); ``stereo``, noisier with the square of distance;
            ``close``, stereo of a short baseline, as on a wrist.
    """

    exposure: float = 0.8
    read_noise: float = 0.004
    shot_noise: float = 0.008
    open_ms: float = 0.0
    readout_ms: float = 0.0
    glare: float = 0.0
    light: float = 1.0
    depth: Literal["exact", "kinect", "stereo", "close"] = "kinect"


PERFECT = Sensor(read_noise=0, shot_noise=0, depth="exact")
_STEPS = 6
"""Instants over which an open shutter is averaged."""

_BANDS = 8
"""Rows of a rolling shutter are taken in so many groups."""

_MARGIN = 20
"""Rows around such a group that shade its corners."""


def picture(
    film: Film,
    camera: Camera,
    pose_at: Callable[[float], Any],
    sensor: Sensor,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """One picture ``uint8 [H, W, 3]``.

    Args:
        film: the exact renderer.
        camera: its intrinsics.
        pose_at: what the renderer takes for the pose, at milliseconds after the picture's time.
        sensor: its faults.
        rng: source of the noise.
    """
    if sensor.readout_ms > 0:
        strips = [
            _smeared(film, band.camera, pose_at, sensor, band.start_ms)[band.rows]
            for band in _bands(camera, sensor)
        ]
        light = np.concatenate(strips)
    else:
        light = _smeared(film, camera, pose_at, sensor, 0.0)
    light = light * np.float32(sensor.light)
    if sensor.glare > 0:
        light = light + sensor.glare * _veil(light)
    gain = sensor.exposure / max(sensor.light, 0.02) ** 0.75  # a camera brightens, but not fully
    noise = rng.standard_normal(light.shape, np.float32)
    seen = light * np.float32(gain)
    amplified = gain / sensor.exposure
    sigma = amplified * np.sqrt(sensor.read_noise**2 + sensor.shot_noise**2 * np.clip(seen, 0, 4))
    return develop(np.maximum(seen + noise * sigma.astype(np.float32), 0), 1.0)


@dataclass(frozen=True)
class _Band:
    """Rows that are read at about one time, and a camera that sees them with a margin."""

    camera: Camera
    rows: slice
    start_ms: float


def _bands(camera: Camera, sensor: Sensor) -> list[_Band]:
    assert camera.intrinsics is not None
    edges = np.linspace(0, camera.height, _BANDS + 1).astype(int).tolist()
    out = []
    for y0, y1 in itertools.pairwise(edges):
        top, bottom = max(0, y0 - _MARGIN), min(camera.height, y1 + _MARGIN)
        K = camera.intrinsics.copy()
        K[1, 2] -= top
        strip = replace(camera, height=bottom - top, intrinsics=K)
        middle = (y0 + y1) / 2 / camera.height - 0.5
        out.append(_Band(strip, slice(y0 - top, y1 - top), sensor.readout_ms * middle))
    return out


def _smeared(
    film: Film, camera: Camera, pose_at: Callable[[float], Any], sensor: Sensor, start: float
) -> Float32:
    if sensor.open_ms <= 0:
        return film(camera, pose_at(start))
    times = start + sensor.open_ms * ((np.arange(_STEPS) + 0.5) / _STEPS - 0.5)
    shots = [film(camera, pose_at(float(t))) for t in times]
    return np.asarray(np.mean(shots, 0), np.float32)


def _veil(light: Float32) -> Float32:
    """Light from bright places, spread widely."""
    bright = np.maximum(light - 1.0, 0)[::4, ::4]
    spread = ndimage.gaussian_filter(bright, (12, 12, 0)) + 0.3 * bright.mean((0, 1))
    full = spread.repeat(4, 0).repeat(4, 1)[: light.shape[0], : light.shape[1]]
    return np.asarray(full, np.float32)


def sense_depth(
    depth: Float32, camera: Camera, sensor: Sensor, rng: np.random.Generator
) -> Float32:
    """Depth ``float32 [H, W]`` as the sensor gives it, in whole millimetres, 0 = unknown.

    The structured-light model follows Khoshelham and Elberink 2012 (disparity noise and
    quantisation, error growing with the square of distance) and Nguyen et al. 2012 (lateral
    noise, missing edges).
    """
    assert camera.intrinsics is not None
    if sensor.depth == "exact":
        return np.asarray(np.rint(depth * 1000) / 1000, np.float32)
    z = _jittered(depth, rng) if sensor.depth == "kinect" else depth
    f = float(camera.intrinsics[0, 0]) * 640 / camera.width  # as at the sensor's own resolution
    baseline = {"kinect": 0.075, "stereo": 0.05, "close": 0.018}[sensor.depth]
    sigma, grain = (0.06, 8.0) if sensor.depth == "kinect" else (0.12, 32.0)
    disparity = f * baseline / np.maximum(z, 0.1)
    noise = rng.standard_normal(z.shape, np.float32) * sigma
    if sensor.depth != "kinect":  # neighbouring pixels are matched by the same window
        noise = 3 * ndimage.gaussian_filter(noise, 1.5)
    disparity = np.rint((disparity + noise) * grain) / grain
    out = f * baseline / np.maximum(disparity, 1e-3)
    step = np.maximum(np.abs(np.diff(z, axis=1, append=z[:, -1:])), 0)
    step = np.maximum(step, np.abs(np.diff(z, axis=0, append=z[-1:])))
    edge = ndimage.maximum_filter(step > 0.06 * np.maximum(z, 0.3), 3)
    lost = edge & (rng.random(z.shape, np.float32) < 0.7)
    ranges = {"kinect": (0.4, 4.5), "stereo": (0.25, 8.0), "close": (0.07, 2.0)}
    near, far = ranges[sensor.depth]
    lost |= (depth < near) | (depth > far)
    return np.where(lost, 0, np.rint(out * 1000) / 1000).astype(np.float32)


def _jittered(depth: Float32, rng: np.random.Generator) -> Float32:
    """Each pixel takes the depth of one half a pixel away."""
    height, width = depth.shape
    dy, dx = np.rint(rng.normal(0, 0.5, (2, height, width))).astype(np.intp)
    y, x = np.mgrid[0:height, 0:width]
    at = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
    return np.asarray(depth[at], np.float32)


def drifted(
    t_ns: NDArray[np.int64],
    poses: Float,
    metres: float,
    radians: float,
    rng: np.random.Generator,
    seconds: float = 2.0,
) -> Float:
    """Poses ``[N, 7]`` as an odometry reports them: noise that persists for a few seconds.

    A first-order autoregressive error of the given standard deviations on each axis; it starts
    anywhere, so that even the first pose is off.
    """
    if metres == 0 and radians == 0:
        return poses
    dt = np.diff(t_ns, prepend=t_ns[0]) / 1e9
    keep = np.exp(-dt / seconds)
    error = np.empty((len(poses), 6))
    state = rng.standard_normal(6)
    for k, kept in enumerate(keep):
        if k:
            state = kept * state + np.sqrt(1 - kept**2) * rng.standard_normal(6)
        error[k] = state
    out = poses.copy()
    for k, (pose, e) in enumerate(zip(poses, error, strict=True)):
        T = pose_matrix(pose)
        T[:3, :3] = T[:3, :3] @ _small_rotation(radians * e[3:])
        T[:3, 3] += metres * e[:3]
        out[k] = pose_vector(T)
    return out


def _small_rotation(vector: Float) -> Float:
    """Rotation ``[3, 3]`` by a rotation vector (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    S = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * S + (1 - np.cos(angle)) * (S @ S))


def pose_at(t_ns: NDArray[np.int64], T: Float, ns: int) -> Float:
    """A pose ``[4, 4]`` at any time from samples ``[N, 4, 4]``."""
    right = min(int(np.searchsorted(t_ns, ns)), len(t_ns) - 1)
    if right == 0 or t_ns[right] <= ns:
        return np.asarray(T[right], np.float64)
    pair = np.array([pose_vector(T[right - 1]), pose_vector(T[right])])
    at = np.array([ns], np.int64)
    return pose_matrix(interpolate_poses(t_ns[right - 1 : right + 1], pair, at)[0])


def pose_between(t_ns: NDArray[np.int64], poses: Float) -> Callable[[int], Float]:
    """``T_world_camera`` at any time from samples ``[N, 7]``."""

    def at(when: int) -> Float:
        return pose_matrix(interpolate_poses(t_ns, poses, np.array([when], np.int64))[0])

    return at
