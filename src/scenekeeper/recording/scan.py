"""Go through a container once and keep what a recording needs, but no pixels.

In: messages of a container. Out: :class:`Scan`, with pictures as times and addresses, and
calibrations, transforms and samples as they are.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import SignalKind
from scenekeeper.recording.columns import TimedRows
from scenekeeper.recording.messages import (
    PARSERS,
    Calibration,
    Picture,
    Record,
    Sample,
    Transform,
    parse,
)
from scenekeeper.recording.topic_images import Fetch, is_keyframe, video_codec
from scenekeeper.recording.topics import is_command
from scenekeeper.recording.wire import DECODE_ERRORS, PROTOBUF, Topic, decoder


class Message(NamedTuple):
    """One message, and where to find it again."""

    topic: Topic
    log_ns: int
    data: bytes
    address: tuple[int, ...]


@dataclass
class Report:
    """What a container has to say besides its messages, one sentence each."""

    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Container(Fetch, Protocol):
    """A file, or files, of messages."""

    def messages(self, report: Report) -> Iterator[Message]:
        """Messages of known topics in file order; damage goes to the report.

        Raises:
            RecordingError: the file cannot be read at all.
        """
        ...


@dataclass
class PictureTopic:
    """Index of one topic's pictures, in the order of the file.

    ``first`` stands for all of them; ``addresses`` has as many numbers for each; ``keyframes``
    says for each picture of a video whether decoding can start there.
    """

    topic: Topic
    first: Picture
    t_ns: array[int] = field(default_factory=lambda: array("q"))
    addresses: array[int] = field(default_factory=lambda: array("q"))
    keyframes: bytearray = field(default_factory=bytearray)


@dataclass
class SampleTopic:
    """Samples of one topic; those that name other columns than the first have rows of their own."""

    kind: SignalKind
    rows: dict[tuple[str, ...], TimedRows] = field(default_factory=dict)


Edges = dict[tuple[str, str], TimedRows]
"""Poses by parent and child."""


@dataclass
class Scan:
    """What a container holds. ``moving`` are transforms by topic, ``messages`` counts them all.

    Of a static transform only the last counts, so drivers that repeat them cost nothing.
    """

    pictures: dict[str, PictureTopic] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    moving: dict[str, Edges] = field(default_factory=dict)
    static: dict[tuple[str, str], Transform] = field(default_factory=dict)
    samples: dict[str, SampleTopic] = field(default_factory=dict)
    encodings: set[str] = field(default_factory=set)
    undecodable: Counter[str] = field(default_factory=Counter)
    report: Report = field(default_factory=Report)
    messages: int = 0


def is_known(topic: Topic) -> bool:
    """Whether the readers understand a topic's messages."""
    if topic.encoding == "protobuf":
        return topic.schema in PROTOBUF
    return topic.schema in PARSERS and topic.encoding in ("json", "cdr", "ros1")


def scan(container: Container) -> Scan:
    """Index a container in one pass.

    Raises:
        RecordingError: it cannot be read, or damage left nothing of it.
    """
    found = Scan()
    decoders: dict[Topic, Callable[[bytes], Any]] = {}
    for message in container.messages(found.report):
        found.messages += 1
        found.encodings.add(message.topic.encoding)
        if message.topic not in decoders:
            decoders[message.topic] = _decoder(message.topic)
        try:
            decoded = decoders[message.topic](message.data)
            for record in parse(message.topic.schema, decoded, message.log_ns):
                _keep(found, message, record)
        except DECODE_ERRORS:
            found.undecodable[message.topic.name] += 1
    for topic, count in found.undecodable.items():
        found.report.notes.append(f"{count} messages of {topic} cannot be decoded; left out.")
    if found.report.damage and not found.messages:
        raise RecordingError(
            f"no message can be read ({found.report.damage[0].rstrip('.')})",
            path=container.path,
            remedy="Copy it again from the robot.",
        )
    return found


def unused_topics(unknown: dict[str, str]) -> str:
    """A note on topics, and their types, that the readers pass over."""
    some = ", ".join(f"{topic} ({schema})" for topic, schema in sorted(unknown.items())[:3])
    more = ", ..." if len(unknown) > 3 else ""
    return f"{len(unknown)} topics of other types are not used: {some}{more}."


def _keep(found: Scan, message: Message, record: Record) -> None:
    name = message.topic.name
    match record:
        case Picture():
            _keep_picture(found, message, record)
        case Calibration():
            # An uncalibrated driver says so until it is calibrated.
            if name not in found.calibrations or not any(found.calibrations[name].K[:1]):
                found.calibrations[name] = record
        case Transform():
            edge = (record.parent, record.child)
            if name.endswith("tf_static"):
                found.static[edge] = record
            else:
                edges = found.moving.setdefault(name, {})
                edges.setdefault(edge, TimedRows()).add(record.t_ns, record.pose)
        case Sample():
            told = is_command(name) and record.kind in ("joint_state", "other")
            topic = found.samples.setdefault(name, SampleTopic("action" if told else record.kind))
            topic.rows.setdefault(record.names, TimedRows()).add(record.t_ns, record.values)


def _keep_picture(found: Scan, message: Message, picture: Picture) -> None:
    if not len(picture.data):
        raise ValueError("the picture is empty")
    index = found.pictures.setdefault(message.topic.name, PictureTopic(message.topic, picture))
    if index.topic.schema != message.topic.schema or index.first.kind != picture.kind:
        raise ValueError("the topic holds pictures of another kind")
    codec = video_codec(picture.encoding) if picture.kind == "video" else None
    starts = codec is not None and is_keyframe(codec, bytes(picture.data))
    index.t_ns.append(picture.t_ns)
    index.addresses.extend(message.address)
    index.keyframes.append(starts)


def _decoder(topic: Topic) -> Callable[[bytes], Any]:
    try:
        return decoder(topic)
    except DECODE_ERRORS as error:
        reason = str(error)

    def fail(data: bytes) -> Any:
        raise ValueError(reason)

    return fail
