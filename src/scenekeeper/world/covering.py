"""How much of what a frame shows of an object a detection covers.

In: samples of known objects' surfaces that a frame shows, and cells of its detections. Out: a share
per pair. A mug's mask lies on the table's cells as a whole, and still it is not the table's mask:
it covers next to nothing of the table that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Showing:
    """Samples that lie on the surface that a frame sees, of N objects, one after the other.

    Attributes:
        objects: ``int64 [N]`` ids, ascending.
        key: ``int64 [P]`` cells of the samples.
        start: ``int64 [N + 1]``; object n owns rows ``start[n]`` to ``start[n + 1]``.
    """

    objects: Int
    key: Int
    start: Int


def covered(showing: Showing, key: Int, start: Int, det: Int, obj: Int) -> Float:
    """Share of an object's visible samples that lie in, or right beside, a detection's cells.

    The share is drawn to 1 as if one sample more lay inside: of what the frame hardly shows, or of
    an object without samples, nothing is known that speaks against the pair.

    Args:
        showing: visible samples.
        key: ``int64 [C]`` cells of the detections.
        start: ``int64 [M + 1]`` rows of ``key`` at which each detection begins.
        det: ``int64 [K]`` detections,
        obj: ``int64 [K]`` and objects, pair by pair.

    Returns:
        ``float64 [K]``, above 0 and at most 1.
    """
    if not len(showing.objects):
        return np.ones(len(det))
    row = np.minimum(np.searchsorted(showing.objects, obj), len(showing.objects) - 1)
    row = np.where(showing.objects[row] == obj, row, -1)
    order = np.lexsort((key, np.repeat(np.arange(len(start) - 1), np.diff(start))))
    within, of = _within(showing.key, showing.start, key[order], start, det, row)
    return np.asarray((within + 1) / (of + 1), np.float64)


@njit(cache=True, nogil=True)
def _within(sample, first, key, start, det, row):  # type: ignore[no-untyped-def]
    """Per pair how many samples lie in or beside the detection's ascending keys, of how many."""
    steps = np.array([0, 1 << 42, -(1 << 42), 1 << 21, -(1 << 21), 1, -1], np.int64)
    within, of = np.zeros(len(det), np.int64), np.zeros(len(det), np.int64)
    for k in range(len(det)):
        if row[k] < 0:
            continue
        mine = key[start[det[k]] : start[det[k] + 1]]
        for q in range(first[row[k]], first[row[k] + 1]):
            of[k] += 1
            for step in steps:
                at = np.searchsorted(mine, sample[q] + step)
                if at < len(mine) and mine[at] == sample[q] + step:
                    within[k] += 1
                    break
    return within, of
