"""The shape of a thing as far as it was seen: where it stands, how far it reaches, what is where.

In: voxel points in a frame whose third axis is up. Out: a :class:`Solid`, which relations are
decided by. Surfaces are partial (tops and fronts), so what is hidden is bridged by outlines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

CELL = 0.025
"""Edge of the cells of the ground, metres."""

_TURNS = np.linspace(0, 2 * np.pi, 32, endpoint=False)
WAYS = np.stack((np.cos(_TURNS), np.sin(_TURNS)))
"""``float64 [2, 32]`` unit vectors all around; the opposite of each is 16 further on."""

_CONTAINERS = (
    "bag barrel basin basket bathtub bin bowl box bucket case container crate cup"
    " dishwasher drawer drum hamper jar jug mug oven pan pot sink suitcase toolbox tray tub vase"
    " wastebasket"
)
_OPEN = (
    "armchair bed bench bookcase bookshelf chair couch counter desk floor keyboard laptop"
    " mat plate rack rug saucer shelf sofa stand stool stove table workbench"
)
CONTAINERS = frozenset(_CONTAINERS.split())
"""Last words of the classes of things that others are in."""

OPEN = frozenset(_OPEN.split())
"""Last words of the classes of things in whose hollows others are said to be on them."""


@dataclass(frozen=True, eq=False)
class Solid:
    """An object as geometry sees it, in a frame whose third axis is up.

    Attributes:
        object: its id.
        kind: ``thing``, ``flat``, ``support`` or ``wall``.
        phrase: its class; empty where it is not known.
        points: ``float64 [N, 3]`` its seen surface, metres, ascending by the first axis.
        low: ``float64 [3]`` minimum of its axis-aligned box.
        high: ``float64 [3]`` maximum of it.
        outline: ``float64 [32]`` how far it reaches along each of :data:`WAYS`, seen from above.
        cells: ``float64 [C, 2]`` middles of the cells of the ground that it is over.
        level: height of its supporting surface, metres: the plane of a support, else its top.
    """

    object: int
    kind: str
    phrase: str
    points: Float
    low: Float
    high: Float
    outline: Float
    cells: Float
    level: float

    @classmethod
    def of(cls, object: int, kind: str, points: Float, phrase: str = "") -> Solid:
        """A solid of its points.

        Args:
            object: its id.
            kind: ``thing``, ``flat``, ``support`` or ``wall``.
            points: ``float64 [N, 3]`` metres, third axis up, N >= 1.
            phrase: its class, if known; says whether others are in it or on it.

        Raises:
            ValueError: there are no points.
        """
        if not len(points):
            raise ValueError(f"object {object} has no points")
        points = points[np.argsort(points[:, 0], kind="stable")]
        low, high = points.min(0), points.max(0)
        level = _fullest(points[:, 2]) if kind == "support" else float(high[2])
        return cls(
            object,
            kind,
            phrase,
            points,
            low,
            high,
            outline(points[:, :2]),
            np.asarray((cells_of(points) + 0.5) * CELL, np.float64),
            level,
        )

    @property
    def foot(self) -> float:
        """Height of what it stands on, if its foot was seen."""
        return float(self.low[2])

    @property
    def width(self) -> float:
        """Mean width of its outline, metres."""
        return float(2 * self.outline.mean())

    @property
    def holds(self) -> bool | None:
        """Whether others are in it (``True``) or on it by its class; ``None`` = not known."""
        phrase = self.phrase.lower()
        noun = phrase.rpartition(" ")[2]
        if noun in OPEN:
            return False
        return True if noun in CONTAINERS or phrase == "trash can" else None

    def near(self, other: Solid, metres: float) -> Float:
        """Its points ``[M, 3]`` that are over the box around another, or so far beside it."""
        (x0, y0), (x1, y1) = other.low[:2] - metres, other.high[:2] + metres
        first, last = np.searchsorted(self.points[:, 0], (x0, x1))
        some = self.points[first:last]
        beside: Float = some[(some[:, 1] > y0) & (some[:, 1] < y1)]
        return beside

    @cached_property
    def around(self) -> Int:
        """Numbers ``int64 [K]``, ascending, of its cells and those up to two beside them."""
        cells = np.floor(self.cells / CELL).astype(np.int64)
        first = cells.min(0) - 2
        grid = np.zeros(cells.max(0) - first + 3, np.bool_)
        grid[tuple((cells - first).T)] = True
        for _ in range(2):
            grid[1:] |= grid[:-1].copy()
            grid[:-1] |= grid[1:].copy()
            grid[:, 1:] |= grid[:, :-1].copy()
            grid[:, :-1] |= grid[:, 1:].copy()
        return _number(np.argwhere(grid) + first)

    def is_around(self, points: Float) -> NDArray[np.bool_]:
        """``bool [N]``: over its cells or up to two beside them."""
        number = numbers_of(points)
        at = np.minimum(np.searchsorted(self.around, number), len(self.around) - 1)
        return np.asarray(self.around[at] == number)

    @cached_property
    def spread(self) -> Float:
        """At most about 64 of its cells, evenly: enough to say what share of it is where."""
        return self.cells[:: max(1, len(self.cells) // 64)]


def cells_of(points: Float) -> Int:
    """Cells ``int64 [C, 2]`` of the ground that points ``[N, 2+]`` are over, each once."""
    cells = np.floor(points[:, :2] / CELL).astype(np.int64)
    number = np.unique(_number(cells))
    return np.stack((number >> 32, (number & 0xFFFFFFFF) - (1 << 31)), 1)


def numbers_of(points: Float) -> Int:
    """Number ``int64 [N]`` of the cell that each of the points ``[N, 2+]`` is over."""
    return _number(np.floor(points[:, :2] / CELL).astype(np.int64))


def _number(cells: Int) -> Int:
    return np.asarray((cells[..., 0] << 32) + (cells[..., 1] + (1 << 31)), np.int64)


def outline(xy: Float) -> Float:
    """How far points ``[N, 2]`` reach along each of :data:`WAYS`: ``float64 [32]``."""
    return np.asarray((xy @ WAYS).max(0), np.float64)


def within(xy: Float, outline: Float, margin: float = 0.0) -> NDArray[np.bool_]:
    """Whether points ``[N, 2]`` lie inside an outline, or outside by no more than a margin."""
    return np.asarray((xy @ WAYS <= outline + margin).all(1))


def gaps(a: Float, b: Float) -> Float:
    """Distances ``[...]`` between outlines ``[..., 32]`` in pairs; negative where they overlap.

    Outlines are convex, so their distance is the widest gap that any direction shows.
    """
    return np.asarray(-(a + np.roll(b, 16, -1)).min(-1), np.float64)


def _fullest(heights: Float) -> float:
    """The fullest two centimetres of heights: a support's surface, for legs hang below it."""
    bins = np.floor(heights / 0.01).astype(np.int64)
    counts = np.bincount(bins - bins.min(), minlength=2)
    k = int((counts[:-1] + counts[1:]).argmax()) + bins.min()
    some = heights[(bins == k) | (bins == k + 1)]
    return float(some.mean())
