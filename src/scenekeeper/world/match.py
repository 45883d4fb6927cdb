"""How well each thing of a scene fits a description: names, looks, relations, place in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.world import colors
from scenekeeper.world.request import ATTRIBUTES, THING, Described, Link, Order
from scenekeeper.world.scene import Scene, Thing
from scenekeeper.world.spatial import VIEWED, Space
from scenekeeper.world.words import Nouns

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

REAL = 0.2
"""Probability from which a thing is worth mentioning as what may be meant."""

GONE = 0.3
"""Weight of what is believed to be gone, beside what is believed to be there."""

_UNNAMED = 0.02
"""Share of the probability of other names that each name in question gets."""

_FLOOR = 1e-6
_VIEWED_ORDERS = ("left", "right", "middle", "front", "back")


@dataclass
class Notes:
    """What comes to light while matching, to be said with the answer.

    Attributes:
        frame: the word whose meaning depends on who looks, where nobody is told to.
        assumed: whose left and right were taken, where it was a stored view's.
        absent: descriptions of anchors that nothing fits.
        too_few: things there are where more are counted through.
        unknown: attributes that nothing is known about.
    """

    frame: str = ""
    assumed: str = ""
    absent: list[Described] = field(default_factory=list)
    too_few: int | None = None
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Match:
    """Candidates and how well they fit.

    Attributes:
        rows: ``int64 [C]`` places in the scene.
        score: ``float64 [C]`` log probability that each is such as described, if it is there.
        plain: the same without relations and place in a row.
    """

    rows: Ints
    score: Float
    plain: Float


@dataclass(frozen=True, eq=False)
class Matcher:
    """Finds what fits a description.

    Attributes:
        space: the scene as seen by who asks.
        nouns: what things may be called.
    """

    space: Space
    nouns: Nouns

    @property
    def scene(self) -> Scene:
        """What is searched."""
        return self.space.scene

    def match(self, d: Described, notes: Notes) -> Match:
        """Everything that may be meant by a description."""
        rows, score = self.named(d.noun)
        for word in d.attributes:
            score = score + _log(self._looks(word, rows, d.noun, notes))
        for word in d.without:
            score = score + _log(1 - self._looks(word, rows, d.noun, notes))
        # What looks otherwise is no candidate any more; relations cost time per pair.
        kept = score >= np.log(0.1 * REAL)
        rows, score = rows[kept], score[kept]
        plain = score
        for link in d.relations:
            score = score + self._related(link, rows, notes)
        if d.order is not None:
            score = score + self._ordered(d.order, rows, score, notes)
        return Match(rows, score, plain)

    def alive(self, rows: Ints) -> Bools:
        """Which are believed to be there: ``[C]``."""
        return np.array([is_there(self.scene.things[k]) for k in rows], np.bool_)

    def weights(self, rows: Ints, score: Float) -> Float:
        """Probability of fitting and being there ``[C]``; what is gone keeps a little."""
        things = [self.scene.things[k] for k in rows]
        there = [t.existence if is_there(t) else GONE for t in things]
        return np.asarray(np.exp(score) * np.array(there, np.float64))

    # --- the parts of a description ---------------------------------------------------------------

    def named(self, noun: str) -> tuple[Ints, Float]:
        """Rows ``[C]`` of what may be called so, and log probabilities ``[C]`` that it is."""
        things = self.scene.things
        if noun == THING:
            p = np.array([1.0 if t.kind in ("thing", "flat") else 0.05 for t in things])
        else:
            classes = self.nouns.classes(noun)
            if not classes:
                return np.zeros(0, np.int64), np.zeros(0)
            p = np.array([_called(t, classes) for t in things], np.float64)
        rows = np.flatnonzero(p >= _UNNAMED)
        return rows, _log(p[rows])

    def _looks(self, word: str, rows: Ints, noun: str, notes: Notes) -> Float:
        things = [self.scene.things[k] for k in rows]
        if word in colors.WORDS:
            # A third of a surface is enough to be called by its colour, a tenth is not.
            share = np.minimum(_shares(things, word) / 0.5, 1)
            return np.asarray(0.01 + 0.98 * share**1.5)
        if word in ("light", "dark"):
            rgb = np.array([t.rgb for t in things], np.uint8).reshape(-1, 3)
            sign = 1 if word == "light" else -1
            return _logistic(sign * (colors.lab(rgb)[:, 0] - 55) / 10)
        if word in ATTRIBUTES:
            return self._sized(word, rows, noun)
        notes.unknown.append(word)
        return np.ones(len(rows))

    def _sized(self, word: str, rows: Ints, noun: str) -> Float:
        """Sizes are compared among things of one name; one alone may be called anything."""
        extent = self.space.extent[rows]
        longest = np.maximum(extent[:, :2].max(1, initial=0), 1e-3)
        if word == "flat":
            return _logistic((0.2 - extent[:, 2] / longest) / 0.06)
        size = {
            "tall": extent[:, 2], "short": extent[:, 2], "long": longest,
        }.get(word, np.cbrt(extent.prod(1)))  # fmt: skip
        size = np.log(np.maximum(size, 1e-3))
        sign = -1 if word in ("small", "short") else 1
        if noun == THING:
            return _logistic(sign * (size - np.log(0.3)) / 0.4)
        if len(rows) < 2:
            return np.full(len(rows), 0.7)
        low, high = size.min(), size.max()
        return _logistic(sign * (size - (low + high) / 2) / max(0.08, 0.12 * (high - low)))

    def _related(self, link: Link, rows: Ints, notes: Notes) -> Float:
        """Log probability ``[C]`` that a relation holds to some anchor, the best for each."""
        anchors, weight = self._anchors(link.anchor, notes)
        if not len(anchors):
            return np.full(len(rows), 0.0 if link.negated else np.log(_FLOOR))
        if link.other is not None:
            others, other_weight = self._anchors(link.other, notes)
            if not len(others):
                return np.full(len(rows), np.log(_FLOOR))
            table = self.space.between(rows, anchors, others) * other_weight
            holds = table.max(2)
        else:
            holds = self._holds(link.predicate, rows, anchors, notes)
        best = (holds * weight).max(1)
        return _log(1 - best if link.negated else best)

    def _holds(self, predicate: str, rows: Ints, anchors: Ints, notes: Notes) -> Float:
        # In pieces that fit the cache.
        pieces = np.array_split(rows, max(1, len(rows) * len(anchors) // 50_000))
        holds = np.concatenate([self.space.holds(predicate, piece, anchors) for piece in pieces])
        if predicate in VIEWED and self.space.right is None:
            frames = {r.frame for r in self.scene.relations if r.predicate in VIEWED}
            if holds.max(initial=0) < 0.5 or len(frames) != 1:
                notes.frame = predicate
                return np.where(rows[:, None] == anchors[None], 0.0, 1.0)
            notes.assumed = frames.pop()
        return holds

    def _anchors(self, d: Described, notes: Notes) -> tuple[Ints, Float]:
        """What an anchor may be, with weights of which the best is how well it fits at all."""
        found = self.match(d, notes)
        fits = np.exp(found.score)
        weight = self.weights(found.rows, found.score)
        if not len(fits) or fits.max() < REAL:
            notes.absent.append(d)
            return np.zeros(0, np.int64), np.zeros(0)
        kept = fits >= max(REAL, 0.1 * fits.max()) * 0.5
        weight = weight[kept] / weight[kept].max()
        return found.rows[kept], weight * min(1.0, float(fits.max()) / 0.8)

    # --- place in a row ---------------------------------------------------------------------------

    def _ordered(self, order: Order, rows: Ints, score: Float, notes: Notes) -> Float:
        """Log factor ``[C]`` that keeps the one at the wanted place among those that fit."""
        out = np.zeros(len(rows))
        fits = np.exp(score)
        rivals = fits >= max(REAL, 0.4 * float(fits.max(initial=0)))
        there = self.alive(rows)
        if (rivals & there).any():
            rivals &= there
        which = np.flatnonzero(rivals)
        if order.n > len(which):
            notes.too_few = len(which)
            return np.full(len(rows), np.log(_FLOOR))
        if len(which) < 2 or order.by == "other":
            return out
        needs_eye = order.by in ("near", "far") and order.to is None
        if self.space.right is None and (needs_eye or order.by in _VIEWED_ORDERS):
            notes.frame = order.by
            return out
        chosen: set[int] = set()
        keys = self._keys(order, rows[which], notes)
        if not keys:
            return np.full(len(rows), np.log(_FLOOR))
        for key, tolerance in keys:
            chosen |= _nth(key, order, tolerance)
        out[:] = np.log(0.02)
        out[which[sorted(chosen)]] = 0
        return out

    def _keys(self, order: Order, rows: Ints, notes: Notes) -> list[tuple[Float, float]]:
        """By what rows are sorted, the first having most, and what counts as equal."""
        center = np.array([self.scene.things[k].center for k in rows])
        extent = self.space.extent[rows]
        eye, right, ahead = self.space.eye, self.space.right, self.space.ahead
        by = order.by
        if by in ("near", "far") and order.to is not None:
            anchors, weight = self._anchors(order.to, notes)
            sign = -1 if by == "near" else 1
            keys = []
            for anchor in anchors[weight >= 0.5 * weight.max(initial=0)]:
                apart, upright = self.space.gap(rows, np.array([anchor]))
                middle = np.linalg.norm(center - self.scene.things[anchor].center, axis=1)
                key = np.hypot(apart, upright)[:, 0] + 1e-3 * middle
                key[rows == anchor] = np.inf if by == "near" else -np.inf
                keys.append((sign * key, 0.02))
            return keys
        if eye is not None and right is not None and ahead is not None:
            if by in ("near", "far"):
                return [((-1 if by == "near" else 1) * np.linalg.norm(center - eye, axis=1), 0.03)]
            if by in ("left", "right", "middle"):
                return [((-1 if by == "left" else 1) * (center @ right), 0.03)]
            if by in ("front", "back"):
                return [((-1 if by == "front" else 1) * (center @ ahead), 0.03)]
        height = center @ self.scene.up
        log = np.log(np.maximum(extent, 1e-3))
        table = {
            "high": (height, 0.02), "low": (-height, 0.02),
            "large": (log.sum(1), 0.1), "small": (-log.sum(1), 0.1),
            "tall": (log[:, 2], 0.04), "short": (-log[:, 2], 0.04),
            "long": (log[:, :2].max(1), 0.04),
        }  # fmt: skip
        return [table[by]] if by in table else []


def readings(d: Described) -> list[Described]:
    """The ways to hang loose relations: each on the anchor before it, or on what is asked for."""
    out = [d]
    for depth in (1, 2):
        lifted = _lifted(d, depth)
        if lifted is not None:
            out.append(lifted)
    return out


def _lifted(d: Described, depth: int) -> Described | None:
    """The description with the loose relation that is ``depth`` anchors down moved to the top."""
    if not d.relations:
        return None
    *before, last = d.relations
    anchor, path = last.anchor, [last]
    for _ in range(depth - 1):
        if not anchor.relations:
            return None
        path.append(anchor.relations[-1])
        anchor = path[-1].anchor
    if not anchor.relations or not anchor.relations[-1].loose:
        return None
    loose = anchor.relations[-1]
    anchor = replace(anchor, relations=anchor.relations[:-1])
    for link in reversed(path[1:]):
        outer = path[path.index(link) - 1].anchor
        anchor = replace(outer, relations=(*outer.relations[:-1], replace(link, anchor=anchor)))
    links = (*before, replace(last, anchor=anchor), replace(loose, loose=False))
    return replace(d, relations=links)


def is_there(thing: Thing) -> bool:
    """Whether a thing is believed to be where it was seen."""
    return thing.existence >= 0.5 and thing.status not in ("missing", "stale")


def shares_of(thing: Thing) -> dict[str, float]:
    """Share of a thing's surface by colour word; of its median colour where no more is known."""
    return dict(thing.colors) or colors.color_shares(thing.rgb[None])


def _shares(things: Sequence[Thing], word: str) -> Float:
    out = np.array([t.colors.get(word, 0.0) if t.colors else np.nan for t in things], np.float64)
    plain = np.flatnonzero(np.isnan(out))
    if len(plain):
        rgb = np.array([things[int(k)].rgb for k in plain], np.uint8)
        out[plain] = colors.memberships(colors.lab(rgb))[:, colors.WORDS.index(word)]
    return out


def _called(thing: Thing, classes: Sequence[str]) -> float:
    p = sum(thing.names.get(c, 0.0) for c in classes)
    other = max(0.0, 1 - sum(thing.names.values()))
    return float(min(1.0, p + _UNNAMED * other)) if thing.names or p else _UNNAMED


def _nth(key: Float, order: Order, tolerance: float) -> set[int]:
    """Which are at the wanted place; several where they are as good as equal."""
    ranked = np.argsort(-key, kind="stable")
    if order.by == "middle":
        k = len(ranked)
        return set(ranked[(k - 1) // 2 : k // 2 + 1].tolist())
    wanted = key[ranked[order.n - 1]]
    return set(np.flatnonzero(np.abs(key - wanted) <= tolerance).tolist())


def _logistic(x: Float) -> Float:
    return np.asarray(0.02 + 0.96 / (1 + np.exp(-np.clip(x, -40, 40))))


def _log(p: Float) -> Float:
    return np.asarray(np.log(np.maximum(p, _FLOOR)))
