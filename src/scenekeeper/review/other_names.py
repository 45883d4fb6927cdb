"""What else a thing may be called: the machine's own alternatives, then names of things its size.

In: units. Out: other names of some of them, likeliest first; choices on a card, and what a planted
error is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenekeeper.review.units import Float, Units
from scenekeeper.schema import UNNAMED

CLEARLY = 1.5
"""A belief counts as one from so many times the least of its kind: names of which nothing is known
all get the same."""
ALIKE = 0.7
"""Spread of the logarithm of sizes of things of one name."""


@dataclass(frozen=True, eq=False)
class Names:
    """The names in use.

    Attributes:
        words: K names, most frequent first.
        count: ``float64 [K]`` tracks of each.
        log_size: ``float64 [K]`` logarithm of the median size in pixels.
    """

    words: tuple[str, ...]
    count: Float
    log_size: Float


def names(units: Units) -> Names:
    """The names that are in use, unnamed things left out."""
    words, place, count = np.unique(
        np.array(units.phrase, np.str_), return_inverse=True, return_counts=True
    )
    size = np.log(np.maximum(units.size_px, 1.0))
    # Sorted by name and then by size, the median of each name is in the middle of its run.
    in_order = size[np.lexsort((size, place))]
    middle = np.cumsum(count) - count + count // 2
    order = [k for k in np.argsort(-count, kind="stable").tolist() if words[k] != UNNAMED]
    return Names(
        tuple(words[order].tolist()), count[order].astype(np.float64), in_order[middle[order]]
    )


def others(units: Units, known: Names, rows: Sequence[int], most: int) -> tuple[str, ...]:
    """Other names of a thing, likeliest first.

    Args:
        units: all tracks.
        known: the names in use.
        rows: the tracks of the thing; the first one's name is the one it has.
        most: how many.
    """
    belief: dict[str, float] = {}
    for row in rows:
        for word, p in units.choices[row].items():
            belief[word] = belief.get(word, 0.0) + p
    own = {units.phrase[rows[0]], UNNAMED}
    told = {word: p for word, p in belief.items() if word not in own}
    least = min(told.values()) if len(told) > 2 else 0.0
    clear = sorted((w for w, p in told.items() if p > CLEARLY * least), key=lambda w: -told[w])
    size = np.log(max(float(np.median(units.size_px[list(rows)])), 1.0))
    fits = known.count * np.exp(-((known.log_size - size) ** 2) / (2 * ALIKE**2))
    by_size = [known.words[k] for k in np.argsort(-fits, kind="stable").tolist()]
    ranked = dict.fromkeys([*clear, *by_size, *sorted(told, key=lambda w: -told[w])])
    return tuple(word for word in ranked if word not in own)[:most]
