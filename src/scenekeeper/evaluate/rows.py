"""Figures: what one is, and the interval of those that are shares.

In: which things hit, and the clip of each. Out: :class:`Row`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.resample import interval

Int = NDArray[np.int64]


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
        power: the value is that ratio to this power: 1, or 0.5 of a root mean square.
    """

    section: str
    name: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    better: str = "higher"
    clips: Mapping[int, tuple[float, float]] = field(default_factory=dict, repr=False)
    power: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {k: v for k, v in asdict(self).items() if k not in ("clips", "power")}


def share(
    section: str, name: str, hit: NDArray[np.bool_], clip: Int, better: str = "higher"
) -> Row:
    """A share of things, with its interval from drawing clips again.

    Args:
        section: of the row.
        name: of the row.
        hit: ``bool [N]`` which things count.
        clip: ``int64 [N]`` clip of each.
        better: of the row.
    """
    row = ratio(section, name, hit, np.ones(len(hit)), clip, better)
    if row.low is None or row.high is None:
        return row
    return replace(row, low=max(row.low, 0.0), high=min(row.high, 1.0))


def ratio(
    section: str,
    name: str,
    top: NDArray[Any],
    bottom: NDArray[Any],
    clip: Int,
    better: str = "higher",
    power: float = 1.0,
) -> Row:
    """One sum over another, with its interval from drawing clips again.

    Args:
        section: of the row.
        name: of the row.
        top: ``[N]`` what is summed.
        bottom: ``[N]`` what its sum is divided by; this sum is the row's ``n``.
        clip: ``int64 [N]`` clip of each.
        better: of the row.
        power: of the row.
    """
    n = int(np.sum(bottom))
    if not n:
        return Row(section, name, None, 0, better=better)
    which, at = np.unique(clip, return_inverse=True)
    tops, bottoms = np.bincount(at, top), np.bincount(at, bottom)
    low = high = None
    if len(tops) > 1:
        low, high = interval(tops, bottoms)
        if power != 1:
            low, high = max(low, 0.0) ** power, max(high, 0.0) ** power
    sums = {int(c): (float(a), float(b)) for c, a, b in zip(which, tops, bottoms, strict=True)}
    value = float(np.sum(top) / np.sum(bottom)) ** power
    return Row(section, name, value, n, low, high, better, sums, power)
