"""Cards made of the queue's entries, one at a time, when they are dealt.

In: an entry and the labels that it is about. Out: a card, or none where the labels have nothing to
show. Gold cards are made in :mod:`scenekeeper.review.gold`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from scenekeeper.review.cards import Card, Part, View
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Subject
from scenekeeper.review.film import EVEN, RISKY
from scenekeeper.review.gold import planted
from scenekeeper.review.other_names import others
from scenekeeper.review.reel import Reel

CHOICES = 9
"""Other names on a card: one a digit key."""
CROWDED = 12
"""Views that an object's card shows of its tracks together, or twice as many tracks."""
TOGETHER = 4
"""Views of each side of a pair, and of a relation."""


def card(reel: Reel, entry: Entry) -> Card | None:
    """The card of an entry.

    Raises:
        DatasetError: the labels cannot be read.
    """
    if not all(len(reel.cut(row)[0]) for row in entry.rows):
        return None  # labelled anew meanwhile
    made = _MAKERS[entry.kind](reel, entry)
    if made is not None and entry.sample.stream == "gold":
        made = planted(reel, entry, made)
    return made


def cards(reel: Reel, entries: Iterable[Entry]) -> list[Card]:
    """Cards of several entries; entries that have nothing to show give none."""
    return [made for entry in entries if (made := card(reel, entry)) is not None]


# --- one maker a kind -----------------------------------------------------------------------------


def _track(reel: Reel, entry: Entry) -> Card | None:
    row = entry.rows[0]
    views = reel.strip(row, EVEN, RISKY)
    return _card(
        reel,
        entry,
        phrase=reel.units.phrase[row],
        choices=choices(reel, entry.rows),
        views=views,
        context=_around(views),
        series=reel.series(row),
        frames=int(reel.units.frames[row]),
    )


def _object(reel: Reel, entry: Entry) -> Card | None:
    """Its tracks in one strip, a session after the other; of very many, the longest."""
    units = reel.units
    shown = sorted(sorted(entry.rows, key=lambda row: -units.frames[row])[: 2 * CROWDED])
    each = min(max(CROWDED // len(shown), 1), TOGETHER)
    views = tuple(
        view
        for row in shown
        for view in (reel.strip(row, each) if each > 1 else reel.views(row, [reel.best(row)]))
    )
    longest = max(entry.rows, key=lambda row: units.frames[row])
    return _card(
        reel,
        entry,
        phrase=units.phrase[longest],
        choices=choices(reel, [longest, *entry.rows]),
        views=views,
        context=_around(views),
        parts=tuple(_part(reel, row, ()) for row in entry.rows),
        frames=int(units.frames[list(entry.rows)].sum()),
        sessions=len({units.session[row] for row in entry.rows}),
    )


def _gallery(reel: Reel, entry: Entry) -> Card | None:
    units = reel.units
    parts = tuple(
        _part(reel, row, reel.views(row, [reel.best(row)], masked=False)) for row in entry.rows
    )
    return _card(
        reel,
        entry,
        phrase=units.phrase[entry.rows[0]],
        choices=choices(reel, entry.rows),
        parts=parts,
        frames=int(units.frames[list(entry.rows)].sum()),
        sessions=len({units.session[row] for row in entry.rows}),
    )


def _pair(reel: Reel, entry: Entry) -> Card | None:
    units, subject = reel.units, entry.subject
    of = units.track if subject.session else units.object
    sides = [[row for row in entry.rows if of[row] == k] for k in (subject.id, subject.other)]
    if not all(sides):
        return None
    parts = tuple(_side(reel, rows, subject) for rows in sides)
    return _card(
        reel,
        entry,
        phrase=parts[0].phrase,
        parts=parts,
        frames=min(part.frames for part in parts),
        sessions=len({units.session[row] for row in entry.rows}),
    )


def _relation(reel: Reel, entry: Entry) -> Card | None:
    """The one thing in the card's views, the other in its part's, in frames that show both.

    The window holds both. Where no frame does, each is shown where it is seen best.
    """
    a, b = entry.rows
    both, at_a, at_b = np.intersect1d(reel.cut(a)[0], reel.cut(b)[0], return_indices=True)
    other: tuple[View, ...] = ()
    if len(both):
        k = np.unique(np.linspace(0, len(both) - 1, TOGETHER).round().astype(int))
        views = reel.views(a, [(int(i), False) for i in at_a[k]])
        other = reel.views(b, [(int(i), False) for i in at_b[k]])
        seen = [_joined(v, w) for v, w in zip(views, other, strict=True)]
        views = tuple(replace(v, window_xyxy=s) for v, s in zip(views, seen, strict=True))
        other = tuple(replace(v, window_xyxy=s) for v, s in zip(other, seen, strict=True))
    else:
        views = tuple(view for row in (a, b) for view in reel.views(row, [reel.best(row)]))
    return _card(
        reel,
        entry,
        phrase=reel.units.phrase[a],
        statement=entry.statement,
        views=views,
        context=_around(views),
        parts=(_part(reel, a, ()), _part(reel, b, other)),
        frames=max(len(both), 1),
    )


def _caption(reel: Reel, entry: Entry) -> Card | None:
    """A sentence about a frame, or about a thing whose tracks the entry names."""
    if entry.rows:
        row = entry.rows[0]
        views = reel.strip(row, TOGETHER)
        context, phrase = _around(views), reel.units.phrase[row]
    else:
        views = (reel.view(entry.subject.session, entry.subject.id),)
        context, phrase = None, ""
    return _card(
        reel, entry, phrase=phrase, statement=entry.statement, views=views, context=context
    )


def _frame(reel: Reel, entry: Entry) -> Card | None:
    """A frame and nothing else: what labels say would be taken for all there is."""
    return _card(reel, entry, views=(reel.view(entry.subject.session, entry.subject.id),))


_MAKERS = {
    "track": _track,
    "object": _object,
    "gallery": _gallery,
    "pair": _pair,
    "relation": _relation,
    "caption": _caption,
    "frame": _frame,
}

# --- parts of cards -------------------------------------------------------------------------------


def _card(reel: Reel, entry: Entry, **rest: object) -> Card:
    subject = entry.subject
    return Card(
        entry.id,
        entry.kind,
        subject,
        reel.revision(subject.key),
        seconds=entry.seconds,
        sample=entry.sample,
        **rest,  # type: ignore[arg-type]
    )


def _subject(reel: Reel, row: int) -> Subject:
    return Subject("track", reel.units.session[row], int(reel.units.track[row]))


def _part(reel: Reel, row: int, views: tuple[View, ...]) -> Part:
    """One track."""
    subject = _subject(reel, row)
    revision, frames = reel.revision(subject.key), int(reel.units.frames[row])
    return Part(subject, revision, reel.units.phrase[row], frames, views)


def _side(reel: Reel, rows: Sequence[int], pair: Subject) -> Part:
    """One side of a pair: a track, or an object by its longest tracks."""
    units = reel.units
    longest = sorted(rows, key=lambda row: -units.frames[row])[:TOGETHER]
    views = tuple(v for row in longest for v in reel.strip(row, TOGETHER // len(longest)))
    row = longest[0]
    subject = _subject(reel, row)
    if not pair.session:
        subject = Subject("object", "", int(units.object[row]))
    frames = int(units.frames[list(rows)].sum())
    return Part(subject, reel.revision(subject.key), units.phrase[row], frames, views)


def choices(reel: Reel, rows: Sequence[int]) -> tuple[str, ...]:
    """Other names of the thing that some tracks are of, likeliest first."""
    return others(reel.units, reel.names, rows, CHOICES)


def _around(views: Sequence[View]) -> View | None:
    """The whole frame around the largest view."""
    if not views:
        return None
    largest = max(views, key=_area)
    height, width = largest.size
    return replace(largest, window_xyxy=(0, 0, width, height), risk=False)


def _area(view: View) -> float:
    x0, y0, x1, y1 = view.box_xyxy or view.window_xyxy
    return (x1 - x0) * (y1 - y0)


def _joined(a: View, b: View) -> tuple[int, int, int, int]:
    """A window that holds both windows."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.window_xyxy, b.window_xyxy
    return min(ax0, bx0), min(ay0, by0), max(ax1, bx1), max(ay1, by1)
