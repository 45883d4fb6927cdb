"""Feature statistics the way LeRobot normalises with them.

In: one episode's numbers, or a few of its pictures. Out: ``{min, max, mean, std, count, q01, q10,
q50, q90, q99}`` as arrays, and the fold of two episodes into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stats = Mapping[str, NDArray[Any]]

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_LARGEST_SAMPLE = 300
_SAMPLE_SIZE = 150


def of_vectors(values: NDArray[Any]) -> Stats:
    """Statistics of ``[N]`` or ``[N, D]`` numbers, each ``[D]``; those not finite do not count."""
    columns = values.reshape(len(values), -1).astype(np.float64)
    known = np.isfinite(columns)
    if not known.all():
        columns = np.where(known, columns, np.nan)
        columns[:, ~known.any(axis=0)] = 0.0
    return {
        "min": np.nanmin(columns, axis=0),
        "max": np.nanmax(columns, axis=0),
        "mean": np.nanmean(columns, axis=0),
        "std": np.nanstd(columns, axis=0),
        "count": np.array([len(columns)]),
        **{name: np.nanquantile(columns, q, axis=0) for name, q in QUANTILES.items()},
    }


class Histogram:
    """Counts of pixel values per channel: exact picture statistics in constant memory."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._images = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count one ``uint8 [H, W, 3]`` picture, large ones thinned out."""
        height, width = image.shape[:2]
        step = max(1, max(height, width) // _SAMPLE_SIZE)
        if max(height, width) < _LARGEST_SAMPLE:
            step = 1
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(image[::step, ::step, channel].ravel(), minlength=256)
        self._images += 1

    def stats(self) -> Stats:
        """Statistics in [0, 1], each ``float64 [3, 1, 1]``; ``count`` is the pictures seen."""
        value = np.arange(256) / 255.0
        total = self._counts.sum(axis=1)
        mean = self._counts @ value / total
        below = np.cumsum(self._counts, axis=1)

        def quantile(q: float) -> NDArray[np.float64]:
            rank = np.maximum(q * total, 1.0)
            level: NDArray[np.float64] = np.argmax(below >= rank[:, None], axis=1) / 255.0
            return level

        columns = {
            "min": quantile(0.0),
            "max": quantile(1.0),
            "mean": mean,
            "std": np.sqrt(np.maximum(self._counts @ value**2 / total - mean**2, 0.0)),
            **{name: quantile(q) for name, q in QUANTILES.items()},
        }
        shaped = {name: column.reshape(3, 1, 1) for name, column in columns.items()}
        return {**shaped, "count": np.array([self._images])}


def merge(a: Stats, b: Stats) -> Stats:
    """Statistics of two episodes together; quantiles are averaged by weight, as LeRobot does."""
    count = a["count"] + b["count"]
    wa, wb = a["count"] / count, b["count"] / count
    mean = wa * a["mean"] + wb * b["mean"]
    spread = wa * (a["std"] ** 2 + (a["mean"] - mean) ** 2)
    spread = spread + wb * (b["std"] ** 2 + (b["mean"] - mean) ** 2)
    return {
        "min": np.minimum(a["min"], b["min"]),
        "max": np.maximum(a["max"], b["max"]),
        "mean": mean,
        "std": np.sqrt(spread),
        "count": count,
        **{name: wa * a[name] + wb * b[name] for name in QUANTILES},
    }


def sample_rows(n: int) -> NDArray[np.int64]:
    """Which of ``n`` pictures LeRobot takes statistics from: 100, or ``n ** 0.75`` if more."""
    size = max(min(n, 100), min(int(n**0.75), 10_000))
    return np.unique(np.round(np.linspace(0, n - 1, size)).astype(np.int64))
