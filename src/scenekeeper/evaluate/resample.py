"""How far figures go by the choice of clips alone: intervals and tests from drawing clips again.

Frames of one clip are alike, so whole clips are drawn (the cluster bootstrap; Efron 1979).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Float = NDArray[np.float64]

DRAWS = 1000
MANY_CLIPS = 2000
"""With more clips than this (a COCO file has one a picture), intervals and tests are those of the
normal distribution that the bootstrap tends to, for drawing so many again would take minutes."""


def interval(top: NDArray[Any], bottom: NDArray[Any]) -> tuple[float, float]:
    """95 % interval of a ratio of sums over clips ``[C]``, by the bootstrap (Efron 1979)."""
    if len(top) > MANY_CLIPS:
        value, error = (
            float(top.sum() / bottom.sum()),
            float(np.sqrt((pull(top, bottom) ** 2).sum())),
        )
        return value - 1.96 * error, value + 1.96 * error
    ratios = drawn_ratios(top, bottom, draw(len(top)))
    low, high = np.percentile(ratios[np.isfinite(ratios)], [2.5, 97.5])
    return float(low), float(high)


def draw(clips: int, seed: int = 0) -> Int:
    """``int64 [DRAWS, clips]`` clips drawn again; the same for the same number of clips."""
    return np.random.default_rng(seed).integers(0, clips, (DRAWS, clips))


def drawn_ratios(top: NDArray[Any], bottom: NDArray[Any], drawn: Int) -> Float:
    """``[DRAWS]`` ratio of sums of each draw of clips; NaN where there is nothing to divide by."""
    below = bottom[drawn].sum(1)
    out: Float = np.full(len(drawn), np.nan)
    np.divide(top[drawn].sum(1), below, out=out, where=below > 0)
    return out


def pull(top: NDArray[Any], bottom: NDArray[Any]) -> Float:
    """``[C]`` how much each clip pulls at the ratio of sums, to first order."""
    whole = bottom.sum()
    return np.asarray((top - top.sum() / whole * bottom) / whole, np.float64)


def difference(
    a: Float, b: Float, power: float = 1.0, paired: bool = True
) -> tuple[float, float, float]:
    """Interval and two-sided p of the second of two ratios of sums less the first.

    Args:
        a: ``[C, 2]`` the two sums of each clip.
        b: the same of the same clips when ``paired``, else of any others.
        power: what the ratios are raised to.
        paired: whether clips are drawn in pairs, or each side's on its own.
    """
    if max(len(a), len(b)) > MANY_CLIPS:
        return _to_first_order(a, b, power, paired)
    drawn = draw(len(a)), draw(len(b), 0 if paired else 1)
    ratios = [
        drawn_ratios(s[:, 0], s[:, 1], d) ** power for s, d in zip((a, b), drawn, strict=True)
    ]
    gaps = ratios[1] - ratios[0]
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return 0.0, 0.0, 1.0
    low, high = np.percentile(gaps, [2.5, 97.5])
    one_side = min((gaps <= 0).mean(), (gaps >= 0).mean())
    # No number of draws shows that something cannot happen.
    return float(low), float(high), float(min(1.0, 2 * max(one_side, 1 / DRAWS)))


def _to_first_order(a: Float, b: Float, power: float, paired: bool) -> tuple[float, float, float]:
    """The same by the normal distribution, for more clips than can be drawn again in good time."""
    value = [float(s[:, 0].sum() / s[:, 1].sum()) for s in (a, b)]
    pulls = [
        pull(s[:, 0], s[:, 1]) * (power * v ** (power - 1) if v else 0.0)
        for s, v in zip((a, b), value, strict=True)
    ]
    parts = [pulls[1] - pulls[0]] if paired else pulls
    error = float(np.sqrt(sum((x**2).sum() for x in parts)))
    gap = value[1] ** power - value[0] ** power
    p = math.erfc(abs(gap) / error / math.sqrt(2)) if error else float(gap == 0)
    return gap - 1.96 * error, gap + 1.96 * error, max(p, 2 / DRAWS)
