"""One visit of a robot to a home, as a recording that is rendered when it is read.

In: a home, a movement, a sensor. Out: a :class:`~scenekeeper.recording.base.Recording`, which any
writer writes, and the exact scene behind each of its frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scenekeeper.geometry import invert
from scenekeeper.recording.base import (
    POSE_NAMES,
    Encoded,
    Images,
    Recording,
    Signal,
    View,
)
from scenekeeper.schema import Camera
from scenekeeper.simulate.home import Home, Thing
from scenekeeper.simulate.motion import Motion
from scenekeeper.simulate.render import Lighting, Scene, assemble, film, light, see
from scenekeeper.simulate.sensor import (
    Sensor,
    drifted,
    picture,
    pose_at,
    pose_between,
    sense_depth,
)
from scenekeeper.simulate.textures import textures

Float = NDArray[np.float64]

JPEG_QUALITY = 93
EPOCH_NS = 1_767_261_600_000_000_000
"""First visits begin on 2026-01-01 at 10 o'clock, each later one a day later."""

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, eq=False)
class Visit:
    """Everything about one visit; equal arguments give equal bytes.

    Attributes:
        name: of the session.
        home: as it is during the visit.
        motion: of the camera and the robot.
        camera: calibration, without distortion.
        sensor: its faults.
        fps: pictures per second.
        seed: of the sensor's noise.
        day: of the visit; 0 = the first.
        pose_noise: standard deviations of the recorded poses, metres and radians.
        finer: looks per pixel and axis; 2 is smooth, 1 is quick.
        textures: seed of the texture pool.
        task: recorded instruction.
    """

    name: str
    home: Home
    motion: Motion
    camera: Camera
    sensor: Sensor = field(default_factory=Sensor)
    fps: float = 10.0
    seed: int = 0
    day: int = 0
    pose_noise: tuple[float, float] = (0.0, 0.0)
    finer: int = 2
    textures: int = 0
    task: str | None = None

    @cached_property
    def t_ns(self) -> NDArray[np.int64]:
        """Capture times ``int64 [N]``, within the movement."""
        period = round(1e9 / self.fps)
        return np.arange(0, int(self.motion.t_ns[-1]) + 1, period, dtype=np.int64) + self.start_ns

    @property
    def start_ns(self) -> int:
        """When the visit begins."""
        return EPOCH_NS + self.day * DAY_NS

    @property
    def scene(self) -> Scene:
        """The home, ready to be drawn, with what moves as it was at first."""
        return _scene(self)

    def scene_at(self, ns: int) -> Scene:
        """The home with what moves where it is, so many nanoseconds after the visit began."""
        moving, first = self.motion.moving, len(self.scene.parts) - len(self.motion.moving)
        poses = (pose_at(self.motion.t_ns, m.poses, ns) for m in moving)
        return self.scene.moved(dict(enumerate(poses, first)))

    def scene_of(self, row: int) -> Scene:
        """The home as it is in one picture."""
        return self.scene_at(int(self.t_ns[row]) - self.start_ns)

    @property
    def lighting(self) -> Lighting:
        """The home's lamps and shadows, as they are at first."""
        return _lighting(self)

    def lighting_of(self, row: int) -> Lighting:
        """The home's lamps and shadows in one picture."""
        if not self.motion.moving:
            return self.lighting
        return light(self.scene_of(row), self.home.lamps, self.home.ambient)

    def pose(self, row: int) -> Float:
        """Exact ``T_world_camera`` ``[4, 4]`` of one picture."""
        return np.asarray(self._pose_at(int(self.t_ns[row]) - self.start_ns), np.float64)

    @cached_property
    def _pose_at(self):  # type: ignore[no-untyped-def]
        return pose_between(self.motion.t_ns, self.motion.poses)

    def pose_of(self, thing: Thing, row: int) -> Float:
        """Exact ``T_world_thing`` ``[4, 4]`` in one picture of what moves during the visit.

        Args:
            thing: as it ends, from the movement's ``things``.
            row: which picture.
        """
        moving = [m for m in self.motion.moving if m.part.instance == thing.id][-1]
        there = pose_at(self.motion.t_ns, moving.poses, int(self.t_ns[row]) - self.start_ns)
        return np.asarray(there @ invert(moving.poses[-1]) @ thing.T_world_thing, np.float64)

    def rgb(self, row: int) -> NDArray[np.uint8]:
        """One picture ``uint8 [H, W, 3]`` as the sensor gives it, before it is compressed."""
        start, lighting = int(self.t_ns[row]) - self.start_ns, self.lighting_of(row)
        return picture(
            lambda camera, ns: film(
                self.scene_at(ns), lighting, camera, self._pose_at(ns), self.finer
            ),
            self.camera,
            lambda ms: start + round(1e6 * ms),
            self.sensor,
            np.random.default_rng([self.seed, self.day, row, 0]),
        )

    def depth(self, row: int) -> NDArray[np.float32]:
        """One depth image ``float32 [H, W]`` metres as the sensor gives it."""
        shot = see(self.scene_of(row), self.camera, self.pose(row))
        rng = np.random.default_rng([self.seed, self.day, row, 1])
        return sense_depth(shot.depth, self.camera, self.sensor, rng)

    def recording(self, path: Path = Path()) -> Recording:
        """The visit as a recording; pictures are rendered when they are read."""
        times = self.motion.t_ns + self.start_ns
        noise = np.random.default_rng([self.seed, self.day, 2])
        poses = drifted(times, self.motion.poses, *self.pose_noise, noise)
        view = View(
            self.camera,
            Images(self.t_ns, _Color(self)),
            Images(self.t_ns, _Depth(self)),
            poses=Signal(f"{self.camera.name}/pose", "pose", times, poses, POSE_NAMES),
        )
        return Recording(
            self.name,
            path,
            "simulated",
            (view,),
            self._signals(times),
            self.task,
            ("rendered by scenekeeper simulate; not a real place",),
            self._content(),
        )

    def _signals(self, times: NDArray[np.int64]) -> Mapping[str, Signal]:
        m = self.motion
        if not m.joint_names:
            return {}
        return {
            "/joint_states": Signal("/joint_states", "joint_state", times, m.joints, m.joint_names),
            "/action": Signal("/action", "action", times, m.actions, m.action_names),
        }

    def _content(self) -> str:
        facts = (self.name, self.home.seed, self.camera, self.sensor, self.fps, self.seed)
        facts_ = (*facts, self.day, self.pose_noise, self.finer, self.textures)
        digest = hashlib.sha256(repr(facts_).encode())
        digest.update(self.motion.poses.tobytes())
        for moving in self.motion.moving:
            digest.update(moving.poses.tobytes())
        for thing in self.home.things:
            digest.update(f"{thing.id} {thing.look}".encode() + thing.T_world_thing.tobytes())
        return digest.hexdigest()[:16]


# A visit is small and its scene is not, so a dataset of many visits keeps those of the last ones.
# Writers ask for one picture up to three times in a row: whether there is a file, and for it.


@lru_cache(maxsize=2)
def _scene(visit: Visit) -> Scene:
    moving = [m.part for m in visit.motion.moving]
    instances = {part.instance for part in moving} - {0}
    still = [part for part in visit.home.parts() if part.instance not in instances]
    return assemble([*still, *moving], textures(visit.textures))


@lru_cache(maxsize=2)
def _lighting(visit: Visit) -> Lighting:
    return light(visit.scene, visit.home.lamps, visit.home.ambient)


@lru_cache(maxsize=2)
def _jpeg(visit: Visit, row: int) -> bytes:
    pixels = np.ascontiguousarray(visit.rgb(row))
    data: bytes = simplejpeg.encode_jpeg(
        pixels, JPEG_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    return data


@dataclass(frozen=True, eq=False)
class _Color:
    """Pictures as JPEG files that exist once they are looked at."""

    visit: Visit

    def __len__(self) -> int:
        return len(self.visit.t_ns)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        for row in rows:
            yield simplejpeg.decode_jpeg(self.encoded(row).data, colorspace="RGB")

    def encoded(self, row: int) -> Encoded:
        return Encoded(_jpeg(self.visit, row), "jpeg")


@dataclass(frozen=True, eq=False)
class _Depth:
    """Depth images that exist once they are looked at."""

    visit: Visit

    def __len__(self) -> int:
        return len(self.visit.t_ns)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        for row in rows:
            yield self.visit.depth(row)

    def encoded(self, row: int) -> Encoded | None:
        return None


def pinhole(name: str, width: int, height: int, degrees: float = 62.0) -> Camera:
    """A camera of a horizontal field of view, its principal point in the middle."""
    f = width / 2 / np.tan(np.radians(degrees) / 2)
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(name, width, height, K)
