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
    """Best first: expected labels put right per second, of what earlier entries leave."""
    units, effort, once = book.units, book.effort, book.effort.seen_at_once
    left = book.answers.left.copy()
    left[list(kept)] = 0
    doubt = np.clip(book.doubt, 0, 1)
    sample = Sample("repair", seed=seed, snapshot=units.snapshot)
    more = [e for e in more if key_of(e.subject) not in book.answers.settled]
    things, galleries = _things(units), _galleries(units, doubt * left)
    yield from (_dispute(book, seen, sample) for seen in book.answers.disputed)

    def worth(kind: str, k: int) -> tuple[float, float]:
        """Gain and seconds as things stand."""
        if kind == "more":
            return more[k].gain, more[k].seconds
        if kind == "track":
            d = doubt[k] * left[k]
            return float(d * units.frames[k]), float(effort.of_track(d))
        rows = things[k] if kind == "object" else galleries[k]
        rows = rows[left[rows] > 1 - once]
        d = doubt[rows]
        cost = effort.of_thing(d) if kind == "object" else effort.of_gallery(d)
        return once * float((d * units.frames[rows]).sum()), cost

    def rate(kind: str, k: int) -> float:
        gain, cost = worth(kind, k)
        return gain / cost

    d = doubt * left
    rates = d * units.frames / effort.of_track(d)
    heap = [(-r, i, "track", i) for i, r in enumerate(rates.tolist()) if r > 0]
    counts = {"object": len(things), "gallery": len(galleries), "more": len(more)}
    for kind, count in counts.items():
        heap += [(-rate(kind, k), k, kind, k) for k in range(count)]
    heapq.heapify(heap)
    while heap:
        promised, _, kind, k = heapq.heappop(heap)
        now = rate(kind, k)
        if now <= 0:
            continue
        if now < -promised * (1 - 1e-9):
            heapq.heappush(heap, (-now, k, kind, k))
        elif kind == "more":
            yield more[k]
        elif kind == "track":
            yield book.entry(k, sample, float(doubt[k] * left[k]))
            left[k] = 0
        else:
            rows = things[k] if kind == "object" else galleries[k]
            rows = rows[left[rows] > 1 - once]
            if len(rows) < (2 if kind == "object" else FEW_TILES):
                continue
            gain, cost = worth(kind, k)
            yield _several(book, kind, rows, sample, gain, cost)
            left[rows] *= 1 - once
            for row in rows.tolist():  # what they leave in doubt may be worth a card of its own
                d = doubt[row] * left[row]
                again = float(d * units.frames[row] / effort.of_track(d))
                heapq.heappush(heap, (-again, row, "track", row))


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
    return book.entry(seen.row, sample, 0.5, not_for=seen.actors if others else frozenset())


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
