"""One model of how far labels can be trusted: calibrator, ranker of errors, score of certificates.

A logistic regression whose weights have a prior that holds before anything was reviewed, and that
moves as corrections come in: a shared slope of the machine's own belief, a weight per signal, and
ridge intercepts per phrase and per size. It is fitted by maximum a posteriori, which for this model
is convex, and takes milliseconds. Sharing the slope and shrinking the intercepts is hierarchical
Platt scaling (Kuzucu et al., On Calibration of Object Detectors, ECCV 2024, compares what post-hoc
calibration of detectors can do).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from scenekeeper.errors import ReviewError
from scenekeeper.review.units import Units

Float = NDArray[np.float64]
Int = NDArray[np.int64]

EDGES_PX = (20.0, 32.0, 64.0, 128.0)
"""Edges between the groups of size that have an intercept each, pixels a side."""

OWN_BELIEF, OWN_NAME, OWN_SIZE = "the model's own belief", "this name", "things of this size"
"""What :meth:`Trust.why` calls what is no signal."""

_STEPS, _CLOSE = 50, 1e-9


def _usual_doubt() -> dict[str, float]:
    return {
        "weak existence": 0.4,
        "weak score": 0.4,
        "weakest score": 0.1,
        "weak mask": 0.3,
        "rival name": 0.3,
        "torn detector": 0.3,
        "unnamed": 2.5,
        "changing names": 0.5,
        "disagreement": 1.0,
        "unsure words": 0.7,
        "count": 0.2,
        "gaps": 0.1,
        "area jumps": 0.2,
        "jerk": 0.3,
        "odd size": 0.5,
        "3D residual": 0.4,
        "expected but missed": 0.2,
        "redrawn": 0.2,
        "not placed": 0.3,
        "short": 0.2,
        "small": 0.2,
        "cut off": 0.1,
        "blur": 0.1,
        "exposure": 0.1,
        "look-alike": 0.1,
    }


@dataclass(frozen=True)
class Prior:
    """What is believed before any correction: means and standard deviations, in logits.

    The means are round figures of what signals were worth on simulated homes (seeds below 10,000)
    and in the study that the review is designed by; corrections overrule them soon.

    Attributes:
        intercept: of a usual track whose model is undecided,
        intercept_std: give or take.
        slope: what the machine's own logit is multiplied by; below 1, for models are too sure,
        slope_std: give or take.
        doubt: what one spread of a signal takes from the logit, by its name,
        other: and of one that is not among them,
        doubt_std: each give or take.
        phrase_std: how much phrases differ that look alike otherwise; scores of open-vocabulary
            detectors are on a scale of their own for each phrase.
        size_std: how much groups of size do.
    """

    intercept: float = 0.5
    intercept_std: float = 1.0
    slope: float = 0.7
    slope_std: float = 0.3
    doubt: Mapping[str, float] = field(default_factory=_usual_doubt)
    other: float = 0.2
    doubt_std: float = 0.4
    phrase_std: float = 1.0
    size_std: float = 0.3


@dataclass(frozen=True)
class Trust:
    """A fitted model; the logit of p is a sum of these.

    Attributes:
        intercept: of all tracks.
        slope: of the machine's own logit.
        doubt: per signal, what one spread of it takes from the logit.
        size: ``len(EDGES_PX) + 1`` intercepts of groups of size.
        phrase: intercept of each phrase that was reviewed; of others it is 0.
        other: of signals that have no entry.
        reviewed: how many tracks it was fitted on.
    """

    intercept: float
    slope: float
    doubt: Mapping[str, float]
    size: tuple[float, ...]
    phrase: Mapping[str, float]
    other: float
    reviewed: int = 0

    def p(self, units: Units) -> Float:
        """Probability ``[N]`` that a label of each track is right."""
        return np.asarray(expit(self._parts(units).sum(1) + self.intercept))

    def why(self, units: Units, row: int) -> list[tuple[str, float]]:
        """What a track is doubted for, largest first, with shares that sum to 1; empty if nothing
        speaks against it."""
        against = -self._parts(units[[row]])[0]
        names = (*units.signals, OWN_BELIEF, OWN_SIZE, OWN_NAME)
        found = [(n, float(a)) for n, a in zip(names, against, strict=True) if a > 0]
        total = sum(a for _, a in found)
        return sorted(((n, a / total) for n, a in found), key=lambda item: -item[1])

    def _parts(self, units: Units) -> Float:
        """What speaks for each track ``[N, F + 3]``: per signal, own belief, size, name."""
        doubt = np.array([self.doubt.get(name, self.other) for name in units.signals])
        size = np.array(self.size)[_group(units.size_px)]
        name = np.array([self.phrase.get(phrase, 0.0) for phrase in units.phrase])
        return np.column_stack((-units.X * doubt, self.slope * units.logit, size, name))

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Trust:
        """Read back what :meth:`to_json` wrote.

        Raises:
            ReviewError: it is nothing of the kind.
        """
        try:
            data = json.loads(text)
            trust = cls(**{**data, "size": tuple(map(float, data["size"]))})
        except (ValueError, KeyError, TypeError) as error:
            raise ReviewError(f"holds no trust model ({error})") from error
        if len(trust.size) != len(EDGES_PX) + 1:
            raise ReviewError("is a trust model of another release", remedy="Fit it anew.")
        return trust


def prior_trust(prior: Prior | None = None) -> Trust:
    """What is believed before any correction."""
    prior = prior or Prior()
    flat = (0.0,) * (len(EDGES_PX) + 1)
    return Trust(prior.intercept, prior.slope, dict(prior.doubt), flat, {}, prior.other)


def fit(
    units: Units,
    rows: Int,
    wrong_share: Float,
    weight: Float | None = None,
    prior: Prior | None = None,
) -> Trust:
    """The model after R tracks were reviewed.

    Args:
        units: all tracks.
        rows: ``int64 [R]`` which of them were reviewed; one may be there more than once.
        wrong_share: ``[R]`` share of their labels that turned out wrong, 0 to 1.
        weight: ``[R]`` how much each counts, see :func:`stand_for_all`; 1 when absent. Labels of a
            track are wrong together, so a track counts once, however long it is.
        prior: where it starts.

    Raises:
        ValueError: the arrays do not fit together, or shares or weights are out of range.
    """
    prior, R = prior or Prior(), len(rows)
    weight = np.ones(R) if weight is None else np.asarray(weight, np.float64)
    right = 1 - np.asarray(wrong_share, np.float64)
    if right.shape != (R,) or weight.shape != (R,):
        raise ValueError(f"{R} rows, {len(right)} shares and {len(weight)} weights")
    if R and not ((right >= 0) & (right <= 1) & (weight >= 0)).all():
        raise ValueError("shares lie between 0 and 1, weights are not negative")
    known = units[np.asarray(rows, np.int64)]
    phrases = tuple(sorted(set(known.phrase)))
    mean, std = _start(prior, units.signals, len(phrases))
    theta = _solve(_design(known, phrases), right, weight, mean, std**-2)
    F, S = len(units.signals), len(EDGES_PX) + 1
    doubt, size, phrase = np.split(theta[2:], (F, F + S))
    return Trust(
        float(theta[0]),
        float(theta[1]),
        {**prior.doubt, **dict(zip(units.signals, doubt.tolist(), strict=True))},
        tuple(size.tolist()),
        dict(zip(phrases, phrase.tolist(), strict=True)),
        prior.other,
        R,
    )


def stand_for_all(p: Float, rows: Int, groups: int = 10) -> Float:
    """Weights ``[R]`` that make reviewed tracks stand for all, though doubtful ones were preferred.

    The tracks are put into groups of equal size by what was believed of them before; those that
    were reviewed share the weight of their group (post-stratification). The weights sum to the
    number of tracks chosen evenly that would tell as much (Kish), so that preference costs
    certainty, as it should.

    Args:
        p: ``[N]`` what was believed of every track when cards were chosen.
        rows: ``int64 [R]`` which were reviewed.
        groups: of equal size; those without a reviewed track join the next.
    """
    rows = np.asarray(rows, np.int64)
    if not len(rows):
        return np.zeros(0)
    order = np.argsort(p, kind="stable")
    place = np.empty(len(p), np.int64)
    place[order] = np.arange(len(p))
    edges = _occupied(np.sort(place[rows]), len(p), groups)
    group = np.searchsorted(edges, place[rows], side="right")
    size = np.diff([0, *edges, len(p)])
    weight = size[group] / np.bincount(group, minlength=len(size))[group]
    return np.asarray(weight * (weight.sum() / (weight**2).sum()))


def _occupied(place: Int, n: int, groups: int) -> list[int]:
    """Inner edges of groups of places, so far apart that each holds a reviewed one."""
    edges: list[int] = []
    for low, high in pairwise(np.linspace(0, n, groups + 1).astype(int).tolist()):
        last = edges[-1] if edges else 0
        here = np.searchsorted(place, high) > np.searchsorted(place, last)
        rest = np.searchsorted(place, high) < len(place)
        if here and rest and high > low:
            edges.append(high)
    return edges


# --- the fit --------------------------------------------------------------------------------------


def _group(size_px: Float) -> Int:
    return np.digitize(size_px, EDGES_PX)


def _design(units: Units, phrases: tuple[str, ...]) -> Float:
    """``[N, 2 + F + S + K]``: one, own logit, signals, group of size, phrase."""
    n, place = len(units), {phrase: k for k, phrase in enumerate(phrases)}
    size = np.zeros((n, len(EDGES_PX) + 1))
    size[np.arange(n), _group(units.size_px)] = 1
    phrase = np.zeros((n, len(phrases)))
    phrase[np.arange(n), [place[word] for word in units.phrase]] = 1
    return np.column_stack((np.ones(n), units.logit, -units.X, size, phrase))


def _start(prior: Prior, signals: tuple[str, ...], phrases: int) -> tuple[Float, Float]:
    """Means and standard deviations of the parameters, in the order of the design's columns."""
    doubt = [prior.doubt.get(name, prior.other) for name in signals]
    S = len(EDGES_PX) + 1
    mean = [prior.intercept, prior.slope, *doubt, *[0.0] * (S + phrases)]
    std = [
        *(prior.intercept_std, prior.slope_std),
        *[prior.doubt_std] * len(signals),
        *[prior.size_std] * S,
        *[prior.phrase_std] * phrases,
    ]
    return np.array(mean), np.array(std)


def _solve(A: Float, right: Float, weight: Float, mean: Float, precision: Float) -> Float:
    """Maximum a posteriori by Newton's method with halved steps; the objective is convex.

    Args:
        A: ``[R, D]`` design.
        right: ``[R]`` share of labels that are right.
        weight: ``[R]``.
        mean: ``[D]`` of the prior,
        precision: ``[D]`` one over its variances.
    """
    theta, value = mean, _loss(A, right, weight, mean, precision, mean)
    for _ in range(_STEPS):
        p = expit(A @ theta)
        gradient = A.T @ (weight * (p - right)) + precision * (theta - mean)
        hessian = (A.T * (weight * p * (1 - p))) @ A + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        after = _loss(A, right, weight, mean, precision, theta - step)
        while after > value and np.abs(step).max() > _CLOSE:
            step = step / 2
            after = _loss(A, right, weight, mean, precision, theta - step)
        theta, before, value = theta - step, value, after
        if before - value < _CLOSE * max(1.0, abs(value)):
            break
    return theta


def _loss(
    A: Float, right: Float, weight: Float, mean: Float, precision: Float, theta: Float
) -> float:
    logit = A @ theta
    fits = weight * (np.logaddexp(0, logit) - right * logit)
    return float(fits.sum() + 0.5 * (precision * (theta - mean) ** 2).sum())
