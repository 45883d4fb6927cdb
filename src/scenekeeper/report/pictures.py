"""Pictures for the page: small frames, and a crop of every object in its best view.

In: a session and the frames wanted. Out: base64 JPEGs. Only colour is read, each wanted frame
once, in the order of the recording.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from scenekeeper import masks
from scenekeeper.errors import RecordingError
from scenekeeper.recording import Recording
from scenekeeper.recording.open import reopen
from scenekeeper.store import Dataset, SessionInfo

Rgb = NDArray[np.uint8]

FRAME_WIDTH = 480
CROP_SIZE = (208, 156)
MAX_ENLARGED = 4.0
QUALITIES = (72, 64, 56, 46, 34)


@dataclass(frozen=True)
class BestView:
    """Where an object is seen best.

    Attributes:
        object: its id.
        frame_id: the frame.
        box_xyxy: in pixels of the frame.
        counts: COCO ``counts`` of its mask, or ``None``.
        size: ``(H, W)`` of the frame.
        color: ``#rrggbb`` of its outline.
    """

    object: int
    frame_id: int
    box_xyxy: tuple[float, float, float, float]
    counts: bytes | None
    size: tuple[int, int]
    color: str


@dataclass(frozen=True)
class Wanted:
    """What to take from a recording.

    Attributes:
        frame_ids: frames to show.
        best: crops to make.
        frame_bytes: limit on all frames together, before base64.
    """

    frame_ids: list[int]
    best: list[BestView]
    frame_bytes: int


@dataclass(frozen=True)
class Taken:
    """What was there to take.

    Attributes:
        frames: base64 JPEG by frame.
        crops: base64 JPEG by object.
        problem: why pictures are missing, with the remedy; ``None`` when none are.
    """

    frames: dict[int, str] = field(default_factory=dict)
    crops: dict[int, str] = field(default_factory=dict)
    problem: str | None = None


def take_pictures(dataset: Dataset, info: SessionInfo, index: pa.Table, wanted: Wanted) -> Taken:
    """Read the wanted frames; what cannot be read is left out and said, never raised.

    Args:
        dataset: where the session lies.
        info: the session.
        index: its frames (:data:`scenekeeper.schema.FRAMES`).
        wanted: frames and crops.
    """
    frames: dict[int, str] = {}
    crops: dict[int, str] = {}
    shown = set(wanted.frame_ids)
    best: dict[int, list[BestView]] = {}
    for view in wanted.best:
        best.setdefault(view.frame_id, []).append(view)
    budget = wanted.frame_bytes // max(1, len(shown))
    problem = None
    try:
        recording = reopen(info.source, info.name, info.content, info.alignment)
        for frame_id, rgb in color_pictures(recording, index, shown | best.keys()):
            if frame_id in shown:
                frames[frame_id] = _base64(_within(_small(rgb), budget))
            for view in best.get(frame_id, ()):
                crops[view.object] = _base64(jpeg(crop(rgb, view)))
    except RecordingError as error:
        again = f"scenekeeper show {dataset.path.resolve().name} --page"
        problem = f"{error} Then write this page again: {again}"
    return Taken(frames, crops, problem)


def crop(rgb: Rgb, view: BestView) -> Rgb:
    """A picture of one object ``uint8 [156, 208, 3]``: itself outlined, the rest subdued."""
    height, width = rgb.shape[:2]
    scale = np.array([width / view.size[1], height / view.size[0]] * 2)
    x0, y0, x1, y1 = window(np.array(view.box_xyxy) * scale, width, height)
    resized = Image.fromarray(rgb[y0:y1, x0:x1])
    resized.thumbnail(CROP_SIZE, Image.Resampling.BOX, reducing_gap=None)
    enlarged = min(CROP_SIZE[0] / resized.width, CROP_SIZE[1] / resized.height, MAX_ENLARGED)
    size = (max(1, round(resized.width * enlarged)), max(1, round(resized.height * enlarged)))
    picture = np.array(resized.resize(size, Image.Resampling.BICUBIC))
    if view.counts is None:
        return picture
    mask = masks.decode(view.counts, view.size)
    left, top, right, bottom = (np.array([x0, y0, x1, y1]) / scale).round().astype(int)
    part = Image.fromarray(mask[top : max(bottom, top + 1), left : max(right, left + 1)])
    soft = np.array(part.convert("L").resize(size, Image.Resampling.BILINEAR))
    return _outlined(picture, soft > 127, view.color)


def window(box: NDArray[Any], width: int, height: int) -> tuple[int, int, int, int]:
    """Pixels around a box, with a margin and, where the picture allows, the shape of a crop."""
    x0, y0, x1, y1 = box
    w = max((x1 - x0) * 1.35, 16.0)
    h = max((y1 - y0) * 1.35, 12.0)
    aspect = CROP_SIZE[0] / CROP_SIZE[1]
    w, h = min(max(w, h * aspect), width), min(max(h, w / aspect), height)
    left = min(max((x0 + x1 - w) / 2, 0), width - w)
    top = min(max((y0 + y1 - h) / 2, 0), height - h)
    return int(left), int(top), int(np.ceil(left + w)), int(np.ceil(top + h))


def _outlined(picture: Rgb, mask: NDArray[np.bool_], color: str) -> Rgb:
    subdued = picture * 0.45 + picture.mean(2, keepdims=True) * 0.25 + 20
    out = np.where(mask[..., None], picture, subdued)
    edge = ndimage.binary_dilation(mask, iterations=2) & ~mask
    out[edge] = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    return np.asarray(out.clip(0, 255), np.uint8)


def color_pictures(
    recording: Recording, index: pa.Table, frame_ids: set[int] | Mapping[int, Any]
) -> Iterator[tuple[int, Rgb]]:
    """Colour pictures of frames, camera after camera, one in memory at a time."""
    # Frames are numbered by their rows.
    chosen = index.take(pa.array(sorted(frame_ids), pa.int64()))
    rows = chosen.select(["frame_id", "camera", "rgb_row"]).to_pylist()
    for view in recording.views:
        mine = [r for r in rows if r["camera"] == view.camera.name]
        pictures = view.rgb.source.read([r["rgb_row"] for r in mine])
        for row, rgb in zip(mine, pictures, strict=True):
            yield row["frame_id"], rgb


def _small(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    if width <= FRAME_WIDTH:
        return rgb
    size = (FRAME_WIDTH, max(1, round(height * FRAME_WIDTH / width)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def _within(rgb: Rgb, budget: int) -> bytes:
    """JPEG of the best quality that stays within a number of bytes, or else of the lowest."""
    encoded = b""
    for quality in QUALITIES:
        encoded = jpeg(rgb, quality)
        if len(encoded) <= budget:
            break
    return encoded


def jpeg(rgb: Rgb, quality: int = QUALITIES[0]) -> bytes:
    """A picture ``uint8 [H, W, 3]`` as JPEG."""
    pixels = np.ascontiguousarray(rgb)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
