"""The bytes of an MCAP file: its messages in order, and any of them again by address.

The chunk index at the end of a file is used where it is sound, to pass over chunks of no
interest. Where it is not, as after a crash, the file is read from its start as far as it goes,
and the last chunk as far as it decompresses.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Footer, Metadata, Schema, Statistics
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.blocks import MAX_BLOCK, decompress, read_block
from scenekeeper.recording.scan import Message, Report, is_known, unused_topics
from scenekeeper.recording.wire import Topic, ros_name

MAGIC = b"\x89MCAP0\r\n"
METADATA = "scenekeeper"
"""Name of the metadata record, and prefix of channel metadata, of our own writer."""

_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQII")
_TAIL = _RECORD.size + 20 + len(MAGIC)  # footer and closing magic
_PARSE_ERRORS = (McapError, struct.error, ValueError, OverflowError, MemoryError)


@dataclass(frozen=True)
class McapFile:
    """One MCAP file as a container of messages.

    An address is ``(chunk or -1, offset of the message's data in it or in the file, size)``.
    """

    path: Path

    def messages(self, report: Report) -> Iterator[Message]:
        """See :class:`~scenekeeper.recording.scan.Container`."""
        count = 0
        try:
            with self.path.open("rb") as file:
                index = _read_index(file)
                catalog = index.catalog if index else _Catalog()
                blocks = _chunks(file, index.wanted, report) if index else _walk(file, report)
                for block in blocks:
                    for message in _messages(block, catalog, report):
                        count += 1
                        yield message
        except OSError as error:
            raise RecordingError(f"the file cannot be read ({error})", path=self.path) from error
        if report.damage:
            report.damage.append(f"{count} messages were recovered.")
        if catalog.unknown:
            report.notes.append(unused_topics(catalog.unknown))

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
                        at, data = chunk, _read_chunk(file, chunk).data
                    yield data[offset : offset + size]
        except (OSError, *_PARSE_ERRORS) as error:
            raise RecordingError(f"the file cannot be read ({error})", path=self.path) from error

    def metadata(self) -> dict[str, str]:
        """What our own writer stored ahead of all messages."""
        with self.path.open("rb") as file:
            for opcode, start, size in _records(file):
                if opcode in (Opcode.CHUNK, Opcode.MESSAGE, Opcode.DATA_END):
                    break
                if opcode == Opcode.METADATA:
                    file.seek(start)
                    try:
                        record = Metadata.read(_stream(read_block(file, min(size, _size(file)))))
                    except _PARSE_ERRORS:
                        continue
                    if record.name == METADATA:
                        return dict(record.metadata)
        return {}


class _Block(NamedTuple):
    """Records in memory: those of a chunk (``base`` 0), or one of the file (``chunk`` -1)."""

    chunk: int
    base: int
    data: bytes
    damage: str = ""


@dataclass
class _Catalog:
    """Schemas and channels seen so far; of channels with unknown messages only the names."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    topics: dict[int, Topic | None] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def add(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(payload))
            self.schemas.setdefault(schema.id, schema)
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(_stream(payload))
            if channel.id not in self.topics:
                self._add_channel(channel)

    def _add_channel(self, channel: Channel) -> None:
        schema = self.schemas.get(channel.schema_id, Schema(0, b"", "", ""))
        ros = channel.message_encoding in ("cdr", "ros1")
        topic = Topic(
            channel.topic,
            ros_name(schema.name),
            channel.message_encoding,
            schema.data.decode(errors="replace") if ros else "",
            schema.encoding == "ros2idl",
            channel.metadata.get(f"{METADATA}.camera", ""),
        )
        self.topics[channel.id] = topic if is_known(topic) else None
        if not is_known(topic):
            self.unknown[topic.name] = topic.schema or topic.encoding


class _Index(NamedTuple):
    """The summary of a file: its channels, and the chunks that hold messages of interest."""

    catalog: _Catalog
    wanted: list[int]


def _read_index(file: BinaryIO) -> _Index | None:
    """The chunk index; ``None`` when there is none or it does not fit the file."""
    end = _size(file) - _TAIL
    if end < len(MAGIC):
        return None
    file.seek(end)
    tail = file.read(_TAIL)
    if _RECORD.unpack_from(tail) != (Opcode.FOOTER, 20) or not tail.endswith(MAGIC):
        return None
    footer = Footer.read(_stream(tail[_RECORD.size :]))
    if not 0 < footer.summary_start < end < footer.summary_start + MAX_BLOCK:
        return None
    file.seek(footer.summary_start)
    summary = file.read(end - footer.summary_start)
    crc = zlib.crc32(summary + tail[: _RECORD.size + 16])
    if footer.summary_crc not in (0, crc):
        return None
    try:
        return _parse_summary(file, summary)
    except _PARSE_ERRORS:
        return None


def _parse_summary(file: BinaryIO, summary: bytes) -> _Index | None:
    catalog, chunks, expected = _Catalog(), [], 0
    for opcode, start, size in _split(summary):
        payload = summary[start : start + size]
        catalog.add(opcode, payload)
        if opcode == Opcode.CHUNK_INDEX:
            chunks.append(ChunkIndex.read(_stream(payload)))
        elif opcode == Opcode.STATISTICS:
            expected = Statistics.read(_stream(payload)).chunk_count
    complete = chunks and catalog.topics and expected in (0, len(chunks))
    if not complete or not all(
        _is_chunk(file, c.chunk_start_offset, c.chunk_length) for c in chunks
    ):
        return None
    wanted = [
        chunk.chunk_start_offset
        for chunk in chunks
        if not chunk.message_index_offsets
        or any(catalog.topics.get(k, True) for k in chunk.message_index_offsets)
    ]
    return _Index(catalog, sorted(wanted))


def _is_chunk(file: BinaryIO, offset: int, length: int) -> bool:
    file.seek(offset)
    head = file.read(_RECORD.size)
    return len(head) == _RECORD.size and _RECORD.unpack(head) == (
        Opcode.CHUNK,
        length - _RECORD.size,
    )


def _walk(file: BinaryIO, report: Report) -> Iterator[_Block]:
    """Every chunk and loose record from the start of the file to its end or cut."""
    end, reached = _size(file), len(MAGIC)
    for opcode, start, size in _records(file):
        reached = start - _RECORD.size
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            file.seek(end - len(MAGIC))
            if file.read() != MAGIC:
                report.damage.append(
                    "truncated: the index at the end is cut, all messages are here."
                )
            return
        if opcode == Opcode.CHUNK:
            yield from _chunks(file, [reached], report)
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE) and start + size <= end:
            file.seek(reached)
            try:
                yield _Block(-1, reached, read_block(file, _RECORD.size + size))
            except ValueError as error:
                report.damage.append(f"The record at byte {reached} cannot be read: {error}.")
        reached = min(start + size, end)
        if start + size > end or opcode == 0:
            break
    report.damage.append(f"truncated: the file was never closed and ends at byte {reached}.")


def _chunks(file: BinaryIO, offsets: list[int], report: Report) -> Iterator[_Block]:
    for offset in offsets:
        try:
            block = _read_chunk(file, offset)
        except _PARSE_ERRORS as error:
            report.damage.append(f"The chunk at byte {offset} cannot be read: {error}.")
            continue
        if block.damage:
            report.damage.append(f"The chunk at byte {offset} {block.damage}.")
        yield block


def _read_chunk(file: BinaryIO, offset: int) -> _Block:
    """A chunk's records, as many of them as its bytes give."""
    file.seek(offset + _RECORD.size)
    _, _, size, crc, name_size = _CHUNK.unpack(file.read(_CHUNK.size))
    compression = file.read(min(name_size, 16)).decode()
    (stored,) = struct.unpack("<Q", file.read(8))
    data = decompress(compression, read_block(file, min(stored, _size(file))), size)
    if len(data) < size:
        return _Block(offset, 0, data, "is cut or damaged")
    damaged = crc not in (0, zlib.crc32(data))
    return _Block(offset, 0, data, "fails its checksum, what it holds may be wrong" * damaged)


def _messages(block: _Block, catalog: _Catalog, report: Report) -> Iterator[Message]:
    data = block.data
    for opcode, start, size in _split(data):
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            try:
                catalog.add(opcode, data[start : start + size])
            except _PARSE_ERRORS as error:
                report.damage.append(f"A channel cannot be read: {error}.")
        elif opcode == Opcode.MESSAGE and size >= _MESSAGE.size:
            channel, _, log_ns, publish_ns = _MESSAGE.unpack_from(data, start)
            topic = catalog.topics.get(channel)
            if topic is None:
                continue
            body = slice(start + _MESSAGE.size, start + size)
            address = (block.chunk, block.base + body.start, body.stop - body.start)
            yield Message(topic, publish_ns or log_ns, data[body], address)


def _records(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """``(opcode, offset of the payload, its size)``; the last may reach beyond the end."""
    end, start = _size(file), len(MAGIC)
    while start + _RECORD.size <= end:
        file.seek(start)
        opcode, size = _RECORD.unpack(file.read(_RECORD.size))
        start += _RECORD.size
        yield opcode, start, size
        start += size


def _split(data: bytes) -> Iterator[tuple[int, int, int]]:
    """``(opcode, offset of the payload, its size)`` of the whole records in memory."""
    start = 0
    while start + _RECORD.size <= len(data):
        opcode, size = _RECORD.unpack_from(data, start)
        start += _RECORD.size
        if start + size > len(data):
            return
        yield opcode, start, size
        start += size


def _stream(data: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(data))


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
