"""The colours of a thing, all that its views show: by them things of one name are told apart.

In: colours of pixels. Out: a palette, how many pixels have which colour, coarse in CIE Lab; and how
far two palettes differ. Sides of a thing share most colours, though not where they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenekeeper.world.colors import lab

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Palette = NDArray[np.uint16]
"""``[BINS]`` pixels of each colour, or some multiple of their number; empty = not known."""

SHAPE = (6, 15, 15)
BINS = SHAPE[0] * SHAPE[1] * SHAPE[2]
_EDGE = np.array([20.0, 8.0, 8.0])
"""Size of a bin, Lab: lightness is coarse, as shade changes it."""

_LOW = np.array([0.0, -60.0, -60.0])
_SOFT = 0.8
"""How far colours are spread over neighbouring bins before they are compared, bins."""

_LEAST = 1e-2
"""Least overlap that is told from none."""


def nothing() -> Int:
    """Counts of no pixel, to be added to."""
    return np.zeros(BINS, np.int64)


def counted(rgb: NDArray[np.uint8]) -> Int:
    """Counts ``int64 [BINS]`` of sRGB colours ``uint8 [N, 3]``."""
    bins = np.floor((lab(rgb) - _LOW) / _EDGE).astype(np.int64)
    bins = np.clip(bins, 0, np.array(SHAPE) - 1)
    return np.bincount(np.ravel_multi_index(tuple(bins.T), SHAPE), minlength=BINS)


def palette(counts: Int) -> Palette:
    """What is kept of counts; empty if there are none."""
    if not counts.any():
        return np.zeros(0, np.uint16)
    return np.asarray(np.rint(counts * min(1.0, 65535 / counts.max())), np.uint16)


def mean(p: Palette) -> Float:
    """Mean colour ``[3]``, Lab."""
    middles = np.stack(np.meshgrid(*_MIDDLES, indexing="ij"), -1).reshape(-1, 3)
    return np.asarray(p @ middles / p.sum(), np.float64)


_MIDDLES = [
    low + edge * (np.arange(n) + 0.5) for low, edge, n in zip(_LOW, _EDGE, SHAPE, strict=True)
]


def differ(a: Palette, b: Palette, cast: Float | None = None) -> float:
    """How far two palettes differ: the negative logarithm of their overlap (Bhattacharyya's
    distance), 0 for the same.

    Args:
        a: one palette.
        b: the other.
        cast: ``[3]`` Lab that light has added to all colours of the other.
    """
    shift = np.zeros(3) if cast is None else -np.asarray(cast) / _EDGE
    overlap = np.sqrt(_soft(a, np.zeros(3)) * _soft(b, shift)).sum()
    return float(-np.log(np.clip(overlap, _LEAST, 1.0)))


def _soft(p: Palette, shift: Float) -> Float:
    from scipy import ndimage

    shares = p.reshape(SHAPE).astype(np.float64)
    if shift.any():
        shares = ndimage.shift(shares, shift, order=1, mode="nearest")
    spread = ndimage.gaussian_filter(shares, _SOFT, mode="nearest")
    return np.asarray(spread / max(spread.sum(), 1e-12), np.float64)
