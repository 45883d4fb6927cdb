"""How many labels are wrong, by kind, with intervals; from the audits alone.

Tracks: the machine's own doubt tells where errors are, the audits tell how far that is off
(difference estimator; Särndal, Swensson & Wretman, "Model Assisted Survey Sampling", 1992, 6).
Frames, relations and captions: simple random samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenekeeper.review.bounds import clopper_pearson, hypergeometric
from scenekeeper.review.outcomes import Gold
from scenekeeper.review.sampling import Draw
from scenekeeper.review.units import Float, Int


@dataclass(frozen=True)
class Estimate:
    """One share with its interval.

    Attributes:
        kind: of error; ``any`` = a label that is wrong in one way or several.
        share: of the labels (frames: of the things in sight; statements: of the statements).
        low: lower and
        high: upper end of the interval.
        confidence: share of such intervals that hold the truth.
        audited: tracks, frames or statements that it rests on,
        found: of these, with such an error.
    """

    kind: str
    share: float
    low: float
    high: float
    confidence: float
    audited: int
    found: int


def of_tracks(
    draw: Draw, wrong: Mapping[str, Float], confidence: float = 0.95
) -> tuple[Estimate, ...]:
    """Shares of the labels drawn from that are wrong, as the machine made them.

    Args:
        draw: of ``tracks``.
        wrong: per kind, ``float64 [k]``: shares of the labels of the first k tracks.
        confidence: of each interval by itself.

    Returns:
        One estimate per kind, in the same order; none before two tracks are audited.
    """
    return tuple(
        _of_kind(kind, draw, np.asarray(shares, np.float64), confidence)
        for kind, shares in wrong.items()
        if len(shares) > 1
    )


def _of_kind(kind: str, draw: Draw, shares: Float, confidence: float) -> Estimate:
    k, total = len(shares), float(draw.labels.sum())
    pi, labels = draw.inclusion(k), draw.labels
    lost = shares * labels[:k]
    expected = draw.doubt * labels
    spread = (1 - pi) / pi**2
    # The slope that leaves least to be estimated by the audits.
    weight = spread * expected[:k] ** 2
    pull = weight / weight.sum() if weight.sum() > 0 else np.zeros(k)
    slope = float((spread * lost * expected[:k]).sum() / weight.sum()) if pull.any() else 0.0
    rest = lost - slope * expected[:k]
    share = float(slope * expected.sum() + (rest / pi).sum()) / total
    # Each audit against the slope of the others, else the fit would count as knowledge.
    apart = rest / (1 - np.minimum(pull, 0.5))
    variance = float((spread * apart**2).sum()) / total**2
    found = int((shares > 0).sum())
    ends = _interval(share, variance, k, confidence) if k < len(draw) else (share, share, share)
    return Estimate(kind, *ends, confidence, k, found)


def _interval(
    share: float, variance: float, k: int, confidence: float
) -> tuple[float, float, float]:
    """Share and interval by Wilson's formula for as many trials as have this variance.

    It is wider upwards where errors are few, and says something where none was found (Franco,
    Little, Louis & Slud, "Comparative study of confidence intervals for proportions in complex
    sample surveys", JSSAM 2019).
    """
    from scipy.stats import t

    z2 = float(t.isf((1 - confidence) / 2, k - 1)) ** 2
    share = min(max(share, 0.0), 1.0)
    trials = share * (1 - share) / variance if variance > 0 else float(k)
    trials = max(trials, 1.0) if share * (1 - share) > 0 else float(k)
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return share, max(middle - half, 0.0), min(middle + half, 1.0)


def of_frames(draw: Draw, missed: Int, labels: int, confidence: float = 0.95) -> Estimate | None:
    """Share of the things in sight that no label shows; ``None`` before two frames are audited.

    The interval is the score interval of a count with the spread that was seen, so it is wider
    upwards, and says something where nothing was missed.

    Args:
        draw: of ``frames``, all of the dataset.
        missed: ``int64 [k]`` things without a label in the first k frames.
        labels: in all frames that were drawn from, together.
        confidence: of the interval.
    """
    from scipy.stats import t

    k, n = len(missed), len(draw)
    if k < 2:
        return None
    mean = float(np.mean(missed))
    spread = float(np.var(missed, ddof=1)) / mean if mean > 0 else 1.0
    c = float(t.isf((1 - confidence) / 2, k - 1)) ** 2 * spread * (1 - k / n) / k
    half = float(np.sqrt(mean * c + c**2 / 4))
    share, low, high = (
        m * n / max(m * n + labels, 1) for m in (mean, mean + c / 2 - half, mean + c / 2 + half)
    )
    return Estimate("missed", share, low, high, confidence, k, int((missed > 0).sum()))


def of_statements(kind: str, draw: Draw, wrong: Float, confidence: float = 0.95) -> Estimate | None:
    """Share of relations or captions that are wrong; exact interval; ``None`` without audits.

    Args:
        kind: ``relation`` or ``caption``.
        draw: of them.
        wrong: ``float64 [k]`` 1 where one of the first k is wrong.
        confidence: of the interval, or more.
    """
    k, found = len(wrong), int(np.sum(wrong > 0))
    if not k:
        return None
    low, high = hypergeometric(found, k, len(draw), confidence)
    return Estimate(kind, found / k, low, high, confidence, k, found)


def of_reviewer(gold: Gold, confidence: float = 0.95) -> Estimate | None:
    """Share of planted errors that the reviewers left in; exact interval; ``None`` without any."""
    if not gold.planted:
        return None
    n, k = gold.planted, gold.missed
    return Estimate("overlooked", k / n, *clopper_pearson(k, n, confidence), confidence, n, k)
