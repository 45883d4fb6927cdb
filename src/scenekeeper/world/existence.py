"""Is there such a thing? Log-odds from what detectors said, and kept silent about, view by view.

In: per frame and object a verdict (seen, missed, empty, or nothing), its size in pixels and the
direction it was looked at from. Out: log-odds of existence. How often a thing is detected is a
habit of its own, known only roughly; so is how often a ghost comes back. Views from one side err
alike, so each side of an object counts as few looks, however many frames it fills; the order of
frames is of no importance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

NOTHING, SEEN, MISSED, EMPTY, SEEN_EMPTY = range(5)
"""What one frame says of one object: nothing (hidden, cut, too small, out of view); it was
detected; it was visible and not detected; its place was seen to be empty, and nothing detected; it
was detected although depth shows its place empty, as of glass."""

SIDES = 24
"""Directions that an object is looked at from; four to a face of a cube around it."""


@dataclass(frozen=True)
class ExistenceConfig:
    """How much detections and silence mean.

    Attributes:
        prior: probability that what was proposed once, with a score as good as most, is real.
        p_detect: chance that a real, fully visible thing of 100 pixels a side is detected in a
            view. Open-vocabulary detectors miss 15 to 25 % of such things.
        p_detect_small: the same at 16 pixels; in between the odds go by the logarithm of the side.
            Detectors find about half as many of COCO's small things as of its large ones.
        p_detect_hidden: what is left of the chance when three quarters are hidden.
        habit: how surely ``p_detect`` is that of any one thing, in views it is worth.
        p_false: chance that a ghost is detected again in a view. A patch of texture that once
            looked like a mug does so again in about a quarter of views; what was random, never.
        habit_false: how surely ``p_false`` is that of any one ghost, in views.
        p_empty: chance that a real thing's place seems empty: thin, shiny or transparent things,
            errors of pose.
        habit_empty: how surely, in views; things of glass show by being detected while empty.
        p_empty_false: the same where there is nothing (any longer).
        p_glass: share of real things that are detected where depth sees nothing,
        p_floating: and of ghosts; most lie on a surface, some in the air before it.
        habit_glass: how surely that is so of each view, in views; few, as glass stays glass.
        p_score: share of detections that are right; a calibrated score says more than that the
            detector spoke only as far as it differs from this.
        calibrated: whether scores are probabilities. What open-vocabulary models call a score is
            none, and differs from model to model; it says nothing until somebody has calibrated it.
        correlation_scores: how alike an object's scores err, whatever the side; used as the next.
        correlation: how alike errors are within one side of an object, 0 to 1: n views count as
            ``n / (1 + correlation (n - 1))``, at most ``1 / correlation``.
        limit: largest log-odds that detections and silence may reach, either way: the model may be
            wrong, and see-through must be able to win.
        min_side_px: below this side, silence says nothing.
        min_visible: below this visible share, silence says nothing.
        min_empty: share of tested samples that must be seen through for a place to be empty,
        min_tested: and how many samples must be tested.

    ``habit``, ``habit_false``, ``p_false``, ``p_floating`` and both correlations were chosen on
    simulated walks (seeds 100 to 109 of ``benchmarks/doubtful_rooms.py``), around which F1 is flat
    within a point, and measured on others. ``p_empty``, ``p_glass`` and their habits are guesses.
    No real detector has been asked yet.
    """

    prior: float = 0.5
    p_detect: float = 0.8
    p_detect_small: float = 0.5
    p_detect_hidden: float = 0.5
    habit: float = 8.0
    p_false: float = 0.2
    habit_false: float = 6.0
    p_empty: float = 0.03
    habit_empty: float = 4.0
    p_empty_false: float = 0.6
    p_glass: float = 0.03
    p_floating: float = 0.2
    habit_glass: float = 1.0
    p_score: float = 0.8
    calibrated: bool = True
    correlation_scores: float = 0.3
    correlation: float = 0.2
    limit: float = 6.0
    min_side_px: float = 12.0
    min_visible: float = 0.4
    min_empty: float = 0.6
    min_tested: int = 8


@dataclass(frozen=True, eq=False)
class Existence:
    """Evidence for N objects, by the side it came from.

    Attributes:
        prior: ``float64 [N]`` log-odds before this evidence.
        seen: ``float32 [N, SIDES]`` views that detected it.
        missed: ``float32 [N, SIDES]`` views that should have, each by how much its silence says.
        emptied: ``float32 [N, SIDES]`` views that saw the place empty and detected nothing.
        told: ``float32 [N]`` sum of what the scores said, log-likelihood ratios.
        glassy: ``float32 [N]`` views that detected it although the place seemed empty.
    """

    prior: Float
    seen: Float32
    missed: Float32
    emptied: Float32
    told: Float32
    glassy: Float32

    def __len__(self) -> int:
        return len(self.prior)

    @classmethod
    def new(cls, prior: Float) -> Existence:
        """Of objects that nothing is known of but log-odds ``[N]``, see :func:`proposed`."""
        n = len(prior)
        by_side = [np.zeros((n, SIDES), np.float32) for _ in range(3)]
        whole = [np.zeros(n, np.float32) for _ in range(2)]
        return cls(np.array(prior, np.float64), *by_side, *whole)

    def extended(self, n: int, config: ExistenceConfig) -> Existence:
        """With n newly proposed objects behind these; their first detection is yet to be added."""
        new = Existence.new(proposed(n, config))
        names = ("prior", "seen", "missed", "emptied", "told", "glassy")
        return Existence(*(np.concatenate((getattr(self, f), getattr(new, f))) for f in names))

    def restarted(self, p: Float, config: ExistenceConfig) -> Existence:
        """What was believed becomes the prior and the evidence begins anew.

        For a new session (other light, other errors) and for objects known to have changed.

        Args:
            p: ``[N]`` probabilities believed now, decay included.
            config: its ``limit`` bounds the new prior.
        """
        return Existence.new(np.clip(logit(p), -config.limit, config.limit))


def proposed(n: int, config: ExistenceConfig) -> Float:
    """Log-odds ``float64 [n]`` of new objects before their first detection.

    The detection that proposes an object is no evidence for it: only what was detected is asked
    about. So it is taken off beforehand.
    """
    one, none = np.ones(1), np.zeros(1)
    return np.full(n, logit(config.prior) - _rate_message(one, none, config))


def detectable(side_px: Float, visible: Float, config: ExistenceConfig) -> Float:
    """Chance ``[N]`` that a real thing is detected in a view.

    Args:
        side_px: ``[N]`` side of its box in pixels.
        visible: ``[N]`` share of it that is neither hidden nor cut.
        config: the curve.
    """
    side = np.maximum(np.asarray(side_px, np.float64), 1.0)
    small = np.clip(np.log(100 / side) / np.log(100 / 16), 0, 1.5)
    large, least = logit(config.p_detect), logit(config.p_detect_small)
    by_size = sigmoid(large + (least - large) * small)
    hidden = np.clip((1 - np.asarray(visible, np.float64)) / 0.75, 0, 1)
    return np.asarray(by_size * (1 - (1 - config.p_detect_hidden) * hidden**2), np.float64)


def judge(
    matched: NDArray[np.bool_],
    hit: NDArray[np.int64],
    through: NDArray[np.int64],
    total: NDArray[np.int64],
    side_px: Float,
    config: ExistenceConfig,
) -> NDArray[np.int8]:
    """What a frame says of each object: ``int8 [N]`` of NOTHING ... SEEN_EMPTY.

    Args:
        matched: ``bool [N]`` whether a detection was matched to it.
        hit: ``[N]`` samples on the seen surface.
        through: ``[N]`` samples that were seen through.
        total: ``[N]`` all samples, also those hidden and out of view.
        side_px: ``[N]`` side in pixels.
        config: what is enough to say something.
    """
    tested = hit + through
    enough = tested >= np.minimum(config.min_tested, np.maximum(total, 1))
    clear = enough & (np.asarray(side_px) >= config.min_side_px)
    shown = tested >= config.min_visible * np.maximum(total, 1)
    empty = clear & (through >= config.min_empty * tested)
    silent = np.where(empty, EMPTY, np.where(clear & shown, MISSED, NOTHING))
    return np.where(matched, np.where(empty, SEEN_EMPTY, SEEN), silent).astype(np.int8)


def observe(
    state: Existence,
    objects: NDArray[np.int64],
    verdict: NDArray[np.int8],
    towards: Float,
    side_px: Float,
    visible: Float,
    score: Float,
    config: ExistenceConfig,
) -> Existence:
    """Add evidence of one frame or of several.

    Earlier frames count as well: keyframes tell (:func:`scenekeeper.world.visibility.look`) that a
    new object's surface was in view before and nothing was detected. Give it these MISSED, not the
    EMPTY: a place that was empty before means that the object is new, not that it is a ghost.

    Args:
        state: of N objects; not changed.
        objects: ``int64 [K]`` rows that something is said of, once per frame.
        verdict: ``int8 [K]``, see :func:`judge`.
        towards: ``[K, 3]`` from the object to the camera, any length, world axes.
        side_px: ``[K]`` side in pixels.
        visible: ``[K]`` visible share.
        score: ``[K]`` calibrated probability that the matched detection is right; NaN where there
            is none.
        config: the model.
    """
    detected = (verdict == SEEN) | (verdict == SEEN_EMPTY)
    silent = (verdict == MISSED) | (verdict == EMPTY)
    message = np.where(detected, said_by(score, config), 0.0)
    at = objects, side_of(towards)

    def plus(before: Float32, more: NDArray[np.generic]) -> Float32:
        after = before.copy()
        np.add.at(after, at if before.ndim == 2 else objects, more.astype(np.float32))
        return after

    return replace(
        state,
        seen=plus(state.seen, detected),
        missed=plus(state.missed, silent * _silence(side_px, visible, config)),
        told=plus(state.told, message),
        emptied=plus(state.emptied, verdict == EMPTY),
        glassy=plus(state.glassy, verdict == SEEN_EMPTY),
    )


def said_by(score: Float, config: ExistenceConfig) -> Float:
    """Log-likelihood ratios ``[K]`` of detections' scores ``[K]``; 0 where they are not known."""
    if not config.calibrated:
        return np.zeros(len(score))
    p = np.clip(np.asarray(score, np.float64), 0.02, 0.98)
    return np.where(np.isnan(p), 0.0, logit(p) - logit(config.p_score))


def told_by_tracks(n: Float, total: Float, views: float, config: ExistenceConfig) -> float:
    """What to put for an object's ``told`` where its scores are known track by track.

    A ghost before a real thing is often taken for it; its low scores say nothing of the thing. So
    tracks are possible accounts of the object, each as probable as its share of views, and not
    independent witnesses.

    Args:
        n: ``[T]`` scored detections of each track.
        total: ``[T]`` sums of what they say, see :func:`said_by`.
        views: that detected the object.
        config: the model.
    """
    each = total / (1 + config.correlation_scores * np.maximum(n - 1, 0))
    most = float(each.max())
    mixed = most + np.log((n / n.sum() * np.exp(each - most)).sum())
    return float(mixed * (1 + config.correlation_scores * max(views - 1, 0)))


def log_odds(state: Existence, config: ExistenceConfig) -> Float:
    """Log-odds ``float64 [N]`` that each object exists.

    From one side, n views count as :func:`independent` of n; all sides together say how often it
    is detected, and a Beta habit of real things is weighed against one of ghosts.
    """
    seen, missed = state.seen.astype(np.float64), state.missed.astype(np.float64)
    share = 1 / (1 + config.correlation * np.maximum(seen + missed - 1, 0))
    rate = _rate_message((seen * share).sum(1), (missed * share).sum(1), config)
    views = seen.sum(1)
    told = state.told / (1 + config.correlation_scores * np.maximum(views - 1, 0))
    worth = (seen * share).sum(1) / np.maximum(views, 1)
    glass = _glass_message(state.glassy * worth, views * worth, config)
    bounded = np.clip(state.prior + rate + told + glass, -config.limit, config.limit)
    return np.asarray(bounded + _empty_message(state, config), np.float64)


def existence(state: Existence, config: ExistenceConfig) -> Float:
    """Probability ``float64 [N]`` that each object exists."""
    return sigmoid(log_odds(state, config))


def independent(n: Float, correlation: float) -> Float:
    """How many independent views n alike ones are worth."""
    return np.asarray(n / (1 + correlation * np.maximum(n - 1, 0)), np.float64)


def _silence(side_px: Float, visible: Float, config: ExistenceConfig) -> Float:
    """How much a view's silence says, as a share of a large, fully visible thing's."""
    p = detectable(side_px, visible, config)
    least = config.p_false + 0.01
    clear = np.log((1 - config.p_detect) / (1 - config.p_false))
    return np.asarray(np.log((1 - np.maximum(p, least)) / (1 - config.p_false)) / clear, np.float64)


def _rate_message(seen: Float, missed: Float, config: ExistenceConfig) -> Float:
    """Log-likelihood ratio of independent detections and misses, each thing's rate unknown."""
    real = _habit(seen, missed, config.p_detect, config.habit)
    return real - _habit(seen, missed, config.p_false, config.habit_false)


def _glass_message(glassy: Float, views: Float, config: ExistenceConfig) -> Float:
    """What it says that so many of the views that detected it saw its place empty."""
    there = np.maximum(views - glassy, 0)
    real = _habit(glassy, there, config.p_glass, config.habit_glass)
    return real - _habit(glassy, there, config.p_floating, config.habit_glass)


def _empty_message(state: Existence, config: ExistenceConfig) -> Float:
    """What it says that a place seemed empty: little of things that seem so while detected, and
    nothing where it did so no oftener than depth and poses err."""
    views = state.seen.sum(1, dtype=np.float64)
    empty = state.emptied.sum(1, dtype=np.float64)
    beyond = np.maximum(empty - config.p_empty * views, 0) / np.maximum(empty, 1e-9)
    glass = config.p_empty * config.habit_empty + state.glassy
    p_empty = glass / (config.habit_empty + np.maximum(views, state.glassy))
    message = np.minimum(np.log(p_empty / config.p_empty_false), 0)
    n = independent(state.emptied.astype(np.float64), config.correlation).sum(1)
    return np.asarray(beyond * n * message, np.float64)


def _habit(yes: Float, no: Float, p: float, strength: float) -> Float:
    """Log-likelihood of outcomes whose rate is only known to be about ``p`` (beta-binomial)."""
    from scipy.special import betaln

    a, b = p * strength, (1 - p) * strength
    return np.asarray(betaln(a + yes, b + no) - betaln(a, b), np.float64)


def side_of(towards: Float) -> NDArray[np.int64]:
    """Which of :data:`SIDES` directions ``[K, 3]`` point to: a cube's face and quarter of it."""
    d = np.asarray(towards, np.float64).reshape(-1, 3)
    axis = np.abs(d).argmax(1)
    rows = np.arange(len(d))
    positive = (d >= 0).astype(np.int64)
    face = 2 * axis + positive[rows, axis]
    first, second = positive[rows, (axis + 1) % 3], positive[rows, (axis + 2) % 3]
    return np.asarray(4 * face + 2 * first + second, np.int64)


def logit(p: Float | float) -> Float:
    """Log-odds of probabilities."""
    q = np.clip(np.asarray(p, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(q / (1 - q)), np.float64)


def sigmoid(x: Float) -> Float:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float64)
