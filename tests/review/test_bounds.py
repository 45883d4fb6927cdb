"""What a sample proves holds exactly: counted over all samples that could have been drawn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from scenekeeper.review.bounds import (
    STAKES,
    clopper_pearson,
    evidence,
    evidence_of_counts,
    fewest,
    hypergeometric,
)

TAIL = 0.0437  # no ratio of small numbers: no tie hangs on rounding


def test_evidence_is_what_each_stake_wins_on_average() -> None:
    losses, means = [0.0, 0.25, 1.0], [0.2, 0.3, 0.1]
    won = [np.prod([1 + s * (m - x) for x, m in zip(losses, means, strict=True)]) for s in STAKES]
    assert evidence(losses, means) == pytest.approx(np.log(np.mean(won)))
    assert evidence([], []) == pytest.approx(0)


def test_counts_say_what_the_draws_say() -> None:
    losses = np.array([0, 0, 1, 0, 1, 0, 0, 0.0])
    assert evidence_of_counts(8, 2, 0.3) == pytest.approx(evidence(losses, np.full(8, 0.3)))
    assert evidence_of_counts(0, 0, 0.3) == pytest.approx(0)


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_no_order_of_draws_makes_a_fair_bet_profitable(wrong: int) -> None:
    """All orders of 6 labels: the capital stays 1 on average, and rarely ever exceeds 1/delta."""
    truth = np.array([1.0] * wrong + [0.0] * (6 - wrong))
    orders = truth[np.array(list(permutations(range(6))))]
    before = np.cumsum(orders, 1) - orders
    means = (wrong - before) / (6 - np.arange(6))
    capital = np.exp([evidence(orders[:, :n], means[:, :n]) for n in range(1, 7)])
    assert capital.mean(1) == pytest.approx(1)
    for delta in (0.5, 0.3, 0.2):
        assert (capital.max(0) >= 1 / delta).mean() <= delta


def test_59_right_draws_are_the_fewest_for_95_percent() -> None:
    assert (fewest(0.05, 0.05), fewest(0.01, 0.05), fewest(0.1, 0.1)) == (59, 299, 22)
    assert binom.pmf(0, 59, 0.05) <= 0.05 < binom.pmf(0, 58, 0.05)
    assert evidence_of_counts(58, 0, 0.05) < -np.log(0.05)


@pytest.mark.parametrize("size", [1, 2, 7, 12])
def test_an_exact_interval_of_draws_holds_what_would_be_no_surprise(size: int) -> None:
    for n in range(1, size + 1):
        for k in range(n + 1):
            low, high = hypergeometric(k, n, size, 1 - 2 * TAIL)
            many = np.arange(k, size - (n - k) + 1)
            fewer, more = hypergeom.cdf(k, size, many, n), hypergeom.sf(k - 1, size, many, n)
            usual = many[np.minimum(fewer, more) > TAIL]
            assert (round(low * size), round(high * size)) == (usual.min(), usual.max())


@pytest.mark.parametrize("true", [0.02, 0.1, 0.5])
def test_exact_intervals_hold_as_often_as_they_say(true: float) -> None:
    k = np.arange(61)
    ends = np.array([clopper_pearson(int(j), 60) for j in k])
    holds = (ends[:, 0] <= true) & (true <= ends[:, 1])
    assert binom.pmf(k, 60, true) @ holds >= 0.95
    assert clopper_pearson(3, 60, 0.9)[1] == pytest.approx(0.124, abs=5e-4)


def test_nothing_drawn_says_nothing() -> None:
    assert hypergeometric(0, 0, 10) == (0, 1)
    assert hypergeometric(3, 10, 10) == (0.3, 0.3)
