"""Episodes of one camera, one after the other, in MP4 files of strictly constant rate.

In: an episode's pictures, one per tick. Out: ``chunk-CCC/file-FFF.mp4`` under a folder, and where
in them each episode lies. LeRobot finds a picture at ``round(time * fps)``, so no tick is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import av
import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.lerobot_tables import FIRST, Place

FILE_BYTES = 200 << 20
"""LeRobot's limit for a video file; an episode is never split."""

# Encoder, name of what it writes, options. These are LeRobot's own for AV1.
_ENCODERS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("libsvtav1", "av1", {"g": "2", "crf": "30", "preset": "12"}),
    ("h264", "h264", {"g": "2", "crf": "23", "bf": "0"}),
)


def codec() -> str:
    """Name of the codec that :class:`EpisodeVideos` writes with this build of FFmpeg."""
    return _encoder()[1]


@contextmanager
def same_priority() -> Iterator[None]:
    """Keep the scheduling of the calling thread.

    SVT-AV1 makes the thread that starts it a real-time one of the highest priority where it may, as
    in a container run by root, and leaves it so; what that thread does or starts from then on keeps
    everything else off the machine.
    """
    if not hasattr(os, "sched_setscheduler"):  # Linux alone has it
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, priority)


def even(height: int, width: int) -> tuple[int, int]:
    """The size that 4:2:0 colour can hold: an odd last row or column is dropped."""
    return height // 2 * 2, width // 2 * 2


class Span(NamedTuple):
    """Where an episode lies: its file, and its time in it in seconds, half-open."""

    place: Place
    start: float
    stop: float


class EpisodeVideos:
    """Writes episodes of one camera; a context manager.

    Args:
        folder: where the chunks go.
        size: ``(H, W)`` of every picture, both even.
        fps: pictures per second.
        file_bytes: start another file when an episode would make this one larger.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int], fps: int, file_bytes: int = FILE_BYTES
    ) -> None:
        self._folder, self._size, self._fps, self._limit = folder, size, fps, file_bytes
        self._place: Place = FIRST
        self._container: Any = None
        self._frames = self._packets = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        elif self._container is not None:
            self._container.close()

    def write(self, images: Iterable[NDArray[np.uint8]], length: int) -> Span:
        """Append one episode.

        Args:
            images: ``length`` pictures ``uint8 [H, W, 3]``, taken one at a time.
            length: how many there will be.
        """
        if self._expected_bytes(length) >= self._limit:
            self._finish()
            self._place = self._place.next()
        if self._container is None:
            self._open()
        first, (height, width) = self._frames, self._size
        for image in images:
            cropped = np.ascontiguousarray(image[:height, :width])
            frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
            frame.pts = self._frames
            self._mux(frame)
            self._frames += 1
        assert self._frames - first == length
        return Span(self._place, first / self._fps, self._frames / self._fps)

    def _expected_bytes(self, length: int) -> float:
        """Size of the file with ``length`` more pictures; the encoder lags, so by its average."""
        return self._bytes / max(self._packets, 1) * (self._frames + length)

    def _open(self) -> None:
        # SVT-AV1 prints a page on stderr per file unless told before it starts.
        os.environ.setdefault("SVT_LOG", "1")
        name, _, options = _encoder()
        path = self._folder / self._place.file("mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(name, rate=self._fps, options=dict(options))
        self._stream.height, self._stream.width = self._size
        self._stream.pix_fmt = "yuv420p"
        self._frames = self._packets = self._bytes = 0

    def _mux(self, frame: Any) -> None:
        with same_priority():
            packets = self._stream.encode(frame)
        for packet in packets:
            self._packets += 1
            self._bytes += packet.size
            self._container.mux(packet)

    def _finish(self) -> None:
        if self._container is not None:
            self._mux(None)
            self._container.close()
            self._container = None


def _encoder() -> tuple[str, str, Mapping[str, str]]:
    for encoder in _ENCODERS[:-1]:
        if encoder[0] in av.codecs_available:
            return encoder
    return _ENCODERS[-1]
