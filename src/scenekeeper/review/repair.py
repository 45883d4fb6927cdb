"""The repair stream: what to ask so that most wrong labels are put right per second.

In: units, how much each is in doubt, what is settled. Out: entries, best first: tracks, objects
whose name one decision settles for all their tracks, galleries of what is likely right, and further
questions, each weighed by what earlier entries leave to be found.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from scenekeeper.review.answers import Answers, Seen, key_of
from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry, group_key
from scenekeeper.review.events import Sample, Subject
from scenekeeper.review.units import Float, Int, Units

GALLERY = 60
"""Tiles of a gallery; what fits a screen."""
FEW_TILES = 8
"""Fewer tiles than this are asked one by one."""
LIKELY_RIGHT = 0.8
"""Least probability of a tile: in a gallery the odd one has to stand out among right ones."""
LOOK_AHEAD = 12
"""Entries among which the next one is chosen, so that two alike do not follow each other."""


@dataclass(frozen=True, eq=False)
class Book:
    """What the streams are drawn from: units, ``doubt [N]`` that each is wrong, and answers."""

    units: Units
    doubt: Float
    answers: Answers
    effort: Effort

    def entry(self, row: int, sample: Sample, doubt: float, **rest: object) -> Entry:
        """A track card."""
        units = self.units
        subject = Subject("track", units.session[row], int(units.track[row]))
        return replace(
            Entry(
                "track",
                subject,
                (row,),
                sample,
                float(self.effort.of_track(np.array(doubt))),
                doubt * float(units.frames[row]),
                (group_key(units, row),),
                f"{units.phrase[row]}/{self._error(row)}",
                self.answers.unsure.get(subject.key, frozenset()),
            ),
            **rest,  # type: ignore[arg-type]
        )

    def _error(self, row: int) -> str:
        """What speaks loudest against it."""
        x = self.units.X[row]
        return self.units.signals[int(x.argmax())] if len(x) and x.max() > 0 else ""


def repairs(book: Book, kept: Collection[int], more: list[Entry], seed: int) -> Iterator[Entry]:
    """Best first: expected labels put right per second, of what earlier entries leave.

    Args:
        book: units, doubts and answers.
        kept: rows of the units that are not asked about one by one, as their audits come.
        more: further questions.
        seed: that samples tell.
    """
    sample = Sample("repair", seed=seed, snapshot=book.units.snapshot)
    yield from (_dispute(book, seen, sample) for seen in book.answers.disputed)
    asked = _Asked.of(book, kept, more)
    heap = [(-rate, k, kind) for kind, rates in asked.rates().items() for k, rate in rates]
    heapq.heapify(heap)
    while heap:
        promised, k, kind = heapq.heappop(heap)
        gain, seconds = asked.worth(kind, k)
        if gain <= 0:
            continue
        if gain / seconds < -promised * (1 - 1e-9):  # entries before it took of its gain
            heapq.heappush(heap, (-gain / seconds, k, kind))
        elif kind == "more":
            yield asked.more[k]
        elif kind == "track":
            yield book.entry(k, sample, asked.doubt_of(k))
            asked.left[k] = 0
            asked.alone.add(k)
        else:
            rows = asked.rows(kind, k)
            yield _several(book, kind, rows, sample, gain, seconds)
            asked.left[rows] *= 1 - book.effort.seen_at_once
            for row in rows.tolist():  # what it leaves in doubt may be worth a card of its own
                gain, seconds = asked.worth("track", row)
                heapq.heappush(heap, (-gain / seconds, row, "track"))


@dataclass(frozen=True, eq=False)
class _Asked:
    """What there is to ask and what of it is left.

    Attributes:
        book: units, doubts and answers.
        doubt: ``float64 [N]`` of each unit at the start.
        left: ``float64 [N]`` share of it that no entry and no answer has settled; changes.
        free: ``bool [N]`` whether a unit may be asked about on its own.
        alone: rows that have been, in this plan; changes.
        things: rows of each object of several tracks.
        galleries: rows of each gallery.
        more: further questions.
    """

    book: Book
    doubt: Float
    left: Float
    free: NDArray[np.bool_]
    alone: set[int]
    things: list[Int]
    galleries: list[Int]
    more: list[Entry]

    @classmethod
    def of(cls, book: Book, kept: Collection[int], more: list[Entry]) -> _Asked:
        doubt, left = np.clip(book.doubt, 0, 1), book.answers.left.copy()
        free = np.ones(len(left), np.bool_)
        free[list(kept)] = False
        things = [
            rows
            for rows in _things(book.units)
            if book.answers.faulted.isdisjoint(rows.tolist())  # else its tracks differ
        ]
        more = [e for e in more if key_of(e.subject) not in book.answers.settled]
        galleries = _galleries(book.units, doubt * left * free)
        return cls(book, doubt, left, free, set(), things, galleries, more)

    def rates(self) -> dict[str, list[tuple[int, float]]]:
        """Labels put right per second by every question, by its kind."""
        d = self.doubt * self.left * self.free
        rates = d * self.book.units.frames / self.book.effort.of_track(d)
        out = {"track": [(k, r) for k, r in enumerate(rates.tolist()) if r > 0]}
        several = (("object", len(self.things)), ("gallery", len(self.galleries)))
        for kind, count in (*several, ("more", len(self.more))):
            worth = [self.worth(kind, k) for k in range(count)]
            out[kind] = [(k, gain / seconds) for k, (gain, seconds) in enumerate(worth)]
        return out

    def worth(self, kind: str, k: int) -> tuple[float, float]:
        """Labels that a question is expected to put right, and its seconds, as things stand."""
        units, effort = self.book.units, self.book.effort
        if kind == "more":
            return self.more[k].gain, self.more[k].seconds
        if kind == "track":
            d = self.doubt_of(k) * self.free[k]
            return float(d * units.frames[k]), float(effort.of_track(d))
        rows = self.rows(kind, k)
        new = rows[self.left[rows] > 1 - effort.seen_at_once]
        if len(new) < (2 if kind == "object" else FEW_TILES):
            return 0.0, 1.0
        if kind == "object" and not self.alone.isdisjoint(rows.tolist()):
            return 0.0, 1.0  # its track was asked about before: the two answers might differ
        gain = effort.seen_at_once * float((self.doubt[new] * units.frames[new]).sum())
        cost = effort.of_thing if kind == "object" else effort.of_gallery
        return gain, cost(self.doubt[new])

    def rows(self, kind: str, k: int) -> Int:
        """Of an object all tracks, as its name is that of all; of a gallery what is left."""
        if kind == "object":
            return self.things[k]
        rows = self.galleries[k]
        return rows[self.left[rows] > 1 - self.book.effort.seen_at_once]

    def doubt_of(self, row: int) -> float:
        """What is left in doubt of a unit."""
        return float(self.doubt[row] * self.left[row])


def _several(book: Book, kind: str, rows: Int, sample: Sample, gain: float, cost: float) -> Entry:
    """A card about several tracks: an object's, or a gallery."""
    units, first = book.units, int(rows[0])
    if kind == "object":
        subject = Subject("object", "", int(units.object[first]))
    else:
        subject = Subject("track", units.session[first], int(units.track[first]))
    return Entry(
        "object" if kind == "object" else "gallery",
        subject,
        tuple(rows.tolist()),
        sample,
        cost,
        gain,
        tuple(dict.fromkeys(group_key(units, row) for row in rows.tolist())),
        f"{units.phrase[first]}/{kind}",
        book.answers.unsure.get(subject.key, frozenset()),
    )


def _dispute(book: Book, seen: Seen, sample: Sample) -> Entry:
    """Two answers differ: somebody third decides where there is somebody third."""
    others = book.answers.actors - seen.actors
    not_for = seen.actors if others else frozenset[str]()
    return book.entry(seen.row, sample, 0.5, not_for=not_for, repeated=True)


def spread(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Nearly the same order, but no two in a row of one thing, or of one name and error."""
    waiting: deque[Entry] = deque(islice(entries, LOOK_AHEAD))
    last: Entry | None = None
    while waiting:
        apart = (k for k, e in enumerate(waiting) if last is None or not _alike(e, last))
        k = next(apart, 0)
        last = waiting[k]
        del waiting[k]
        waiting.extend(islice(entries, 1))
        yield last


def _alike(a: Entry, b: Entry) -> bool:
    return a.cluster == b.cluster or not set(a.keys).isdisjoint(b.keys)


def _things(units: Units) -> list[Int]:
    """Rows of each object that has two tracks or more."""
    order = np.argsort(units.object, kind="stable")
    ids = units.object[order]
    parts = np.split(order, np.flatnonzero(np.diff(ids)) + 1) if len(ids) else []
    return [rows for rows in parts if len(rows) > 1 and units.object[rows[0]] >= 0]


def _galleries(units: Units, doubt: Float) -> list[Int]:
    """Rows of one name by sixties, those with most to gain together."""
    by_name: dict[str, list[int]] = {}
    fit = (doubt > 0) & (doubt <= 1 - LIKELY_RIGHT)
    order = np.argsort(-doubt * units.frames, kind="stable")
    for row in order[fit[order]].tolist():
        by_name.setdefault(units.phrase[row], []).append(row)
    return [
        np.array(rows[start : start + GALLERY])
        for rows in by_name.values()
        for start in range(0, len(rows), GALLERY)
        if len(rows[start : start + GALLERY]) >= FEW_TILES
    ]
