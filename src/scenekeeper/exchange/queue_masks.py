"""Masks as other tools spell them: pure conversions from and to COCO run lengths.

In: COCO ``counts`` and the picture's size, or what a tool's file holds. Out: the other. A size is
``(H, W)`` in pixels. What cannot be a mask of that size raises ``ValueError``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import masks

Size = tuple[int, int]

_SIZES = (3, 4, 8, 16)
"""Bits that Label Studio's run lengths may take, as its own editor writes them."""


# --- CVAT: row-major runs inside the mask's box, background first ---------------------------------


def to_cvat(counts: bytes, size: Size) -> tuple[list[int], tuple[int, int, int, int]]:
    """Runs of CVAT's XML, and ``(left, top, width, height)``; of an empty mask one empty pixel."""
    x0, y0, x1, y1 = masks.box(counts, size)
    if x1 <= x0:
        return [1], (0, 0, 1, 1)
    crop = masks.decode(counts, size)[y0:y1, x0:x1]
    return _runs(crop.ravel()).tolist(), (x0, y0, x1 - x0, y1 - y0)


def from_cvat(runs: Sequence[int], place: tuple[int, int, int, int], size: Size) -> bytes:
    """COCO ``counts`` of CVAT's XML."""
    left, top, width, height = place
    inside = left >= 0 and top >= 0 and left + width <= size[1] and top + height <= size[0]
    if not inside or width <= 0 or height <= 0:
        raise ValueError("the mask lies outside the picture")
    crop = _from_runs(np.asarray(runs, np.int64), width * height).reshape(height, width)
    return masks.encode_crop(crop, (left, top), size) if crop.any() else _empty(size)


def to_cvat_points(counts: bytes, size: Size) -> list[int]:
    """Points of a mask shape in CVAT's SDK: runs, then left, top, right, bottom, inclusive."""
    runs, (left, top, width, height) = to_cvat(counts, size)
    return [*runs, left, top, left + width - 1, top + height - 1]


def from_cvat_points(points: Sequence[float], size: Size) -> bytes:
    """COCO ``counts`` of a mask shape in CVAT's SDK."""
    whole = [int(v) for v in points]
    if len(whole) < 5 or any(a != b for a, b in zip(whole, points, strict=True)):
        raise ValueError("a mask shape is runs and a box of whole numbers")
    *runs, left, top, right, bottom = whole
    return from_cvat(runs, (left, top, right - left + 1, bottom - top + 1), size)


# --- Label Studio: a stream of bits, run lengths over R, G, B, A, R, G, ... -----------------------


def to_brush(counts: bytes, size: Size) -> list[int]:
    """Bytes of Label Studio's ``rle`` format: 255 in all four channels where the mask is."""
    flat = masks.decode(counts, size).ravel()
    bits = [f"{flat.size * 4:032b}", f"{7:05b}", *(f"{s - 1:04b}" for s in _SIZES)]
    value = 0
    for run in _runs(flat).tolist():
        left = run * 4
        while left:
            part = min(left, 1 << 16)
            index = next(k for k, s in enumerate(_SIZES) if part <= 1 << s)
            bits.append(f"1{index:02b}{part - 1:0{_SIZES[index]}b}{value:08b}")
            left -= part
        value = 255 - value
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def from_brush(rle: Sequence[int], size: Size) -> bytes:
    """COCO ``counts`` of Label Studio's ``rle``: the pixels that are not transparent."""
    height, width = size
    data = np.asarray(rle, np.uint8)
    text = "".join(map(str, np.unpackbits(data).tolist()))
    try:
        total, word = int(text[:32], 2), int(text[32:37], 2) + 1
        sizes = [int(text[37 + 4 * k : 41 + 4 * k], 2) + 1 for k in range(4)]
        if total != height * width * 4:
            raise ValueError(f"the mask is of {total // 4} pixels, not of {width} x {height}")
        out = np.zeros(total, np.int64)
        at, done = 53, 0
        while done < total:
            repeated, bits = text[at] == "1", sizes[int(text[at + 1 : at + 3], 2)]
            at += 3
            stop = done + 1 + int(text[at : at + bits], 2)
            at += bits
            words = 1 if repeated else stop - done
            values = [int(text[at + word * k : at + word * (k + 1)], 2) for k in range(words)]
            if stop > total or at + word * words > len(text):
                raise ValueError("the mask's runs are longer than its picture")
            out[done:stop] = values
            at, done = at + word * words, stop
    except IndexError:
        raise ValueError("the mask's runs end too early") from None
    return masks.encode(out.reshape(height, width, 4)[:, :, 3] > 0)


# --- V7: one layer of a picture as (number, run) pairs, row-major ---------------------------------


def to_dense(numbers: NDArray[np.int64]) -> list[int]:
    """V7's ``dense_rle`` of a layer ``int64 [H, W]`` of numbers, 0 = nothing."""
    flat = numbers.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
    runs = np.diff(np.append(starts, flat.size))
    return np.stack((flat[starts], runs), 1).ravel().tolist()


def from_dense(rle: Sequence[int], size: Size) -> NDArray[np.int64]:
    """The layer ``int64 [H, W]`` of V7's ``dense_rle``."""
    pairs = np.asarray(rle, np.int64)
    total = size[0] * size[1]
    if len(pairs) % 2 or (pairs < 0).any() or pairs[1::2].sum() != total:
        raise ValueError(f"the layer's runs do not cover {size[1]} x {size[0]} pixels")
    return np.repeat(pairs[::2], pairs[1::2]).reshape(size)


# --- Labelbox: one picture of colours -------------------------------------------------------------


def color_of(number: int) -> tuple[int, int, int]:
    """The colour that stands for a number from 1; black is nothing."""
    return number >> 16 & 255, number >> 8 & 255, number & 255


def to_png(numbers: NDArray[np.int64]) -> str:
    """A layer ``int64 [H, W]`` of numbers as PNG of their colours, in base 64."""
    rgb = np.stack([numbers >> shift & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def from_png(text: str, size: Size) -> NDArray[np.int64]:
    """The layer ``int64 [H, W]`` of a PNG of colours in base 64."""
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]
        ) as image:
            if image.size != size[::-1]:
                raise ValueError(f"the mask is of {image.size} pixels, not of {size[::-1]}")
            rgb = np.asarray(image.convert("RGB"), np.int64)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the mask is no PNG ({error})") from error
    return np.asarray(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], np.int64)


# --- polygons and layers --------------------------------------------------------------------------


def from_polygons(polygons: Sequence[Sequence[float]], size: Size) -> bytes:
    """COCO ``counts`` of polygons ``[x0, y0, x1, y1, ...]``, as COCO itself fills them."""
    from pycocotools import mask as coco

    if not polygons or any(len(p) < 6 or len(p) % 2 for p in polygons):
        raise ValueError("a polygon has three corners or more")
    if not all((np.abs(p) <= 10 * max(size) + 1000).all() for p in map(np.asarray, polygons)):
        raise ValueError("a polygon's corners are numbers, and near its picture")
    parts = coco.frPyObjects([list(map(float, p)) for p in polygons], *size)
    return bytes(coco.merge(parts)["counts"])


def from_coco_runs(runs: Sequence[int], size: Size) -> bytes:
    """COCO ``counts`` bytes of COCO's uncompressed runs."""
    flat = _from_runs(np.asarray(runs, np.int64), size[0] * size[1])
    return masks.encode(flat.reshape(size[1], size[0]).T)


def layer(numbered: Mapping[int, bytes], size: Size) -> NDArray[np.int64]:
    """Masks by number as one layer ``int64 [H, W]``, small ones on top of large ones."""
    out = np.zeros(size, np.int64)
    for number in sorted(numbered, key=lambda k: (-masks.area(numbered[k]), k)):
        out[masks.decode(numbered[number], size)] = number
    return out


def parts(numbers: NDArray[np.int64], wanted: Iterable[int] | None = None) -> dict[int, bytes]:
    """COCO ``counts`` by number of what a layer shows; numbers that it does not show are absent."""
    there = np.unique(numbers).tolist()
    chosen = there if wanted is None else sorted(set(there) & set(wanted))
    return {int(k): masks.encode(numbers == k) for k in chosen if k}


def _runs(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of alternating runs, the first of ``False`` and maybe of no length."""
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate(([0] if flat[0] else [], edges, [flat.size])).astype(np.int64)
    return np.diff(ends, prepend=0)


def _from_runs(runs: NDArray[np.int64], total: int) -> NDArray[np.bool_]:
    if (runs < 0).any() or runs.sum() != total:
        raise ValueError(f"the mask's runs do not cover {total} pixels")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def _empty(size: Size) -> bytes:
    return masks.encode(np.zeros(size, np.bool_))
