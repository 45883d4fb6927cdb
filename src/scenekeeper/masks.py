"""COCO run-length masks: the only place that knows the bytes.

A mask is the ``counts`` string of COCO's compressed run-length encoding (column-major runs,
first run background) as ``bytes``; its image size travels beside it. What this file writes is
byte-identical to ``pycocotools.mask.encode`` and costs an order of magnitude less, because only
the mask's own box is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BoolMask = NDArray[np.bool_]


def encode(mask: BoolMask, box: Sequence[int] | None = None) -> bytes:
    """Encode one binary mask.

    Args:
        mask: ``bool`` or ``uint8`` ``[H, W]``; nonzero is foreground.
        box: ``(x0, y0, x1, y1)`` in pixels, half-open, outside of which the mask is known to be
            empty; found by scanning the mask when absent.

    Returns:
        The COCO ``counts`` bytes.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = _bounds(mask) if box is None else box
    if x1 <= x0 or y1 <= y0:
        return _leb(np.array([height * width], np.int64))
    return encode_crop(mask[y0:y1, x0:x1], (x0, y0), (height, width))


def encode_crop(crop: BoolMask, offset: tuple[int, int], size: tuple[int, int]) -> bytes:
    """Encode a mask given as its box crop.

    Args:
        crop: ``bool`` or ``uint8`` ``[h, w]``.
        offset: ``(x, y)`` of the crop's upper left corner in the full image.
        size: ``(H, W)`` of the full image.

    Returns:
        The COCO ``counts`` bytes of the full-image mask.
    """
    height, width = size
    h, w = crop.shape
    # One padding row under each column ends every run inside its column, so the flat edges
    # alternate start, end; the pad also keeps the difference inside one column.
    columns = np.zeros((w, h + 1), np.bool_)
    columns[:, :h] = crop.T
    flat = columns.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.concatenate(([0], edges))
    column, row = np.divmod(edges, h + 1)
    position = (column + offset[0]) * height + row + offset[1]
    if h == height:  # runs may continue from the foot of one column into the head of the next
        joined = np.flatnonzero(position[1:-1:2] == position[2::2])
        position = np.delete(position, np.concatenate((1 + 2 * joined, 2 + 2 * joined)))
    total = height * width
    if len(position) and position[-1] == total:
        position = position[:-1]
    return _leb(np.diff(position, prepend=0, append=total))


def decode(counts: bytes, size: tuple[int, int]) -> BoolMask:
    """Decode ``counts`` into a ``bool`` ``[H, W]`` mask (C order)."""
    height, width = size
    runs = counts_to_runs(counts)
    values = (np.arange(len(runs)) & 1).astype(np.bool_)
    flat = np.repeat(values, runs)
    if flat.size != height * width:
        raise ValueError(
            f"mask runs cover {flat.size} pixels, but the image has {height} x {width}"
        )
    return np.ascontiguousarray(flat.reshape(width, height).T)


def counts_to_runs(counts: bytes) -> NDArray[np.int64]:
    """Unpack COCO ``counts`` bytes into run lengths ``int64 [R]`` (background first)."""
    chars = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if chars.size == 0:
        return np.zeros(0, np.int64)
    if chars.min() < 0 or chars.max() > 63:
        raise ValueError("mask bytes hold characters that COCO run-lengths do not use")
    last = (chars & 32) == 0
    if not last[-1]:
        raise ValueError("mask bytes end inside a run")
    group = np.concatenate(([0], np.cumsum(last)[:-1]))
    starts = np.flatnonzero(np.concatenate(([True], last[:-1])))
    place = np.arange(chars.size) - starts[group]
    runs = np.zeros(int(last.sum()), np.int64)
    np.add.at(runs, group, (chars & 31) << (5 * place))
    negative = (chars[last] & 16) != 0
    runs[negative] -= np.int64(1) << (5 * (place[last][negative] + 1))
    # From the fourth run on, a value is the difference to the run two before it.
    if len(runs) > 3:
        runs[1::2] = np.cumsum(runs[1::2])
        runs[2::2] = np.cumsum(runs[2::2])
    if runs.min(initial=0) < 0:
        raise ValueError("mask bytes decode to a negative run length")
    return runs


def area(counts: bytes) -> int:
    """Number of foreground pixels."""
    return int(counts_to_runs(counts)[1::2].sum())


def box(counts: bytes, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Tight half-open box ``(x0, y0, x1, y1)`` in pixels; all zeros for an empty mask."""
    height, _ = size
    runs = counts_to_runs(counts)
    ends = np.cumsum(runs)
    start, stop = ends[0::2][: len(runs) // 2], ends[1::2]
    filled = stop > start
    start, stop = start[filled], stop[filled]
    if not len(start):
        return 0, 0, 0, 0
    first, last = start // height, (stop - 1) // height
    top = np.where(first == last, start % height, 0).min()
    bottom = np.where(first == last, (stop - 1) % height, height - 1).max()
    return int(first.min()), int(top), int(last.max()) + 1, int(bottom) + 1


def areas(masks: Sequence[bytes], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of foreground pixels of many masks, ``int64 [N]``; sizes ``(H, W)`` are ``[N, 2]``."""
    if not masks:
        return np.zeros(0, np.int64)
    from pycocotools import mask as coco

    wrapped = [{"size": s, "counts": c} for c, s in zip(masks, sizes.tolist(), strict=True)]
    # pycocotools 2.0.11 with NumPy 2 cannot take more than 255 at once.
    parts = [coco.area(wrapped[start : start + 255]) for start in range(0, len(wrapped), 255)]
    return np.concatenate(parts).astype(np.int64)


def iou(
    a: Sequence[bytes],
    b: Sequence[bytes],
    size: tuple[int, int],
    crowd: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """Intersection over union of every pair: ``float64 [len(a), len(b)]``.

    Args:
        a: masks.
        b: masks.
        size: ``(H, W)`` of their image.
        crowd: which of ``b`` are crowds; with those it is the intersection over the area of ``a``.
    """
    if not a or not b:
        return np.zeros((len(a), len(b)))
    from pycocotools import mask as coco

    def wrap(masks: Sequence[bytes]) -> list[dict[str, object]]:
        return [{"size": size, "counts": counts} for counts in masks]

    return np.asarray(coco.iou(wrap(a), wrap(b), crowd or [False] * len(b)), np.float64)


def _bounds(mask: BoolMask) -> tuple[int, int, int, int]:
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[y0:y1].any(axis=0))
    return int(columns[0]), y0, int(columns[-1]) + 1, y1


def _leb(runs: NDArray[np.int64]) -> bytes:
    """Pack run lengths the way COCO does: differences in signed base-32, low digit first."""
    value = runs.astype(np.int32)
    value[3:] -= runs[1:-2].astype(np.int32)
    # One row per place; seven digits hold any 32-bit value.
    digits = np.empty((7, len(value)), np.uint8)
    used = np.empty((7, len(value)), np.bool_)
    more = np.ones(len(value), np.bool_)
    place = 0
    for place in range(7):
        used[place] = more
        digit = value & 31
        value >>= 5
        more = more & (value != -(digit >> 4))
        digits[place] = digit + 48
        digits[place] += more.view(np.uint8) << 5
        if not more.any():
            break
    n = place + 1
    return digits[:n].T[used[:n].T].tobytes()
