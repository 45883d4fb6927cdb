"""What all sessions of a LeRobot dataset have in common, and so what can be exported.

In: the sessions' recordings, opened but not read. Out: a plan with cameras, signals, rate and the
features that ``info.json`` declares, and a note on everything left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scenekeeper.errors import ExportError
from scenekeeper.exchange.folder import plain_names
from scenekeeper.exchange.lerobot_labels import FEATURES as LABEL_FEATURES
from scenekeeper.exchange.lerobot_tables import Feature, column
from scenekeeper.exchange.lerobot_timeline import median_rate
from scenekeeper.exchange.lerobot_video import codec, even
from scenekeeper.recording.base import Recording

ROLES = {"observation.state": "joint_state", "action": "action"}
"""Feature keys, and the kind of signal each is made of."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Source:
    """The little that planning needs to know of one session.

    Attributes:
        session: its name.
        sizes: per camera with pictures, ``(H, W)``.
        t_ns: per camera, ``int64 [N]`` times of its pictures.
        signals: per ``(kind, name)`` of a signal that can be exported, its column names.
        left_out: names of the other signals.
        depth: whether any camera has depth.
    """

    session: str
    sizes: Mapping[str, tuple[int, int]]
    t_ns: Mapping[str, NDArray[np.int64]]
    signals: Mapping[tuple[str, str], tuple[str, ...]]
    left_out: frozenset[str]
    depth: bool

    @classmethod
    def of(cls, session: str, recording: Recording, frames: pa.Table) -> Source:
        """Look at a recording and the session's index of frames."""
        sizes, t_ns = {}, {}
        for view in recording.views:
            camera = view.camera
            times = of_camera(frames, camera.name)["t_ns"].to_numpy()
            if len(times):
                sizes[camera.name], t_ns[camera.name] = (camera.height, camera.width), times
        found = recording.signals.values()
        signals: dict[tuple[str, str], tuple[str, ...]] = {
            (s.kind, s.name): s.names for s in found if s.kind in ROLES.values() and len(s)
        }
        left_out = frozenset(recording.signals) - {name for _, name in signals}
        depth = any(view.depth is not None for view in recording.views)
        return cls(session, sizes, t_ns, signals, left_out, depth)


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


def plan(sources: Sequence[Source], fps: int | None = None) -> Plan:
    """Find what all sessions share.

    Raises:
        ExportError: they share no camera.
    """
    sizes = _shared([s.sizes for s in sources])
    if not sizes:
        raise ExportError(
            "the sessions share no camera of one name and size",
            place=", ".join(s.session for s in sources[:5]),
            remedy="Export them apart, each into a folder of its own.",
        )
    names = sorted(sizes, key=lambda name: -sum(len(s.t_ns[name]) for s in sources))
    cameras = tuple(
        CameraPlan(name, key, *even(*sizes[name]))
        for name, key in zip(names, _camera_keys(names), strict=True)
    )
    columns = _shared([s.signals for s in sources])
    kinds = {key: [name for k, name in columns if k == kind] for key, kind in ROLES.items()}
    signals = {key: tuple(found) for key, found in kinds.items() if found}
    fps = fps or median_rate([s.t_ns[names[0]] for s in sources])
    features = {
        **{camera.key: _video_feature(camera, fps) for camera in cameras},
        **{key: _vector_feature(key, found, columns) for key, found in signals.items()},
        **LABEL_FEATURES,
        "timestamp": column("float32"),
        **{k: column("int64") for k in ("frame_index", "episode_index", "index", "task_index")},
    }
    cut = [c.name for c in cameras if (c.height, c.width) != sizes[c.name]]
    notes = _notes_on_cameras(sources, cameras, cut) + _notes_on_signals(sources, signals)
    return Plan(fps, cameras, signals, features, tuple(notes))


def of_camera(frames: pa.Table, camera: str) -> pa.Table:
    """Rows of an index of frames that one camera took."""
    return frames.filter(pc.equal(frames["camera"], camera))


def _shared(found: Sequence[Mapping[_Key, _Value]]) -> dict[_Key, _Value]:
    """What every session has, and has alike."""
    return {k: v for k, v in found[0].items() if all(f.get(k) == v for f in found)}


def _camera_keys(names: Sequence[str]) -> list[str]:
    """Feature keys: LeRobot allows no slash, and folders are named by them."""
    bare = [name.removeprefix("observation.images.") for name in names]
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


def _vector_feature(
    key: str, signals: Sequence[str], columns: Mapping[tuple[str, str], tuple[str, ...]]
) -> Feature:
    names = [
        name if len(signals) == 1 else f"{signal}.{name}"
        for signal in signals
        for name in columns[ROLES[key], signal]
    ]
    return column("float32", len(names), names=names)


def _notes_on_cameras(
    sources: Sequence[Source], cameras: Sequence[CameraPlan], cut: Sequence[str]
) -> list[str]:
    exported = {camera.name for camera in cameras}
    lost = sorted({name for s in sources for name in s.sizes if name not in exported})
    notes = [
        f"Camera {name!r} is not in every session with the same size: left out with its labels."
        for name in lost
    ]
    notes += [f"An odd last row or column of camera {name!r} is cut off." for name in cut]
    if any(s.depth for s in sources):
        notes.append("Depth is left out: no LeRobot before 0.6 reads it.")
    return notes


def _notes_on_signals(sources: Sequence[Source], signals: Mapping[str, Sequence[str]]) -> list[str]:
    exported = {name for found in signals.values() for name in found}
    lost = sorted({name for s in sources for _, name in s.signals if name not in exported})
    other = sorted({name for s in sources for name in s.left_out})
    notes = [f"Signal {name!r} is not alike in every session: left out." for name in lost]
    notes += [f"There is no {key} to export." for key in ROLES if key not in signals]
    if other:
        notes.append(f"LeRobot has no place for these signals: {', '.join(other)}.")
    return notes
