"""Estimates: right on average, and their intervals hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from scenekeeper.review import estimate, sampling
from scenekeeper.review.outcomes import Gold
from tests.review.made_audits import night


def many(k: int, useful: float, shift: float = 0.0) -> np.ndarray:
    """Error, whether the interval holds, and its half-width, of 1,200 audits of three nights."""
    rows = []
    for seed in range(3):
        units, p, wrong = night(seed, n=500, useful=useful)
        p = np.clip(p - shift, 0, 1)
        truth = (wrong * units.frames).sum() / units.frames.sum()
        for rep in range(400):
            draw = sampling.tracks(units, p, 1000 * seed + rep, k)
            (e,) = estimate.of_tracks(draw, {"any": wrong[draw.index]})
            rows.append((e.share - truth, e.low <= truth <= e.high, (e.high - e.low) / 2))
    return np.array(rows, np.float64)


@pytest.mark.parametrize(("useful", "shift"), [(2.0, 0.0), (2.0, 0.2), (0.0, 0.0)])
def test_it_is_right_on_average_and_says_how_far_it_may_be_off(useful: float, shift: float) -> None:
    """Also with a score that is off by 20 points, and with one that says nothing."""
    error, holds, half = many(80, useful, shift).T
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error)) + 0.001
    assert 0.925 <= holds.mean() <= 0.975
    assert half.mean() == pytest.approx(1.96 * error.std(), rel=0.15)


def test_a_score_that_knows_saves_audits() -> None:
    knows, guesses = many(80, 3.0), many(80, 0.0)
    of_truth = [night(s, 500, u)[2].mean() for u in (3.0, 0.0) for s in range(3)]
    # Compared as shares of their own spread: the nights differ in how much is wrong.
    spread = [np.sqrt(w * (1 - w)) for w in (np.mean(of_truth[:3]), np.mean(of_truth[3:]))]
    assert knows[:, 2].mean() / spread[0] < 0.75 * guesses[:, 2].mean() / spread[1]


def test_whoever_looks_at_everything_knows() -> None:
    units, p, wrong = night(0, n=50)
    draw = sampling.tracks(units, p, 1, 50)
    (e,) = estimate.of_tracks(draw, {"any": wrong[draw.index]})
    truth = (wrong * units.frames).sum() / units.frames.sum()
    assert (e.share, e.low, e.high) == pytest.approx((truth,) * 3)


def test_no_error_found_is_no_proof_of_none() -> None:
    units, p, wrong = night(0)
    draw = sampling.tracks(units, p, 1, 60)
    (e,) = estimate.of_tracks(draw, {"class": np.zeros(60)})
    assert (e.kind, e.share, e.low, e.found, e.audited) == ("class", 0, 0, 0, 60)
    assert 2 / 60 < e.high < 5 / 60
    assert estimate.of_tracks(draw, {"class": np.zeros(1)}) == ()
    assert len(estimate.of_tracks(draw, {"class": wrong[:9], "mask": wrong[:9]})) == 2


def test_missed_things_are_told_per_thing_in_sight() -> None:
    rng = np.random.default_rng(0)
    missed = rng.poisson(rng.gamma(0.5, 0.6, 2000))
    labels = 9000
    truth = missed.sum() / (missed.sum() + labels)
    rows = []
    for seed in range(800):
        draw = sampling.simple("frames", 2000, seed, 150, "labels-1")
        e = estimate.of_frames(draw, missed[draw.index], labels)
        rows.append((e.share - truth, e.low <= truth <= e.high))
    error, holds = np.array(rows, np.float64).T
    assert abs(error.mean()) < 0.03 * truth and 0.92 <= holds.mean() <= 0.975
    assert estimate.of_frames(draw, missed[:1], labels) is None
    none = estimate.of_frames(draw, np.zeros(60, np.int64), labels)
    assert none is not None
    assert none.share == none.low == 0 and none.high > 3 / 60 * 2000 / (3 / 60 * 2000 + labels)
    every = estimate.of_frames(draw, missed[draw.rows], labels)
    assert (every.low, every.share, every.high) == pytest.approx((truth,) * 3)


def test_statements_have_an_exact_interval() -> None:
    draw = sampling.simple("relations", 120, 0, 40, "labels-1")
    for wrong in (3, 30):
        k = np.arange(41)
        ends = [estimate.of_statements("relation", draw, np.arange(40) < j) for j in k]
        holds = [e.low <= wrong / 120 <= e.high for e in ends]
        assert hypergeom.pmf(k, 120, wrong, 40) @ np.array(holds) >= 0.95
    assert (ends[4].share, ends[4].found, ends[4].audited) == (0.1, 4, 40)


def test_what_reviewers_overlook_is_told_with_its_interval() -> None:
    e = estimate.of_reviewer(Gold(60, 3), 0.9)
    assert (
        e is not None
        and e.share == 0.05
        and e.low < 0.02
        and e.high == pytest.approx(0.124, abs=5e-4)
    )
    assert estimate.of_reviewer(Gold(0, 0)) is None
