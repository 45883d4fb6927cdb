"""From the index of one picture topic to a stream of pictures in order of time.

In: :class:`~scenekeeper.recording.scan.PictureTopic`. Out: :class:`Stream`, or a note that says
why the pictures are of no use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Images
from scenekeeper.recording.color_codecs import picture_size
from scenekeeper.recording.columns import as_numpy
from scenekeeper.recording.depth_codecs import decode_depth, is_depth
from scenekeeper.recording.scan import Container, PictureTopic
from scenekeeper.recording.topic_images import Stills, Video, video_codec
from scenekeeper.recording.topics import Base, camera_words, image_base
from scenekeeper.recording.wire import DECODE_ERRORS

Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stream:
    """The pictures of one topic.

    Attributes:
        topic: its name.
        camera: name of the camera if the writer stored one, else ``""``.
        frame: name of the frame the camera looks along.
        kind: ``compressed``, ``raw`` or ``video``.
        images: the pictures.
        size: ``(width, height)``.
        depth: they are depth, not colour.
    """

    topic: str
    camera: str
    frame: str
    kind: str
    images: Images
    size: tuple[int, int]
    depth: bool

    @property
    def base(self) -> Base:
        """The topic's namespace."""
        return image_base(self.topic)

    @property
    def words(self) -> Base:
        """What the topic's namespace says of the camera."""
        return camera_words(self.base)


def make_stream(container: Container, index: PictureTopic, notes: list[str]) -> Stream | None:
    """Pictures of a topic in order of time, or ``None`` and a note."""
    topic, first = index.topic, index.first
    build = _video if first.kind == "video" else _stills
    try:
        t_ns, source = build(container, index, notes)
    except (*DECODE_ERRORS, RecordingError) as error:
        notes.append(f"The pictures of {topic.name} were left out: {error}.")
        return None
    depth = isinstance(source, Stills) and source.depth
    images = Images(t_ns, source)
    return Stream(topic.name, topic.camera, first.frame_id, first.kind, images, source.size, depth)


def _stills(container: Container, index: PictureTopic, notes: list[str]) -> tuple[Times, Stills]:
    topic = index.topic
    t_ns = as_numpy(index.t_ns, np.int64)
    _, rows = np.unique(t_ns, return_index=True)
    if len(rows) < len(t_ns):
        repeated = len(t_ns) - len(rows)
        notes.append(f"{repeated} pictures of {topic.name} repeat a time and were left out.")
    depth = is_depth(index.first, topic.name)
    addresses = _addresses(index)[rows]
    return t_ns[rows], Stills(container, topic, addresses, _still_size(index, depth), depth)


def _addresses(index: PictureTopic) -> NDArray[np.int64]:
    return as_numpy(index.addresses, np.int64).reshape(len(index.t_ns), -1)


def _still_size(index: PictureTopic, depth: bool) -> tuple[int, int]:
    if depth and "compressedDepth" in index.first.encoding:
        height, width = decode_depth(index.first).shape
        return width, height
    return picture_size(index.first)


def _video(container: Container, index: PictureTopic, notes: list[str]) -> tuple[Times, Video]:
    topic, codec = index.topic, video_codec(index.first.encoding)
    if codec is None:
        raise ValueError(f"there is no decoder for {index.first.encoding!r}")
    start = index.keyframes.find(1)
    if start < 0:
        raise ValueError("there is no keyframe")
    if start:
        notes.append(f"{start} pictures of {topic.name} come before the first keyframe.")
    keyframes = np.flatnonzero(np.frombuffer(index.keyframes, np.bool_)[start:])
    addresses = _addresses(index)[start:]
    # Every packet is needed to decode the next, so times are mended instead of packets left out.
    order = np.arange(len(addresses))
    stamped = as_numpy(index.t_ns, np.int64)[start:]
    t_ns = np.maximum.accumulate(stamped - order) + order
    if mended := int((t_ns != stamped).sum()):
        notes.append(f"{mended} pictures of {topic.name} do not ascend in time and were moved.")
    video = Video(container, topic, addresses, keyframes, codec, (0, 0))
    return t_ns, replace(video, size=_video_size(video))


def _video_size(video: Video) -> tuple[int, int]:
    frame = next(video.frames(range(min(len(video), 8))), None)
    if frame is None:
        raise ValueError("the first pictures do not decode")
    return frame[1].width, frame[1].height
