"""Outlines of instances: as columns of a row, and how far they cover one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry, masks
from scenekeeper.world.outlooks import Row, View


def drawn(view: View, size: tuple[int, int]) -> Row:
    """An outline as the columns of an instance."""
    counts = masks.encode_crop(view.mask, view.place[:2], size)
    return {"mask": counts, "box_xyxy": box(counts, size), "area": masks.area(counts)}


def box(counts: bytes, size: tuple[int, int]) -> list[float]:
    """Box of a mask of a picture of ``size`` (height, width) as a row holds it: x0, y0, x1, y1."""
    return [float(v) for v in masks.box(counts, size)]


def overlap(a: Row, b: Row) -> float:
    """IoU of two instances' masks; of their boxes where one has no mask."""
    x = geometry.box_iou(np.array([a["box_xyxy"]]), np.array([b["box_xyxy"]]))[0, 0]
    if x == 0 or a["mask"] is None or b["mask"] is None:
        return float(x)
    return float(masks.iou([a["mask"]], [b["mask"]], (a["height"], a["width"]))[0, 0])


def covered(rows: Sequence[Row], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of things that are labelled already."""
    out = np.zeros(size, np.bool_)
    for row in rows:
        if row["mask"] is not None:
            x0, y0, x1, y1 = masks.box(row["mask"], size)
            out[y0:y1, x0:x1] |= masks.decode(row["mask"], size)[y0:y1, x0:x1]
    return out
