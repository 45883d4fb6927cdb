"""Video files as lazy, frame-exact pictures.

In: a video file that FFmpeg can demux. Out: a :class:`Recording` with one view, and the pieces
other readers build on: :class:`Video` (a file and its index) and :class:`VideoSource` (pictures of
a file at given times). A picture is told by its presentation time, never by counting after a seek.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Encoded, Images, Recording, View, content_fingerprint
from scenekeeper.recording.video_index import (
    SECOND,
    VideoIndex,
    index_video,
    open_container,
    timed_frames,
    unreadable,
    video_streams,
)
from scenekeeper.schema import Camera

EXTENSIONS = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".ivf", ".h264", ".hevc")
)
"""A file of these names is meant to be a video; whatever else it holds is damage."""
THREADS = 2  # per open file; the caller already reads several files at once
SEEK_COST = 3  # of one seek, in decoded pictures; measured at 480p with AV1 and H.264


@dataclass(frozen=True, eq=False)
class Video:
    """One video stream of a file; the file is first touched when its index is asked for.

    Attributes:
        path: the file.
        stream: which of its video streams, cover pictures not counted.
    """

    path: Path
    stream: int = 0

    @cached_property
    def index(self) -> VideoIndex:
        """The index, read once.

        Raises:
            RecordingError: the file is not a readable video or holds no picture.
        """
        return index_video(self.path, self.stream)


def rgb(frame: av.VideoFrame) -> NDArray[Any]:
    """A decoded frame as ``uint8 [H, W, 3]`` RGB."""
    return np.asarray(frame.to_ndarray(format="rgb24"))


class VideoSource:
    """Lazy pictures of a video at given times; a full :class:`ImageSource`.

    Args:
        video: the file, possibly shared by many sources (episodes concatenated in one file).
        t_ns: ``int64 [N]`` ascending times on the video's own clock, one per picture.
        tolerance_ns: how far from its time a picture may be.
        picture: turns a decoded frame into an array.
    """

    def __init__(
        self,
        video: Video,
        t_ns: NDArray[np.int64],
        tolerance_ns: int = 0,
        picture: Callable[[av.VideoFrame], NDArray[Any]] = rgb,
    ) -> None:
        self.video = video
        self.t_ns = t_ns
        self.tolerance_ns = tolerance_ns
        self.picture = picture

    def __len__(self) -> int:
        return len(self.t_ns)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Pictures at ascending rows, one at a time; see :class:`ImageSource`."""
        index = self.video.index
        cursor = _Cursor(self.video, index)
        try:
            for row in self._video_rows(index, np.asarray(rows, np.int64)).tolist():
                yield _upright(self.picture(cursor.frame_at(row)), index, self.video.path)
        finally:
            cursor.close()

    def encoded(self, row: int) -> Encoded | None:
        """``None``: a video frame has no bytes of its own."""
        return None

    def _video_rows(self, index: VideoIndex, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        wanted = self.t_ns[rows]
        found = geometry.nearest(index.t_ns, wanted)
        off = np.abs(index.t_ns[found] - wanted) > self.tolerance_ns
        if off.any():
            raise RecordingError(
                f"no picture at {wanted[off][0] / SECOND:.4f} s; the video's {len(index)} pictures"
                f" run from {index.t_ns[0] / SECOND:.4f} s to {index.t_ns[-1] / SECOND:.4f} s",
                path=self.video.path,
                remedy="Copy the file again, or leave this recording out.",
            )
        return found


def open(path: Path) -> list[Recording] | None:
    """Open a plain video file as a recording of one uncalibrated camera.

    Args:
        path: any path; a file is taken for a video by its name or by how it begins.

    Returns:
        One recording, or ``None`` when this is not a video file.

    Raises:
        RecordingError: the video is damaged beyond use.
    """
    if not path.is_file():
        return None
    if path.suffix.lower() not in EXTENSIONS and not _begins_like_video(path):
        return None
    video = Video(path)
    index = video.index
    camera = Camera("camera", index.width, index.height)
    images = Images(index.t_ns, VideoSource(video, index.t_ns))
    return [
        Recording(
            name=path.stem,
            path=path,
            format=f"video ({index.codec})",
            views=(View(camera, images),),
            notes=index.notes,
            content=content_fingerprint(path, [path]),
        )
    ]


def _begins_like_video(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(189)
    return (
        head[4:8] == b"ftyp"  # MP4, MOV
        or head.startswith((b"\x1a\x45\xdf\xa3", b"DKIF", b"\0\0\1\xba"))  # Matroska, IVF, MPEG
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
        or (len(head) == 189 and head[0] == head[188] == 0x47)  # transport stream
        or head.startswith((b"\0\0\0\1\x67", b"\0\0\0\1\x27", b"\0\0\0\1\x40\1"))  # H.264, H.265
    )


class _Cursor:
    """An open decoder that knows the row it stands at and how to get to the next one."""

    def __init__(self, video: Video, index: VideoIndex) -> None:
        self._video = video
        self._index = index
        self._row = -1
        self._frame: av.VideoFrame | None = None
        self._can_seek = not index.counted
        self._start()

    def close(self) -> None:
        self._frames.close()
        self._container.close()

    def frame_at(self, row: int) -> av.VideoFrame:
        if row != self._row:
            self._frame = self._go(row)
            self._row = row
        if self._frame is None:
            raise RecordingError(
                "this picture cannot be decoded; the file is damaged there",
                path=self._video.path,
                place=f"{self._index.t_ns[row] / SECOND:.4f} s",
                remedy="Copy the file again, or work on the part before.",
            )
        return self._frame

    def _go(self, row: int) -> av.VideoFrame | None:
        key = self._index.key_row(row)
        if self._row < row and (not self._can_seek or key <= self._row + 1 + SEEK_COST):
            return self._advance(row)
        if self._can_seek:
            # Some containers land late; an earlier key frame makes up for it.
            for start in (key, self._index.key_row(row, back=1)):
                if self._seek(start) and (frame := self._advance(row)) is not None:
                    return frame
        self._can_seek = False
        self._container.close()
        self._start()
        return self._advance(row)

    def _advance(self, row: int) -> av.VideoFrame | None:
        """Decode forward to a row; ``None`` when it does not come."""
        wanted = self._index.pts[row]
        try:
            for pts, frame in self._frames:
                if pts >= wanted:
                    return frame if pts == wanted else None
        except av.FFmpegError as error:
            raise unreadable(self._video.path, error) from error
        return None

    def _seek(self, row: int) -> bool:
        try:
            self._container.seek(int(self._index.pts[row]), stream=self._stream)
        except av.FFmpegError:
            return False
        self._frames = timed_frames(self._container, self._stream, counted=False)
        return True

    def _start(self) -> None:
        self._container = open_container(self._video.path)
        self._stream = video_streams(self._container)[self._video.stream]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = THREADS
        self._frames = timed_frames(self._container, self._stream, self._index.counted)


def _upright(picture: NDArray[Any], index: VideoIndex, path: Path) -> NDArray[Any]:
    picture = np.rot90(picture, index.quarter_turns) if index.quarter_turns else picture
    if picture.shape[:2] != (index.height, index.width):
        raise RecordingError(
            f"the picture size changes from {index.width}x{index.height} to"
            f" {picture.shape[1]}x{picture.shape[0]}",
            path=path,
            remedy="Split the file where the size changes.",
        )
    return np.ascontiguousarray(picture)
