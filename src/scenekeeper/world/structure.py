"""What level and upright surfaces are called: by their height over the floor, if looks do not say.

In: pieces of structure with their points. Out: a word for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import UNNAMED
from scenekeeper.voxels import voxel_centers
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL

Float = NDArray[np.float64]

HEIGHTS = (("floor", 0.1), ("low surface", 0.4), ("table", 0.85), ("counter", 1.1))
"""Names of level surfaces up to so many metres over the floor; higher ones are shelves."""

_P = 0.9
"""Probability of what height says."""


KINDS = {"floor": "support", "ceiling": "wall", "wall": "wall"}
"""What is structure by its very name."""

_STANDS = 0.98
"""Least belief in structure: it was found as a level or upright plane of the whole map, and no
detector's silence speaks against it."""


def with_structure(things: Sequence[Evidence], up: Float) -> list[Evidence]:
    """Evidence in which structure is known as such, stands, and is named by its height if it has
    no other name."""
    things = [replace(e, kind=KINDS.get(e.phrase, e.kind)) for e in things]
    things = [
        replace(e, existence=max(e.existence, _STANDS)) if e.kind in ("wall", "support") else e
        for e in things
    ]
    height = {
        n: voxel_centers(e.cells, CELL) @ up for n, e in enumerate(things) if e.kind == "support"
    }
    floor = _floor(things, height, up)
    return [_named(e, height.get(n), floor) for n, e in enumerate(things)]


def _named(e: Evidence, height: Float | None, floor: float | None) -> Evidence:
    if e.phrase != UNNAMED or e.kind not in ("wall", "support"):
        return e
    word = "wall"
    if height is not None:
        word = "surface" if floor is None else _word(level(height) - floor)
    return replace(e, names={word: _P})


def _word(height: float) -> str:
    return next((name for name, below in HEIGHTS if height < below), "shelf")


def _floor(things: Sequence[Evidence], height: dict[int, Float], up: Float) -> float | None:
    """Height of the floor: the lowest level plane, if nothing much lies below it."""
    if not height:
        return None
    lowest = min(float(np.median(h)) for h in height.values())
    everything = np.concatenate([voxel_centers(e.cells, CELL) @ up for e in things])
    return lowest if (everything < lowest - 0.15).mean() < 0.05 else None


def level(height: Float) -> float:
    """Height of a support's surface: the fullest centimetre, for legs hang below it."""
    bins = np.floor(height / 0.01).astype(np.int64)
    values, counts = np.unique(bins, return_counts=True)
    return float((values[counts.argmax()] + 0.5) * 0.01)
