"""Boxes of a track as few keyframes, and back: every video tool draws straight lines between them.

In: a track's boxes in consecutive places of a sheet. Out: which of them a person has to see as
keyframes so that all others lie on the line between two, to a tolerance in pixels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Boxes = NDArray[np.float64]

TOLERANCE = 1.0
"""Pixels by which a side may be off the line; a box moved by a hand is off by as much."""


def stretches(at: Places) -> list[slice]:
    """Slices of ascending places ``int64 [n]`` without a gap between them."""
    cuts = np.flatnonzero(np.diff(at) > 1) + 1
    ends = [0, *cuts.tolist(), len(at)]
    return [slice(a, b) for a, b in pairwise(ends) if b > a]


def keyframes(at: Places, boxes: Boxes, tolerance: float = TOLERANCE) -> NDArray[np.bool_]:
    """Which boxes ``[n, 4]`` have to be kept, the ends of every stretch always (Douglas-Peucker).

    Args:
        at: places ``int64 [n]``, ascending.
        boxes: ``float64 [n, 4]``.
        tolerance: how far, in pixels, a side of a box that is left out may be off its line.

    Returns:
        ``bool [n]``.
    """
    keep = np.zeros(len(at), np.bool_)
    spans = []
    for part in stretches(at):
        keep[[part.start, part.stop - 1]] = True
        spans.append((part.start, part.stop - 1))
    while spans:
        low, high = spans.pop()
        if high - low < 2:
            continue
        inner = slice(low + 1, high)
        line = on_line(at[inner], at[low], boxes[low], at[high], boxes[high])
        off = np.abs(boxes[inner] - line).max(axis=1)
        worst = int(off.argmax())
        if off[worst] > tolerance:
            middle = low + 1 + worst
            keep[middle] = True
            spans += [(low, middle), (middle, high)]
    return keep


def on_line(at: Places, first: int, a: Boxes, last: int, b: Boxes) -> Boxes:
    """Boxes ``float64 [n, 4]`` at places between two keyframes."""
    share = (at - first) / (last - first)
    return np.asarray(a + share[:, None] * (b - a), np.float64)


def filled(at: Places, boxes: Boxes, goes_on: NDArray[np.bool_], n: int) -> tuple[Places, Boxes]:
    """Every place of a track that is given by keyframes.

    Args:
        at: places of the keyframes ``int64 [n]``, ascending.
        boxes: ``float64 [n, 4]``.
        goes_on: ``bool [n]`` whether the thing is to be seen from a keyframe up to the next.
        n: how many places there are; what lies beyond is left out.
    """
    places: list[Places] = []
    drawn: list[Boxes] = []
    for k in range(len(at)):
        more = k + 1 < len(at) and goes_on[k]
        inner = np.arange(max(at[k], 0), min(at[k + 1] if more else at[k] + 1, n))
        places.append(inner)
        if more:
            drawn.append(on_line(inner, at[k], boxes[k], at[k + 1], boxes[k + 1]))
        else:
            drawn.append(boxes[k : k + 1][: len(inner)])
    if not places:
        return np.zeros(0, np.int64), np.zeros((0, 4))
    return np.concatenate(places), np.concatenate(drawn)


def as_drawn(at: Places, boxes: Boxes) -> Boxes:
    """The boxes that a tool shows which was given the keyframes alone, ``float64 [n, 4]``."""
    kept = keyframes(at, boxes)
    ends = np.zeros(len(at), np.bool_)
    for part in stretches(at):
        ends[part.stop - 1] = True
    return filled(at[kept], boxes[kept], ~ends[kept], int(at[-1]) + 1)[1]
