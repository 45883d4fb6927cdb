"""Cameras of a LeRobot episode: video, pictures kept in Parquet, and depth.

In: a described dataset, one of its episodes and the episode's rows. Out: its views; pictures and
video indexes are read when they are asked for, except of videos that are visibly cut.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Encoded, Images, View
from scenekeeper.recording.color_codecs import decode_color, stored_file
from scenekeeper.recording.depth_codecs import metres, png16
from scenekeeper.recording.lerobot_meta import Dataset, Episode, Feature
from scenekeeper.recording.lerobot_rows import Rows
from scenekeeper.recording.messages import Picture
from scenekeeper.recording.parquet import Cells
from scenekeeper.recording.video import Video, VideoSource, rgb
from scenekeeper.recording.video_index import SECOND, mp4_is_whole
from scenekeeper.schema import Camera

_DEPTH_CODES = 1 << 12  # LeRobot quantises depth to 12 bits; code 0 is "unknown"
_DEPTH_WORD = re.compile(r"[._-]?depth[._-]?", re.IGNORECASE)

Array = NDArray[Any]
ToArray = Callable[[av.VideoFrame], Array]


class PictureFiles:
    """Files that episodes and cameras share, so that each is looked at once.

    Args:
        dataset: the dataset they belong to.
    """

    def __init__(self, dataset: Dataset) -> None:
        columns = sum(feature.dtype == "image" for feature in dataset.features.values())
        self.video: Callable[[Path], Video] = cache(Video)
        self.is_whole: Callable[[Path], bool] = cache(mp4_is_whole)
        # Bounded: one row group per picture column, whatever the number of episodes.
        self.cells = Cells(max(columns, 1))
        self.metric: dict[str, str | None] = {}  # per depth column, why it is not metric


class _Here(NamedTuple):
    dataset: Dataset
    episode: Episode
    rows: Rows
    files: PictureFiles


def read_views(
    dataset: Dataset, episode: Episode, rows: Rows, files: PictureFiles
) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """The cameras of one episode, and notes on those that are left out.

    Raises:
        RecordingError: the dataset has cameras but this episode's pictures cannot be read.
    """
    cameras = [f for f in dataset.features.values() if f.pictures and not f.depth]
    depths, notes = _match_depth(dataset, cameras)
    names = _camera_names(cameras)
    here = _Here(dataset, episode, rows, files)
    views: list[View] = []
    failures: list[RecordingError] = []
    for feature in cameras:
        try:
            camera = _camera(feature, names[feature.key])
            images = _images(here, feature, rgb, notes)
        except RecordingError as error:
            failures.append(error)
            notes.append(f"Camera {names[feature.key]} is left out: {error}")
            continue
        view = View(camera, images)
        if depth := depths.get(feature.key):
            view = _with_depth(here, view, depth, notes)
        views.append(view)
    if failures and not views:
        raise failures[0]
    return tuple(views), tuple(notes)


def _with_depth(here: _Here, view: View, feature: Feature, notes: list[str]) -> View:
    try:
        camera = _camera(feature, feature.name)
        to_metres = _video_metres(feature) if feature.dtype == "video" else rgb
        images = _images(here, feature, to_metres, notes)
    except RecordingError as error:
        notes.append(f"Depth {feature.key} is left out: {error}")
        return view
    same = (camera.width, camera.height) == (view.camera.width, view.camera.height)
    return View(view.camera, view.rgb, images, None if same else camera)


def _camera(feature: Feature, name: str) -> Camera:
    if feature.size is None:
        raise RecordingError(
            f"shape {list(feature.shape)} does not tell a picture size",
            path="meta/info.json",
            place=feature.key,
        )
    return Camera(name, *feature.size)


def _camera_names(cameras: Sequence[Feature]) -> dict[str, str]:
    """The last part of each key; the whole key where that is not unique."""
    names = [camera.name for camera in cameras]
    return {c.key: c.name if names.count(c.name) == 1 else c.key for c in cameras}


def _match_depth(
    dataset: Dataset, cameras: Sequence[Feature]
) -> tuple[dict[str, Feature], list[str]]:
    """Depth feature per camera key, by name without the word "depth"; notes on the others."""
    found: dict[str, Feature] = {}
    notes: list[str] = []
    for depth in (f for f in dataset.features.values() if f.depth):
        name = _DEPTH_WORD.sub("", depth.name)
        keys = [c.key for c in cameras if c.name == name]
        if not name and len(cameras) == 1:
            keys = [cameras[0].key]
        if len(keys) == 1 and keys[0] not in found:
            found[keys[0]] = depth
        else:
            notes.append(f"Depth {depth.key} belongs to no camera by its name and is left out.")
    return found, notes


def _images(here: _Here, feature: Feature, to_array: ToArray, notes: list[str]) -> Images:
    if feature.dtype == "video":
        return _video_images(here, feature, to_array, notes)
    path = here.episode.data
    pictures = ParquetPictures(here.dataset.root, path, feature, here.rows, here.files)
    if feature.key not in here.files.cells.layout(path).columns:
        raise RecordingError(f"has no column {feature.key!r}", path=path)
    if feature.depth and (why_not := _why_not_metric(pictures, here.files)):
        raise RecordingError(why_not, path=path, place=feature.key)
    return Images(here.rows.t_ns, pictures)


def _video_images(here: _Here, feature: Feature, to_array: ToArray, notes: list[str]) -> Images:
    span = here.episode.videos.get(feature.key)
    if span is None or not span.path.is_file():
        raise RecordingError(
            "its video is not on disk", path=span.path if span else None, place=feature.key
        )
    video = here.files.video(span.path)
    tolerance = round(SECOND / here.dataset.fps / 2)
    t_ns = here.rows.t_ns
    wanted = t_ns + span.from_ns
    there = np.ones(len(t_ns), bool)
    if span.to_ns is not None:  # what follows is the next episode
        there = wanted < span.to_ns - tolerance
    if not here.files.is_whole(span.path):  # what is left of a cut file, only its packets can tell
        found = video.index.t_ns[geometry.nearest(video.index.t_ns, wanted)]
        there &= np.abs(found - wanted) <= tolerance
    if not there.any():
        raise RecordingError(
            "the video ends before this episode", path=span.path, remedy="Copy the file again."
        )
    if not there.all():
        notes.append(
            f"{span.path.name} of {feature.key} ends early: {there.sum()} of {len(there)}"
            " pictures are there."
        )
    return Images(t_ns[there], VideoSource(video, wanted[there], tolerance, to_array))


def _video_metres(feature: Feature) -> ToArray:
    """How frames of a depth video become metres.

    Raises:
        RecordingError: the stored pictures do not hold metric depth.
    """
    pixels = feature.info.get("video.pix_fmt")
    if pixels == "gray12le":
        table = _depth_table(feature)
    elif pixels in ("gray16le", "gray16be") and feature.info.get("depth_unit", "mm") == "mm":
        table = metres(np.arange(1 << 16, dtype=np.uint16))
    else:
        raise RecordingError(
            f"{pixels or 'unnamed'} pictures do not hold metric depth",
            path="meta/info.json",
            place=feature.key,
        )

    def to_metres(frame: av.VideoFrame) -> Array:
        if frame.format.name != pixels:
            raise RecordingError(
                f"depth is stored as {frame.format.name}, not as {pixels} as declared",
                place=feature.key,
            )
        return np.asarray(table.take(frame.to_ndarray(), mode="clip"))

    return to_metres


def _depth_table(feature: Feature) -> NDArray[np.float32]:
    """Metres of LeRobot's 12-bit depth codes, ``float32 [4096]``; code 0 is unknown."""
    info = feature.info
    numbers = [info.get(f"video.{name}") for name in ("depth_min", "depth_max", "shift")]
    low, high, shift = (float(v) if isinstance(v, int | float) else math.nan for v in numbers)
    logarithmic = info.get("video.use_log") is True
    shift = shift if logarithmic else 0.0
    if not (0 <= low < high < 1e4 and abs(shift) < 1e4) or (logarithmic and low + shift <= 0):
        raise RecordingError(
            "its 12-bit depth lacks the range it was quantised over",
            path="meta/info.json",
            place=feature.key,
            remedy="Give video.depth_min, depth_max, shift and use_log in its info.",
        )
    codes = np.arange(_DEPTH_CODES) / (_DEPTH_CODES - 1)
    if logarithmic:
        log_low, log_high = math.log(low + shift), math.log(high + shift)
        depth = np.exp(log_low + codes * (log_high - log_low)) - shift
    else:
        depth = low + codes * (high - low)
    depth[0] = 0
    return depth.astype(np.float32)


def _why_not_metric(pictures: ParquetPictures, files: PictureFiles) -> str | None:
    """Why a depth column is not metric, judged once by its first picture."""
    if pictures.column not in files.metric:
        try:
            next(pictures.read([0]))
            files.metric[pictures.column] = None
        except RecordingError as error:
            files.metric[pictures.column] = error.problem
    return files.metric[pictures.column]


class ParquetPictures:
    """Lazy pictures kept as JPEG or PNG bytes in a Parquet column; an :class:`ImageSource`.

    Args:
        root: folder that paths in the column start from.
        path: the Parquet file.
        feature: the column; 16-bit PNG millimetres when it is depth.
        rows: the episode's rows in it.
        files: what episodes share.
    """

    def __init__(
        self, root: Path, path: Path, feature: Feature, rows: Rows, files: PictureFiles
    ) -> None:
        self.column = feature.key
        self._root = root
        self._path = path
        self._rows = rows
        self._files = files
        self._decode = _decode_depth if feature.depth else _decode_rgb

    def __len__(self) -> int:
        return len(self._rows.t_ns)

    def read(self, rows: Sequence[int]) -> Iterator[Array]:
        """Pictures at ascending rows, one at a time; see :class:`ImageSource`."""
        for row in rows:
            try:
                picture = self._decode(self._data(row))
            except ValueError as error:
                raise RecordingError(
                    f"the picture cannot be read ({error})", path=self._path, place=self._place(row)
                ) from error
            yield picture

    def encoded(self, row: int) -> Encoded | None:
        """The stored JPEG or PNG file; ``None`` when it is another."""
        return stored_file(_picture(self._data(row)))

    def _data(self, row: int) -> bytes:
        value = self._files.cells(self._path, self._rows.start + int(row), self.column)
        stored: Mapping[str, Any] = value if isinstance(value, dict) else {"bytes": value}
        data = stored.get("bytes")
        return data if isinstance(data, bytes) else self._linked(stored.get("path"), row)

    def _linked(self, relative: Any, row: int) -> bytes:
        """Bytes of a picture file that the row only names; it must lie in the dataset."""
        file = Path(relative if isinstance(relative, str) else "")
        if file.name and not file.is_absolute() and ".." not in file.parts:
            try:
                return (self._root / file).read_bytes()
            except (OSError, ValueError) as error:
                raise RecordingError(
                    f"picture {str(file)!r} cannot be read ({error})",
                    path=self._path,
                    place=self._place(row),
                ) from error
        raise RecordingError("holds no picture", path=self._path, place=self._place(row))

    def _place(self, row: int) -> str:
        return f"{self.column}, row {self._rows.start + int(row)}"


def _picture(data: bytes) -> Picture:
    return Picture(0, "", "compressed", "", data)


def _decode_rgb(data: bytes) -> Array:
    return decode_color(_picture(data))


def _decode_depth(data: bytes) -> Array:
    return metres(png16(data))
