"""Frames and crops as the embedded networks take them; training and inference share this file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

NEAREST = 0.15
"""Metres below which depth is cut off, for its inverse has no bound."""


def proposer_input(rgb: NDArray[np.uint8], depth: Float32 | None, rows: int) -> Float32:
    """Colour and inverse depth ``float32 [4, rows, W]``, about zero mean, padded with zeros below.

    Args:
        rgb: ``uint8 [H, W, 3]``, H <= rows.
        depth: ``float32 [H, W]`` metres, 0 = unknown; ``None`` = none, which reads as all unknown.
        rows: height of the input.
    """
    height, width = rgb.shape[:2]
    x = np.zeros((4, rows, width), np.float32)
    x[:3, :height] = rgb.transpose(2, 0, 1) * np.float32(4 / 255) - np.float32(1.8)
    if depth is not None:
        known = depth > 0
        np.divide(1.5, np.maximum(depth, NEAREST), out=x[3, :height], where=known)
        x[3, :height][known] -= 0.75
    return x


CROP = 64
CONTEXT = 1.3
"""A crop is so many times as wide as the longer side of the box."""


def crops(
    rgb: NDArray[np.uint8],
    depth: Float32 | None,
    boxes: NDArray[np.floating],
    masks: NDArray[np.bool_],
    focal: float,
    size: int = CROP,
) -> tuple[NDArray[np.uint8], Float32]:
    """Square looks at things, and their measures.

    Args:
        rgb: ``uint8 [H, W, 3]``.
        depth: ``float32 [H, W]`` metres, 0 = unknown; ``None`` = none.
        boxes: ``[N, 4]`` xyxy pixels.
        masks: ``bool [N, H, W]``.
        focal: focal length in pixels; a guess will do without depth.
        size: side of a crop.

    Returns:
        ``uint8 [N, size, size, 5]``: colour, mask (0 or 255), depth relative to the thing's median
        (128 = the same, 0 = unknown); and ``float32 [N, 4]``: log width and height in metres,
        whether the picture's edge cuts it off, whether its depth is known.
    """
    height, width = rgb.shape[:2]
    n = len(boxes)
    out = np.zeros((n, size, size, 5), np.uint8)
    measures = np.zeros((n, 4), np.float32)
    for k, (x0, y0, x1, y1) in enumerate(np.asarray(boxes, np.float64)):
        side = CONTEXT * max(x1 - x0, y1 - y0, 4.0)
        steps = (np.arange(size) + 0.5) / size - 0.5
        u = np.clip((x0 + x1) / 2 + side * steps - 0.5, 0, width - 1)
        v = np.clip((y0 + y1) / 2 + side * steps - 0.5, 0, height - 1)
        out[k, ..., :3] = _bilinear(rgb, u, v)
        rows, columns = np.rint(v).astype(np.intp), np.rint(u).astype(np.intp)
        near = np.ix_(rows, columns)
        mine = masks[k][near]
        out[k, ..., 3] = 255 * mine
        cut = x0 <= 1 or y0 <= 1 or x1 >= width - 1 or y1 >= height - 1
        measures[k, 2] = cut
        if depth is None:
            continue
        z = depth[near]
        own = z[mine & (z > 0)]
        if len(own) < 4:
            continue
        middle = float(np.median(own))
        metric = max(side / CONTEXT * middle / focal, 0.03)
        relative = np.clip((z - middle) / metric * 80 + 128, 1, 255)
        out[k, ..., 4] = np.where(z > 0, relative, 0)
        measures[k, 0] = np.log((x1 - x0) * middle / focal + 0.01)
        measures[k, 1] = np.log((y1 - y0) * middle / focal + 0.01)
        measures[k, 3] = 1
    return out, measures


def namer_input(looks: NDArray[np.uint8], measures: Float32) -> tuple[Float32, Float32]:
    """Crops and measures about zero mean: ``float32 [N, 5, S, S]`` and ``float32 [N, 4]``."""
    x = looks.transpose(0, 3, 1, 2).astype(np.float32)
    x[:, :3] = x[:, :3] * np.float32(4 / 255) - np.float32(1.8)
    x[:, 3] = x[:, 3] * np.float32(2 / 255) - 1
    known = x[:, 4] > 0
    x[:, 4] = np.where(known, (x[:, 4] - 128) * np.float32(1 / 64), 0)
    m = measures.copy()
    m[:, :2] = np.where(m[:, 3:] > 0, m[:, :2] + 1.5, 0)
    return x, m


REFINED = 32
"""The refiner's masks have so many cells a side, over the whole crop."""


def refiner_input(
    looks: NDArray[np.uint8], measures: Float32, logits: Float32
) -> tuple[Float32, Float32]:
    """As :func:`namer_input`, with the proposals' objectness logits ``[N]`` as a fifth measure."""
    x, m = namer_input(looks, measures)
    return x, np.concatenate((m, logits[:, None] * np.float32(0.5)), 1).astype(np.float32)


def _bilinear(
    rgb: NDArray[np.uint8], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Colour at the crossings of ascending columns ``u`` and rows ``v``, ``uint8 [V, U, 3]``.

    Two products with small matrices of weights: first rows are mixed, then columns.
    """
    top, rows = _weights(v, rgb.shape[0])
    left, columns = _weights(u, rgb.shape[1])
    part = rgb[top : top + rows.shape[1], left : left + columns.shape[1]].astype(np.float32)
    mixed = (rows @ part.reshape(len(part), -1)).reshape(len(v), -1, 3)
    return np.rint(columns @ mixed).astype(np.uint8)


def _weights(at: NDArray[np.float64], n: int) -> tuple[int, Float32]:
    """The first of n pixels that places between pixels need, and how much of each they take."""
    first = at.astype(np.intp)
    share = (at - first).astype(np.float32)
    start, stop = int(first[0]), min(int(first[-1]) + 2, n)
    out = np.zeros((len(at), stop - start), np.float32)
    k = np.arange(len(at))
    out[k, first - start] = 1 - share
    out[k, np.minimum(first + 1, n - 1) - start] += share
    return start, out
