"""How tall and how wide a thing is: what single views measure, finer than the map's cells.

In: the points that views show of it. Out: two lengths that it has wherever it stands, and by which
things of one name are told from each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_LEAST = 6
"""Points that are needed to measure anything."""

_EDGE = 0.03
"""Share of the points at either side of a thing that its width leaves out: masks bleed there."""

_USUAL = 0.7
"""Quantile of views: most show less than the whole, few more."""

_MOST = 256
"""Views that are kept of one thing; when there are more, every second one, and so on."""


def measured(points: Float, camera: Float, up: Float) -> tuple[float, float] | None:
    """Height, and width across the line of sight, of what one view shows; ``None`` = too little.

    Args:
        points: ``[P, 3]`` metres, world frame.
        camera: ``[3]`` where from.
        up: unit vector ``[3]`` against gravity.
    """
    if len(points) < _LEAST:
        return None
    across = np.cross(up, points.mean(0) - camera)
    length = float(np.linalg.norm(across))
    if length < 1e-6:  # seen from straight above
        return None
    height, side = points @ up, np.sort(points @ (across / length))
    edge = int(_EDGE * len(side))
    return float(np.ptp(height)), float(side[len(side) - 1 - edge] - side[edge])


@dataclass
class Measures:
    """Heights and widths of one thing, view by view.

    Attributes:
        views: those that are kept.
    """

    views: list[tuple[float, float]] = field(default_factory=list)
    _stride: int = 1
    _skipped: int = 0

    def add(self, one: tuple[float, float]) -> None:
        """One more view."""
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self.views.append(one)
        if len(self.views) >= _MOST:
            self.views, self._stride = self.views[::2], 2 * self._stride

    def join(self, other: Measures) -> None:
        """Another thing turned out to be this one."""
        self.views = (self.views + other.views)[: 2 * _MOST]

    def usual(self) -> tuple[float, float]:
        """Height and width, metres; NaN if no view measured any."""
        if not self.views:
            return np.nan, np.nan
        tall, wide = np.quantile(np.array(self.views), _USUAL, axis=0).tolist()
        return tall, wide
