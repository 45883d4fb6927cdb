"""Figures: what one is, and the interval of those that are shares.

In: which things hit, and the clip of each. Out: :class:`Row`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

DRAWS = 1000


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        section: which question it answers.
        name: what it is.
        value: the figure; ``None`` = nothing to count.
        n: how many things it is counted from.
        low: lower end of its 95 % interval over clips; ``None`` = not computed.
        high: upper end.
        better: ``higher`` or ``lower`` is better; ``""`` = neither.
        clips: per clip the two sums whose ratio it is, where it is one.
    """

    section: str
    name: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    better: str = "higher"
    clips: Mapping[int, tuple[float, float]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {k: v for k, v in asdict(self).items() if k != "clips"}


def share(
    section: str, name: str, hit: NDArray[np.bool_], clip: Int, better: str = "higher"
) -> Row:
    """A share with its interval from drawing clips again."""
    if not len(hit):
        return Row(section, name, None, 0, better=better)
    which, at = np.unique(clip, return_inverse=True)
    top, bottom = np.bincount(at, hit), np.bincount(at)
    low = high = None
    if len(top) > 1:
        low, high = interval(top, bottom)
    sums = {int(c): (float(a), float(b)) for c, a, b in zip(which, top, bottom, strict=True)}
    return Row(section, name, float(hit.mean()), len(hit), low, high, better, sums)


def interval(top: NDArray[Any], bottom: NDArray[Any]) -> tuple[float, float]:
    """95 % interval of a ratio of sums over clips, by the bootstrap (Efron 1979)."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(top), (DRAWS, len(top)))
    below = bottom[drawn].sum(1)
    ratio = np.divide(top[drawn].sum(1), below, out=np.zeros(DRAWS), where=below > 0)
    low, high = np.percentile(ratio[below > 0], [2.5, 97.5])
    return float(low), float(high)
