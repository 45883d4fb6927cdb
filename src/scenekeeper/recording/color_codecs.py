"""Colour pictures of robot messages to ``uint8 [H, W, 3]`` RGB.

In: a :class:`~scenekeeper.recording.messages.Picture`: a JPEG, PNG, WebP, TIFF, BMP or AVIF file,
or raw pixels in the encodings of ROS and Foxglove.
"""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any

import av
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from scenekeeper.recording.base import Encoded
from scenekeeper.recording.depth_codecs import check_size, pixel_rows
from scenekeeper.recording.messages import Picture

Rgb = NDArray[np.uint8]

_ORDER = {  # encoding -> channels stored, and where red, green and blue are among them
    "rgb8": (3, (0, 1, 2)),
    "8UC3": (3, (2, 1, 0)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
_ORDER16 = {
    "rgb16": (3, (0, 1, 2)),
    "bgr16": (3, (2, 1, 0)),
    "16UC3": (3, (2, 1, 0)),
    "rgba16": (4, (0, 1, 2)),
    "bgra16": (4, (2, 1, 0)),
    "mono16": (1, (0, 0, 0)),
    "16UC1": (1, (0, 0, 0)),
}
_PACKED = {"yuyv": 0, "yuv422_yuy2": 0, "uyvy": 1, "yuv422": 1}  # byte of the first luma
_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)


def decode_color(picture: Picture) -> Rgb:
    """RGB pixels ``uint8 [H, W, 3]``.

    Raises:
        ValueError: bytes, sizes and encoding do not fit together.
    """
    return _raw(picture) if picture.kind == "raw" else _file(bytes(picture.data))


def picture_size(picture: Picture) -> tuple[int, int]:
    """``(width, height)`` without decoding pixels.

    Raises:
        ValueError: the head of the picture is damaged.
    """
    if picture.kind == "raw":
        check_size(picture.width, picture.height)
        return picture.width, picture.height
    try:
        with Image.open(io.BytesIO(bytes(picture.data)), formats=_formats()) as image:
            width, height = image.size
    except _PILLOW_ERRORS as error:
        raise ValueError(f"the picture is damaged ({error})") from error
    check_size(width, height)
    return width, height


def stored_file(picture: Picture) -> Encoded | None:
    """The JPEG or PNG file a message holds; ``None`` for raw pixels and other files."""
    if picture.kind != "compressed":
        return None
    data = bytes(picture.data)
    if data.startswith(b"\xff\xd8\xff"):
        return Encoded(data, "jpeg")
    return Encoded(data, "png") if data.startswith(b"\x89PNG") else None


_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


@cache
def _formats() -> tuple[str, ...]:
    """What cameras write. Pillow would also open formats that run other programs."""
    Image.init()
    return tuple(f for f in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF") if f in Image.OPEN)


def _file(data: bytes) -> Rgb:
    if data.startswith(b"\xff\xd8\xff"):
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        check_size(width, height)
        if colorspace not in ("CMYK", "YCCK"):
            return np.asarray(simplejpeg.decode_jpeg(data), np.uint8)
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            check_size(*image.size)
            return np.asarray(image.convert("RGB"))
    except _PILLOW_ERRORS as error:
        raise ValueError(f"the picture is damaged ({error})") from error


def _raw(picture: Picture) -> Rgb:
    encoding = picture.encoding
    if encoding in _ORDER:
        channels, order = _ORDER[encoding]
        rows = pixel_rows(picture, np.uint8, channels)
        return _reorder(rows.reshape(picture.height, picture.width, channels), order)
    if encoding in _ORDER16:
        channels, order = _ORDER16[encoding]
        rows = _upper_byte(pixel_rows(picture, np.uint16, channels))
        return _reorder(rows.reshape(picture.height, picture.width, channels), order)
    if encoding.startswith("bayer_") and encoding.endswith("16"):
        return _demosaic(_upper_byte(pixel_rows(picture, np.uint16, 1)), encoding[6:-2])
    if encoding.startswith("bayer_") and encoding.endswith("8"):
        return _demosaic(pixel_rows(picture, np.uint8, 1), encoding[6:-1])
    if encoding in _PACKED:
        return _packed(picture, _PACKED[encoding])
    if encoding in ("nv12", "nv21"):
        return _semiplanar(picture)
    raise ValueError(f"encoding {encoding!r} is not known for colour")


def _reorder(pixels: Rgb, order: tuple[int, int, int]) -> Rgb:
    return np.ascontiguousarray(pixels[..., list(order)])


def _demosaic(mosaic: Rgb, pattern: str) -> Rgb:
    """Bilinear: every channel is the weighted mean of its samples in the 3x3 neighbourhood."""
    if sorted(pattern) != ["b", "g", "g", "r"]:
        raise ValueError(f"bayer pattern {pattern!r} is not known")
    tile = np.array(list(pattern)).reshape(2, 2)
    height, width = mosaic.shape
    layout = np.tile(tile, ((height + 1) // 2, (width + 1) // 2))[:height, :width]
    channels = []
    for name in "rgb":
        known = (layout == name).astype(np.float32)
        total = ndimage.convolve(mosaic * known, _KERNEL, mode="constant")
        weight = ndimage.convolve(known, _KERNEL, mode="constant")
        mean = total / np.maximum(weight, 1)
        channels.append(np.where(known > 0, mosaic, np.rint(mean)))
    return np.stack(channels, -1).astype(np.uint8)


def _packed(picture: Picture, luma: int) -> Rgb:
    if picture.width % 2:
        raise ValueError("4:2:2 pictures have an even width")
    pairs = pixel_rows(picture, np.uint8, 2).reshape(picture.height, picture.width, 2)
    pairs = pairs if luma == 0 else pairs[..., ::-1]
    return _to_rgb(np.ascontiguousarray(pairs), "yuyv422")


def _semiplanar(picture: Picture) -> Rgb:
    if picture.width % 2 or picture.height % 2:
        raise ValueError("4:2:0 pictures have even sizes")
    planes = pixel_rows(picture._replace(height=picture.height * 3 // 2), np.uint8, 1)
    if picture.encoding == "nv21":  # the same with the two chroma bytes swapped
        chroma = planes[picture.height :].reshape(-1, 2)[:, ::-1]
        planes = np.concatenate((planes[: picture.height], chroma.reshape(-1, picture.width)))
    return _to_rgb(planes, "nv12")


def _upper_byte(wide: NDArray[np.uint16]) -> Rgb:
    return np.asarray(wide >> 8, np.uint8)


def _to_rgb(pixels: Rgb, layout: str) -> Rgb:
    frame: Any = av.VideoFrame.from_ndarray(pixels, format=layout)
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
