"""Pictures of one topic, read lazily from their container: stills and video.

In: where each picture's message lies. Out: the :class:`~scenekeeper.recording.base.ImageSource`
a view holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Encoded
from scenekeeper.recording.color_codecs import decode_color, stored_file
from scenekeeper.recording.depth_codecs import decode_depth, stored_png
from scenekeeper.recording.messages import Picture, parse
from scenekeeper.recording.wire import DECODE_ERRORS, Topic, decoder


class Fetch(Protocol):
    """A container from which messages can be read again."""

    @property
    def path(self) -> Path:
        """The file or folder, for error messages."""
        ...

    def fetch(self, addresses: NDArray[np.int64]) -> Iterator[bytes]:
        """Bytes of the messages at ``int64 [N, A]`` addresses, in that order."""
        ...


@dataclass(frozen=True, eq=False)
class Stills:
    """Pictures that stand alone.

    Attributes:
        container: where they are.
        topic: their topic.
        addresses: ``int64 [N, A]``, one per picture.
        size: ``(width, height)`` every picture must have.
        depth: they are depth, not colour.
    """

    container: Fetch
    topic: Topic
    addresses: NDArray[np.int64]
    size: tuple[int, int]
    depth: bool

    def __len__(self) -> int:
        return len(self.addresses)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """See :class:`~scenekeeper.recording.base.ImageSource`."""
        for row, picture in _pictures(self.container, self.topic, self.addresses, rows):
            try:
                pixels = decode_depth(picture) if self.depth else decode_color(picture)
            except DECODE_ERRORS as error:
                raise _damaged(self.container, self.topic, row, error) from error
            size = (pixels.shape[1], pixels.shape[0])
            _check_size(self.container, self.topic, row, size, self.size)
            yield pixels

    def encoded(self, row: int) -> Encoded | None:
        """See :class:`~scenekeeper.recording.base.ImageSource`."""
        [(_, picture)] = _pictures(self.container, self.topic, self.addresses, [row])
        if not self.depth:
            return stored_file(picture)
        png = stored_png(picture)
        return None if png is None else Encoded(png, "png")


@dataclass(frozen=True, eq=False)
class Video:
    """Pictures that need those before them, back to a keyframe.

    Attributes:
        container: where the packets are.
        topic: their topic.
        addresses: ``int64 [N, A]``, one packet per picture; the first is a keyframe.
        keyframes: ascending rows that decode without others.
        codec: FFmpeg's name of the decoder.
        size: ``(width, height)`` every picture must have.
    """

    container: Fetch
    topic: Topic
    addresses: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    codec: str
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.addresses)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """See :class:`~scenekeeper.recording.base.ImageSource`."""
        starts = self.keyframes[np.searchsorted(self.keyframes, rows, side="right") - 1].tolist()
        at = 0
        while at < len(rows):
            end = at
            while end < len(rows) and starts[end] == starts[at]:
                end += 1
            yield from self._read_group(starts[at], rows[at:end])
            at = end

    def encoded(self, row: int) -> Encoded | None:
        """Always ``None``: a packet is no picture."""
        return None

    def _read_group(self, start: int, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Pictures that share a keyframe."""
        frames = self.frames(range(start, rows[-1] + 1))
        row, frame = -1, None
        for wanted in rows:
            while row < wanted:
                row, frame = next(frames, (len(self), None))
            if row != wanted or frame is None:
                raise _damaged(self.container, self.topic, wanted, "its packet does not decode")
            _check_size(self.container, self.topic, wanted, (frame.width, frame.height), self.size)
            yield frame.to_ndarray(format="rgb24")

    def frames(self, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Decoded ``(row, av.VideoFrame)`` of consecutive rows from a keyframe on."""
        packets = _pictures(self.container, self.topic, self.addresses, rows)
        data = ((row, bytes(picture.data)) for row, picture in packets)
        row = rows[0]
        try:
            for row, frame in decode_packets(self.codec, data):
                yield row, frame
        except FFmpegError as error:
            raise _damaged(self.container, self.topic, row, error) from error


def decode_packets(codec: str, packets: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, Any]]:
    """Frames of numbered packets, with their packet's number, from a keyframe on.

    Raises:
        FFmpegError: a packet does not decode.
    """
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1  # threads would delay the first frame and break reading by row
    for row, data in packets:
        if not data:
            continue
        packet = av.Packet(data)
        packet.pts = row
        for frame in context.decode(packet):
            yield frame.pts, frame
    for frame in context.decode(None):
        yield frame.pts, frame


def video_codec(encoding: str) -> str | None:
    """FFmpeg decoder for a message's word for its codec; ``None`` when there is none."""
    word = encoding.lower()
    for part, codec in (("264", "h264"), ("265", "hevc"), ("hevc", "hevc"), ("av1", "libdav1d")):
        if part in word:
            return codec
    return "vp9" if "vp9" in word else None


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether decoding can start at a packet."""
    if codec in ("h264", "hevc"):
        return any(_starts_picture(codec, kind) for kind in _nal_headers(data))
    if codec == "libdav1d":  # a sequence header comes with, and only with, a keyframe
        return any(kind == 1 for kind in _obu_kinds(data))
    return bool(data) and not data[0] & 0x0C  # VP9: neither an inter nor a repeated frame


def _starts_picture(codec: str, header: int) -> bool:
    if codec == "h264":
        return header & 31 in (5, 7)  # an IDR slice, or the parameters before one
    return (header >> 1 & 63) in (*range(16, 22), 33)


def _nal_headers(data: bytes) -> Iterator[int]:
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        yield data[at + 3]
        at = data.find(b"\0\0\1", at + 3)


def _obu_kinds(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        header = data[at]
        yield header >> 3 & 15
        at += 2 if header & 4 else 1
        if not header & 2:  # no size: it is the last one
            return
        size = shift = 0
        while at < len(data):
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        at += size


def _pictures(
    container: Fetch, topic: Topic, addresses: NDArray[np.int64], rows: Sequence[int]
) -> Iterator[tuple[int, Picture]]:
    decode = decoder(topic)
    for row, data in zip(rows, container.fetch(addresses[np.asarray(rows, np.int64)]), strict=True):
        try:
            [picture] = parse(topic.schema, decode(data), 0)
        except DECODE_ERRORS as error:
            raise _damaged(container, topic, row, error) from error
        assert isinstance(picture, Picture)  # the topic was indexed as one of pictures
        yield row, picture


def _check_size(
    container: Fetch, topic: Topic, row: int, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    if size != expected:
        problem = "it is {}x{} among pictures of {}x{}".format(*size, *expected)
        raise _damaged(container, topic, row, problem)


def _damaged(container: Fetch, topic: Topic, row: int, problem: object) -> RecordingError:
    return RecordingError(
        f"the picture cannot be read: {problem}",
        path=container.path,
        place=f"{topic.name} picture {row}",
        remedy="Leave it out, or record again.",
    )
