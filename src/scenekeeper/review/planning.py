"""How many audits a wanted certificate will take, and what no luck can spare."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ReviewError
from scenekeeper.review.bounds import evidence_of_counts, fewest
from scenekeeper.review.certify import AT_START, MISSES, candidates, of_eye, percent
from scenekeeper.review.outcomes import Gold
from scenekeeper.review.sampling import Draw

MOST = 5_000
"""Audits beyond which nobody plans."""


@dataclass(frozen=True)
class Plan:
    """What a certificate is expected to take.

    Attributes:
        epsilon: share of the accepted labels that may be wrong.
        delta: probability that the certificate is wrong.
        share: of the labels drawn from, that are to be accepted.
        expected: share of these that is taken to be wrong.
        power: probability that so many audits are enough.
        audits: tracks to audit; ``None`` = it cannot be had by sampling.
        at_least: tracks to audit if none of them is wrong.
        fewest: right draws among the accepted that any method needs.
        tracks: of so many in all.
    """

    epsilon: float
    delta: float
    share: float
    expected: float
    power: float
    audits: int | None
    at_least: int
    fewest: int
    tracks: int

    @property
    def statement(self) -> str:
        """The plan in words."""
        right = f"at most {percent(self.epsilon)} of {percent(self.share)} of the labels are wrong"
        believed = f"{self.expected:.1%}".replace("%", " %")
        if self.audits is None:
            return (
                f"Sampling will not show that {right}: it is {believed} by all that is known."
                " Accept fewer, allow more errors, or correct some first."
            )
        return (
            f"{self.audits:,} audited tracks will show that {right}, with probability"
            f" {percent(self.power)}, if it is {believed}; it takes {self.at_least:,} even if no"
            " error is found."
        )


def plan(
    draw: Draw,
    epsilon: float = 0.05,
    delta: float = 0.1,
    share: float = 0.8,
    *,
    power: float = 0.8,
    expected: float | None = None,
    gold: Gold | None = None,
) -> Plan:
    """How many tracks of a draw to audit for a certificate.

    Exact for labels that are right or wrong and drawn with replacement: the probability that the
    bets of :func:`~scenekeeper.review.certify.certify` are won by then, whatever path they take.
    Drawing without replacement, as is done, needs a little less.

    Args:
        draw: of ``tracks``.
        epsilon: share of the accepted that may be wrong.
        delta: probability that the certificate is wrong.
        share: of the labels, that are to be accepted.
        power: wanted probability that the audits are enough.
        expected: share of the accepted that is wrong; as the machine's doubt has it if not given.
        gold: planted errors by then, and how many of them will have been missed.

    Raises:
        ReviewError: there is nothing to accept.
    """
    sets = candidates(draw, epsilon)
    if not len(sets.labels) or not 0 < share <= 1:
        raise ReviewError("there is nothing to certify", place="share")
    accepted = sets.labels / draw.labels.sum()
    k = int(np.searchsorted(accepted, share - 1e-9).clip(0, len(accepted) - 1))
    rate = float(sets.expected[k]) if expected is None else expected
    last = int(MOST * accepted[k])
    enough = _enough(epsilon, -math.log(AT_START * delta), gold, last)
    draws = _won(enough, rate, power, last)
    first = int(enough[0]) if len(enough) else last

    def audits(inside: int) -> int:
        return min(math.ceil(inside / float(accepted[k])), len(draw))

    return Plan(
        epsilon,
        delta,
        share,
        rate,
        power,
        None if draws is None else audits(draws),
        audits(first),
        fewest(epsilon, delta),
        len(draw),
    )


def _enough(epsilon: float, wanted: float, gold: Gold | None, last: int) -> NDArray[np.int64]:
    """``int64 [K]``: draws that win the bet with 0, 1, ... wrong among them, up to ``last``."""
    means = np.array([epsilon]) if gold is None else (1 - MISSES[1:]) * epsilon
    eye = 0.0 if gold is None else of_eye(gold)
    wrong = np.arange(math.ceil(epsilon * last) + 1)
    low, high = wrong.copy(), np.full(len(wrong), last + 1)
    while np.any(low < high):
        n = (low + high) // 2
        won = (evidence_of_counts(n[:, None], wrong[:, None], means) + eye).min(1) >= wanted
        low, high = np.where(won, low, np.minimum(n + 1, high)), np.where(won, n, high)
    return low[low <= last]


def _won(enough: NDArray[np.int64], rate: float, power: float, last: int) -> int | None:
    """Draws by which the bet is won with a probability; ``None`` = not within ``last``."""
    mass = np.zeros(len(enough) + 1)
    mass[0] = 1.0
    won = 0.0
    for n in range(1, last + 1):
        wrong = mass * rate
        mass -= wrong
        mass[1:] += wrong[:-1]
        reached = int(np.searchsorted(enough, n, side="right"))
        won += float(mass[:reached].sum())
        mass[:reached] = 0
        if won >= power:
            return n
    return None
