"""What is it? A posterior over class names from detectors, captions, sizes and people.

In: votes, each a log-likelihood of every class, with the track it came from. Out: per object a
posterior over the classes and *other*, which stands for every name that is not in the vocabulary.
Views of one track err alike, tracks of one object nearly so; both are discounted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_LEAST = 1e-6
"""No view rules a class out altogether."""


@dataclass(frozen=True)
class NamesConfig:
    """How votes are weighed.

    Attributes:
        correlation: how alike the errors of views of one track are; n views count as
            ``n / (1 + correlation (n - 1))``.
        correlation_tracks: the same for an object's tracks, of other sessions or other sides.
        other: probability before anything was seen that a thing's name is not in the vocabulary.

    An object that looks like something else does so in nearly all of its views, so ``correlation``
    is high: a hundred views of one track count as little more than one. Chosen on simulated objects
    (seeds 100 to 102 of ``benchmarks/confused_names.py``) whose detector is wrong about one in
    twelve; for a much better or worse one, :func:`learned` finds its own.
    """

    correlation: float = 0.9
    correlation_tracks: float = 0.8
    other: float = 0.05


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often a sensor says what of what.

    Attributes:
        matrix: ``float64 [C + 1, C + 1]``; rows are the truth, columns what is said, each row sums
            to 1. The last of both is *other*: a name that is not in the vocabulary.
    """

    matrix: Float

    @classmethod
    def assumed(cls, n: int, diagonal: float = 0.85, similarity: Float | None = None) -> Confusion:
        """What to assume of a sensor that nobody has checked.

        Args:
            n: classes in the vocabulary.
            diagonal: share of correct names; open-vocabulary detectors name 80 to 90 % of the
                household things that they find correctly.
            similarity: ``[n, n]`` at least 0, how alike classes look; errors go by it, half of them
                evenly. Without it, all evenly.
        """
        size = n + 1
        spread = np.ones((size, size))
        np.fill_diagonal(spread, 0)
        spread /= np.maximum(spread.sum(1, keepdims=True), 1)
        if similarity is not None:
            alike = np.zeros((size, size))
            alike[:n, :n] = np.maximum(similarity, 0)
            np.fill_diagonal(alike, 0)
            whole = alike.sum(1, keepdims=True)
            even = spread
            spread = np.where(whole > 0, 0.5 * even + 0.5 * alike / np.maximum(whole, 1e-12), even)
        matrix = (1 - diagonal) * spread
        np.fill_diagonal(matrix, diagonal)
        return cls(matrix / matrix.sum(1, keepdims=True))

    def learned(self, truth: Int, said: Int, strength: float = 10.0) -> Confusion:
        """What reviewed pairs teach, each row a Dirichlet posterior mean.

        Args:
            truth: ``int64 [R]`` what people said, C for other.
            said: ``int64 [R]`` what the sensor had said, one per object and sensor: views of one
                object are no independent pairs.
            strength: how many pairs of a class this matrix is worth.
        """
        counts = np.zeros_like(self.matrix)
        np.add.at(counts, (truth, said), 1.0)
        matrix = strength * self.matrix + counts
        return Confusion(matrix / matrix.sum(1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Votes:
    """V single statements about objects, of any sensor; they are concatenated freely.

    Attributes:
        object: ``int64 [V]`` row of the object.
        track: ``int64 [V]`` statements of equal number err alike; numbers are unique over objects.
        log_likelihood: ``float64 [V, C + 1]`` of each class and other, up to a constant.
    """

    object: Int
    track: Int
    log_likelihood: Float

    @classmethod
    def concatenate(cls, votes: Sequence[Votes]) -> Votes:
        """All of them; at least one."""
        return cls(
            np.concatenate([v.object for v in votes]),
            np.concatenate([v.track for v in votes]),
            np.concatenate([v.log_likelihood for v in votes]),
        )


# --- sensors --------------------------------------------------------------------------------------


def of_words(said: Int, confusion: Confusion, score: Float | None = None) -> Float:
    """Log-likelihoods ``[V, C + 1]`` of single words: a detector's phrase, a caption's noun.

    Args:
        said: ``int64 [V]`` class, C for a word that is not in the vocabulary.
        confusion: of this sensor.
        score: ``[V]`` calibrated probability that the word is right, where the sensor gives one: it
            takes the place of the diagonal, the confusion says what else it may be.
    """
    likelihood = confusion.matrix[:, said].T.copy()
    if score is not None:
        rows = np.arange(len(said))
        likelihood[rows, said] = 0
        likelihood /= np.maximum(likelihood.sum(1, keepdims=True), 1e-12)
        p = np.clip(np.asarray(score, np.float64), _LEAST, 1 - _LEAST)
        likelihood *= (1 - p)[:, None]
        likelihood[rows, said] = p
    return np.asarray(np.log(np.maximum(likelihood, _LEAST)), np.float64)


def of_logits(logits: NDArray[np.floating]) -> Float:
    """Log-likelihoods ``[V, C + 1]`` of a classifier's logits.

    The classifier knows nothing of other names: they are given the mean of its classes, so that
    views which contradict one another speak for *other*, and views which agree against it.

    Args:
        logits: ``[V, C]`` calibrated: their softmax is the posterior where classes are equally
            frequent.
    """
    x = np.asarray(logits, np.float64)
    p = np.exp(x - x.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    other = np.full((len(p), 1), 1 / p.shape[1])
    return np.asarray(np.log(np.maximum(np.concatenate((p, other), 1), _LEAST)), np.float64)


@dataclass(frozen=True, eq=False)
class Sizes:
    """How large things of each class are: normal in the logarithms of their sorted extents.

    Attributes:
        mean: ``float64 [C + 1, 3]`` logarithms of metres, ascending extents.
        std: ``float64 [C + 1, 3]``.
    """

    mean: Float
    std: Float

    @classmethod
    def learned(cls, extent: Float, truth: Int, n: int, strength: float = 5.0) -> Sizes:
        """From reviewed objects, each class drawn towards all things.

        Args:
            extent: ``[R, 3]`` metres.
            truth: ``int64 [R]`` classes, C for other.
            n: classes in the vocabulary.
            strength: how many objects the mean of all things is worth.
        """
        x = np.log(np.maximum(np.sort(np.asarray(extent, np.float64), 1), 0.005))
        middle, spread = x.mean(0), np.maximum(x.std(0), 0.3)
        count = np.bincount(truth, minlength=n + 1)[:, None].astype(np.float64)
        first, second = np.zeros((n + 1, 3)), np.zeros((n + 1, 3))
        np.add.at(first, truth, x)
        mean = (first + strength * middle) / (count + strength)
        np.add.at(second, truth, (x - mean[truth]) ** 2)
        std = np.sqrt((second + strength * spread**2) / (count + strength))
        return cls(mean, std)

    def log_likelihood(self, extent: Float, outliers: float = 0.1) -> Float:
        """``[V, C + 1]``; one vote per object, as its extent is measured but once.

        Args:
            extent: ``[V, 3]`` metres; seen in part, things measure too small, so:
            outliers: share of extents that say nothing.
        """
        x = np.log(np.maximum(np.sort(np.asarray(extent, np.float64), 1), 0.005))
        z = (x[:, None] - self.mean) / self.std
        density = np.exp(-0.5 * (z**2).mean(2)) / np.exp(np.log(self.std).mean(1))
        broad = density.mean(1, keepdims=True)
        return np.asarray(np.log((1 - outliers) * density + outliers * broad), np.float64)


# --- what things are usually called ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Said:
    """R words, each with how often it was said of an object.

    Attributes:
        object: ``int64 [R]`` row of the object.
        word: ``int64 [R]`` class; each at most once per object.
        n: ``float64 [R]`` views that said so.
        p: ``float64 [R]`` mean probability, calibrated view by view, that the word is right.
    """

    object: Int
    word: Int
    n: Float
    p: Float


@dataclass(frozen=True)
class HabitConfig:
    """How names of single views go together.

    Attributes:
        flicker: share of views that call a thing other than usual, before any was seen;
        strength: the session's own share is drawn towards it as if so many views had been seen.
        correlation: how alike errors of an object's views are, as in :class:`NamesConfig`.
        doubt: a view whose word is right with less than this probability counts for less: what
            shows there may be no thing at all.
        other: share of wrong usual names whose right one is not in the vocabulary.
        vocabulary: things may have at least so many names, however few were said.
    """

    flicker: float = 0.1
    strength: float = 50.0
    correlation: float = 0.3
    doubt: float = 0.5
    other: float = 0.05
    vocabulary: int = 20


def habitual(said: Said, n_objects: int, n_classes: int, config: HabitConfig) -> Float:
    """Posterior ``float64 [N, C + 1]`` of names, from what single views of one session said.

    Most views of a thing say its usual name, rightly or wrongly, the others anything. So views that
    agree make sure of what is usual, and nothing more: how probable it is that the usual name is
    right is what a view's probability says once its own slips are taken off. Objects of which
    nothing was said get the same for every class.
    """
    worth = said.n * np.minimum(1.0, said.p / config.doubt)
    shape = n_objects, n_classes
    weight, sure, views = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    at = said.object, said.word
    np.add.at(weight, at, worth)
    np.add.at(sure, at, said.n * said.p)
    np.add.at(views, at, said.n)
    whole = weight.sum(1)
    slips = _slips(weight, whole, config)
    shrink = 1 / (1 + config.correlation * np.maximum(whole - 1, 0))
    size = max(n_classes, config.vocabulary)
    log_likelihood = weight * (np.log(1 - slips) - np.log(slips / (size - 1)))
    log_likelihood *= shrink[:, None]
    most = log_likelihood.max(1, keepdims=True)
    usual, unheard = np.exp(log_likelihood - most), (size - n_classes) * np.exp(-most)
    usual /= usual.sum(1, keepdims=True) + unheard
    right = np.clip(sure / np.maximum(views, 1e-9) / (1 - slips), _LEAST, _SUREST)
    known = usual * np.where(views > 0, right, 1 - config.flicker)
    wrong = (usual - known).sum(1, keepdims=True)
    named = known + wrong * (1 - config.other) * (1 - usual) / (size - 1)
    return np.concatenate((named, 1 - named.sum(1, keepdims=True)), 1)


_SUREST = 0.99


def _slips(weight: Float, whole: Float, config: HabitConfig) -> float:
    """Share of views that say another name than the object's usual one."""
    several = whole > 1.5
    other = float((whole - weight.max(1, initial=0))[several].sum())
    total = float(whole[several].sum())
    share = (other + config.strength * config.flicker) / (total + config.strength)
    return min(max(share, 0.01), 0.5)


# --- fusion ---------------------------------------------------------------------------------------


def posterior(
    votes: Sequence[Votes],
    n_objects: int,
    config: NamesConfig,
    prior: Float | None = None,
    certain: Int | None = None,
) -> Float:
    """Posterior ``float64 [N, C + 1]`` of every object; the order of votes is of no importance.

    Args:
        votes: one entry per sensor; sensors are independent of one another.
        n_objects: N.
        config: discounts and the prior of other.
        prior: ``[C]`` how frequent classes are, any scale; evenly where absent.
        certain: ``int64 [N]`` the class that a person said, C for other, -1 where nobody did. It
            outranks all votes.

    Raises:
        ValueError: there is neither a vote nor a prior to tell the number of classes by.
    """
    if not votes and prior is None:
        raise ValueError("names need a vote or a prior")
    n = votes[0].log_likelihood.shape[1] - 1 if prior is None else len(prior)
    share = np.ones(n) if prior is None else np.asarray(prior, np.float64)
    before = np.append((1 - config.other) * share / share.sum(), config.other)
    total = np.tile(np.log(np.maximum(before, 1e-12)), (n_objects, 1))
    for sensor in votes:
        total += _message(sensor, n_objects, config)
    total -= total.max(1, keepdims=True)
    p = np.exp(total)
    p /= p.sum(1, keepdims=True)
    if certain is not None:
        said = np.flatnonzero(np.asarray(certain) >= 0)
        p[said] = 0
        p[said, certain[said]] = 1
    return np.asarray(p, np.float64)


def _message(votes: Votes, n_objects: int, config: NamesConfig) -> Float:
    """One sensor's log-likelihood ``[N, C + 1]``: means of views, then of tracks, discounted."""
    track, first, of = np.unique(votes.track, return_index=True, return_inverse=True)
    views = np.bincount(of, minlength=len(track)).astype(np.float64)
    mean = _sums(of, votes.log_likelihood, len(track)) / np.maximum(views, 1)[:, None]
    worth = views / (1 + config.correlation * (views - 1))
    owner = votes.object[first]
    tracks = np.bincount(owner, minlength=n_objects).astype(np.float64)
    discount = 1 / (1 + config.correlation_tracks * np.maximum(tracks - 1, 0))
    return _sums(owner, worth[:, None] * mean, n_objects) * discount[:, None]


def _sums(row: Int, values: Float, n: int) -> Float:
    out = np.zeros((n, values.shape[1]))
    np.add.at(out, row, values)
    return out


def learned(
    votes: Sequence[Votes], truth: Int, config: NamesConfig, prior: Float | None = None
) -> NamesConfig:
    """Discounts and share of other under which reviewed objects' true names are most probable.

    Args:
        votes: of the reviewed objects, by sensors whose confusions were learned before.
        truth: ``int64 [N]`` what people said, C for other.
        config: kept when fewer than :data:`ENOUGH` objects were reviewed.
        prior: as for :func:`posterior`.
    """
    if len(truth) < ENOUGH:
        return config
    n = votes[0].log_likelihood.shape[1] - 1
    other = (float((truth == n).sum()) + 20 * config.other) / (len(truth) + 20)
    best, least = config, np.inf
    for views in (0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        for tracks in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            tried = NamesConfig(views, tracks, other)
            p = posterior(votes, len(truth), tried, prior)
            loss = -float(np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-9)).mean())
            if loss < least:
                best, least = tried, loss
    return best


ENOUGH = 100
"""Reviewed objects from which two discounts can be told."""
