"""Tiny videos whose every picture tells its own number by its grey."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48
STEP = 4  # grey levels between neighbours: more than a lossy codec loses


def grey(number: int) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), number * STEP % 256, np.uint8)


def number_of(picture: NDArray[np.uint8]) -> int:
    return round(float(picture.mean()) / STEP)


def write_video(
    path: Path,
    numbers: Iterable[int],
    codec: str = "libx264",
    gop: int = 12,
    fps: int = 30,
    pts: Iterable[int] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    **container: str,
) -> Path:
    """Encode one picture per number; ``pts`` are in ticks of ``1 / fps`` seconds."""
    with av.open(str(path), "w", options=container) as file:
        stream = file.add_stream(codec, rate=fps, options=options or DEFAULTS.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = gop
        if rotation:
            stream.set_display_rotation(rotation)
        numbers = list(numbers)
        for number, at in zip(numbers, pts or range(len(numbers)), strict=True):
            frame = av.VideoFrame.from_ndarray(grey(number), format="rgb24")
            frame.pts = at
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


DEFAULTS = {
    "libx264": {"bf": "3", "qp": "8", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"},
    "mpeg4": {"qmin": "1", "qmax": "2", "sc_threshold": "1000000000"},
    "libsvtav1": {"preset": "12", "crf": "20", "svtav1-params": "lp=1"},
}
