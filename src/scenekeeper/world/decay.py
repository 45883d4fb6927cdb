"""How belief fades while nobody looks: things move, mugs sooner than sofas, walls hardly ever.

In: a probability, the time since it held, and a mobility. Out: the probability now, and a status.
Rates are assumed at first and learned from looking again: was it still there, after how long? Decay
asks for a new look; it never deletes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.world.scene import Status

Float = NDArray[np.float64]

DAY = 86400.0
"""Seconds."""


@dataclass(frozen=True)
class Mobility:
    """How soon things of one kind leave their place.

    Attributes:
        moves: Gamma shape of the rate: moves seen, with those assumed.
        days: Gamma rate: days watched, with those assumed.
        stayed: Beta count of long absences after which it was there all the same,
        gone: and after which it was not.
    """

    moves: float
    days: float
    stayed: float
    gone: float

    @property
    def rate(self) -> float:
        """Moves per second, posterior mean."""
        return self.moves / (self.days * DAY)

    @property
    def rest(self) -> float:
        """Probability that it is there after any length of time, posterior mean: it lives there, or
        was brought back."""
        return self.stayed / (self.stayed + self.gone)


ASSUMED: Mapping[str, Mobility] = {
    "fixed": Mobility(0.1, 365.0, 9.8, 0.2),
    "heavy": Mobility(0.5, 60.0, 7.0, 3.0),
    "light": Mobility(1.0, 4.0, 3.0, 7.0),
    "small": Mobility(1.0, 0.5, 1.0, 9.0),
}
"""Once in ten years, four months, four days, half a day. Guesses of orders of magnitude, each
worth one move or less so that a few visits outweigh them; no data set of homes was asked."""

_NOUNS = {
    "fixed": "wall floor ceiling door window counter countertop cabinet sink refrigerator fridge "
    "oven stove dishwasher radiator bathtub toilet fireplace pillar staircase",
    "heavy": "sofa couch table desk bed bookshelf shelf wardrobe dresser armchair workbench "
    "washer dryer piano television tv printer plant",
    "light": "chair stool basket bin box lamp pillow cushion suitcase fan rug monitor crate "
    "bucket blanket toaster kettle microwave tray",
}


def mobility_of(phrase: str) -> str:
    """``fixed``, ``heavy``, ``light`` or ``small``, by the last noun that is known.

    What is not known is taken for small: looking again too soon costs little.
    """
    for word in reversed(phrase.lower().replace("-", " ").split()):
        for kind, nouns in _NOUNS.items():
            if word in nouns.split() or word.removesuffix("s") in nouns.split():
                return kind
    return "small"


def mobility_given(names: Mapping[str, float]) -> Mapping[str, float]:
    """Probability of each mobility, of a thing whose name is only probably known.

    Args:
        names: probability per name; what is missing to 1 counts as small.
    """
    out = dict.fromkeys(ASSUMED, 0.0)
    for name, p in names.items():
        out[mobility_of(name)] += p
    out["small"] += max(0.0, 1.0 - sum(out.values()))
    return out


def decayed(p: Float, seconds: Float, rate: Float, rest: Float) -> Float:
    """Probability ``[N]`` after a time in which nobody looked.

    ``p_inf + (p - p_inf) exp(-rate t)`` with ``p_inf = rest p``: what is probably no thing does not
    become one by waiting.

    Args:
        p: ``[N]`` at the last look.
        seconds: ``[N]`` since; negative counts as 0.
        rate: ``[N]`` moves per second.
        rest: ``[N]`` share that remains in the end.
    """
    p_inf = np.asarray(rest, np.float64) * p
    faded = np.exp(-np.asarray(rate) * np.maximum(seconds, 0.0))
    return np.asarray(p_inf + (p - p_inf) * faded, np.float64)


def fade(
    p: float, seconds: float, names: Mapping[str, float], table: Mapping[str, Mobility] = ASSUMED
) -> float:
    """The same of one thing, averaged over what it may be.

    Args:
        p: at the last look.
        seconds: since.
        names: probability per name.
        table: mobilities, assumed or learned.
    """
    kinds = mobility_given(names)
    rates = np.array([table[k].rate for k in kinds])
    rests = np.array([table[k].rest for k in kinds])
    weight = np.array(list(kinds.values()))
    each = decayed(np.full(len(weight), p), np.full(len(weight), seconds), rates, rests)
    return float(weight @ each / weight.sum())


# --- learning -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Looks:
    """Times that a place was looked at again.

    Attributes:
        kind: ``[K]`` mobility of the thing that had been there.
        seconds: ``float64 [K]`` since the look before.
        moved: ``bool [K]`` whether it had left.
    """

    kind: NDArray[np.str_]
    seconds: Float
    moved: NDArray[np.bool_]


def learned(looks: Looks, table: Mapping[str, Mobility] = ASSUMED) -> Mapping[str, Mobility]:
    """Mobilities after more looks.

    When it moved is not seen, only that it did between two looks; the time it had been there is
    what the present rate expects, until both agree (EM for interval-censored lifetimes). A look
    after more than three lifetimes tells of ``rest`` instead: whether things come back.
    """
    return {kind: _updated(m, *_of_kind(looks, kind)) for kind, m in table.items()}


def _of_kind(looks: Looks, kind: str) -> tuple[Float, NDArray[np.bool_]]:
    rows = looks.kind == kind
    return looks.seconds[rows] / DAY, looks.moved[rows]


def _updated(before: Mobility, days: Float, moved: NDArray[np.bool_]) -> Mobility:
    if not len(days):
        return before
    late = days * before.rate * DAY > 3
    stayed, gone = int((late & ~moved).sum()), int((late & moved).sum())
    days, moved = days[~late], moved[~late]
    now = before
    for _ in range(50):
        there = np.where(moved, _before_move(days, now.rate * DAY), days)
        now = replace(
            before, moves=before.moves + float(moved.sum()), days=before.days + float(there.sum())
        )
    return replace(now, stayed=before.stayed + stayed, gone=before.gone + gone)


def _before_move(days: Float, rate: float) -> Float:
    """Expected time until a move that happened within ``days``, at a rate per day."""
    x = np.maximum(days * rate, 1e-12)
    share = np.where(x < 1e-4, 0.5 - x / 12, 1 / x - 1 / np.expm1(np.minimum(x, 500)))
    return np.asarray(days * share, np.float64)


# --- status ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StatusConfig:
    """Where one status ends and the next begins.

    Attributes:
        confirmed: at least so probable: it is there.
        missing: at most so probable, by looking: it is not.
        stale: share of its probability at the last look that must be left.
    """

    confirmed: float = 0.8
    missing: float = 0.2
    stale: float = 0.7


@dataclass(frozen=True)
class Circumstances:
    """What else is known of a thing.

    Attributes:
        moved: it was found elsewhere in the last session.
        conflicted: observations contradict one another.
        verified: a person has confirmed it.
    """

    moved: bool = False
    conflicted: bool = False
    verified: bool = False


def status(
    p_last: float,
    p_now: float,
    about: Circumstances | None = None,
    config: StatusConfig | None = None,
) -> Status:
    """What is to be thought of a thing.

    Looking outranks waiting: only what was looked for in vain is missing; what nobody looked at for
    long is stale, however little is left of its probability.

    Args:
        p_last: probability at the last look.
        p_now: decayed to now.
        about: what else is known.
        config: thresholds.
    """
    about, config = about or Circumstances(), config or StatusConfig()
    if p_last <= config.missing:
        return "missing"
    if p_now < config.stale * p_last:
        return "stale"
    if about.conflicted:
        return "conflicted"
    if about.moved:
        return "moved"
    return "confirmed" if about.verified or p_last >= config.confirmed else "tentative"
