"""Plans: as many audits as are said are enough as often as is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review import sampling
from scenekeeper.review.bounds import evidence_of_counts
from scenekeeper.review.certify import AT_START
from scenekeeper.review.outcomes import Gold
from scenekeeper.review.planning import plan
from tests.review.made_audits import night, units_of


def draw(n: int = 4000, doubt: float = 0.02) -> sampling.Draw:
    """A draw of equal tracks that the machine doubts alike."""
    return sampling.tracks(units_of(np.full(n, 10)), np.full(n, 1 - doubt), 0, 10)


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.05])
def test_the_power_is_what_simulated_reviews_have(rate: float) -> None:
    made = plan(draw(), 0.1, 0.1, 1.0, power=0.8, expected=rate)
    assert made.audits is not None
    rng = np.random.default_rng(0)
    wrong = np.cumsum(rng.random((3000, made.audits)) < rate, axis=1)
    n = np.arange(1, made.audits + 1)
    won = evidence_of_counts(n, wrong, 0.1) >= -math.log(AT_START * 0.1)
    assert won.any(1).mean() > 0.77 and won[:, :-1].any(1).mean() < 0.83


def test_it_is_honest_about_what_no_luck_can_spare() -> None:
    made = plan(draw(), 0.05, 0.05, 1.0)
    assert made.fewest == 59 and made.at_least > 59
    need = -math.log(AT_START * 0.05)
    assert evidence_of_counts(made.at_least, 0, 0.05) >= need
    assert evidence_of_counts(made.at_least - 1, 0, 0.05) < need
    assert f"takes {made.at_least:,} even if no error" in made.statement
    assert f"{made.audits:,} audited tracks" in made.statement


def test_more_is_asked_where_more_is_wanted() -> None:
    usual = plan(draw(), 0.1, 0.1, 1.0).audits
    assert usual is not None
    harder = (
        plan(draw(), 0.05, 0.1, 1.0),
        plan(draw(), 0.1, 0.02, 1.0),
        plan(draw(), 0.1, 0.1, 1.0, power=0.99),
        plan(draw(), 0.1, 0.1, 1.0, expected=0.05),
        plan(draw(), 0.1, 0.1, 1.0, gold=Gold(60, 12)),
        plan(draw(), 0.1, 0.1, 0.5),
    )
    assert all(p.audits is not None and p.audits > usual for p in harder)


def test_a_share_that_is_too_wrong_cannot_be_certified() -> None:
    made = plan(draw(doubt=0.12), 0.1, 0.1, 1.0)
    assert made.audits is None and "will not show" in made.statement
    units, p, _ = night(0)
    doubted = sampling.tracks(units, p, 0, 10)
    some, all_ = plan(doubted, 0.05, 0.1, 0.4), plan(doubted, 0.05, 0.1, 1.0)
    assert some.audits is not None and all_.audits is None and some.expected < all_.expected


def test_no_plan_asks_for_more_tracks_than_there_are() -> None:
    made = plan(draw(n=100), 0.02, 0.05, 1.0, expected=0.01)
    assert made.audits == made.at_least == made.tracks == 100


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ReviewError, match="nothing to certify"):
        plan(draw(), share=share)
