"""How well a map's objects agree with the true things, over all detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Association:
    """Agreement of objects and things, each share over the detections that have an object.

    Attributes:
        purity: share that are of their object's commonest thing.
        completeness: share that are in their thing's commonest object.
        placed: share of all detections that have an object.
        switches: how often a thing's detection has another object than its last one had.
        objects: how many there are.
        things: how many there are, among detections that have an object.
    """

    purity: float
    completeness: float
    placed: float
    switches: int
    objects: int
    things: int

    @property
    def f1(self) -> float:
        """Harmonic mean of purity and completeness."""
        both = self.purity + self.completeness
        return 2 * self.purity * self.completeness / both if both else 0.0


def association(truth: Int, objects: Int) -> Association:
    """Compare objects with things.

    Args:
        truth: ``int64 [D]`` thing of every detection, in order of time.
        objects: ``int64 [D]`` its object once everything was seen; -1 = none.

    Raises:
        ValueError: they are not of one length.
    """
    if len(truth) != len(objects):
        raise ValueError(f"{len(truth)} detections have a truth, {len(objects)} an object")
    kept = objects >= 0
    n = int(kept.sum())
    if not n:
        return Association(0.0, 0.0, 0.0, 0, 0, 0)
    things, thing = np.unique(truth[kept], return_inverse=True)
    found, number = np.unique(objects[kept], return_inverse=True)
    together = np.zeros((len(found), len(things)), np.int64)
    np.add.at(together, (number, thing), 1)
    order = np.argsort(thing, kind="stable")
    same, other = np.diff(thing[order]) == 0, np.diff(number[order]) != 0
    return Association(
        purity=float(together.max(1).sum() / n),
        completeness=float(together.max(0).sum() / n),
        placed=n / len(truth),
        switches=int((same & other).sum()),
        objects=len(found),
        things=len(things),
    )
