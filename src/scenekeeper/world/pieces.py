"""Pieces of one thing: what pictures show by halves, here one end and there the other.

In: objects of a session with their cells, names, and the frames that show each. Out: which are one.
A table that every picture cuts off is mapped end by end. Two of one name that touch and that no
picture shows at once are one; of two chairs side by side some picture shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scenekeeper.voxels import touching, voxel_centers
from scenekeeper.world.scene import CELL

Int = NDArray[np.int64]

_TOUCH = 0.02
"""Least share of the smaller one's cells that lie beside the other's,"""

_CELLS = 3
"""and least number of them."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What may be a part of something.

    Attributes:
        number: the object's.
        name: what it is called.
        cells: ``int64 [C]`` ascending keys.
        frames: that show it.
    """

    number: int
    name: str
    cells: Int
    frames: frozenset[int]


def united(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Which objects are parts of which: ``(part, whole)``; a whole is no part of another."""
    whole = {p.number: p for p in pieces}
    parts = {p.number: p.number for p in pieces}
    for a, b in _touching(pieces):
        one, other = (whole[parts[p.number]] for p in (a, b))
        if one is other or one.frames & other.frames:
            continue
        small, large = sorted((one, other), key=lambda p: (len(p.cells), -p.number))
        cells = np.union1d(small.cells, large.cells)
        both = Piece(large.number, large.name, cells, small.frames | large.frames)
        whole[large.number] = both
        parts = {n: large.number if w == small.number else w for n, w in parts.items()}
    return [(n, w) for n, w in parts.items() if n != w]


def _touching(pieces: Sequence[Piece]) -> list[tuple[Piece, Piece]]:
    """Pairs of one name that touch, those that do most first."""
    named: dict[str, list[tuple[Piece, Bounds]]] = {}
    for p in pieces:
        named.setdefault(p.name, []).append((p, _bounds(p.cells)))
    found: list[tuple[float, int, Piece, Piece]] = []
    for one_name in named.values():
        for (a, around_a), (b, around_b) in combinations(one_name, 2):
            if a.frames & b.frames or not _near(around_a, around_b):
                continue
            small, large = sorted((a, b), key=lambda p: len(p.cells))
            beside = touching(small.cells, large.cells)
            if beside.sum() >= _CELLS and beside.mean() >= _TOUCH:
                found.append((-float(beside.mean()), len(found), a, b))
    return [(a, b) for _, _, a, b in sorted(found, key=lambda f: f[:2])]


Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def _bounds(cells: Int) -> Bounds:
    points = voxel_centers(cells, CELL)
    return points.min(0) - CELL, points.max(0) + CELL


def _near(a: Bounds, b: Bounds) -> bool:
    return bool((a[0] <= b[1]).all() and (b[0] <= a[1]).all())
