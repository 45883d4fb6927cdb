"""What every robot format becomes: a :class:`Recording` of views and signals, read lazily."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import Camera

SignalKind = Literal["pose", "joint_state", "action", "imu", "odometry", "other"]


class Encoded(NamedTuple):
    """One picture as its file holds it: ``jpeg`` or ``png`` bytes."""

    data: bytes
    format: Literal["jpeg", "png"]


class ImageSource(Protocol):
    """Lazy pictures of one stream, addressed by row."""

    def __len__(self) -> int: ...

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Pictures at ascending rows, one at a time.

        Colour comes as ``uint8 [H, W, 3]`` RGB, depth as ``float32 [H, W]`` metres with 0 for
        unknown. Safe to call from several threads; each call owns its file handles.

        Raises:
            RecordingError: a picture cannot be read.
        """
        ...

    def encoded(self, row: int) -> Encoded | None:
        """The stored bytes of one picture, or ``None`` when it has none of its own (video)."""
        ...


@dataclass(frozen=True, eq=False)
class Images:
    """A stream of pictures with its own clock.

    Attributes:
        t_ns: ``int64 [N]`` capture times, strictly ascending.
        source: the pictures, N of them.
    """

    t_ns: NDArray[np.int64]
    source: ImageSource

    def __post_init__(self) -> None:
        _check_times(self.t_ns, "images")
        if len(self.t_ns) != len(self.source):
            raise ValueError(f"{len(self.t_ns)} times for {len(self.source)} pictures")

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, eq=False)
class Signal:
    """A stream of numbers with its own clock: poses, joint states, actions, IMU.

    Attributes:
        name: unique within the recording (topic or feature name).
        kind: what the numbers are.
        t_ns: ``int64 [N]`` ascending times.
        values: ``float64 [N, D]``; a pose is ``T_parent_child`` as
            ``[tx, ty, tz, qx, qy, qz, qw]``.
        names: D column names.
    """

    name: str
    kind: SignalKind
    t_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_times(self.t_ns, self.name, strict=False)
        if self.values.shape != (len(self.t_ns), len(self.names)):
            raise ValueError(
                f"signal {self.name!r}: values are {list(self.values.shape)}, expected"
                f" [{len(self.t_ns)}, {len(self.names)}]"
            )

    def __len__(self) -> int:
        return len(self.t_ns)


POSE_NAMES = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")


@dataclass(frozen=True, eq=False)
class View:
    """One camera of the robot: its colour stream and, where there is one, depth and pose.

    Attributes:
        camera: calibration of the colour stream.
        rgb: the colour stream.
        depth: the depth stream, on its own clock.
        depth_camera: calibration of the depth stream; ``None`` = the same as ``camera``.
        T_camera_depth: ``[4, 4]``, depth camera to colour camera.
        poses: ``T_world_camera`` over time, kind ``"pose"``.
        posed: whose poses they are. 7-Scenes, for one, gives those of the depth camera.
    """

    camera: Camera
    rgb: Images
    depth: Images | None = None
    depth_camera: Camera | None = None
    T_camera_depth: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    poses: Signal | None = None
    posed: Literal["rgb", "depth"] = "rgb"


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one robot, opened but not read.

    Attributes:
        name: short name, used as the session's name.
        path: the file or folder.
        format: what it was recognised as, e.g. ``"7-Scenes"``.
        views: its cameras; empty when the recording holds no pictures.
        signals: number streams by name.
        task: the instruction the robot was following, if recorded.
        notes: what the reader noticed and the user should know, one sentence each.
        content: fingerprint of the recorded bytes; the same recording moved stays the same.
    """

    name: str
    path: Path
    format: str
    views: tuple[View, ...]
    signals: Mapping[str, Signal] = field(default_factory=dict)
    task: str | None = None
    notes: tuple[str, ...] = ()
    content: str = ""

    def view(self, camera: str) -> View:
        """The view of one camera.

        Raises:
            KeyError: there is no such camera; the message names those there are.
        """
        for view in self.views:
            if view.camera.name == camera:
                return view
        raise KeyError(f"no camera {camera!r}; there are {[v.camera.name for v in self.views]}")


def content_fingerprint(root: Path, files: Sequence[Path], sample: int = 1 << 16) -> str:
    """Fingerprint of recorded bytes from names, sizes and samples of content.

    Reads at most ``2 * sample`` bytes of each of at most 64 evenly chosen files, so it costs the
    same for an hour as for a minute. Modification times do not count: a copy is the same
    recording.
    """
    digest = hashlib.sha256()
    chosen = set(np.linspace(0, max(len(files) - 1, 0), min(len(files), 64)).astype(int).tolist())
    for k, file in enumerate(files):
        size = file.stat().st_size
        name = "" if file == root else file.relative_to(root).as_posix()
        digest.update(f"{name}\0{size}\0".encode())
        if k in chosen:
            with file.open("rb") as handle:
                digest.update(handle.read(sample))
                if size > 2 * sample:
                    handle.seek(-sample, 2)
                digest.update(handle.read(sample))
    return digest.hexdigest()[:16]


def _check_times(t_ns: NDArray[np.int64], name: str, strict: bool = True) -> None:
    if t_ns.dtype != np.int64 or t_ns.ndim != 1:
        raise ValueError(f"{name}: times must be int64 [N], not {t_ns.dtype} {list(t_ns.shape)}")
    step = np.diff(t_ns)
    if (step <= 0).any() if strict else (step < 0).any():
        raise ValueError(f"{name}: times do not ascend")
