"""Things of any kind in one frame: boxes, masks and how sure the network is.

In: a frame, with or without depth. Out: boxes in the frame's own pixels and masks as run lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import masks
from scenekeeper.ground.prepare import proposer_input
from scenekeeper.ground.weights import Network

Float32 = NDArray[np.float32]

WIDTH = 320
"""Pixels of a row as the network sees it."""

CELL = 4
MULTIPLE = 32
BEST = 300


@dataclass(frozen=True)
class ProposeConfig:
    """What is kept of what the network says.

    Attributes:
        min_score: objectness below which nothing is kept; low, for trust is decided later.
        overlap: boxes that overlap a better one by more are the same thing.
        most: boxes per frame.
    """

    min_score: float = 0.05
    overlap: float = 0.6
    most: int = 60


@dataclass(frozen=True, eq=False)
class Proposals:
    """What may be things in one frame.

    Attributes:
        box_xyxy: ``float32 [N, 4]`` pixels of the frame.
        score: ``float32 [N]`` objectness in 0..1, falling.
        mask: N dense masks, ``bool [h, w]`` each, of the frame's pixels inside ``place``.
        place: ``int [N, 4]`` where each mask lies: x0, y0, x1, y1.
    """

    box_xyxy: Float32
    score: Float32
    mask: tuple[NDArray[np.bool_], ...]
    place: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.score)

    def run_lengths(self, size: tuple[int, int]) -> tuple[bytes, ...]:
        """COCO counts of the masks in a picture of ``(H, W)``."""
        return tuple(
            masks.encode_crop(m, (int(x), int(y)), size)
            for m, (x, y, _, _) in zip(self.mask, self.place, strict=True)
        )

    def dense(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Masks over the whole picture, ``bool [N, H, W]``."""
        out = np.zeros((len(self), *size), np.bool_)
        for k, (m, (x0, y0, x1, y1)) in enumerate(zip(self.mask, self.place, strict=True)):
            out[k, y0:y1, x0:x1] = m
        return out


def shrink(
    rgb: NDArray[np.uint8], depth: Float32 | None
) -> tuple[NDArray[np.uint8], Float32 | None]:
    """A picture and its depth at the network's width; larger ones only."""
    height, width = rgb.shape[:2]
    if width <= WIDTH:
        return rgb, depth
    rows = max(1, round(height * WIDTH / width))
    small = np.asarray(Image.fromarray(rgb).resize((WIDTH, rows), Image.Resampling.BOX))
    if depth is None:
        return small, None
    v = ((np.arange(rows) + 0.5) * height / rows).astype(int)
    u = ((np.arange(WIDTH) + 0.5) * width / WIDTH).astype(int)
    return small, depth[v[:, None], u[None]]


def propose(
    network: Network,
    rgb: NDArray[np.uint8],
    depth: Float32 | None,
    config: ProposeConfig | None = None,
) -> Proposals:
    """Find things in one picture.

    Args:
        network: the proposer.
        rgb: ``uint8 [H, W, 3]``; at most :data:`WIDTH` wide, see :func:`shrink`.
        depth: ``float32 [H, W]`` metres, 0 = unknown; ``None`` = none.
        config: what to keep.
    """
    config = config or ProposeConfig()
    height, width = rgb.shape[:2]
    rows, columns = (-(-n // MULTIPLE) * MULTIPLE for n in (height, width))
    x = proposer_input(rgb, depth, rows)
    if columns > width:
        x = np.pad(x, ((0, 0), (0, 0), (0, columns - width)))
    objectness, sides, weights, prototypes = (o[0] for o in network(rgbd=x[None]))
    score = 1 / (1 + np.exp(-objectness[0].ravel()))
    best = np.argsort(-score, kind="stable")[:BEST]
    best = best[score[best] > config.min_score]
    grid = objectness.shape[-1]
    v, u = np.divmod(best, grid)
    d = CELL * sides[:, v, u].T
    cx, cy = CELL * u + CELL / 2, CELL * v + CELL / 2
    boxes = np.stack((cx - d[:, 0], cy - d[:, 1], cx + d[:, 2], cy + d[:, 3]), 1)
    boxes = boxes.clip(0, (width, height, width, height)).astype(np.float32)
    real = (boxes[:, 2] - boxes[:, 0] > 1) & (boxes[:, 3] - boxes[:, 1] > 1)
    kept = np.flatnonzero(real)[_distinct(boxes[real], config.overlap)][: config.most]
    logits = np.tensordot(weights[:, v[kept], u[kept]].T, prototypes, 1)
    size = (height, width)
    spreads = [
        spread(m, (0.0, 0.0), CELL, b, size) for m, b in zip(logits, boxes[kept], strict=True)
    ]
    found = [(values > 0, place) for values, place in spreads]
    whole = np.array([m.any() for m, _ in found], np.bool_)
    return Proposals(
        boxes[kept][whole],
        score[best][kept][whole].astype(np.float32),
        tuple(m for (m, _), ok in zip(found, whole, strict=True) if ok),
        np.array([p for (_, p), ok in zip(found, whole, strict=True) if ok], np.int64).reshape(
            -1, 4
        ),
    )


def _distinct(boxes: Float32, overlap: float) -> NDArray[np.intp]:
    """Boxes, in falling order, that no better one overlaps too much."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    free = np.ones(len(boxes), np.bool_)
    kept = []
    for k in range(len(boxes)):
        if not free[k]:
            continue
        kept.append(k)
        low = np.maximum(boxes[k, :2], boxes[k + 1 :, :2])
        high = np.minimum(boxes[k, 2:], boxes[k + 1 :, 2:])
        shared = (high - low).clip(0).prod(1)
        free[k + 1 :] &= shared <= overlap * (area[k] + area[k + 1 :] - shared)
    return np.array(kept, np.intp)


def spread(
    logits: Float32,
    corner: tuple[float, float],
    cell: float,
    box: NDArray[np.floating],
    size: tuple[int, int],
) -> tuple[NDArray[np.floating], tuple[int, int, int, int]]:
    """A grid of values drawn out over the pixels of a box, and where these lie.

    Args:
        logits: ``float32 [h, w]``.
        corner: x and y of the grid's corner, pixels.
        cell: side of a cell, pixels.
        box: ``float32 [4]`` what is drawn, cut off at the picture's edges.
        size: ``(H, W)`` of the picture.
    """
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(size[1], int(np.ceil(box[2]))), min(size[0], int(np.ceil(box[3])))
    i, fu = _cell((np.arange(x0, x1) + 0.5 - corner[0]) / cell - 0.5, logits.shape[1])
    j, fv = _cell((np.arange(y0, y1) + 0.5 - corner[1]) / cell - 0.5, logits.shape[0])
    top = logits[j][:, i] * (1 - fu) + logits[j][:, i + 1] * fu
    low = logits[j + 1][:, i] * (1 - fu) + logits[j + 1][:, i + 1] * fu
    return top * (1 - fv[:, None]) + low * fv[:, None], (x0, y0, x1, y1)


def mask_iou(
    a: NDArray[np.bool_],
    place_a: tuple[int, int, int, int],
    b: NDArray[np.bool_],
    place_b: tuple[int, int, int, int],
) -> float:
    """IoU of two masks that lie where ``place`` (x0, y0, x1, y1) says."""
    x0, y0 = max(place_a[0], place_b[0]), max(place_a[1], place_b[1])
    x1, y1 = min(place_a[2], place_b[2]), min(place_a[3], place_b[3])
    if x1 <= x0 or y1 <= y0:
        return 0.0
    mine = a[y0 - place_a[1] : y1 - place_a[1], x0 - place_a[0] : x1 - place_a[0]]
    other = b[y0 - place_b[1] : y1 - place_b[1], x0 - place_b[0] : x1 - place_b[0]]
    shared = int(np.count_nonzero(mine & other))
    return shared / (np.count_nonzero(a) + np.count_nonzero(b) - shared)


def _cell(at: NDArray[np.floating], n: int) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    inside = np.clip(at, 0, n - 1.001)
    first = inside.astype(np.intp)
    return first, inside - first


def enlarged(found: Proposals, size: tuple[int, int], small: tuple[int, int]) -> Proposals:
    """Proposals in the pixels of the picture that was shrunk.

    Args:
        found: in pixels of the small picture.
        size: ``(H, W)`` of the full picture.
        small: ``(H, W)`` of the small one.
    """
    if size == small:
        return found
    sy, sx = size[0] / small[0], size[1] / small[1]
    scale = np.array([sx, sy, sx, sy])
    places, dense = [], []
    for m, (x0, y0, x1, y1) in zip(found.mask, found.place, strict=True):
        X0, Y0 = int(np.floor(x0 * sx)), int(np.floor(y0 * sy))
        X1, Y1 = min(size[1], int(np.ceil(x1 * sx))), min(size[0], int(np.ceil(y1 * sy)))
        i = np.clip(((np.arange(X0, X1) + 0.5) / sx).astype(int) - x0, 0, m.shape[1] - 1)
        j = np.clip(((np.arange(Y0, Y1) + 0.5) / sy).astype(int) - y0, 0, m.shape[0] - 1)
        dense.append(m[j][:, i])
        places.append((X0, Y0, X1, Y1))
    boxes = (found.box_xyxy * scale).astype(np.float32)
    return Proposals(boxes, found.score, tuple(dense), np.array(places, np.int64).reshape(-1, 4))
