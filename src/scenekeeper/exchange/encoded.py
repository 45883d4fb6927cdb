"""Pictures as files hold them: copied where the recording has such files, encoded where not.

In: a stream of colour pictures, or metres of one depth picture. Out: JPEG or PNG bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.recording import Encoded, ImageSource
from scenekeeper.recording.depth_codecs import png16
from scenekeeper.recording.files import DepthUnits

JPEG_QUALITY = 95
EXTENSION: Mapping[str, str] = {"jpeg": ".jpg", "png": ".png"}
MILLIMETRES = DepthUnits(1000, invalid=(0, 65535))
"""How most cameras count depth; what is saturated is unknown."""
DEPTH_TOLERANCE = 1e-5
"""Metres by which a depth may differ from the whole number that stands for it."""


def color_files(source: ImageSource, rows: Sequence[int]) -> Iterator[Encoded]:
    """Colour pictures at ascending rows, one in memory at a time.

    What has no file of its own (video, raw pixels) becomes JPEG of quality 95 with full colour.

    Raises:
        RecordingError: a picture cannot be read.
    """
    if not len(rows):
        return
    if source.encoded(rows[0]) is None:
        for pixels in source.read(rows):
            yield jpeg(pixels)
        return
    for row in rows:
        stored = source.encoded(row)
        yield jpeg(next(iter(source.read([row])))) if stored is None else stored


def jpeg(pixels: NDArray[np.uint8]) -> Encoded:
    """One colour picture ``uint8 [H, W, 3]`` as JPEG."""
    pixels = np.ascontiguousarray(pixels)
    data = simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, colorspace="RGB", colorsubsampling="444")
    return Encoded(data, "jpeg")


def png(pixels: NDArray[Any]) -> bytes:
    """One picture, ``uint8 [H, W, 3]`` or ``uint16 [H, W]``, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def depth_numbers(depth: NDArray[np.float32], units: DepthUnits) -> NDArray[np.uint16]:
    """Metres as the nearest whole numbers, ``uint16 [H, W]``; 0 where they reach too far."""
    numbers = np.rint(depth.astype(np.float64) * units.per_metre)
    fits = (numbers > 0) & (numbers < 1 << 16) & ~np.isin(numbers, units.invalid)
    return np.where(fits, numbers, 0).astype(np.uint16)


def depth_file(stored: Encoded | None, depth: NDArray[np.float32], units: DepthUnits) -> bytes:
    """A depth picture as 16-bit PNG; its own file where that says the same in these units.

    Depth beyond what 16 bits hold becomes 0, unknown.
    """
    if stored is not None and stored.format == "png":
        try:
            if says(png16(stored.data), depth, units):
                return stored.data
        except ValueError:
            pass
    return png(depth_numbers(depth, units))


def depth_as_fits(
    stored: Encoded | None, depth: NDArray[np.float32], units: Sequence[DepthUnits]
) -> tuple[bytes, DepthUnits | None]:
    """A depth picture in the first units that hold it to 0.01 mm, as :func:`depth_file`.

    Where none do, its metres themselves, 32-bit little-endian row after row, and ``None``.
    """
    for some in units:
        if says(depth_numbers(depth, some), depth, some):
            return depth_file(stored, depth, some), some
    return depth.astype("<f4").tobytes(), None


def says(numbers: NDArray[np.uint16], depth: NDArray[np.float32], units: DepthUnits) -> bool:
    """Whether whole numbers stand for metres ``float32 [H, W]`` to 0.01 mm."""
    read = _metres(units).take(numbers)
    return read.shape == depth.shape and np.allclose(read, depth, rtol=0, atol=DEPTH_TOLERANCE)


@lru_cache(maxsize=4)
def _metres(units: DepthUnits) -> NDArray[np.float32]:
    return units.table()
