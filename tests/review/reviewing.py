"""A session with a few tracks, and decisions about them in as few words as a test can say them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scenekeeper.review.events import Decision, Event, Sample, Subject
from scenekeeper.review.fold import Folded, fold
from scenekeeper.review.labelled import Labelled

KITCHEN = "kitchen"
SIZE = (60, 80)
MADE = 1_000_000_000


def box(track: int, frame_id: int) -> list[float]:
    """Where a track is: each in a row of its own, moving right."""
    return [10.0 + 2 * frame_id, 10.0 * track, 18.0 + 2 * frame_id, 10.0 * track + 8]


def labelled(
    frames: dict[int, range], object: dict[int, int] | None = None, run: str = "i1", **rows: int
) -> Labelled:
    """Labels with tracks in given frames.

    Args:
        frames: per track its frames.
        object: per track its object.
        run: of the labels.
        rows: ``t3=1`` = track 3 lies where otherwise track 1 would.
    """
    at = {track: rows.get(f"t{track}", track) for track in frames}
    boxes = {}
    for frame in range(20):
        there = [t for t, shown in frames.items() if frame in shown]
        place = np.array([box(at[t], frame) for t in there], np.float64).reshape(-1, 4)
        boxes[frame] = (np.array(there, np.int64), place)
    return Labelled(
        run,
        {t: np.array(shown, np.int64) for t, shown in frames.items()},
        {t: f"thing {t}" for t in frames},
        object or {},
        boxes,
        dict.fromkeys(range(20), SIZE),
    )


def track(number: int, session: str = KITCHEN) -> Subject:
    return Subject("track", session, number)


def pair(a: int, b: int, session: str = KITCHEN) -> Subject:
    return Subject("pair", session, a, b)


def thing(number: int) -> Subject:
    return Subject("object", "", number)


def looked_at(number: int, *frames: int) -> dict[str, Any]:
    """The anchor of a decision by somebody who looked at a track in some frames."""
    return {"anchor": tuple((KITCHEN, f, *box(number, f)) for f in frames)}


class Story:
    """Decisions one after the other, all by people who saw the labels of run ``i1``."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, op: str, subject: Subject, stream: str = "repair", **more: Any) -> Event:
        fields = {"runs": {KITCHEN: "i1"}, "actor": "ada"}
        names = {"runs", "actor", "anchor", "first", "last", "base", "card", "t_ns"}
        fields |= {k: more.pop(k) for k in [*more] if k in names and (k, op) not in _BODY}
        seq = len(self.events) + 1
        sample = Sample(stream)  # type: ignore[arg-type]
        decision = Decision(f"event-{seq:04d}", op, subject, more, sample=sample, **fields)  # type: ignore[arg-type]
        event = Event(seq, decision, 1000 * seq, "", "")
        self.events.append(event)
        return event

    def undo(self, event: Event) -> Event:
        return self("undo", event.decision.subject, of=event.decision.id)

    def at(self, event: Event, received_ns: int) -> Event:
        """The same event, received at another time."""
        late = replace(event, received_ns=received_ns)
        self.events[self.events.index(event)] = late
        return late

    def over(self, *kitchens: Labelled, **others: Labelled) -> Folded:
        sessions = {KITCHEN: kitchens[0]} if kitchens else {}
        return fold(self.events, sessions | others)


_BODY = {("first", "trim"), ("last", "trim")}


def ruled(folded: Folded, number: int) -> dict[int, tuple[str | None, int]]:
    """What a track is called by people and as which track it counts, in frames it is there."""
    out = {}
    for row in folded.rulings.to_pylist():
        if row["track"] == number and row["there"]:
            whole = row["as_track"] if row["as_track"] is not None else number
            out |= dict.fromkeys(range(row["first"], row["last"] + 1), (row["phrase"], whole))
    return out


def statuses(folded: Folded, number: int) -> dict[int, str]:
    rows = folded.rulings.to_pylist()
    return {
        frame: row["status"]
        for row in rows
        if row["track"] == number and row["there"]
        for frame in range(row["first"], row["last"] + 1)
    }


def remarked(folded: Folded) -> list[tuple[int, str]]:
    return [(r.event, r.kind) for r in folded.remarks]
