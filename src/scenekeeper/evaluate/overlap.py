"""Boxes and masks of many images as one struct of arrays, and which truth each found one overlaps.

Overlap is COCO's: intersection over union, for crowds intersection over the found one's own area.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenekeeper import masks

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Iou = Literal["box", "mask"]

_PAIRS_AT_ONCE = 1 << 21


@dataclass(frozen=True, eq=False)
class Boxes:
    """N boxes, with or without masks, of any number of images.

    Attributes:
        image: ``int64 [N]``.
        category: ``int64 [N]``.
        box_xyxy: ``float64 [N, 4]`` pixels.
        score: ``float64 [N]``; ones for truth.
        mask: N times COCO ``counts`` (``None`` where there is no mask), or empty.
        size: ``int64 [N, 2]`` image ``(H, W)``; looked at with masks only.
        area: ``float64 [N]`` square pixels; what small, medium and large go by.
        crowd: ``bool [N]``; truth that stands for many and is neither to be found nor to be missed.
        ignored: ``bool [N]``; one thing that is neither to be found nor to be missed.

    Raises:
        ValueError: lengths differ, a number is not finite, or a box ends before it starts.
    """

    image: Int
    category: Int
    box_xyxy: Float
    score: Float
    mask: tuple[bytes | None, ...]
    size: Int
    area: Float
    crowd: Bool
    ignored: Bool

    def __post_init__(self) -> None:
        n = len(self.image)
        shapes = {
            "category": (n,),
            "box_xyxy": (n, 4),
            "score": (n,),
            "area": (n,),
            "crowd": (n,),
            "ignored": (n,),
        }
        if self.mask:
            shapes["size"] = (n, 2)
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} is {list(found)}, but {n} boxes need {list(shape)}")
        if len(self.mask) not in (0, n):
            raise ValueError(f"there are {len(self.mask)} masks for {n} boxes")
        for name in ("box_xyxy", "score", "area"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        if (self.box_xyxy[:, 2:] < self.box_xyxy[:, :2]).any():
            raise ValueError("a box ends before it starts")

    def __len__(self) -> int:
        return len(self.image)

    @property
    def excused(self) -> Bool:
        """``bool [N]``: neither to be found nor to be missed, for whatever reason."""
        return self.crowd | self.ignored

    @classmethod
    def of(
        cls,
        image: ArrayLike,
        category: ArrayLike,
        box_xyxy: ArrayLike,
        score: ArrayLike | None = None,
        *,
        mask: Sequence[bytes | None] = (),
        size: ArrayLike | None = None,
        area: ArrayLike | None = None,
        crowd: ArrayLike | None = None,
        ignored: ArrayLike | None = None,
    ) -> Boxes:
        """Boxes from anything array-like; see the attributes.

        Scores are ones, and nothing is a crowd or ignored, unless said. Areas are those of the
        masks, of the boxes where there is none.
        """
        box = np.asarray(box_xyxy, np.float64).reshape(-1, 4)
        n = len(box)
        sizes = np.zeros((n, 2), np.int64) if size is None else np.asarray(size, np.int64)
        return cls(
            np.asarray(image, np.int64).reshape(-1),
            np.asarray(category, np.int64).reshape(-1),
            box,
            np.ones(n) if score is None else np.asarray(score, np.float64).reshape(-1),
            tuple(mask),
            sizes.reshape(-1, 2),
            _areas(box, mask, sizes) if area is None else np.asarray(area, np.float64).reshape(-1),
            _flags(crowd, n),
            _flags(ignored, n),
        )


@dataclass(frozen=True, eq=False)
class Groups:
    """Truth and found put in order of what may be matched with what.

    Rows below are places in ``truth`` and ``found``, which hold the callers' rows.

    Attributes:
        truth: ``int64 [N]`` rows of the truth, by group.
        found: ``int64 [M]`` rows of the found ones, by group and falling score; those past the
            limit per group are left out.
        rank: ``int64 [M]`` place in the group, from 0.
        first: ``int64 [M]`` where the truth of its group starts.
        count: ``int64 [M]`` how many truths its group has.
    """

    truth: Int
    found: Int
    rank: Int
    first: Int
    count: Int


def group(truth: Boxes, found: Boxes, limit: int, class_agnostic: bool) -> Groups:
    """Group by image and category, or by image alone.

    Equal scores keep the order of the rows, of the categories before that when they are mixed.
    """
    images = _codes(truth.image, found.image)
    categories = _codes(truth.category, found.category)
    n = len(truth)
    within = categories.max(initial=0) + 1
    key = images if class_agnostic else images * within + categories
    tie = categories if class_agnostic else np.zeros_like(categories)
    truth_order = np.lexsort((tie[:n], key[:n]))
    found_order = np.lexsort((tie[n:], -found.score, key[n:]))
    truth_key, found_key = key[:n][truth_order], key[n:][found_order]
    rank = np.arange(len(found)) - np.searchsorted(found_key, found_key)
    kept = rank < limit
    first = np.searchsorted(truth_key, found_key[kept])
    last = np.searchsorted(truth_key, found_key[kept], "right")
    return Groups(truth_order, found_order[kept], rank[kept], first, last - first)


def overlaps(
    truth: Boxes, found: Boxes, groups: Groups, iou: Iou, least: float
) -> tuple[Int, Int, Float]:
    """Pairs of one group that overlap by ``least`` or more.

    Returns:
        ``(found [P], truth [P], overlap [P])``, rows of ``groups``, ascending by found.

    Raises:
        ValueError: masks are wanted and missing, or an image has two sizes.
    """
    parts = [
        (f[keep], t[keep], overlap[keep])
        for f, t in _pairs(groups)
        for overlap in [_overlap(truth, found, groups, iou, f, t)]
        for keep in [overlap >= least]
    ]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    f, t, o = (np.concatenate(part) for part in zip(*parts, strict=True))
    return f, t, o


def _pairs(groups: Groups) -> Iterator[tuple[Int, Int]]:
    """All pairs, some at a time so that crowded images do not fill the memory."""
    ends = np.cumsum(groups.count)
    cuts = np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, _PAIRS_AT_ONCE))
    for low, high in pairwise((*np.unique(cuts).tolist(), len(ends))):
        count = groups.count[low:high]
        found = np.repeat(np.arange(low, high), count)
        start = np.repeat(groups.first[low:high] - np.cumsum(count) + count, count)
        yield found, start + np.arange(len(found))


def _overlap(truth: Boxes, found: Boxes, groups: Groups, iou: Iou, f: Int, t: Int) -> Float:
    f_row, t_row = groups.found[f], groups.truth[t]
    if iou == "box":
        return _box_overlap(found.box_xyxy[f_row], truth.box_xyxy[t_row], truth.crowd[t_row])
    if len(truth.mask) < len(truth) or len(found.mask) < len(found):
        raise ValueError("overlap of masks is wanted, but there are none")
    return _mask_overlap(truth, found, f_row, t_row)


def _box_overlap(a: Float, b: Float, crowd: Bool) -> Float:
    a0, b0 = a[:, :2], b[:, :2]
    a_size, b_size = a[:, 2:] - a0, b[:, 2:] - b0
    # Written so that a threshold that is met exactly is met in COCO's own arithmetic too.
    side = np.minimum(a0 + a_size, b0 + b_size) - np.maximum(a0, b0)
    shared = np.where((side > 0).all(1), side[:, 0] * side[:, 1], 0.0)
    a_area = a_size[:, 0] * a_size[:, 1]
    whole = np.where(crowd, a_area, a_area + b_size[:, 0] * b_size[:, 1] - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def _mask_overlap(truth: Boxes, found: Boxes, f: Int, t: Int) -> Float:
    """Per image one matrix of its masks, of which the pairs are picked."""
    overlap = np.zeros(len(f))
    cuts = np.flatnonzero(np.diff(truth.image[t], prepend=-1, append=-1)) if len(t) else ()
    for low, high in pairwise(cuts):
        rows, row = np.unique(f[low:high], return_inverse=True)
        columns, column = np.unique(t[low:high], return_inverse=True)
        size = truth.size[columns[0]]
        if (truth.size[columns] != size).any() or (found.size[rows] != size).any():
            raise ValueError(f"masks of image {truth.image[columns[0]]} are of different sizes")
        matrix = masks.iou(
            _masks(found, rows),
            _masks(truth, columns),
            (int(size[0]), int(size[1])),
            truth.crowd[columns].tolist(),
        )
        overlap[low:high] = matrix[row, column]
    return overlap


def _masks(boxes: Boxes, rows: Int) -> list[bytes]:
    counts = [boxes.mask[row] for row in rows.tolist()]
    if None in counts:
        raise ValueError("overlap of masks is wanted, but a box has none")
    return [c for c in counts if c is not None]


def _codes(a: Int, b: Int) -> Int:
    return np.unique(np.concatenate((a, b)), return_inverse=True)[1].astype(np.int64)


def _flags(values: ArrayLike | None, n: int) -> Bool:
    return np.zeros(n, np.bool_) if values is None else np.asarray(values, np.bool_).reshape(-1)


def _areas(box: Float, mask: Sequence[bytes | None], sizes: Int) -> Float:
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    have = [k for k, counts in enumerate(mask) if counts is not None]
    area[have] = masks.areas([counts for counts in mask if counts is not None], sizes[have])
    return area
