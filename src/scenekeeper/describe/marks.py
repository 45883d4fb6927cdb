"""Marks on a picture: boxes with numbers, so that a model can be asked about "object 3".

Method: Set-of-Mark prompting, Yang et al. 2023.
"""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0.618034
"""Turns of the colour wheel from one mark to the next, so that neighbours differ."""


def draw_marks(
    rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], numbers: list[int]
) -> NDArray[np.uint8]:
    """A copy of a picture with numbered boxes on it.

    A number stands in the corner of its box where it covers no other number, if there is one.

    Args:
        rgb: ``uint8 [H, W, 3]``.
        box_xyxy: ``[N, 4]`` pixels of this picture.
        numbers: N.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.ascontiguousarray(rgb))
    draw = ImageDraw.Draw(picture)
    height, width = rgb.shape[:2]
    font = ImageFont.load_default(max(10, min(height, width) // 32))
    taken: list[tuple[float, ...]] = []
    # Large boxes first: what is small must not be covered.
    sides = box_xyxy[:, 2:] - box_xyxy[:, :2]
    for k in np.argsort(-sides.prod(1), kind="stable").tolist():
        color = _color(numbers[k])
        x0, y0, x1, y1 = box_xyxy[k].tolist()
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=color, width=2)
        taken.append(_tag(draw, font, str(numbers[k]), (x0, y0, x1, y1), taken, color))
    return np.asarray(picture)


def _tag(
    draw: Any,
    font: Any,
    text: str,
    box: tuple[float, ...],
    taken: list[tuple[float, ...]],
    color: tuple[int, ...],
) -> tuple[float, ...]:
    """Write a number into a corner of its box; returns where it stands."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    w, h = right - left + 4, bottom - top + 4
    width, height = draw.im.size
    x0, y0, x1, y1 = box
    corners = [(x0, y0), (x1 - w, y0), (x0, y1 - h), (x1 - w, y1 - h)]
    inside = [(min(max(0, x), width - w), min(max(0, y), height - h)) for x, y in corners]
    spots = [(x, y, x + w, y + h) for x, y in inside]
    spot = next((s for s in spots if not any(_meet(s, t) for t in taken)), spots[0])
    draw.rectangle((spot[0], spot[1], spot[2] - 1, spot[3] - 1), fill=color)
    bright = float(np.dot(color, (0.299, 0.587, 0.114))) > 128
    ink = (0, 0, 0) if bright else (255, 255, 255)
    draw.text((spot[0] + 2 - left, spot[1] + 2 - top), text, fill=ink, font=font)
    return spot


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _color(number: int) -> tuple[int, ...]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.9, 1.0))
