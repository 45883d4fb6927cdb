"""The bytes of ROS bags: ROS 1 ``.bag``, ROS 2 ``.db3``, and bags split into several files.

Each is a container of messages, in order and again by address. A ROS 1 bag is read from its start
record by record, not by its index: every header has to be seen anyway, and a bag whose recorder
crashed has no index.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.blocks import decompress, read_block
from scenekeeper.recording.scan import Container, Message, Report, is_known, unused_topics
from scenekeeper.recording.wire import Topic, ros_name

BAG_MAGIC = b"#ROSBAG V2.0\n"
SQLITE_MAGIC = b"SQLite format 3\0"

_MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7
_U32 = struct.Struct("<I")
_PARSE_ERRORS = (struct.error, ValueError, LookupError, TypeError, OverflowError, MemoryError)

Fields = dict[bytes, bytes]
Topics = dict[int, Topic | None]


# --- ROS 1 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ros1Bag:
    """A ROS 1 bag, version 2.0.

    An address is ``(chunk or -1, offset of the message's data in it or in the file, size)``.
    """

    path: Path

    def messages(self, report: Report) -> Iterator[Message]:
        """See :class:`~scenekeeper.recording.scan.Container`."""
        topics: Topics = {}
        unknown: dict[str, str] = {}
        count = 0
        try:
            with self.path.open("rb") as file:
                for block in _blocks(file, report):
                    try:
                        for message in _bag_messages(block, topics, unknown):
                            count += 1
                            yield message
                    except _PARSE_ERRORS as error:
                        where = max(block.chunk, block.base)
                        report.damage.append(f"Damage at byte {where}: {error!r}.")
        except OSError as error:
            raise RecordingError(f"the file cannot be read ({error})", path=self.path) from error
        if report.damage:
            report.damage.append(f"{count} messages were recovered.")
        if unknown:
            report.notes.append(unused_topics(unknown))

    def fetch(self, addresses: NDArray[np.int64]) -> Iterator[bytes]:
        """See :class:`~scenekeeper.recording.topic_images.Fetch`."""
        at, data = -1, b""
        try:
            with self.path.open("rb") as file:
                for chunk, offset, size in addresses.tolist():
                    if chunk < 0:
                        file.seek(offset)
                        yield file.read(size)
                        continue
                    if chunk != at:
                        at, data = chunk, _read_chunk(file, _record_at(file, chunk))
                    yield data[offset : offset + size]
        except (OSError, *_PARSE_ERRORS) as error:
            raise RecordingError(f"the file cannot be read ({error})", path=self.path) from error


class _Block(NamedTuple):
    """Records in memory: those of a chunk (``base`` 0), or one of the file (``chunk`` -1)."""

    chunk: int
    base: int
    data: bytes


class _Record(NamedTuple):
    """One record of the file: its fields, and where its data lies."""

    start: int
    fields: Fields
    data: int
    size: int


def _blocks(file: BinaryIO, report: Report) -> Iterator[_Block]:
    """Every chunk and loose record to the end of the bag or its cut."""
    end, at = _size(file), len(BAG_MAGIC)
    indexed = False
    while at < end:
        try:
            record = _record_at(file, at)
            kind = record.fields[b"op"][0]
            if kind == _CHUNK:
                data = _read_chunk(file, record)
                yield _Block(record.start, 0, data)
                if len(data) < _U32.unpack(record.fields[b"size"])[0]:
                    report.damage.append(f"The chunk at byte {at} is cut or damaged.")
            elif kind in (_CONNECTION, _MESSAGE):
                file.seek(at)
                yield _Block(-1, at, read_block(file, record.data + record.size - at))
            indexed = indexed or any(record.fields.get(b"index_pos", b""))
        except _PARSE_ERRORS as error:
            report.damage.append(f"truncated: the record at byte {at} cannot be read ({error}).")
            return
        at = record.data + record.size
    if at > end:
        report.damage.append(f"truncated: the file ends at byte {end} inside a record.")
    elif not indexed:
        report.damage.append("truncated: the bag was never closed.")


def _record_at(file: BinaryIO, start: int) -> _Record:
    file.seek(start)
    (size,) = _U32.unpack(file.read(4))
    if size > 1 << 20:
        raise ValueError("the header is too long")
    header = file.read(size)
    (data_size,) = _U32.unpack(file.read(4))
    return _Record(start, _fields(header), start + 8 + size, data_size)


def _read_chunk(file: BinaryIO, record: _Record) -> bytes:
    file.seek(record.data)
    (size,) = _U32.unpack(record.fields[b"size"])
    stored = read_block(file, record.size)
    return decompress(record.fields[b"compression"].decode(), stored, size)


def _bag_messages(block: _Block, topics: Topics, unknown: dict[str, str]) -> Iterator[Message]:
    data, at = block.data, 0
    while at + 4 <= len(data):
        body = at + 4 + _U32.unpack_from(data, at)[0] + 4
        if body > len(data):
            return
        fields = _fields(data[at + 4 : body - 4])
        (size,) = _U32.unpack_from(data, body - 4)
        if body + size > len(data):
            return
        kind, number = fields[b"op"][0], fields.get(b"conn", b"")
        if kind == _CONNECTION:
            _add_connection(number, fields, data[body : body + size], topics, unknown)
        elif kind == _MESSAGE:
            topic = topics.get(*_U32.unpack(number))
            if topic is not None:
                seconds, nanoseconds = struct.unpack("<II", fields[b"time"])
                log_ns = seconds * 1_000_000_000 + nanoseconds
                address = (block.chunk, block.base + body, size)
                yield Message(topic, log_ns, data[body : body + size], address)
        at = body + size


def _add_connection(
    number: bytes, outer: Fields, data: bytes, topics: Topics, unknown: dict[str, str]
) -> None:
    inner = _fields(data)
    topic = Topic(
        "/" + (inner.get(b"topic") or outer[b"topic"]).decode().strip("/"),
        ros_name(inner[b"type"].decode()),
        "ros1",
        inner[b"message_definition"].decode(errors="replace"),
    )
    topics.setdefault(_U32.unpack(number)[0], topic if is_known(topic) else None)
    if not is_known(topic):
        unknown[topic.name] = topic.schema


def _fields(data: bytes) -> Fields:
    fields, at = {}, 0
    while at + 4 <= len(data):
        end = at + 4 + _U32.unpack_from(data, at)[0]
        if end > len(data):
            raise ValueError("a field is cut")
        name, _, value = data[at + 4 : end].partition(b"=")
        fields[name] = value
        at = end
    return fields


# --- ROS 2 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SqliteBag:
    """A ROS 2 ``.db3`` file. An address is the message's row id.

    Attributes:
        path: the file.
        zipped: every message is a zstd frame.
    """

    path: Path
    zipped: bool = False

    def messages(self, report: Report) -> Iterator[Message]:
        """See :class:`~scenekeeper.recording.scan.Container`."""
        count = 0
        topics: dict[int, Topic] = {}
        try:
            with closing(self._connect()) as database:
                topics = _read_topics(database)
                known = {number: topic for number, topic in topics.items() if is_known(topic)}
                marks = ",".join("?" * len(known))
                query = (
                    "SELECT id, topic_id, timestamp, data FROM messages"
                    f" WHERE topic_id IN ({marks}) ORDER BY id"
                )
                for row, number, t_ns, data in database.execute(query, tuple(known)):
                    if isinstance(data, bytes) and isinstance(t_ns, int):
                        count += 1
                        yield Message(known[number], t_ns, self._unzip(data), (row,))
        except (sqlite3.Error, *_PARSE_ERRORS) as error:
            report.damage.append(f"truncated: {count} messages were recovered ({error}).")
        if unknown := {t.name: t.schema for t in topics.values() if not is_known(t)}:
            report.notes.append(unused_topics(unknown))

    def fetch(self, addresses: NDArray[np.int64]) -> Iterator[bytes]:
        """See :class:`~scenekeeper.recording.topic_images.Fetch`."""
        try:
            with closing(self._connect()) as database:
                for (row,) in addresses.tolist():
                    found = database.execute("SELECT data FROM messages WHERE id = ?", (row,))
                    yield self._unzip(next(found, (b"",))[0])
        except (sqlite3.Error, *_PARSE_ERRORS) as error:
            raise RecordingError(f"the file cannot be read ({error})", path=self.path) from error

    def is_bag(self) -> bool:
        """Whether the database has the tables of a bag."""
        try:
            with closing(self._connect()) as database:
                return {"topics", "messages"} <= _table_names(database)
        except sqlite3.Error:
            return False

    def _connect(self) -> sqlite3.Connection:
        # A bag being recorded, or left by a crash, has a write-ahead log that must be read too.
        log = self.path.with_name(self.path.name + "-wal")
        mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
        database = sqlite3.connect(f"{self.path.resolve().as_uri()}?{mode}", uri=True)
        database.text_factory = lambda text: text.decode(errors="replace")
        return database

    def _unzip(self, data: bytes) -> bytes:
        if not self.zipped:
            return data
        try:
            return decompress("zstd", data, max(zstandard.frame_content_size(data), 0))
        except (ValueError, zstandard.ZstdError):
            return b""  # does not decode, and is counted with those that do not


def _table_names(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}


def _read_topics(database: sqlite3.Connection) -> dict[int, Topic]:
    definitions: dict[str, tuple[Any, Any]] = {}
    if "message_definitions" in _table_names(database):  # since ROS 2 Iron
        columns = "topic_type, encoding, encoded_message_definition"
        for schema, encoding, text in database.execute(
            f"SELECT {columns} FROM message_definitions"
        ):
            definitions[schema] = (encoding, text)
    topics = {}
    query = "SELECT id, name, type, serialization_format FROM topics"
    for number, name, schema, encoding in database.execute(query):
        kind, text = definitions.get(schema, ("", ""))
        topics[number] = Topic(
            str(name), ros_name(str(schema)), str(encoding), str(text), kind == "ros2idl"
        )
    return topics


# --- bags of several files ------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Several files of one kind that make one bag. An address has the file's number in front."""

    path: Path
    parts: Sequence[Container]

    def messages(self, report: Report) -> Iterator[Message]:
        """See :class:`~scenekeeper.recording.scan.Container`."""
        for number, part in enumerate(self.parts):
            for message in part.messages(report):
                yield message._replace(address=(number, *message.address))

    def fetch(self, addresses: NDArray[np.int64]) -> Iterator[bytes]:
        """See :class:`~scenekeeper.recording.topic_images.Fetch`."""
        starts = np.flatnonzero(np.diff(addresses[:, 0], prepend=-1))
        for run in np.split(addresses, starts[1:]):
            yield from self.parts[int(run[0, 0])].fetch(run[:, 1:])


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
