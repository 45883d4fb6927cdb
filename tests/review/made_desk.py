"""A desk without a log: made-up cards over any labelled dataset, for the page and the server.

Decisions stay in memory. A card is dealt once; what is undone comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from scenekeeper.errors import ReviewError
from scenekeeper.review.access import Visitor, rules
from scenekeeper.review.app import STATIC, make_app
from scenekeeper.review.asked import AbsentError, UnavailableError
from scenekeeper.review.cards import Card, Part, View
from scenekeeper.review.events import Decision, Subject
from scenekeeper.review.media import Media, views_of
from scenekeeper.review.pages import card_page
from scenekeeper.review.serve import link, listening, running
from scenekeeper.store import Dataset


class MadeDesk:
    """See the module; ``cards`` are dealt in their order."""

    def __init__(self, dataset: Dataset, cards: Sequence[Card] | None = None) -> None:
        self.media = Media(dataset)
        self.dataset = dataset
        self.cards = {c.id: c for c in (made_cards(dataset) if cards is None else cards)}
        self.decisions: dict[str, Decision] = {}
        self.actors: dict[str, str] = {}
        self.holders: dict[str, str] = {}
        self.lock = threading.Lock()
        self.full = False

    def state(self, visitor: Visitor) -> Mapping[str, Any]:
        words = sorted({c.phrase for c in self.cards.values() if c.phrase})
        return {
            "dataset": self.dataset.path.name,
            "decided": len(self.decisions),
            "left": self._left(),
            "waiting_seconds": 0.0,
            "words": words,
            "certificate": None,
            "quality": [],
            "minutes": None,
            "log": len(self.decisions),
            "notes": [],
        }

    def deal(
        self, visitor: Visitor, n: int, have: Sequence[str] | None
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        with self.lock:
            dealt = []
            done = {d.card for d in self.decisions.values()}
            for card in self.cards.values():
                mine = self.holders.get(card.id) == visitor.id
                free = card.id not in self.holders or (have is not None and mine)
                if free and card.id not in done and card.id not in (have or ()):
                    dealt.append(card)
                    self.holders[card.id] = visitor.id
                if len(dealt) == n:
                    break
        return [card_page(c, self.media) for c in dealt], self._left()

    def card(self, card: str) -> Mapping[str, Any]:
        if card not in self.cards:
            raise AbsentError("there is no such card")
        return card_page(self.cards[card], self.media)

    def views(self, card: str) -> Sequence[View]:
        if card not in self.cards:
            raise AbsentError("there is no such card")
        return views_of(self.cards[card])

    def decide(self, visitor: Visitor, decisions: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        with self.lock:
            return [self._decide(visitor, d) for d in decisions]

    def _decide(self, visitor: Visitor, data: Any) -> Mapping[str, Any]:
        try:
            decision = Decision.of(data)
        except ReviewError as error:
            said = data.get("id") if isinstance(data, dict) else None
            return {"id": said, "status": "refused", "seq": 0, "reason": str(error)}
        status = "already" if decision.id in self.decisions else "saved"
        self.decisions.setdefault(decision.id, decision)
        self.actors.setdefault(decision.id, visitor.name)
        if decision.op == "undo":
            undone = self.decisions.pop(str(decision.body["of"]), None)
            if undone is not None:
                self.holders.pop(undone.card, None)
        return {"id": decision.id, "status": status, "seq": len(self.decisions), "reason": ""}

    def release(self, visitor: Visitor, cards: Sequence[str]) -> None:
        with self.lock:
            for card in cards:
                if self.holders.get(card) == visitor.id:
                    del self.holders[card]

    def frame(self, session: str, frame_id: int) -> Mapping[str, Any]:
        rows = self.dataset.sql(
            "SELECT * FROM instances WHERE session = ? AND frame_id = ?", [session, frame_id]
        ).to_pylist()
        self.media.content(session)
        return {
            "size": [rows[0]["height"], rows[0]["width"]] if rows else [240, 320],
            "instances": [
                {
                    "track": r["track"],
                    "object": r["object"],
                    "phrase": r["phrase"],
                    "box_xyxy": r["box_xyxy"],
                    "counts": None if r["mask"] is None else r["mask"].decode(),
                }
                for r in rows
            ],
        }

    def mask(
        self,
        session: str,
        frame_id: int,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, ...] | None,
    ) -> Mapping[str, Any]:
        raise UnavailableError("no segmenter", remedy="Start again with --segmenter NAME.")

    def _left(self) -> int:
        done = {d.card for d in self.decisions.values()}
        return sum(1 for c in self.cards if c not in done and c not in self.holders)


@contextmanager
def serving(
    desk: Any, token: str | None = None, static: Path = STATIC, port: int = 0
) -> Iterator[str]:
    """The link of a server for a desk, in a thread of this process."""
    with listening("127.0.0.1", port) as sock:
        number = sock.getsockname()[1]
        access = rules("127.0.0.1", number, token)
        with running(make_app(desk, access, "tester", static), sock):
            yield link("127.0.0.1", number, access.new_token())


def made_cards(dataset: Dataset) -> list[Card]:
    """Cards of every kind about a dataset's labels, in no sensible order."""
    tracks = [_track(dataset, *key) for key in _keys(dataset)]
    tracks = [t for t in tracks if t.views]
    return [
        *tracks,
        *_pairs(tracks),
        *_objects(tracks),
        *_galleries(tracks),
        *_relations(dataset, tracks),
        *_frames(dataset),
    ]


def _keys(dataset: Dataset) -> list[tuple[str, int]]:
    rows = dataset.sql(
        "SELECT session, track FROM instances GROUP BY ALL ORDER BY count(*) DESC, session, track"
        " LIMIT 60"
    ).to_pylist()
    return [(r["session"], r["track"]) for r in rows]


def _track(dataset: Dataset, session: str, track: int) -> Card:
    rows = dataset.sql(
        "SELECT * FROM instances WHERE session = ? AND track = ? ORDER BY frame_id",
        [session, track],
    ).to_pylist()
    chosen = [rows[round(k * (len(rows) - 1) / 9)] for k in range(min(10, len(rows)))]
    subject = Subject("track", session, track)
    whole = _view(chosen[0])
    height, width = whole.size
    return Card(
        f"t-{session}-{track}",
        "track",
        subject,
        0,
        phrase=rows[0]["phrase"],
        choices=("mug", "bowl", "book", "box", "chair"),
        views=tuple(_view(r, k % 3 == 1) for k, r in enumerate(chosen)),
        context=View(
            session,
            whole.frame_id,
            whole.seconds,
            whole.size,
            (0, 0, width, height),
            whole.box_xyxy,
            whole.counts,
        ),
        series=tuple((r["frame_id"], float(r["score"])) for r in rows[:200]),
        frames=len(rows),
    )


def _view(row: Mapping[str, Any], risk: bool = False) -> View:
    x0, y0, x1, y1 = row["box_xyxy"]
    size = (row["height"], row["width"])
    half = max(x1 - x0, y1 - y0, 24) * 0.65
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    window = (int(x - half), int(y - half), int(x + half), int(y + half))
    counts = None if row["mask"] is None else row["mask"].decode()
    seconds = row["frame_id"] / 10
    box = (float(x0), float(y0), float(x1), float(y1))
    return View(row["session"], row["frame_id"], seconds, size, window, box, counts, risk)


def _part(card: Card, most: int) -> Part:
    return Part(card.subject, 0, card.phrase, card.frames, card.views[:most])


def _pairs(tracks: Sequence[Card]) -> Iterator[Card]:
    for a, b in pairwise(tracks[:8]):
        if a.subject.session == b.subject.session:
            subject = Subject("pair", a.subject.session, a.subject.id, b.subject.id)
            parts = (_part(a, 4), _part(b, 4))
            yield Card(f"p-{subject.id}-{subject.other}", "pair", subject, 0, parts=parts)


def _objects(tracks: Sequence[Card]) -> Iterator[Card]:
    if len(tracks) > 2:
        parts = tuple(_part(t, 3) for t in tracks[:3])
        subject = Subject("object", "", 1)
        phrase, choices = tracks[0].phrase, tracks[0].choices
        yield Card(
            "o-1",
            "object",
            subject,
            0,
            phrase,
            choices,
            views=tuple(v for p in parts for v in p.views[:2]),
            parts=parts,
            frames=sum(t.frames for t in tracks[:3]),
            sessions=2,
        )


def _galleries(tracks: Sequence[Card]) -> Iterator[Card]:
    parts = tuple(_part(t, 1) for t in tracks[:24])
    if parts:
        yield Card("g-1", "gallery", parts[0].subject, 0, parts[0].phrase, parts=parts)


def _relations(dataset: Dataset, tracks: Sequence[Card]) -> Iterator[Card]:
    for row in dataset.sql("SELECT * FROM relations LIMIT 3").to_pylist():
        subject = Subject("relation", row["session"], row["subject"], row["object"], "on")
        statement = f"thing {row['subject']} is {row['predicate']} thing {row['object']}"
        views = tracks[0].views[:3]
        name = f"r-{row['session']}-{row['subject']}-{row['object']}-{row['predicate']}"
        yield Card(name.replace(" ", "_"), "relation", subject, 0, statement=statement, views=views)
    if tracks:
        subject = Subject("caption", tracks[0].subject.session, 1)
        statement = "A white mug on a wooden table."
        views = tracks[0].views[:3]
        yield Card("c-1", "caption", subject, 0, statement=statement, views=views)


def _frames(dataset: Dataset) -> Iterator[Card]:
    for session in dataset.sessions():
        index = dataset.frames(session)
        if not len(index):
            continue
        row = index.slice(len(index) // 2, 1).to_pylist()[0]
        size = (row["height"], row["width"])
        whole = View(session, row["frame_id"], 0.0, size, (0, 0, size[1], size[0]))
        subject = Subject("frame", session, row["frame_id"])
        yield Card(f"f-{session}-{row['frame_id']}", "frame", subject, 0, views=(whole,))
