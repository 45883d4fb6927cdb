"""Recordings in memory with everything a recording can hold, and what makes two the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scenekeeper.geometry import pose_matrix
from scenekeeper.recording.base import (
    POSE_NAMES,
    Encoded,
    Images,
    Recording,
    Signal,
    SignalKind,
    View,
)
from scenekeeper.schema import Camera

START_NS = 1_700_000_000_123_456_789
STEP_NS = 33_333_333
WIDTH, HEIGHT = 24, 16
K = np.array([[31.3, 0, 11.7], [0, 30.1, 7.9], [0, 0, 1]])
EXTRINSICS = pose_matrix([0.05, 0.01, -0.02, 0.02, 0.01, 0.03, 0.99])
TASK = "Put the cup away, please."


class Stored:
    """Pictures in memory, with or without files of their own."""

    def __init__(self, arrays: Sequence[Any], files: Sequence[Encoded] | None = None) -> None:
        self.arrays, self.files = arrays, files

    def __len__(self) -> int:
        return len(self.arrays)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        return (self.arrays[row] for row in rows)

    def encoded(self, row: int) -> Encoded | None:
        return self.files[row] if self.files else None


class Some:
    """Some of the pictures of another stream."""

    def __init__(self, source: Any, rows: Sequence[int]) -> None:
        self.source, self.rows = source, rows

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        return self.source.read([self.rows[row] for row in rows])

    def encoded(self, row: int) -> Encoded | None:
        return self.source.encoded(self.rows[row])


def every(recording: Recording, step: int) -> Recording:
    """The recording with every so many pictures and as many of depth."""

    def thin(images: Images) -> Images:
        return Images(images.t_ns[::step], Some(images.source, range(0, len(images), step)))

    views = [replace(v, rgb=thin(v.rgb), depth=v.depth and thin(v.depth)) for v in recording.views]
    return replace(recording, views=tuple(views))


def times(n: int, step: int = STEP_NS, offset: int = 0) -> NDArray[np.int64]:
    return START_NS + offset + np.arange(n, dtype=np.int64) * step


def color(n: int, files: bool = True, width: int = WIDTH, height: int = HEIGHT) -> Stored:
    """Smooth pictures, all different; as JPEG files or as pixels alone."""
    v, u = np.mgrid[0:height, 0:width]
    arrays = [np.stack((u * 9, v * 9, u * 0 + 20 * k), -1).astype(np.uint8) for k in range(n)]
    if not files:
        return Stored(arrays)
    data = [simplejpeg.encode_jpeg(a, 90, colorspace="RGB") for a in arrays]
    return Stored([simplejpeg.decode_jpeg(d) for d in data], [Encoded(d, "jpeg") for d in data])


def depth(n: int, width: int = WIDTH, height: int = HEIGHT) -> Stored:
    """Whole millimetres from 0 (unknown) to some metres, all different."""
    ramp = np.arange(width * height).reshape(height, width) * 7
    return Stored([((ramp + k * (ramp > 0)) / 1000).astype(np.float32) for k in range(n)])


def poses(t_ns: NDArray[np.int64], name: str) -> Signal:
    values = np.random.default_rng(len(name)).normal(size=(len(t_ns), 7))
    values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
    return Signal(name, "pose", t_ns, values, POSE_NAMES)


def signal(name: str, kind: SignalKind, t_ns: NDArray[np.int64], names: tuple[str, ...]) -> Signal:
    """Numbers that 32-bit floats hold exactly."""
    values = np.random.default_rng(len(name)).normal(size=(len(t_ns), len(names)))
    return Signal(name, kind, t_ns, values.astype(np.float32).astype(np.float64), names)


def robot(n: int = 6, name: str = "run", one_clock: bool = False) -> Recording:
    """A head camera with depth, a wrist camera with depth of its own, joints, actions and an IMU.

    On one clock, every stream has a sample at every picture of the head; otherwise each has its
    own, and poses and joints are faster.
    """
    at = times(n)
    late = 0 if one_clock else 4_000_000
    head = View(
        Camera("head", WIDTH, HEIGHT, K, (0.1, -0.2, 0.001, 0.002, 0.3)),
        Images(at, color(n)),
        Images(at + late, depth(n)),
        poses=poses(at if one_clock else times(3 * n, STEP_NS // 3, 1), "head_pose"),
    )
    wrist_at = at + 1_000_000
    wrist = View(
        Camera("/wrist/rgb", WIDTH - 4, HEIGHT - 2, K),
        Images(wrist_at, color(n, False, WIDTH - 4, HEIGHT - 2)),
        Images(wrist_at + late, depth(n, WIDTH - 8, HEIGHT - 4)),
        Camera("ir", WIDTH - 8, HEIGHT - 4, K * [[1.1], [1.2], [1]]),
        EXTRINSICS,
        poses(wrist_at, "wrist"),
        "depth",
    )
    joints = at if one_clock else times(4 * n, STEP_NS // 4)
    signals = [
        signal("joints", "joint_state", joints, ("hip", "knee", "hip.velocity", "knee.velocity")),
        signal("command", "action", at, ("hip", "knee", "gripper")),
    ]
    if not one_clock:
        imu = signal("/imu", "imu", joints, ("ax",))
        imu.values[1] = np.nan
        signals += [imu, signal("empty", "other", at[:0], ("x",)), head.poses]
    named = {s.name: s for s in signals}
    return Recording(name, Path(name), "made", (head, wrist), named, TASK)


def alone(recording: Recording, camera: int = 0) -> Recording:
    """The recording with one of its cameras."""
    return replace(recording, views=(recording.views[camera],))


def same_camera(a: Camera | None, b: Camera | None) -> None:
    if a is None or b is None:
        assert a is b
        return
    assert (a.name, a.width, a.height, a.distortion) == (b.name, b.width, b.height, b.distortion)
    assert (a.intrinsics is None) == (b.intrinsics is None)
    assert a.intrinsics is None or np.array_equal(a.intrinsics, b.intrinsics)


def same_signal(a: Signal, b: Signal) -> None:
    assert (a.name, a.kind, a.names) == (b.name, b.kind, b.names)
    assert np.array_equal(a.t_ns, b.t_ns)
    assert np.array_equal(a.values, b.values, equal_nan=True)


def same_calibration(a: View, b: View) -> None:
    """Cameras, extrinsics and poses are the same, to the bit."""
    same_camera(a.camera, b.camera)
    same_camera(a.depth_camera, b.depth_camera)
    assert np.array_equal(a.T_camera_depth, b.T_camera_depth) and a.posed == b.posed
    assert (a.poses is None) == (b.poses is None)
    if a.poses is not None:
        same_signal(a.poses, b.poses)


def same_signals(a: Recording, b: Recording) -> None:
    assert list(a.signals) == list(b.signals)
    for name, before in a.signals.items():
        same_signal(before, b.signals[name])


def same_images(a: Images, b: Images, tolerance: float = 0.0) -> None:
    assert np.array_equal(a.t_ns, b.t_ns)
    rows = range(len(a))
    for before, after in zip(a.source.read(rows), b.source.read(rows), strict=True):
        assert before.shape == after.shape and before.dtype == after.dtype
        assert np.abs(before.astype(np.float64) - after).max() <= tolerance


def same(a: Recording, b: Recording, depth_tolerance: float = 1e-6) -> None:
    """Everything but name, path, format and notes is the same."""
    assert a.task == b.task and len(a.views) == len(b.views)
    for before, after in zip(a.views, b.views, strict=True):
        same_calibration(before, after)
        same_images(before.rgb, after.rgb)
        assert (before.depth is None) == (after.depth is None)
        if before.depth is not None:
            same_images(before.depth, after.depth, depth_tolerance)
    same_signals(a, b)
