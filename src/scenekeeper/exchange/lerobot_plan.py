"""What all sessions of a LeRobot dataset have in common, and so what can be exported.

In: the sessions' recordings, opened but not read. Out: a plan with cameras, signals, rate and the
features that ``info.json`` declares, and a note on everything left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from scenekeeper.errors import ExportError
from scenekeeper.exchange.folder import plain_names
from scenekeeper.exchange.lerobot_tables import Feature, column
from scenekeeper.exchange.lerobot_timeline import median_rate
from scenekeeper.exchange.lerobot_video import codec, even
from scenekeeper.exchange.streams import Source, shared_streams


@dataclass(frozen=True)
class CameraPlan:
    """One exported camera: its name in the recordings, its feature key, and its even size."""

    name: str
    key: str
    height: int
    width: int


@dataclass(frozen=True)
class Plan:
    """What is exported of every session.

    Attributes:
        fps: frames per second.
        cameras: the primary one first.
        signals: per feature key, the names of the signals put one after the other.
        features: what ``info.json`` declares.
        notes: what is left out.
    """

    fps: int
    cameras: tuple[CameraPlan, ...]
    signals: Mapping[str, tuple[str, ...]]
    features: Mapping[str, Feature]
    notes: tuple[str, ...]


def plan(
    sources: Sequence[Source], fps: int | None = None, more: Mapping[str, Feature] | None = None
) -> Plan:
    """Find what all sessions share.

    Args:
        sources: the sessions.
        fps: frames per second; the primary camera's own median rate when absent.
        more: features that are the caller's own.

    Raises:
        ExportError: they share no camera, or ``fps`` is less than 1.
    """
    if fps is not None and fps < 1:
        raise ExportError(f"{fps} frames per second cannot be", remedy="Use 1 or more.")
    shared = shared_streams(sources)
    names, sizes = list(shared.sizes), shared.sizes
    cameras = tuple(
        CameraPlan(name, key, *even(*sizes[name]))
        for name, key in zip(names, _camera_keys(names), strict=True)
    )
    fps = fps or median_rate([s.t_ns[names[0]] for s in sources])
    features = {
        **{camera.key: _video_feature(camera, fps) for camera in cameras},
        **{
            role: column("float32", len(found), names=found)
            for role, found in shared.columns.items()
        },
        **(more or {}),
        "timestamp": column("float32"),
        **{k: column("int64") for k in ("frame_index", "episode_index", "index", "task_index")},
    }
    cut = [c.name for c in cameras if (c.height, c.width) != sizes[c.name]]
    odd = [f"An odd last row or column of camera {name!r} is cut off." for name in cut]
    return Plan(fps, cameras, shared.signals, features, (*shared.notes, *odd))


def of_camera(frames: pa.Table, camera: str) -> pa.Table:
    """Rows of an index of frames that one camera took."""
    return frames.filter(pc.equal(frames["camera"], camera))


def _camera_keys(names: Sequence[str]) -> list[str]:
    """Feature keys: LeRobot allows no slash, and folders are named by them.

    Readers, ours too, take a key that says depth for depth, which these pictures are not.
    """
    bare = [name.removeprefix("observation.images.") for name in names]
    bare = [re.sub("depth", "color", name, flags=re.IGNORECASE) for name in bare]
    return [f"observation.images.{name}" for name in plain_names(bare, "camera")]


def _video_feature(camera: CameraPlan, fps: int) -> Feature:
    return {
        "dtype": "video",
        "shape": [camera.height, camera.width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": camera.height,
            "video.width": camera.width,
            "video.codec": codec(),
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        },
    }
