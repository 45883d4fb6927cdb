"""LeRobot datasets that we wrote: its constant-rate video, and beside it all that was recorded.

In: a LeRobot folder with ``scenekeeper.json``. Out: the recordings that were written: pictures at
their own times, exact depth, calibrations, poses, and numbers at the rate they came in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording import lerobot, sidecar
from scenekeeper.recording.base import Encoded, Images, Recording, content_fingerprint
from scenekeeper.recording.depth_codecs import png16
from scenekeeper.recording.facts import PARSE_ERRORS, ViewFacts, rebuild
from scenekeeper.recording.files import DepthUnits
from scenekeeper.recording.parquet import Cells, read_times
from scenekeeper.recording.sidecar import Kept
from scenekeeper.recording.video import VideoSource
from scenekeeper.recording.video_index import SECOND
from scenekeeper.schema import Camera

TIMELINE_NAME = "timeline.parquet"
"""Which sample of every stream stands at each frame; its ``t_ns`` is when that was taken."""

DEPTH = pa.schema([("t_ns", pa.int64()), ("per_metre", pa.float64()), ("picture", pa.binary())])
"""Depth of one camera in one episode: 16-bit PNGs in so many per metre; without, 32-bit metres."""

DEPTH_UNITS: Mapping[float, DepthUnits] = {
    units.per_metre: units
    for units in (DepthUnits(1000, invalid=(0, 65535)), DepthUnits(5000), DepthUnits(6553.5))
}
"""By how many make one metre: what most cameras count in, TUM RGB-D, and Replica."""


def depth_path(camera: str, episode: int) -> str:
    """Where depth lies in the dataset, by the feature of its colour camera."""
    return f"depth/{camera}/episode_{episode:06d}.parquet"


def open(path: Path) -> list[Recording] | None:
    """Open a LeRobot dataset that we wrote.

    Returns:
        Recordings named as :mod:`scenekeeper.recording.lerobot` names them, or ``None`` when this
        is no LeRobot dataset or nothing is kept beside it. An episode of which nothing is kept is
        what LeRobot says of it.

    Raises:
        RecordingError: what is kept is damaged or of other episodes, or LeRobot's own metadata is.
    """
    if not (path / "meta" / "info.json").is_file():
        return None
    kept = sidecar.read(path)
    if kept is None:
        return None
    plain = lerobot.open(path)
    if plain is None:
        return None
    shared = _Shared.of(path, kept)
    places = [_place(path, one) for one in kept]
    found = {place.episode: (place, one) for place, one in zip(places, kept, strict=True)}
    return [
        _whole(shared, *found[number], recording) if number in found else recording
        for recording in plain
        for number in [int(recording.name.rpartition("_")[2])]
    ]


@dataclass(frozen=True)
class _Pictures:
    """A camera's feature, its rows in the timeline, and whether it has depth."""

    key: str
    rows: tuple[int, int]
    depth: bool


@dataclass(frozen=True)
class _Place:
    """Where in the dataset a recording lies."""

    episode: int
    fps: int
    cameras: tuple[_Pictures, ...]


@dataclass(frozen=True, eq=False)
class _Shared:
    """What all episodes share: the folder, the timeline's times, depth's row groups."""

    root: Path
    t_ns: NDArray[np.int64]
    cells: Cells
    content: str

    @classmethod
    def of(cls, root: Path, kept: Sequence[Kept]) -> _Shared:
        names = (sidecar.NAME, sidecar.SIGNALS_NAME, TIMELINE_NAME)
        here = [root / name for name in names if (root / name).is_file()]
        cameras = max((len(one.facts.views) for one in kept), default=0)
        # Two columns per camera, whatever the number of episodes.
        cells = Cells(2 * cameras or 1)
        return cls(root, read_times(root / TIMELINE_NAME), cells, content_fingerprint(root, here))


def _place(root: Path, kept: Kept) -> _Place:
    try:
        episode, fps = (_whole_number(kept.where[name]) for name in ("episode", "fps"))
        if not fps:
            raise ValueError("0 frames per second")
        cameras = tuple(map(_pictures, kept.where["cameras"]))
    except PARSE_ERRORS as error:
        raise _unlike(root, f"does not say where an episode lies ({error})") from error
    if len(cameras) != len(kept.facts.views):
        raise _unlike(root, f"names {len(cameras)} videos for {len(kept.facts.views)} cameras")
    return _Place(episode, fps, cameras)


def _pictures(value: Any) -> _Pictures:
    key, (start, stop), depth = value["key"], value["rows"], value["depth"]
    if PurePosixPath(key).name != key or type(depth) is not bool:
        raise ValueError(f"{key!r} is no feature")
    return _Pictures(key, (_whole_number(start), _whole_number(stop)), depth)


def _whole_number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of a row")
    return value


def _whole(shared: _Shared, place: _Place, kept: Kept, plain: Recording) -> Recording:
    """The recording; a camera whose video is not there is left out, as ``plain.notes`` say."""
    notes: list[str] = []
    found, streams = [], []
    for about, where in zip(kept.facts.views, place.cameras, strict=True):
        video = _video(shared, where, about.camera, plain)
        if video is not None:
            rgb = _colour(shared, place, where, video)
            found.append(about)
            streams.append((rgb, _depth(shared, place, where, about, notes)))
    facts = replace(kept.facts, views=tuple(found))
    views, signals = rebuild(facts, streams, kept.read)
    files = [d.source.path for _, d in streams if d and isinstance(d.source, DepthPictures)]
    parts = [plain.content, shared.content, content_fingerprint(shared.root, files)]
    return replace(
        plain,
        format=f"{plain.format} (scenekeeper)",
        views=views,
        signals=signals,
        task=kept.facts.task,
        notes=(*plain.notes, *notes),
        content=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
    )


def _video(shared: _Shared, where: _Pictures, camera: Camera, plain: Recording) -> Images | None:
    """The camera's pictures as LeRobot has them, one per frame."""
    names = (where.key, where.key.rsplit(".", 1)[-1])
    for view in plain.views:
        if view.camera.name in names:
            found = (view.camera.width, view.camera.height)
            if found != (camera.width, camera.height):
                raise _unlike(
                    shared.root,
                    f"camera {camera.name!r} is {camera.width}x{camera.height}, its video"
                    f" {found[0]}x{found[1]}",
                )
            return view.rgb
    return None


def _colour(shared: _Shared, place: _Place, where: _Pictures, video: Images) -> Images:
    """The pictures at their own times, each once; those that a cut video lacks are not there."""
    start, stop = where.rows
    frame_t_ns = shared.t_ns[start:stop]
    frame = np.rint(video.t_ns * (place.fps / SECOND)).astype(np.int64)
    if len(frame_t_ns) != stop - start or frame[-1] >= len(frame_t_ns):
        raise _unlike(shared.root, f"knows {len(frame_t_ns)} times of {frame[-1] + 1} frames")
    t_ns, row = np.unique(frame_t_ns[frame], return_index=True)
    if (np.diff(row) < 0).any():
        raise _unlike(shared.root, f"the times of {where.key} do not ascend")
    source = video.source
    assert isinstance(source, VideoSource)
    return Images(t_ns, VideoSource(source.video, source.t_ns[row], source.tolerance_ns))


def _depth(
    shared: _Shared, place: _Place, where: _Pictures, about: ViewFacts, notes: list[str]
) -> Images | None:
    if not where.depth:
        return None
    file = shared.root / depth_path(where.key, place.episode)
    try:
        t_ns = read_times(file)
        source = DepthPictures(file, about.depth_camera or about.camera, len(t_ns), shared.cells)
        return Images(t_ns, source)
    except (RecordingError, ValueError) as error:
        notes.append(f"Depth of camera {about.camera.name!r} is left out: {error}")
        return None


@dataclass(frozen=True, eq=False)
class DepthPictures:
    """Lazy depth out of a table of :data:`DEPTH`; an :class:`ImageSource`.

    Attributes:
        path: the table.
        camera: tells the size of every picture.
        n: how many there are.
        cells: what reads them.
    """

    path: Path
    camera: Camera
    n: int
    cells: Cells

    def __len__(self) -> int:
        return self.n

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Depth at ascending rows, one at a time; see :class:`ImageSource`."""
        for row in rows:
            per_metre, data = self._stored(row)
            try:
                depth = self._metres(per_metre, data)
            except (ValueError, KeyError) as error:
                raise RecordingError(
                    f"the depth cannot be read ({error})", path=self.path, place=f"row {row}"
                ) from error
            yield depth

    def encoded(self, row: int) -> Encoded | None:
        """The stored PNG; ``None`` when it is 32-bit metres."""
        per_metre, data = self._stored(row)
        return None if per_metre is None else Encoded(data, "png")

    def _stored(self, row: int) -> tuple[float | None, bytes]:
        per_metre, data = (self.cells(self.path, row, name) for name in DEPTH.names[1:])
        if not isinstance(data, bytes):
            raise RecordingError("holds no picture", path=self.path, place=f"row {row}")
        return per_metre, data

    def _metres(self, per_metre: float | None, data: bytes) -> NDArray[np.float32]:
        size = (self.camera.height, self.camera.width)
        if per_metre is None:
            return np.frombuffer(data, "<f4").astype(np.float32).reshape(size)
        numbers = png16(data)
        if numbers.shape != size:
            raise ValueError(f"it is {list(numbers.shape)}, its camera {list(size)}")
        return _table(per_metre).take(numbers)


@cache
def _table(per_metre: float) -> NDArray[np.float32]:
    return DEPTH_UNITS[per_metre].table()


def _unlike(root: Path, problem: str) -> RecordingError:
    remedy = f"Copy the folder again, or remove {sidecar.NAME} to read it as plain LeRobot."
    return RecordingError(problem, path=root / sidecar.NAME, remedy=remedy)
