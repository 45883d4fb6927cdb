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
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.palette import differ, mean
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
        both = [(a.palette, b.palette) for a, b in pairs if len(a.palette) and len(b.palette)]
        if len(both) < _FEW:
            return cls()
        cast = np.median([mean(b) - mean(a) for a, b in both], 0)
        usual = float(np.median([differ(a, b, cast) for a, b in both]))
        return cls(cast, max(1.0, usual / _IN_PLACE))


_FEW = 6
"""Pairs from which on light is measured."""

_IN_PLACE = 0.02
"""How much the palettes of things that stay differ in usual light: a median."""

_SAME, _FALLS = 2.5, 10.0
"""Log-likelihood ratio of palettes that do not differ, and how it falls with how far they do. By
how it turned out on 143 moved things and 1290 pairs of others of one name, simulated homes of seeds
9400 to 9431 and 9600 to 9615; things made alike are among these."""


def same_looks(a: Evidence, b: Evidence, light: Light | None = None, place: float = 0.0) -> float:
    """Log-likelihood ratio that looks say two are one: of palettes or else colour words, of the
    colours of their place, of embeddings.

    Args:
        a: of the earlier visit.
        b: of the later one.
        light: between them.
        place: what the colours at the place of both say, see :mod:`scenekeeper.world.shades`; 0 =
            nothing. They err with the palettes, so the mean counts.
    """
    if len(a.palette) and len(b.palette):
        said = _palettes(a, b, light or Light())
    else:
        said = _words(colors_agree(a, b))
    out = (said + place) / 2 if place else said
    if a.embedding is None or b.embedding is None or len(a.embedding) != len(b.embedding):
        return out
    cosine = float(a.embedding @ b.embedding)
    return out + _EMBEDDED * (cosine - _COSINE)


_EMBEDDED, _COSINE = 6.0, 0.6
"""What a cosine of 1 says, and where it says nothing; by how it turned out on crops of things."""


def _palettes(a: Evidence, b: Evidence, light: Light) -> float:
    far = differ(a.palette, b.palette, light.cast) / light.spread
    return max(_LEAST, _SAME - _FALLS * far)


def _words(agree: float) -> float:
    """What the share of colour words that agree says: exponential for one thing, even for two; and
    things of one name are made alike now and then."""
    says = max(_LEAST, float(-np.log(_WORDS) - (1 - agree) / _WORDS))
    return float(-np.log(_TWINS + (1 - _TWINS) * np.exp(-says)))


_WORDS = 0.12
"""Share of one thing's surface, in the mean, that has another colour word in another visit."""

_TWINS = 0.2
"""Share of the things of one name that are made alike: cans, boxes, books of a row."""

_LEAST = -3.0
"""Looks cannot say more against: a thing may have been turned round."""


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


_CONFUSED = 0.04
"""Share of things that are called quite otherwise the second time."""


def sizes_agree(a: Evidence, b: Evidence) -> float:
    """Agreement of the sides of both boxes, the shortest with the shortest."""
    return float(np.exp(-_size_ratio(a, b) / 0.5))


def same_size(a: Evidence, b: Evidence) -> float:
    """Log-likelihood ratio of sizes: of what views measure, else of the sides of boxes, which
    differ by a fifth of one thing and by half of two."""
    tall, wide = _LENGTHS[0].says(a.tall, b.tall), _LENGTHS[1].says(a.wide, b.wide)
    if np.isfinite(tall + wide):
        return max(_LEAST, _BOTH * (tall + wide))
    ratio = _size_ratio(a, b)
    gain = 0.5 / _SIDES**2 - 0.5 / _SIDES_OTHER**2
    return max(_LEAST, float(np.log(_SIDES_OTHER / _SIDES) - gain * ratio))


_SIDES, _SIDES_OTHER = 0.2, 0.45


@dataclass(frozen=True)
class _Length:
    """How measures of a length differ: exponential, of one thing and of two of one name.

    Attributes:
        noise: mean difference of one thing, metres,
        share: and beyond that, as a share of the length.
        partly: share of things that one visit sees in part or lying,
        astray: and their mean difference, share of the length.
        other: the same of two things.
    """

    noise: float
    share: float
    partly: float
    astray: float
    other: float

    def says(self, a: float, b: float) -> float:
        """Log-likelihood ratio that two measures are of one thing; NaN where one is not known."""
        off, length = abs(a - b), (a + b) / 2
        scales = self.noise + self.share * length, 0.01 + self.astray * length
        same = ((1 - self.partly) * _rate(off, scales[0])) + self.partly * _rate(off, scales[1])
        return float(np.log(same) - np.log(_rate(off, max(self.other * length, _FINEST))))


_LENGTHS = _Length(0.005, 0.0, 0.16, 0.32, 0.26), _Length(0.001, 0.061, 0.26, 0.39, 0.31)
"""Of heights and of widths, which differ by the side that is seen. Measured on the same things."""

_BOTH = 0.7
"""How far height and width count; they err together, and size with what is seen."""

_FINEST = 0.004


def _rate(x: float, mean: float) -> float:
    return float(np.exp(-x / mean) / mean)


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
