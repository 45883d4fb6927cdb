"""How a vision-language model sees a picture: at which size, and how it writes places in it.

We resize pictures ourselves, to sides that are multiples of the model's patches and within its
limits, so that the server has nothing left to resize and its size is ours. Qwen2.5-VL writes pixels
of the resized picture; Qwen2-VL, Qwen3-VL and most others write thousandths of its sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Size = tuple[int, int]
"""Width and height, pixels."""

THOUSAND = 1000.0
LONGEST = 100.0
"""How many times longer than wide a picture may be; models refuse longer ones (Qwen at 200)."""


@dataclass(frozen=True)
class Sight:
    """How a model sees.

    Attributes:
        factor: sides are multiples of this many pixels.
        relative: places are written in thousandths of the sides; else in pixels as seen.
        min_pixels: of a picture as seen.
        max_pixels: of a picture as seen; what is larger is made smaller.
    """

    factor: int = 32
    relative: bool = True
    min_pixels: int = 256 * 256
    max_pixels: int = 1280 * 28 * 28

    def size(self, width: int, height: int) -> Size:
        """The size at which a picture is seen: near its own shape, a multiple of the factor."""
        height_, width_ = max(height, width / LONGEST), max(width, height / LONGEST)
        pixels = width_ * height_
        least, most = (n / pixels for n in (self.min_pixels, self.max_pixels))
        scale = math.sqrt(min(max(1.0, least), most))
        w, h = (max(1, round(side * scale / self.factor)) for side in (width_, height_))
        # Rounding may have left the limits by a row or a column.
        while w * h * self.factor**2 > self.max_pixels and max(w, h) > 1:
            w, h = (w - 1, h) if w >= h else (w, h - 1)
        while w * h * self.factor**2 < self.min_pixels:
            w, h = (w + 1, h) if w < h else (w, h + 1)
        return w * self.factor, h * self.factor

    def see(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture ``uint8 [H, W, 3]`` at the size at which it is seen."""
        from PIL import Image

        size = self.size(rgb.shape[1], rgb.shape[0])
        if size == (rgb.shape[1], rgb.shape[0]):
            return rgb
        picture = Image.fromarray(np.ascontiguousarray(rgb))
        return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))

    def boxes(self, written: Sequence[Sequence[float]], original: Size) -> Float:
        """Boxes in pixels of the original picture, from what the model wrote.

        Args:
            written: N times x0, y0, x1, y1 in the model's way; corners may be in any order.
            original: size of the original picture; its sides were scaled each by its own factor.

        Returns:
            ``[N, 4]`` within the picture; of a place that is outside of it, area 0.
        """
        sides = (THOUSAND, THOUSAND) if self.relative else self.size(*original)
        raw = np.array(written, np.float64).reshape(-1, 2, 2)
        corners = raw / np.array(sides, np.float64) * np.array(original, np.float64)
        corners = np.clip(np.sort(corners, axis=1), 0, np.array(original, np.float64))
        return np.asarray(corners.reshape(-1, 4), np.float32)

    def written(self, box_xyxy: Float, original: Size) -> NDArray[np.int64]:
        """Boxes ``[N, 4]`` of the original picture as the model itself would write them."""
        sides = (THOUSAND, THOUSAND) if self.relative else self.size(*original)
        scale = np.array(sides, np.float64) / np.array(original, np.float64)
        corners = np.asarray(box_xyxy, np.float64).reshape(-1, 2, 2) * scale
        return np.rint(corners).astype(np.int64).reshape(-1, 4)


PIXELS = Sight(28, relative=False, min_pixels=4 * 28 * 28)

SIGHTS: tuple[tuple[str, Sight], ...] = (
    (r"qwen2[._-]5[._-]?vl|cosmos-reason-?1", PIXELS),
    (r"qwen2[._-]?vl", Sight(28, min_pixels=4 * 28 * 28)),
)
"""Models that see otherwise than the usual :class:`Sight`, by what is in their names."""


def sight_of(name: str) -> Sight:
    """How a model sees, by its name or ``model_type``; thousandths unless it is known better."""
    for pattern, sight in SIGHTS:
        if re.search(pattern, name.lower()):
            return sight
    return Sight()
