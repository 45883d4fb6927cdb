"""Decompress one block (chunk) of a container, bounded in memory, as far as its bytes go.

In: compressed bytes and the size the file claims. Out: at most that many bytes; fewer when the
block is cut or damaged, so that what lies before the damage is not lost with it.
"""

from __future__ import annotations

import bz2
import io
from typing import Any, BinaryIO

import zstandard
from lz4.frame import LZ4FrameFile  # type: ignore[import-untyped]

MAX_BLOCK = 1 << 30
"""No recorder writes chunks this large; a larger claim is damage."""

_PIECE = 1 << 16
_DAMAGE = (zstandard.ZstdError, RuntimeError, OSError, EOFError, ValueError, MemoryError)


def read_block(file: BinaryIO, size: int) -> bytes:
    """The next ``size`` bytes of a file, fewer at its end.

    Raises:
        ValueError: the size is absurd.
    """
    if size > MAX_BLOCK:
        raise ValueError(f"a block claims {size} bytes")
    return file.read(size)


def decompress(compression: str, data: bytes, size: int) -> bytes:
    """The first ``size`` bytes of a block, fewer when it is cut or damaged.

    Args:
        compression: ``""`` or ``none``, ``zstd``, ``lz4`` (frame format) or ``bz2``.
        data: the bytes as stored.
        size: uncompressed size according to the file.

    Raises:
        ValueError: the compression is unknown or the size absurd.
    """
    if size > MAX_BLOCK:
        raise ValueError(f"a block claims {size} bytes")
    if compression in ("", "none"):
        return data[:size]
    stored = io.BytesIO(data)
    if compression == "zstd":
        return _read(zstandard.ZstdDecompressor().stream_reader(stored), size)
    if compression == "lz4":
        return _read(LZ4FrameFile(stored), size)
    if compression == "bz2":
        return _read(bz2.BZ2File(stored), size)
    raise ValueError(f"compression {compression!r} is not known")


def _read(stream: Any, size: int) -> bytes:
    out = bytearray()
    try:
        while len(out) < size and (piece := stream.read1(min(_PIECE, size - len(out)))):
            out += piece
    except _DAMAGE:
        pass  # what came before is returned, and its length tells
    return bytes(out)
