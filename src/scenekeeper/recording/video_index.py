"""Where the pictures of a video file are: their times and key frames.

In: a video file that FFmpeg can demux. Out: a :class:`VideoIndex` from one pass over the packets
that decodes only the first picture, and the decoded frames, each with its presentation time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError

SECOND = 1_000_000_000
"""Nanoseconds."""

_MAX_NS = 1 << 62  # differences of times must fit 64 bits too
_ENDS_EARLY = Fraction(1, 4)  # seconds

Ticks = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """Where the pictures of one video stream are.

    Attributes:
        pts: ``int64 [N]`` strictly ascending presentation times in stream ticks.
        t_ns: ``int64 [N]`` the same in nanoseconds, strictly ascending.
        key_rows: ``int64 [K]`` ascending rows at which decoding can start.
        counted: the container keeps no presentation times, so pictures are told by their position
            and the file can only be read from its beginning.
        width: upright picture width in pixels.
        height: upright picture height in pixels.
        quarter_turns: counterclockwise quarter turns that bring stored pictures upright.
        codec: FFmpeg's name of the codec, e.g. ``"h264"``.
        pixel_format: FFmpeg's name of the stored pixels, e.g. ``"yuv420p"``.
        notes: what is missing from the file, one sentence each.
    """

    pts: Ticks
    t_ns: NDArray[np.int64]
    key_rows: NDArray[np.int64]
    counted: bool
    width: int
    height: int
    quarter_turns: int
    codec: str
    pixel_format: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pts)

    def between(self, from_ns: int, to_ns: int) -> NDArray[np.int64]:
        """Times of the pictures in ``[from_ns, to_ns)``, ``int64 [M]`` nanoseconds."""
        start, stop = np.searchsorted(self.t_ns, [from_ns, to_ns])
        return self.t_ns[start:stop]

    def key_row(self, row: int, back: int = 0) -> int:
        """The last key frame at or before a row, or ``back`` key frames earlier; 0 without one."""
        k = int(np.searchsorted(self.key_rows, row, side="right")) - 1 - back
        return int(self.key_rows[k]) if k >= 0 else 0


def index_video(path: Path, stream: int = 0) -> VideoIndex:
    """Index one video stream: one pass over its packets, one decoded picture.

    Raises:
        RecordingError: the file is not a readable video, has no such stream or no picture.
    """
    packets = _scan(path, stream)
    first = _first_frame(path, stream, packets.counted)
    if not len(packets.pts) or first is None:
        raise RecordingError(
            f"none of its {len(packets.pts)} pictures can be decoded",
            path=path,
            remedy="The file is damaged, or this FFmpeg build lacks its codec.",
        )
    first_pts, frame = first
    seen = packets.pts >= first_pts
    notes = packets.notes
    if not seen.all():
        notes += (f"{path.name}: the first {(~seen).sum()} pictures lack the one they build on.",)
    turns = round(frame.rotation / 90) % 4
    pts, t_ns = _strict(packets.pts[seen], packets.time_base)
    return VideoIndex(
        pts=pts,
        t_ns=t_ns,
        key_rows=np.flatnonzero(np.isin(pts, packets.key_pts)),
        counted=packets.counted,
        width=frame.height if turns % 2 else frame.width,
        height=frame.width if turns % 2 else frame.height,
        quarter_turns=turns,
        codec=packets.codec,
        pixel_format=frame.format.name,
        notes=notes,
    )


def ticks_to_ns(ticks: NDArray[np.int64], time_base: Fraction) -> list[int]:
    """Exact nanoseconds of ticks of ``time_base`` seconds, rounded to the nearest."""
    numerator = 2 * SECOND * time_base.numerator
    denominator = time_base.denominator
    return [(tick * numerator + denominator) // (2 * denominator) for tick in ticks.tolist()]


def mp4_is_whole(path: Path) -> bool:
    """Whether a file is an MP4 whose boxes, the index among them, all fit in it.

    Looks at box headers only, so it costs a few reads whatever the length.
    """
    names, whole = _boxes(path)
    return whole and b"ftyp" in names and b"moov" in names


def timed_frames(
    container: Any, video: av.VideoStream, counted: bool
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """Decoded frames in presentation order, each with its pts (its position when counted)."""
    frames = _frames(container, video, skip_damage=not counted)
    if counted:
        yield from enumerate(frames)
    else:
        yield from ((frame.pts, frame) for frame in frames if frame.pts is not None)


def _frames(container: Any, video: av.VideoStream, skip_damage: bool) -> Iterator[av.VideoFrame]:
    try:
        for packet in container.demux(video):
            if packet.is_corrupt:  # the index has left it out; its error would swallow neighbours
                continue
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                if skip_damage:
                    continue
                raise
            yield from frames
    except av.EOFError:
        return


def video_streams(container: Any) -> list[av.VideoStream]:
    """The video streams that can be decoded, cover pictures not among them."""
    cover = av.stream.Disposition.attached_pic
    streams = container.streams.video
    return [s for s in streams if s.codec_context is not None and not s.disposition & cover]


def open_container(path: Path) -> Any:
    """Open a file for demuxing.

    Raises:
        RecordingError: FFmpeg does not know what to do with it.
    """
    try:
        return av.open(str(path), metadata_errors="ignore")
    except av.FFmpegError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: av.FFmpegError) -> RecordingError:
    """What FFmpeg said about a file, with the remedy."""
    return _unreadable(path, f"not a readable video ({error.strerror})")


def _unreadable(path: Path, problem: str) -> RecordingError:
    names, _ = _boxes(path)
    if b"ftyp" in names and b"moov" not in names:
        return RecordingError(
            "its index (moov) is missing: the recorder was stopped before it finished the file",
            path=path,
            remedy="Rebuild it with untrunc and a whole video of the same camera; record to .mkv"
            " to lose nothing next time.",
        )
    return RecordingError(problem, path=path, remedy="Copy the file again.")


class _Packets(NamedTuple):
    pts: Ticks  # ascending, unique
    key_pts: Ticks
    time_base: Fraction
    counted: bool
    codec: str
    notes: tuple[str, ...]


def _scan(path: Path, stream: int) -> _Packets:
    with open_container(path) as container:
        streams = video_streams(container)
        if stream >= len(streams):
            raise _unreadable(path, f"no video stream {stream} that can be decoded")
        video = streams[stream]
        rows, damage = _demux(container, video)
        codec = video.codec_context.codec.canonical_name
        # AVI and bare codec streams store pictures in coding order without their times.
        reordered = container.format.name == "avi" and video.codec_context.has_b_frames
        counted = reordered or any(pts is None for pts, _ in rows)
        notes = _what_is_missing(path, container, video, rows, damage)
        if len(streams) > 1:
            notes += (f"{path.name}: one of its {len(streams)} video streams is read.",)
        if counted:
            rate = video.guessed_rate or video.average_rate or Fraction(30)
            notes += (f"{path.name}: keeps no picture times; they are counted at {rate} fps.",)
            ticks = np.arange(len(rows), dtype=np.int64)
            return _Packets(ticks, ticks[:1], 1 / Fraction(rate), True, codec, notes)
        if not video.time_base:
            raise RecordingError("has no time base", path=path)
        pts = np.unique(np.array([pts for pts, _ in rows], np.int64))
        keys = np.array([pts for pts, key in rows if key], np.int64)
        return _Packets(pts, keys, Fraction(video.time_base), False, codec, notes)


def _demux(
    container: Any, video: av.VideoStream
) -> tuple[list[tuple[int | None, bool]], str | None]:
    """``(pts, is key frame)`` of every whole packet, and what stopped the reading, if anything."""
    rows: list[tuple[int | None, bool]] = []
    in_order = not video.codec_context.has_b_frames
    try:
        for packet in container.demux(video):
            if packet.size and not packet.is_corrupt and not packet.is_discard:
                pts = packet.dts if packet.pts is None and in_order else packet.pts
                rows.append((pts, packet.is_keyframe))
    except av.FFmpegError as error:
        return rows, error.strerror
    return rows, None


def _what_is_missing(
    path: Path,
    container: Any,
    video: av.VideoStream,
    rows: Sequence[tuple[int | None, bool]],
    damage: str | None,
) -> tuple[str, ...]:
    times = [pts for pts, _ in rows if pts is not None]
    if damage is not None:
        return (f"{path.name}: damaged after {len(rows)} pictures ({damage}).",)
    if video.frames > len(rows):
        return (f"{path.name}: cut off, {len(rows)} of {video.frames} pictures are there.",)
    if not video.frames and container.duration and times and video.time_base:
        length = (max(times) - min(times)) * Fraction(video.time_base)
        announced = Fraction(container.duration, 1_000_000)
        if announced - length > _ENDS_EARLY:
            return (
                f"{path.name}: announces {float(announced):.2f} s, its pictures cover"
                f" {float(length):.2f} s; the rest is cut off or was never recorded.",
            )
    return ()


def _first_frame(path: Path, stream: int, counted: bool) -> tuple[int, av.VideoFrame] | None:
    with open_container(path) as container:
        video = video_streams(container)[stream]
        try:
            return next(timed_frames(container, video, counted), None)
        except av.FFmpegError as error:
            raise unreadable(path, error) from error


def _strict(pts: Ticks, time_base: Fraction) -> tuple[Ticks, NDArray[np.int64]]:
    """Ascending pts and their nanoseconds without the ones that round to the same or overflow."""
    t_ns = ticks_to_ns(pts, time_base)
    fits = np.array([abs(t) < _MAX_NS for t in t_ns], bool)
    times = np.array([t for t in t_ns if abs(t) < _MAX_NS], np.int64)
    times, first = np.unique(times, return_index=True)
    return pts[fits][first], times


def _boxes(path: Path) -> tuple[set[bytes], bool]:
    """Names of the whole top-level MP4 boxes, and whether they end where the file ends."""
    names: set[bytes] = set()
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:
                length = size - at
            if length < 8:
                return names, False
            at += length
            if at <= size:
                names.add(head[4:8])
    return names, at == size
