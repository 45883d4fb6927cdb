"""TFRecord files: records one after the other, each with checksums of its length and its bytes.

In: a file. Out: where its records lie, as far as the file goes, and their bytes, checked; and
records written the same way. The format is four fields per record: length (64 bits), its checksum,
the bytes, their checksum. Checksums are CRC-32C, rotated and shifted ("masked").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, overload

import google_crc32c

from scenekeeper.errors import RecordingError

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEAD = _LENGTH.size + _CRC.size
_BITS = 0xFFFFFFFF
_PIECE = 1 << 12


@dataclass(frozen=True)
class Record:
    """Where one record lies.

    Attributes:
        path: the file.
        number: how many records come before it.
        offset: first byte of what it holds.
        length: number of bytes it holds.
        crc: their masked checksum, as stored.
    """

    path: Path
    number: int
    offset: int
    length: int
    crc: int

    @property
    def place(self) -> str:
        """How errors name it."""
        return f"record {self.number} at byte {self.offset - _HEAD}"


@dataclass(frozen=True)
class Listing:
    """The records of a file; ``damage`` says why there are no more, where that is damage."""

    records: tuple[Record, ...]
    damage: str | None


class Window:
    """The bytes of a record, indexed like ``bytes``; only what is looked at is read.

    Args:
        file: the open file.
        record: which part of it.
    """

    def __init__(self, file: BinaryIO, record: Record) -> None:
        self._file = file
        self._start = record.offset
        self._length = record.length
        self._piece_at, self._piece = 0, b""

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...
    def __getitem__(self, at: int | slice) -> int | bytes:
        if isinstance(at, slice):
            return self._read(at.start, at.stop)
        if not 0 <= at - self._piece_at < len(self._piece):
            self._piece_at, self._piece = at, self._read(at, min(at + _PIECE, self._length))
        return self._piece[at - self._piece_at]

    def _read(self, start: int, stop: int) -> bytes:
        self._file.seek(self._start + start)
        data = self._file.read(stop - start)
        if len(data) != stop - start or not data:
            raise ValueError("the file has become shorter")
        return data


def listing(path: Path) -> Listing:
    """Where the records of a file lie. What they hold is not looked at.

    A file that is cut, or damaged in a length, is listed up to there.

    Raises:
        RecordingError: the file cannot be read.
    """
    records: list[Record] = []
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            at = 0
            while at < size:
                found = _record(file, path, len(records), at, size)
                if isinstance(found, str):
                    return Listing(tuple(records), found)
                records.append(found)
                at = found.offset + found.length + _CRC.size
    except OSError as error:
        raise RecordingError(f"cannot be read ({error})", path=path) from error
    return Listing(tuple(records), None)


def read(record: Record) -> bytes:
    """What a record holds.

    Raises:
        RecordingError: the file is gone or shorter, or the bytes are not those that were written.
    """
    try:
        with record.path.open("rb") as file:
            file.seek(record.offset)
            data = file.read(record.length)
    except OSError as error:
        raise RecordingError(
            f"cannot be read ({error})", path=record.path, place=record.place
        ) from error
    if len(data) != record.length or masked_crc(data) != record.crc:
        raise RecordingError(
            "its checksum is wrong",
            path=record.path,
            place=record.place,
            remedy="Copy the file again.",
        )
    return data


def write(file: BinaryIO, data: bytes) -> int:
    """Append a record; how many bytes that took."""
    head = _LENGTH.pack(len(data))
    file.write(head + _CRC.pack(masked_crc(head)))
    file.write(data)
    file.write(_CRC.pack(masked_crc(data)))
    return _HEAD + len(data) + _CRC.size


def masked_crc(data: bytes) -> int:
    """The checksum that TFRecord keeps of some bytes."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _BITS


def _record(file: BinaryIO, path: Path, number: int, at: int, size: int) -> Record | str:
    """The record at a byte, or what is wrong with it."""
    file.seek(at)
    head = file.read(_HEAD)
    where = f"record {number} at byte {at}"
    if len(head) < _HEAD:
        return f"the file is cut in {where}"
    length, crc = _LENGTH.unpack(head[: _LENGTH.size])[0], _CRC.unpack(head[_LENGTH.size :])[0]
    if masked_crc(head[: _LENGTH.size]) != crc:
        return f"the length of {where} is damaged"
    if at + _HEAD + length + _CRC.size > size:
        return f"the file is cut in {where}"
    file.seek(at + _HEAD + length)
    return Record(path, number, at + _HEAD, length, _CRC.unpack(file.read(_CRC.size))[0])
