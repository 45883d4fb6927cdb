"""How alike two things are that different sessions show: in name, looks, size, and where they lie.

In: two pieces of evidence in one frame. Out: log-likelihood ratios of their being one thing against
their being two, and shares from 0 to 1; what is not known speaks for neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenekeeper.voxels import touching
from scenekeeper.world.colors import lab
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL

Float = NDArray[np.float64]

_UNKNOWN = 0.6
"""How well a thing without a name agrees with any name."""


@dataclass(frozen=True, eq=False)
class Light:
    """How colours differ between two visits though nothing has changed.

    Attributes:
        cast: ``float64 [3]`` CIE Lab that the later visit adds to every colour,
        spread: and by how much more than :data:`_SAME` says the same thing's colours differ, a
            factor of at least 1.
    """

    cast: Float = field(default_factory=lambda: np.zeros(3))
    spread: float = 1.0

    @classmethod
    def between(cls, pairs: Iterable[tuple[Evidence, Evidence]]) -> Light:
        """Measured on things that stand in the same places in both: a median, as few change.

        Args:
            pairs: each of the earlier visit, then of the later one.
        """
        both = [(a, b) for a, b in pairs if len(a.tones) and len(b.tones)]
        if len(both) < _FEW:
            return cls()
        off = [np.median(lab(b.tones), 0) - np.median(lab(a.tones), 0) for a, b in both]
        cast = np.median(off, 0)
        usual = float(np.median([tones_differ(a, b, cast) for a, b in both]))
        return cls(cast, max(1.0, usual / _IN_PLACE))


_FEW = 6
"""Pairs from which on light is measured."""

_IN_PLACE = 4.0
"""How much the tones of things that stay differ in usual light: a median, of Lab units."""

_SAME, _SAME_LOG = 5.5, 0.6
"""Of one thing in two places the middle and the deviation (of its logarithm): shades and sides of
it differ,"""

_OTHER, _OTHER_LOG = 20.0, 0.9
"""and the same of two things of one name. Measured on simulated homes, seeds 500 to 507."""


def same_looks(a: Evidence, b: Evidence, light: Light | None = None) -> float:
    """Log-likelihood ratio that looks say two are one: of tones, of colour words, of embeddings.

    Tones tell shades that have one word; words tell hues that are near each other. They err
    together, so their mean counts.

    Args:
        a: of the earlier visit.
        b: of the later one.
        light: between them.
    """
    said = [_words(colors_agree(a, b))]
    if len(a.tones) and len(b.tones):
        said.append(_tones(a, b, light or Light()))
    out = float(-np.log(_TWINS + (1 - _TWINS) * np.exp(-np.mean(said))))
    if a.embedding is None or b.embedding is None or len(a.embedding) != len(b.embedding):
        return out
    cosine = float(a.embedding @ b.embedding)
    return out + _EMBEDDED * (cosine - _COSINE)


_TWINS = 0.2
"""Share of the things of one name that are made alike: cans, boxes, books of a row."""

_EMBEDDED, _COSINE = 6.0, 0.6
"""What a cosine of 1 says, and where it says nothing; by how it turned out on crops of things."""


def _words(agree: float) -> float:
    """What the share of colour words that agree says: exponential for one thing, even for two."""
    differ = 1 - agree
    return max(_LEAST, float(-np.log(_WORDS) - differ / _WORDS))


_WORDS = 0.12
"""Share of one thing's surface, in the mean, that has another colour word in another visit."""

_LEAST = -3.0
"""Looks cannot say more against: a thing may have been turned round."""


def _tones(a: Evidence, b: Evidence, light: Light) -> float:
    x = np.log(max(tones_differ(a, b, light.cast) / light.spread, 1.0))
    same = -0.5 * ((x - np.log(_SAME)) / _SAME_LOG) ** 2 - np.log(_SAME_LOG)
    other = -0.5 * ((x - np.log(_OTHER)) / _OTHER_LOG) ** 2 - np.log(_OTHER_LOG)
    # Nearer than most is no sign of being another, nor farther than most of being the same.
    if x < np.log(_SAME):
        same = max(same, -np.log(_SAME_LOG))
    return max(_LEAST, float(same - other))


def tones_differ(a: Evidence, b: Evidence, cast: Float) -> float:
    """How far the tones of one must be changed to be those of the other, in Lab units.

    The earth mover's distance (Rubner et al. 2000); lightness counts half, as shade changes it.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    n = min(len(a.tones), len(b.tones))
    one, other = (lab(_evenly(t, n)) for t in (a.tones, b.tones))
    apart = cdist(one * _WEIGHT, (other - cast) * _WEIGHT)
    return float(apart[linear_sum_assignment(apart)].mean())


_WEIGHT = np.array([0.5, 1.0, 1.0])


def _evenly(tones: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    return tones[np.linspace(0, len(tones) - 1, n).round().astype(np.int64)]


def colors_agree(a: Evidence, b: Evidence) -> float:
    """Share of the surface that has the same colour word; of median colours where there are none.

    The median of a thing of two colours is either, and differs from side to side.
    """
    if a.colors and b.colors:
        return float(sum(min(p, b.colors.get(word, 0.0)) for word, p in a.colors.items()))
    off = np.abs(a.rgb.astype(float) - b.rgb.astype(float)).mean()
    return float(np.exp(-((off / 60) ** 2)))


def names_agree(a: Evidence, b: Evidence) -> float:
    """Probability that both have one name; what is called nothing may be anything."""
    both = sum(p * b.names.get(name, 0.0) for name, p in a.names.items())
    rest = [max(0.0, 1 - sum(e.names.values())) for e in (a, b)]
    return float(min(1.0, both + _UNKNOWN * (rest[0] + rest[1] - rest[0] * rest[1])))


def same_name(a: Evidence, b: Evidence) -> float:
    """Log-likelihood ratio of names: little for, as many things have one name, and more against."""
    return float(np.log(_CONFUSED + (1 - _CONFUSED) * names_agree(a, b)))


_CONFUSED = 0.1
"""Share of things that are called quite otherwise the second time."""


def sizes_agree(a: Evidence, b: Evidence) -> float:
    """Agreement of the sides of both boxes, the shortest with the shortest."""
    return float(np.exp(-_size_ratio(a, b) / 0.5))


def same_size(a: Evidence, b: Evidence) -> float:
    """Log-likelihood ratio of sizes: sides of one thing differ by a fifth, of two by half."""
    ratio = _size_ratio(a, b)
    gain = 0.5 / _SIDES**2 - 0.5 / _SIDES_OTHER**2
    return max(_LEAST, float(np.log(_SIDES_OTHER / _SIDES) - gain * ratio))


_SIDES, _SIDES_OTHER = 0.2, 0.45


def _size_ratio(a: Evidence, b: Evidence) -> float:
    """Mean square of the logarithms of ratios of sides, the shortest with the shortest."""
    one, other = (np.sort(e.extent) + CELL for e in (a, b))
    return float((np.log(one / other) ** 2).mean())


def same_thing(a: Evidence, b: Evidence, light: Light | None = None) -> float:
    """Log-likelihood ratio of looks, size and name together, wherever the two are."""
    return same_looks(a, b, light) + same_size(a, b) + same_name(a, b)


def places_agree(a: Evidence, b: Evidence) -> float:
    """How far two things fill one place: the geometric mean of the shares of either's cells that
    have one of the other beside them."""
    if not len(a.cells) or not len(b.cells):
        return 0.0
    shares = touching(a.cells, b.cells).mean() * touching(b.cells, a.cells).mean()
    return float(np.sqrt(shares))
