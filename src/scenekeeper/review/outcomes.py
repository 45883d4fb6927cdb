"""What audits found: from the events of a draw to the share of each track's labels that is wrong.

A draw is read as far as its order has been taken without a gap: what comes after a card that was
left out, perhaps for being hard, is no random sample. Every audit counts; where a person could not
tell, the label counts as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scenekeeper.review.events import Decision, Event, Subject
from scenekeeper.review.sampling import Draw
from scenekeeper.review.standing import not_undone
from scenekeeper.review.units import Float, Int, Units

KINDS = ("class", "box", "mask", "identity", "hallucination", "unsure")
"""How a label can be wrong: its name, its box, its mask, another thing's track, nothing there; or
nobody can tell."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """What the audit of one track found.

    Attributes:
        wrong: per kind of error, where: pieces of the track as shares of its length.
    """

    wrong: Mapping[str, tuple[Span, ...]]

    def share(self, kinds: Iterable[str] = KINDS) -> float:
        """Share of the track's labels that are wrong in any of these ways.

        The labels are taken to be spread evenly between its first and its last frame.
        """
        total, reached = 0.0, 0.0
        for low, high in sorted(span for kind in kinds for span in self.wrong.get(kind, ())):
            total += max(0.0, high - max(low, reached))
            reached = max(reached, high)
        return total


def of_tracks(draw: Draw, events: Iterable[Event], units: Units) -> list[Finding]:
    """Findings of the first tracks of a draw, up to the first that nobody has audited.

    What other cards brought to light of an audited track counts too: a track that was corrected
    before its turn came was wrong, though its audit finds nothing left to correct.

    Args:
        draw: of ``units``.
        events: the log, in its order.
        units: the tracks of the draw's snapshot.
    """
    told = _told(draw, events)
    found = []
    for row in draw.rows.tolist():
        thing, phrase = int(units.object[row]), units.phrase[row]
        decisions = told.get(Subject("track", units.session[row], int(units.track[row])), [])
        if not any(_of(d, draw) for d in decisions):
            break
        if thing >= 0:
            decisions = decisions + told.get(Subject("object", "", thing), [])
        found.append(finding(decisions, int(units.first[row]), int(units.last[row]), phrase))
    return found


def shares(findings: Sequence[Finding]) -> dict[str, Float]:
    """Per kind, and in ``any`` way, ``float64 [k]``: share of the labels of each track that is
    wrong; what estimates take. Certificates take ``any``, or the shares of the kinds they are for.
    """
    ways = {"any": KINDS, **{kind: (kind,) for kind in KINDS}}
    return {name: np.array([f.share(kinds) for f in findings]) for name, kinds in ways.items()}


def finding(decisions: Iterable[Decision], first: int, last: int, phrase: str = "") -> Finding:
    """What decisions about a track say of its labels.

    Args:
        decisions: those that stand.
        first: first and
        last: last ``frame_id`` of the track.
        phrase: what the machine called it; to call it so again is no correction.
    """
    wrong: dict[str, list[Span]] = {}
    whole = last - first + 1
    for decision in decisions:
        if decision.op == "relabel" and decision.body["phrase"] == phrase:
            continue
        for kind, low, high in _wrong(decision, first, last):
            span = (max(low - first, 0) / whole, min(high - first, whole) / whole)
            if span[0] < span[1]:
                wrong.setdefault(kind, []).append(span)
    return Finding({kind: tuple(spans) for kind, spans in wrong.items()})


def _wrong(decision: Decision, first: int, last: int) -> list[tuple[str, int, int]]:
    """Kind of error, its first frame, and one past its last."""
    body, end = decision.body, last + 1
    match decision.op:
        case "relabel":
            return [("class", first, end)]
        case "reject":
            return [("hallucination", first, end)]
        case "unsure":
            return [("unsure", first, end)]
        case "trim":
            return [
                ("hallucination", first, body["first"]),
                ("hallucination", body["last"] + 1, end),
            ]
        case "split":
            return [("identity", body["frame"], end)]
        case "box" | "mask" as kind:
            return [(kind, *_around(body["frame"], decision, first, end))]
    return []


def _around(frame: int, decision: Decision, first: int, end: int) -> tuple[int, int]:
    """A box or mask is wrong from the view before, where it was right, to the view after.

    Where the person saw no other view it is wrong throughout.
    """
    seen = [view[1] for view in decision.anchor if view[0] == decision.subject.session]
    before = max((f + 1 for f in seen if f < frame), default=first)
    after = min((f for f in seen if f > frame), default=end)
    return before, after


def of_frames(draw: Draw, events: Iterable[Event], frames: Sequence[tuple[str, int]]) -> Int:
    """``int64 [k]``: things without a label in the first k frames of a draw.

    Args:
        draw: of ``frames``.
        events: the log, in its order.
        frames: session and ``frame_id`` of each frame that was drawn from.

    Frames count once they were declared complete; one that a person was unsure of stops the
    sample, for what is missed there cannot be bounded.
    """
    told = _told(draw, events)
    missed = []
    for row in draw.rows.tolist():
        session, frame_id = frames[row]
        subject = Subject("frame", session, frame_id)
        decisions = [d for d in told.get(subject, []) if _of(d, draw)]
        said = [d.body["missed"] for d in decisions if d.op == "complete"]
        if not said:
            break
        missed.append(max(said[-1], sum(d.op == "add" for d in decisions)))
    return np.array(missed, np.int64)


def of_statements(draw: Draw, events: Iterable[Event], subjects: Sequence[Subject]) -> Float:
    """``float64 [k]``: 1 where one of the first k relations or captions of a draw is wrong.

    Args:
        draw: of ``subjects``.
        events: the log, in its order.
        subjects: what was drawn from.
    """
    told = _told(draw, events)
    wrong = []
    for row in draw.rows.tolist():
        decisions = [d for d in told.get(subjects[row], []) if _of(d, draw)]
        if not decisions:
            break
        wrong.append(float(any(d.op != "accept" for d in decisions)))
    return np.array(wrong)


def _told(draw: Draw, events: Iterable[Event]) -> dict[Subject, list[Decision]]:
    """What people said of the labels that were drawn from, by subject."""
    out: dict[Subject, list[Decision]] = {}
    for decision in (event.decision for event in not_undone(events)):
        sample = decision.sample
        if sample.stream != "gold" and sample.snapshot == draw.snapshot:
            out.setdefault(decision.subject, []).append(decision)
    return out


def _of(decision: Decision, draw: Draw) -> bool:
    """Whether it answers an audit card of the draw."""
    sample = decision.sample
    return (sample.stream, sample.design, sample.seed) == ("audit", draw.design, draw.seed)


@dataclass(frozen=True)
class Gold:
    """How a reviewer did on cards with an error planted in them.

    Attributes:
        planted: cards decided on,
        missed: of these, with the error left in.
    """

    planted: int = 0
    missed: int = 0


def of_gold(events: Iterable[Event]) -> Gold:
    """What became of the planted errors: who accepts one has missed it."""
    caught: dict[tuple[str, str], bool] = {}
    for decision in (event.decision for event in not_undone(events)):
        if decision.sample.stream == "gold":
            card = (decision.card, decision.actor)
            caught[card] = caught.get(card, False) or decision.op != "accept"
    return Gold(len(caught), sum(not c for c in caught.values()))
