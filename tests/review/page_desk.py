"""A desk with one made-up card of each kind over true labels, for the page's tests and pictures.

The machine's mistakes are planted: a wrong name, a track that goes over to another thing, a mask
that is lost at the end, odd ones in a gallery, labels that a frame lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scenekeeper import masks
from scenekeeper.errors import DatasetError
from scenekeeper.review.access import Visitor
from scenekeeper.review.asked import UnavailableError
from scenekeeper.review.cards import Card, Part, View
from scenekeeper.review.events import Subject
from scenekeeper.store import Dataset
from tests.review.made_desk import MadeDesk

STRUCTURE = (
    *("wall", "floor", "ceiling", "table", "counter", "door", "window"),
    *("bookshelf", "cabinet", "shelf", "stool", "chair", "sofa"),
)
STATEMENT = (
    "At least 95 % of the accepted labels are right, at 90 % confidence; 83 % of the dataset"
    " accepted, 1,240 labels left to someone."
)


class PageDesk(MadeDesk):
    """See the module; what it answers to requests can be set.

    Attributes:
        hidden: how many things the labels of a frame lack, the largest.
        answers: by operation, the status and reason of the receipt for it instead of saving.
        segmenter: whether masks can be had for clicks.
        broken: whether nothing can be stored.
        worth: what the state tells beside the counts.
    """

    def __init__(self, dataset: Dataset, cards: Sequence[Card] | None = None) -> None:
        super().__init__(dataset, page_cards(dataset) if cards is None else cards)
        self.answers: dict[str, tuple[str, str]] = {}
        self.segmenter = True
        self.broken = False
        self.hidden = 2
        self.worth: Mapping[str, Any] = {
            "minutes": 24.3,
            "certificate": {
                "statement": STATEMENT,
                "epsilon": 0.05,
                "delta": 0.1,
                "accepted": 0.83,
                "share": 0.83,
                "left": 1240,
                "void": False,
            },
            "quality": [
                {"kind": "any", "share": 0.071, "low": 0.05, "high": 0.097},
                {"kind": "class", "share": 0.051, "low": 0.032, "high": 0.075},
                {"kind": "mask", "share": 0.034, "low": 0.018, "high": 0.058},
                {"kind": "identity", "share": 0.021, "low": 0.009, "high": 0.041},
                {"kind": "missed", "share": 0.118, "low": 0.08, "high": 0.165},
            ],
        }

    def state(self, visitor: Visitor) -> Mapping[str, Any]:
        named = self.dataset.sql("SELECT DISTINCT phrase FROM instances ORDER BY phrase")
        words = [r["phrase"] for r in named.to_pylist() if r["phrase"]]
        return {**super().state(visitor), **self.worth, "words": words}

    def decide(self, visitor: Visitor, decisions: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        if self.broken:
            raise DatasetError("the disk is full", remedy="Free some space; nothing is lost.")
        return super().decide(visitor, decisions)

    def _decide(self, visitor: Visitor, data: Any) -> Mapping[str, Any]:
        status, reason = self.answers.get(data.get("op"), ("", ""))
        if status:
            return {"id": data["id"], "status": status, "seq": 0, "reason": reason}
        return super()._decide(visitor, data)

    def frame(self, session: str, frame_id: int) -> Mapping[str, Any]:
        """Labels of a frame without those of some things, which are to be found missing."""
        told = super().frame(session, frame_id)
        things = [i for i in told["instances"] if i["phrase"] not in STRUCTURE]
        things.sort(key=lambda i: -_area(i["box_xyxy"]))
        return {**told, "instances": things[self.hidden :]}

    def mask(
        self,
        session: str,
        frame_id: int,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, ...] | None,
    ) -> Mapping[str, Any]:
        """The true mask under the first click."""
        if not self.segmenter:
            raise UnavailableError("no segmenter", remedy="Start again with --segmenter NAME.")
        x, y, _ = clicks[0]
        found = super().frame(session, frame_id)
        for label in sorted(found["instances"], key=lambda i: _area(i["box_xyxy"])):
            if label["counts"]:
                mask = masks.decode(label["counts"].encode(), tuple(found["size"]))
                if mask[min(int(y), mask.shape[0] - 1), min(int(x), mask.shape[1] - 1)]:
                    return {"counts": label["counts"], "score": 0.97}
        empty = masks.encode(np.zeros(tuple(found["size"]), np.bool_))
        return {"counts": empty.decode(), "score": 0.0}


def page_cards(dataset: Dataset) -> list[Card]:
    """A card of each kind, then tracks to go on with."""
    tracks = _tracks(dataset)
    name = next((t.phrase for t in tracks if t.phrase != tracks[1].phrase), "mug")
    others = tuple(n for n in _names(tracks) if n not in (name, tracks[1].phrase))
    wrong = replace(tracks[1], phrase=name, choices=(tracks[1].phrase, *others))
    cards = [
        tracks[0],
        wrong,
        _mixed(tracks[2], [t for t in tracks[3:] if _of(t) == _of(tracks[2])]),
        _across(tracks),
        _pair(tracks),
        _gallery(tracks),
        *_relation(dataset, tracks),
        _caption(dataset),
        _frame(dataset),
        *tracks[4:],
    ]
    return [card for card in cards if card is not None]


def _tracks(dataset: Dataset) -> list[Card]:
    """Cards of the longest tracks of things that are large enough to see."""
    rows = dataset.sql(
        "SELECT session, track, any_value(phrase) AS phrase, avg(area) AS area, count(*) AS n"
        " FROM instances WHERE mask IS NOT NULL GROUP BY session, track"
        " HAVING n >= 3 ORDER BY n * sqrt(avg(area)) DESC, session, track"
    ).to_pylist()
    rows = [r for r in rows if r["phrase"] not in STRUCTURE] or rows
    names = tuple(dict.fromkeys(r["phrase"] for r in rows))
    return [_track(dataset, r["session"], r["track"], names) for r in rows[:60]]


def _track(dataset: Dataset, session: str, track: int, names: tuple[str, ...]) -> Card:
    rows = dataset.sql(
        "SELECT * FROM instances WHERE session = ? AND track = ? AND mask IS NOT NULL"
        " ORDER BY frame_id",
        [session, track],
    ).to_pylist()
    even = [rows[round(k * (len(rows) - 1) / 7)] for k in range(8)]
    small = sorted(rows, key=lambda r: r["area"])[:4]
    chosen = {r["frame_id"]: r for r in (*even, *small)}
    views = tuple(view_of(chosen[k]) for k in sorted(chosen))
    about = max(views, key=lambda v: _area(v.box_xyxy or (0, 0, 0, 0)))
    phrase = rows[0]["phrase"]
    rng = np.random.default_rng(track)
    walk = np.clip(0.8 + np.cumsum(rng.normal(0, 0.03, len(rows))), 0.05, 0.99)
    return Card(
        f"t-{session}-{track}",
        "track",
        Subject("track", session, track),
        0,
        phrase=phrase,
        choices=tuple(n for n in names if n != phrase)[:7],
        views=views,
        context=_whole(about),
        series=tuple(
            (r["frame_id"], float(s)) for r, s in zip(rows[:200], walk[:200], strict=True)
        ),
        frames=len(rows),
    )


def view_of(row: Mapping[str, Any]) -> View:
    """A label's surroundings, moved into the picture where it is at its edge."""
    x0, y0, x1, y1 = row["box_xyxy"]
    height, width = row["height"], row["width"]
    side = int(min(max(x1 - x0, y1 - y0, 32) * 1.4, width, height))
    left = int(np.clip((x0 + x1 - side) / 2, 0, width - side))
    top = int(np.clip((y0 + y1 - side) / 2, 0, height - side))
    return View(
        row["session"],
        row["frame_id"],
        row["frame_id"] / 5,
        (height, width),
        (left, top, left + side, top + side),
        (float(x0), float(y0), float(x1), float(y1)),
        row["mask"].decode(),
    )


def _whole(view: View) -> View:
    height, width = view.size
    return replace(view, window_xyxy=(0, 0, width, height))


def _mixed(a: Card, others: Sequence[Card]) -> Card:
    """A track whose later half is another thing; its id ends with the place of the first of it."""
    cut = a.views[len(a.views) // 2].frame_id
    b = max(others, key=lambda t: sum(v.frame_id >= cut for v in t.views))
    early = [v for v in a.views if v.frame_id < cut]
    later = [v for v in b.views if v.frame_id >= cut]
    series = [s for s in a.series if s[0] < cut] + [s for s in b.series if s[0] >= cut]
    return replace(
        a,
        id=f"{a.id}-mixed-{len(early)}",
        views=(*early, *later),
        context=_whole(early[0]),
        series=tuple(series),
        frames=len(series),
    )


def _across(tracks: Sequence[Card]) -> Card:
    """One object in two sessions, or in one where there is no other."""
    first = tracks[0]
    other = next(
        (t for t in tracks[1:] if t.phrase == first.phrase and t.subject.session != _of(first)),
        tracks[1],
    )
    views = (*first.views[:6], *other.views[:6])
    parts = tuple(Part(t.subject, 0, t.phrase, t.frames, ()) for t in (first, other))
    subject = Subject("object", "", first.subject.id)
    frames = first.frames + other.frames
    return replace(
        first, id="o-1", kind="object", subject=subject, views=views, series=(), parts=parts,
        frames=frames, sessions=2,
    )  # fmt: skip


def _pair(tracks: Sequence[Card]) -> Card:
    pairs = [(a, b) for k, a in enumerate(tracks) for b in tracks[k + 1 :] if a.phrase == b.phrase]
    a, b = pairs[-1] if pairs else (tracks[0], tracks[1])
    subject = Subject("pair", "", a.subject.id, b.subject.id)
    parts = tuple(Part(t.subject, 0, t.phrase, t.frames, t.views[:6]) for t in (a, b))
    return Card("p-1", "pair", subject, 0, parts=parts, frames=a.frames + b.frames, sessions=2)


def _gallery(tracks: Sequence[Card]) -> Card:
    """All things of the most frequent name, and four others under it."""
    phrases = [t.phrase for t in tracks]
    name = max(sorted(set(phrases)), key=phrases.count)
    shown = sorted(tracks, key=lambda t: (t.phrase != name, t.id))[: phrases.count(name) + 4]
    shown = [shown[k] for k in np.random.default_rng(5).permutation(len(shown))]
    parts = tuple(Part(t.subject, 0, name, t.frames, (t.views[len(t.views) // 2],)) for t in shown)
    choices = tuple(n for n in _names(tracks) if n != name)[:7]
    frames = sum(p.frames for p in parts)
    return Card("g-1", "gallery", parts[0].subject, 0, name, choices, parts=parts, frames=frames)


def _relation(dataset: Dataset, tracks: Sequence[Card]) -> list[Card]:
    by_id = {(t.subject.session, t.subject.id): t for t in tracks}
    rows = dataset.table("relations").to_pylist() or [
        {"session": _of(a), "subject": a.subject.id, "predicate": "near", "object": b.subject.id}
        for a in tracks
        for b in tracks
        if a is not b and _of(a) == _of(b)
    ]
    for row in rows:
        a = by_id.get((row["session"], row["subject"]))
        b = by_id.get((row["session"], row["object"]))
        shared = {v.frame_id for v in a.views} & {v.frame_id for v in b.views} if a and b else ()
        if a and b and shared:
            views = tuple(v for v in a.views if v.frame_id in shared)
            parts = tuple(Part(t.subject, 0, t.phrase, t.frames, t.views) for t in (a, b))
            subject = Subject(
                "relation", row["session"], row["subject"], row["object"], row["predicate"]
            )
            said = f"The {a.phrase} is {row['predicate']} the {b.phrase}."
            return [
                Card("r-1", "relation", subject, 0, statement=said, views=views, parts=parts,
                     frames=a.frames)
            ]  # fmt: skip
    return []


def _caption(dataset: Dataset) -> Card:
    seen = _busiest(dataset)
    rows = dataset.table("captions", seen.session).to_pylist()
    text = next((r["text"] for r in rows if r["frame_id"] == seen.frame_id), "A table.")
    subject = Subject("caption", seen.session, seen.frame_id)
    return Card("c-1", "caption", subject, 0, statement=text, views=(seen,))


def _frame(dataset: Dataset) -> Card:
    seen = _busiest(dataset)
    return Card("f-1", "frame", Subject("frame", seen.session, seen.frame_id), 0, views=(seen,))


def _busiest(dataset: Dataset) -> View:
    """The frame with most labels."""
    [row] = dataset.sql(
        "SELECT session, frame_id, any_value(height) AS height, any_value(width) AS width"
        " FROM instances GROUP BY session, frame_id ORDER BY count(*) DESC, session, frame_id"
        " LIMIT 1"
    ).to_pylist()
    size, seconds = (row["height"], row["width"]), row["frame_id"] / 5
    return View(row["session"], row["frame_id"], seconds, size, (0, 0, size[1], size[0]))


def _names(tracks: Sequence[Card]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t.phrase for t in tracks))[:6]


def _of(card: Card) -> str:
    return card.subject.session


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
