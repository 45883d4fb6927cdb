"""Does a confidence mean what it says: over all labels, class by class, and by place and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.pairing import Pairing, right_names
from scenekeeper.evaluate.rows import Row, ratio
from scenekeeper.schema import UNNAMED

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BINS = 15
PLACE_BINS = 5
"""Bins per dimension of D-ECE."""

FEWEST = 10
"""Labels that a class must have for an ECE of its own; of fewer it is mostly chance."""

SECTION = "calibration"


def calibration_rows(p: Pairing, names: Mapping[str, str], plots: dict[str, Any]) -> Iterator[Row]:
    """ECE, class-wise ECE, D-ECE, Brier score; the reliability curve as a plot."""
    known = np.isfinite(p.found.p) & (p.truth_of != -2)
    known &= np.array([w != UNNAMED for w in p.found.phrase], np.bool_)
    if not known.any():
        return
    found, hit = p.found[known], right_names(p)[known].astype(np.float64)
    confidence, n = np.clip(found.p, 0, 1), len(hit)
    which = _bin(confidence, BINS)
    yield Row(SECTION, "ECE of named labels", ece(which, confidence, hit), n, better="lower")
    clip = found.clip[found.image]
    squares = (confidence - hit) ** 2
    yield ratio(SECTION, "Brier score of named labels", squares, np.ones(n), clip, "lower")
    phrases = np.array([names.get(w, w) for w in found.phrase])
    by_class = {str(c): phrases == c for c in np.unique(phrases)}
    enough = {c: rows for c, rows in by_class.items() if rows.sum() >= FEWEST}
    each = {c: ece(which[rows], confidence[rows], hit[rows]) for c, rows in enough.items()}
    mean = float(np.mean(list(each.values()))) if each else None
    counted = int(sum(rows.sum() for rows in enough.values()))
    yield Row(SECTION, "class-wise ECE", mean, counted, better="lower")
    if (found.size > 0).all():
        value = d_ece(confidence, hit, found.box_xyxy, found.size)
        yield Row(SECTION, "D-ECE (place and size)", value, n, better="lower")
    plots["ece_by_class"] = each
    plots["reliability"] = _curve(which, confidence, hit)


def ece(which: Int, confidence: Float, hit: Float) -> float:
    """Expected calibration error (Naeini et al. 2015) of labels ``[N]`` in numbered bins."""
    gap = np.abs(np.bincount(which, confidence) - np.bincount(which, hit))
    return float(gap.sum() / len(hit))


def d_ece(confidence: Float, hit: Float, box_xyxy: Float, size: Int) -> float:
    """Detection expected calibration error.

    Küppers et al., Multivariate Confidence Calibration for Object Detection, CVPR Workshops 2020:
    the ECE over bins of confidence, middle (x, y), width and height of the box, the last four as
    shares of the picture; five bins per dimension.

    Args:
        confidence: ``[N]`` in 0..1.
        hit: ``[N]`` 1 where the label is right.
        box_xyxy: ``[N, 4]`` pixels.
        size: ``[N, 2]`` height and width of the picture.
    """
    low, high = box_xyxy[:, :2] / size[:, ::-1], box_xyxy[:, 2:] / size[:, ::-1]
    values = np.column_stack((confidence, (low + high) / 2, high - low))
    cell = np.ravel_multi_index(tuple(_bin(values, PLACE_BINS).T), (PLACE_BINS,) * 5)
    return ece(np.unique(cell, return_inverse=True)[1].astype(np.int64), confidence, hit)


def _bin(share: Float, bins: int) -> Int:
    return np.clip((share * bins).astype(np.int64), 0, bins - 1)


def _curve(which: Int, confidence: Float, hit: Float) -> list[list[float]]:
    """Mean confidence, share that is right, and number of labels of each bin that has any."""
    return [
        [float(confidence[rows].mean()), float(hit[rows].mean()), int(rows.sum())]
        for b in range(BINS)
        for rows in [which == b]
        if rows.any()
    ]
