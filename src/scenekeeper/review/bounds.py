"""What a sample proves of the whole, without any approximation.

Bets against a hypothesis: whoever bets on every draw and never owes money grows rich only with
small probability if the hypothesis is true, whenever he stops. So the capital is evidence, and it
may be looked at after every draw. Waudby-Smith & Ramdas, "Estimating means of bounded random
variables by betting", JRSS-B 2024; a mixture over stakes instead of their adaptive ones, so that
for right-or-wrong outcomes the counts alone decide.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

STAKES: Float = np.linspace(0.1, 1.0, 10)
"""Shares of the capital that are bet, equally much on each. None can be lost twice over: a draw in
[0, 1] costs at most ``stake * (1 - mean)`` of the capital."""


def evidence(losses: ArrayLike, means: ArrayLike) -> Float:
    """Log of the capital won by betting that losses are lower than their means.

    Under the hypothesis that each loss, given all before it, has at least its mean, the capital
    exceeds ``1 / delta`` at any time with probability ``delta`` at most (Ville's inequality).

    Args:
        losses: ``float [..., n]`` in [0, 1], in the order in which they were drawn.
        means: ``float [..., n]`` that the hypothesis gives each of them, from the past alone.

    Returns:
        ``float64 [...]``; 0 for no draws.
    """
    gain = np.asarray(means, np.float64) - np.asarray(losses, np.float64)
    with np.errstate(divide="ignore"):  # who stakes all on what cannot be wrong, and is, is ruined
        return _mixed(np.stack([np.log1p(stake * gain).sum(-1) for stake in STAKES], -1))


def evidence_of_counts(n: ArrayLike, wrong: ArrayLike, mean: ArrayLike) -> Float:
    """:func:`evidence` of ``n`` draws of which ``wrong`` lost 1 and the others nothing.

    All arguments broadcast; ``mean`` is the same for every draw.
    """
    n, wrong, mean = (np.asarray(v, np.float64)[..., None] for v in (n, wrong, mean))
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(wrong > 0, wrong * np.log1p(STAKES * (mean - 1)), 0.0)
    return _mixed((n - wrong) * np.log1p(STAKES * mean) + lost)


def _mixed(logs: Float) -> Float:
    return np.asarray(np.logaddexp.reduce(logs, -1) - math.log(len(STAKES)))


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a probability after ``k`` of ``n`` independent trials."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.isf(tail, k + 1, n - k))
    return low, high


def hypergeometric(k: int, n: int, size: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of the share of ``size`` things of which ``n`` were drawn.

    Simple random without replacement; ``k`` of the drawn are of the kind. The interval holds all
    shares under which neither so few nor so many would be a surprise.
    """
    if not n:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    high = size - _fewest_possible(n - k, n, size, tail)
    return _fewest_possible(k, n, size, tail) / size, high / size


def _fewest_possible(k: int, n: int, size: int, tail: float) -> int:
    """Least number among ``size`` under which ``k`` or more of ``n`` drawn are likelier than
    ``tail``."""
    from scipy.stats import hypergeom

    low, high = k, size - (n - k)
    while low < high:
        middle = (low + high) // 2
        if hypergeom.sf(k - 1, size, middle, n) > tail:
            high = middle
        else:
            low = middle + 1
    return low


def fewest(epsilon: float, delta: float) -> int:
    """Draws, none of them wrong, below which nothing can prove a share of at most ``epsilon``.

    59 for .05 at confidence 95 %, 299 for .01: no method and no luck needs fewer.
    """
    return math.ceil(math.log(delta) / math.log1p(-epsilon))
