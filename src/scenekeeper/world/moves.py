"""Things that left one place and turned up at another: which is which, all of them at once.

In: what is missing and what is new, with how surely each is. Out: pairs with their probability.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper.world.alike import Light, same_thing
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import logit, sigmoid

Float = NDArray[np.float64]

_BOTH = 0.5
"""Log-odds, before looks are compared, that a thing which is surely gone is the one of its name
that has surely come: one thing happened rather than two. Things that many homes have several of
come and go, too, so this says little."""

_LEFT, _CAME = 1.0, 1.0
"""How much less where it is not known whether the first is gone, which may still be there; and as
much where it is not known whether the second is new: a place that nobody had looked at may have
held it all along. All three by how it turned out on simulated homes, seeds 500 to 511."""

_SURE = 0.8
"""Probability that counts as sure; what it is before anything is seen counts as not known."""

_FAR = 0.02
"""What a metre counts, to choose the nearest of equals."""


def moves(
    gone: Mapping[int, tuple[Evidence, float]],
    new: Mapping[int, tuple[Evidence, float]],
    never: Mapping[int, int],
    light: Light,
    unknown: float,
) -> dict[int, tuple[int, float]]:
    """Which new thing is which gone one: ``{new: (gone, probability)}``, one to one.

    Args:
        gone: things by id, with the probability that each is not where it was.
        new: things by number, with the probability that each was not there before.
        never: a new thing and a gone one that it stands in the place of, and is not.
        light: between the visits.
        unknown: the probability of either that says nothing.
    """
    if not gone or not new:
        return {}
    ids, numbers = list(gone), list(new)
    odds = np.array([[same_thing(gone[i][0], new[n][0], light) for i in ids] for n in numbers])
    left, came = (np.array([x[1] for x in side.values()]) for side in (gone, new))
    odds += _BOTH - _open(left, _LEFT, unknown)[None, :] - _open(came, _CAME, unknown)[:, None]
    # Where neither place was looked at in the other visit, nothing says that anything has moved.
    told_left = (left > unknown) | [i in never.values() for i in ids]
    told_came = (came > unknown) | [n in never for n in numbers]
    odds[~(told_left[None, :] | told_came[:, None])] = -np.inf
    exchanged = np.array([[never.get(n) == i for i in ids] for n in numbers])
    odds[exchanged] = -np.inf
    places = [np.array([x[0].center for x in side.values()]) for side in (new, gone)]
    metres = np.linalg.norm(places[0][:, None] - places[1], axis=2)
    good = odds > 0
    gain = np.where(good, 1 + odds - _FAR * np.minimum(metres, 10), 0.0)
    # An exchange explains two things as well, and that one of them moved leaves the other.
    gain[exchanged] = 1.0
    rows, columns = linear_sum_assignment(-gain)
    return {
        numbers[r]: (ids[k], float(sigmoid(odds[r, k])))
        for r, k in zip(rows.tolist(), columns.tolist(), strict=True)
        if good[r, k]
    }


def _open(p: Float, most: float, unknown: float) -> Float:
    """What it costs ``[N]`` that it is not sure: up to ``most`` where nothing is known, and beyond
    that the whole evidence that the thing was there in both visits."""
    off, span = logit(p) - logit(unknown), logit(_SURE) - logit(unknown)
    return np.asarray(most * (1 - np.clip(off / span, 0, 1)) + np.maximum(-off, 0), np.float64)
