"""How sure a model was of a part of its answer: probabilities of the tokens that spell it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.describe.salvage import Path, Span
from scenekeeper.models.chat import Reply

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Odds:
    """How likely a model found a piece of text.

    Attributes:
        p: probability of all of it.
        mean: geometric mean of its tokens' probabilities; does not fall with length.
        least: probability of its least likely token.
        entropy: mean over its tokens, nats; NaN where only the chosen tokens were told.
    """

    p: float
    mean: float
    least: float
    entropy: float


@dataclass(frozen=True, eq=False)
class Spelling:
    """A reply's tokens against its characters.

    Attributes:
        ends: ``int64 [T]`` where in the reply's text each token ends.
        logprob: ``float64 [T]``.
        entropy: ``float64 [T]`` nats.
    """

    ends: NDArray[np.int64]
    logprob: Float
    entropy: Float

    @classmethod
    def of(cls, reply: Reply) -> Spelling | None:
        """Of a reply; ``None`` when it has no tokens or they do not spell it."""
        written = "".join(token.text for token in reply.tokens)
        start = written.find(reply.text)
        if not reply.tokens or start < 0:
            return None
        return cls(
            np.cumsum([len(token.text) for token in reply.tokens]) - start,
            np.array([token.logprob for token in reply.tokens]),
            np.array([entropy(token.others) for token in reply.tokens]),
        )

    def odds(self, span: tuple[int, int]) -> Odds | None:
        """Of the characters ``[start, stop)``, by every token that has a part in them."""
        first = int(np.searchsorted(self.ends, span[0], "right"))
        last = int(np.searchsorted(self.ends, span[1], "left")) + 1
        some = slice(first, last)
        logprob = self.logprob[some]
        if span[1] <= span[0] or not len(logprob):
            return None
        sum_, least = float(logprob.sum()), float(logprob.min())
        mean = math.exp(sum_ / len(logprob))
        return Odds(math.exp(sum_), mean, math.exp(least), float(self.entropy[some].mean()))


def odds_at(spelling: Spelling | None, spans: Mapping[Path, Span], path: Path) -> Odds | None:
    """Of one value of an answer; ``None`` where the answer or the model does not tell."""
    span = spans.get(path)
    return spelling.odds(span) if spelling is not None and span is not None else None


def entropy(others: Mapping[str, float]) -> float:
    """Entropy in nats of a token's place, by the likeliest tokens; what is left counts as one."""
    if not others:
        return math.nan
    p = np.exp(np.array(list(others.values()), np.float64))
    shares = np.append(p, max(0.0, 1.0 - float(p.sum())))
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
