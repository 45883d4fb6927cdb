"""Depth pictures of robot messages to ``float32 [H, W]`` metres, 0 = unknown.

In: a :class:`~scenekeeper.recording.messages.Picture`: raw 16UC1 / mono16 (millimetres) or 32FC1
(metres), 16-bit PNG (millimetres), or ROS ``compressedDepth`` with PNG or RVL payload.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.recording.messages import Picture

MAX_PIXELS = 1 << 26
"""No camera makes pictures this large; a larger claim is damage."""

RAW_DEPTH = frozenset({"16UC1", "mono16", "32FC1"})
_NOT_DEPTH = ("infra", "/ir", "thermal", "mono_image")
_PNG = b"\x89PNG\r\n\x1a\n"
_CONFIG = struct.Struct("<iff")
_SATURATED = 65535


def is_depth(picture: Picture, topic: str) -> bool:
    """Whether a topic's pictures are depth, judged by one of them.

    16-bit grey is depth unless the topic's name says that it is infrared or thermal.
    """
    if picture.kind == "video":
        return False
    if picture.encoding == "32FC1" or "compressedDepth" in picture.encoding:
        return True
    grey16 = picture.encoding in RAW_DEPTH if picture.kind == "raw" else _is_grey16(picture.data)
    return grey16 and not any(word in topic.lower() for word in _NOT_DEPTH)


def decode_depth(picture: Picture) -> NDArray[np.float32]:
    """Depth in metres, ``float32 [H, W]``, 0 = unknown.

    Raises:
        ValueError: bytes, sizes and encoding do not fit together.
    """
    if picture.kind == "raw":
        return _raw(picture)
    if "compressedDepth" in picture.encoding:
        return _compressed_depth(bytes(picture.data), picture.encoding)
    return metres(png16(bytes(picture.data)))


def stored_png(picture: Picture) -> bytes | None:
    """The PNG in millimetres inside a compressed depth picture; ``None`` when there is none."""
    data = bytes(picture.data)
    if "compressedDepth" in picture.encoding:
        is_metres = picture.encoding.startswith("32FC1")
        data = b"" if is_metres else data[_CONFIG.size :]
    return data if picture.kind == "compressed" and _is_grey16(data) else None


def metres(millimetres: NDArray[Any]) -> NDArray[np.float32]:
    """``uint16 [H, W]`` millimetres to metres; 0 and the saturated 65535 are unknown."""
    depth = millimetres.astype(np.float32) / np.float32(1000)
    depth[millimetres == _SATURATED] = 0
    return depth


def png16(data: bytes) -> NDArray[np.uint16]:
    """Pixels of a 16-bit grey PNG.

    Raises:
        ValueError: it is none, or it is damaged.
    """
    if not _is_grey16(data):
        raise ValueError("the depth picture is no 16-bit grey PNG")
    width, height = struct.unpack(">II", data[16:24])
    check_size(width, height)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.verify()  # checksums, which decoding skips; it uses the image up
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, MemoryError, struct.error) as error:
        raise ValueError(f"the PNG is damaged ({error})") from error
    return pixels.astype(np.uint16)


def rvl(data: bytes, width: int, height: int) -> NDArray[np.uint16]:
    """Decode RVL ("Fast Lossless Depth Image Compression", Wilson 2017).

    The stream is 4-bit groups, highest first within little-endian words: three bits of a number,
    low ones first, and one bit that says that more follow. The numbers are runs: how many zeros,
    how many others, then the others as zigzag differences.

    Raises:
        ValueError: the runs do not fill ``width * height`` pixels.
    """
    pixels = check_size(width, height)
    numbers = _rvl_numbers(data)
    lengths, deltas, at, filled = [], [], 0, 0
    while filled < pixels:
        run = numbers[at : at + 2].tolist()
        filled += sum(run)
        if sum(run) == 0 or filled > pixels:
            raise ValueError("the RVL runs do not fit the picture")
        lengths += run
        nonzero = run[1] if len(run) == 2 else 0
        deltas.append(numbers[at + 2 : at + 2 + nonzero])
        if len(deltas[-1]) != nonzero:
            raise ValueError("the RVL stream ends early")
        at += 2 + nonzero
    zigzag = np.concatenate(deltas) if deltas else np.zeros(0, np.int64)
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    known = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    depth = np.zeros(pixels, np.uint16)
    depth[known] = values.astype(np.uint16)
    return depth.reshape(height, width)


def pixel_rows(picture: Picture, dtype: Any, channels: int) -> NDArray[Any]:
    """Raw pixels as ``[H, W * channels]`` in native byte order, row padding removed.

    Raises:
        ValueError: too few bytes for the stated size.
    """
    check_size(picture.width, picture.height)
    dtype = np.dtype(dtype).newbyteorder(">" if picture.big_endian else "<")
    used = picture.width * channels * dtype.itemsize
    step = picture.step or used
    data = np.frombuffer(picture.data, np.uint8)
    if step < used or len(data) < step * (picture.height - 1) + used:
        raise ValueError(
            f"{len(data)} bytes are too few for {picture.width}x{picture.height}"
            f" {picture.encoding} with {step} bytes per row"
        )
    rows = np.lib.stride_tricks.as_strided(data, (picture.height, used), (step, 1))
    pixels = np.ascontiguousarray(rows).view(dtype)
    return np.asarray(pixels, dtype.newbyteorder("="))


def check_size(width: int, height: int) -> int:
    """Number of pixels.

    Raises:
        ValueError: the picture is empty or absurdly large.
    """
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} pixels cannot be")
    return width * height


def _raw(picture: Picture) -> NDArray[np.float32]:
    if picture.encoding == "32FC1":
        depth = pixel_rows(picture, np.float32, 1).astype(np.float32)
        depth[~np.isfinite(depth) | (depth < 0)] = 0
        return depth
    if picture.encoding in RAW_DEPTH:
        return metres(pixel_rows(picture, np.uint16, 1))
    raise ValueError(f"encoding {picture.encoding!r} is not known for depth")


def _compressed_depth(data: bytes, encoding: str) -> NDArray[np.float32]:
    if len(data) < _CONFIG.size:
        raise ValueError("the compressedDepth header is cut")
    _, quant_a, quant_b = _CONFIG.unpack_from(data)
    payload = data[_CONFIG.size :]
    if encoding.rstrip().endswith("rvl"):
        if len(payload) < 8:
            raise ValueError("the RVL header is cut")
        stored = rvl(payload[8:], *struct.unpack_from("<II", payload))
    else:
        stored = png16(payload)
    if not encoding.startswith("32FC1"):
        return metres(stored)
    # Metres were stored as inverse depth: q = A / depth + B.
    known = stored > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth = np.float32(quant_a) / (stored.astype(np.float32) - np.float32(quant_b))
    return np.where(known & np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _rvl_numbers(data: bytes) -> NDArray[np.int64]:
    words = np.frombuffer(data, "<u4", len(data) // 4)
    groups = ((words[:, None] >> np.arange(28, -4, -4, dtype=np.uint32)) & 15).reshape(-1)
    last = groups < 8
    ends = np.flatnonzero(last)
    if not len(ends):
        return np.zeros(0, np.int64)
    groups = groups[: ends[-1] + 1].astype(np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(len(groups)) - np.repeat(starts, np.diff(ends, prepend=-1))
    digits = (groups & 7) << np.minimum(3 * place, 48)
    return np.asarray(np.add.reduceat(digits, starts), np.int64)


def _is_grey16(data: Any) -> bool:
    head = bytes(memoryview(data)[:26])
    return len(head) == 26 and head[:8] == _PNG and head[24:26] == b"\x10\x00"
