"""Which events count for the labels: not what was undone, not seeded errors, no repetitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scenekeeper.review.events import Event

_SILENT = ("unsure", "complete")
"""What changes no label."""


@dataclass(frozen=True)
class Remark:
    """Something about a decision that somebody should know; the decision itself is kept.

    Attributes:
        event: its number in the log.
        kind: ``orphan``, what it is about is not found in the labels in force; ``dispute``, a
            second reviewer says otherwise, and the first counts until somebody settles it;
            ``contradiction``, another decision, or the machine by now, says otherwise.
        text: what exactly.
    """

    event: int
    kind: Literal["orphan", "dispute", "contradiction"]
    text: str


def standing(events: Iterable[Event]) -> tuple[list[Event], list[Remark]]:
    """Events that change labels, in order.

    Undoing an undo brings the event back. An answer to a repeated card counts where nothing else
    was decided about its subject; where something was, it tells how far reviewers agree, and no
    more than that.
    """
    kept = []
    last: dict[str, Event] = {}
    disputes: dict[str, Remark] = {}
    for event in not_undone(events):
        d = event.decision
        if d.sample.stream == "gold" or d.op in _SILENT:
            continue
        key = d.subject.key
        before = last.get(key)
        if d.sample.stream == "duplicate" and before is not None:
            if not _agree(before, event):
                said = f"a second reviewer says otherwise of {key} than event {before.seq}"
                disputes[key] = Remark(event.seq, "dispute", said)
            continue
        disputes.pop(key, None)  # whoever decides after two who differ settles it
        last[key] = event
        kept.append(event)
    return kept, list(disputes.values())


def not_undone(events: Iterable[Event]) -> list[Event]:
    """The events that nobody has undone, in order; undoing an undo brings an event back.

    What a segmenter made of a mask goes with that mask.
    """
    kept, undone = [], set[str]()
    for event in reversed(sorted(events, key=lambda e: e.seq)):
        if event.decision.id in undone:
            continue
        if event.decision.op == "undo":
            undone.add(str(event.decision.body["of"]))
        else:
            kept.append(event)
    return [e for e in kept[::-1] if e.decision.body.get("of") not in undone]


def _agree(a: Event, b: Event) -> bool:
    one, other = a.decision, b.decision
    names = [d.body.get("phrase") for d in (one, other) if d.op in ("accept", "relabel")]
    if len(names) == 2 and None not in names:
        return names[0] == names[1]  # to accept a name and to give it is the same
    return one.op == other.op and (one.op == "accept" or one.body == other.body)
