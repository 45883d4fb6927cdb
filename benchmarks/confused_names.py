"""Objects with names that detectors get wrong the way real ones do, to try posteriors on.

What an object is taken for is drawn once and stays in most views of a session, rightly or wrongly,
as in :mod:`scenekeeper.evaluate.mislabel`; some classes are mostly taken for a sister class, some
objects look different from one side, and some are of no class of the vocabulary. No
probability of the model under test is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Confusions:
    """Rates of errors of names.

    Attributes:
        confuse: share of objects that are taken for another class in most views.
        flicker: share of single views that say something else again.
        sisters: share of confused objects that are taken for the sister class of theirs.
        repeat: chance that another session takes an object for what the last one did.
        foreign: share of objects that are of no class of the vocabulary.
        scored: whether views carry the true chance of the object's name as a score.
        overconfidence: what that score's logit is multiplied by.
        classes: in the vocabulary.
    """

    confuse: float = 0.08
    flicker: float = 0.04
    sisters: float = 0.5
    repeat: float = 0.8
    foreign: float = 0.05
    scored: bool = False
    overconfidence: float = 1.0
    classes: int = 20


@dataclass(frozen=True, eq=False)
class Named:
    """V views of N objects.

    Attributes:
        truth: ``int64 [N]``, C for other.
        object: ``int64 [V]``.
        track: ``int64 [V]`` one per object and session.
        said: ``int64 [V]``.
        score: ``float64 [V]`` or ``None``.
    """

    truth: Int
    object: Int
    track: Int
    said: Int
    score: Float | None


def named(rates: Confusions, n: int, seed: int) -> Named:
    """N objects in one to four sessions of 1 to 60 views each."""
    rng = np.random.default_rng([seed, 5])
    c = rates.classes
    truth = np.where(rng.random(n) < rates.foreign, c, rng.integers(0, c, n))
    sure = rng.beta(4 * (1 - rates.confuse), 4 * rates.confuse, n)
    sessions = rng.integers(1, 5, n)
    object_, track, said, score = [], [], [], []
    for i in range(n):
        usual = _taken_for(int(truth[i]), sure[i], rates, rng)
        for s in range(int(sessions[i])):
            if s and rng.random() >= rates.repeat:
                usual = _taken_for(int(truth[i]), sure[i], rates, rng)
            views = int(np.exp(rng.uniform(0, np.log(60))))
            words = np.full(views, usual)
            flicker = rng.random(views) < rates.flicker
            words[flicker] = rng.integers(0, c, int(flicker.sum()))
            object_ += [i] * views
            track += [4 * i + s] * views
            said += words.tolist()
            score += [sure[i] * (1 - rates.flicker)] * views
    p = np.clip(score, 0.02, 0.99)
    logit = rates.overconfidence * np.log(p / (1 - p))
    return Named(
        truth,
        np.array(object_),
        np.array(track),
        np.array(said),
        1 / (1 + np.exp(-logit)) if rates.scored else None,
    )


def _taken_for(truth: int, sure: float, rates: Confusions, rng: np.random.Generator) -> int:
    c = rates.classes
    if truth < c and rng.random() < sure:
        return truth
    if truth < c and rng.random() < rates.sisters:
        return truth ^ 1 if truth ^ 1 < c else truth - 1
    return int(rng.integers(0, c))


def calibration_error(p: Float, truth: Int, bins: int = 15) -> tuple[float, float, float]:
    """ECE of the best name over even bins, accuracy and mean confidence.

    Args:
        p: ``[N, C + 1]``.
        truth: ``int64 [N]``.
        bins: of confidence.
    """
    best, sure = p.argmax(1), p.max(1)
    right = best == truth
    which = np.minimum((sure * bins).astype(int), bins - 1)
    n = np.bincount(which, minlength=bins)
    gap = np.bincount(which, sure - right, minlength=bins)
    return float(np.abs(gap).sum() / n.sum()), float(right.mean()), float(sure.mean())
