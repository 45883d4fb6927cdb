"""Frames to look at: simple shapes that move a little from frame to frame."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from scenekeeper.schema import Camera, Frame


def frame(width: int = 320, height: int = 240, step: int = 0, session: str = "made") -> Frame:
    """A picture of three things on a table; each step moves one of them by two pixels."""
    rng = np.random.default_rng(0)
    noise = rng.integers(90, 130, (height // 8, width // 8, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)
    draw, s = ImageDraw.Draw(picture), width / 320
    draw.rectangle((0, 0.65 * height, width, height), fill=(120, 80, 40))
    x = (50 + 2 * step) * s
    draw.ellipse((x, 0.46 * height, x + 36 * s, 0.7 * height), fill=(200, 30, 30))
    draw.rectangle((150 * s, 0.39 * height, 196 * s, 0.72 * height), fill=(30, 60, 200))
    corners = [(250 * s, 0.72 * height), (284 * s, 0.72 * height), (267 * s, 0.46 * height)]
    draw.polygon(corners, fill=(30, 170, 60))
    camera = Camera("front", width, height)
    return Frame(step, session, camera, step * 100_000_000, np.asarray(picture))


def clip(n: int, width: int = 320, height: int = 240) -> list[Frame]:
    """Frames in a row."""
    return [frame(width, height, step) for step in range(n)]
