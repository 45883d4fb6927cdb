"""What decisions have settled so far: of which unit how much is still in doubt, and who saw it.

In: events about the labels in hand. Out: one plain summary that the queue is planned from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from scenekeeper.review.events import Decision, Event, Subject
from scenekeeper.review.standing import not_undone
from scenekeeper.review.units import Float, Units

DUPLICATE_AFTER = 20
"""Cards that have to lie between a card and its repetition, so that it is no act of memory."""

_ASKED = ("repair", "audit")

Told = tuple[int, Decision]
"""A decision and its place among those that stand."""


@dataclass(frozen=True)
class Seen:
    """A track that was answered and may be asked again.

    Attributes:
        row: of its unit.
        actors: who has answered it.
    """

    row: int
    actors: frozenset[str]


@dataclass(frozen=True, eq=False)
class Answers:
    """What is settled.

    Attributes:
        left: ``float64 [N]`` share of each unit's doubt that nobody has settled; 1 = not looked at.
        settled: keys of subjects about which somebody has decided.
        audited: ``(design, key)`` of answered audits.
        planted: gold cards that were answered.
        faulted: rows of the units that somebody has corrected.
        repeatable: answered tracks that nobody has been asked twice, oldest first.
        disputed: tracks about which two people, or one at two times, do not agree.
        unsure: per key, who could not tell.
        actors: everybody who has decided anything.
        count: decisions that stand.
    """

    left: Float
    settled: frozenset[str]
    audited: frozenset[tuple[str, str]]
    planted: frozenset[str]
    faulted: frozenset[int]
    repeatable: tuple[Seen, ...]
    disputed: tuple[Seen, ...]
    unsure: Mapping[str, frozenset[str]]
    actors: frozenset[str]
    count: int


def answers(
    units: Units,
    events: Iterable[Event],
    seen_at_once: float,
    late: Iterable[Decision] = (),
) -> Answers:
    """Sum up what was decided about units.

    Args:
        units: the N units.
        events: about the same labels; those about earlier labels are to be brought over before.
        seen_at_once: see :class:`~scenekeeper.review.effort.Effort`.
        late: decisions that conflict with an event; nobody has decided since.
    """
    kept = [event.decision for event in not_undone(events)]
    rows_of = _rows(units)
    left = np.ones(len(units))
    settled: set[str] = set()
    audited: set[tuple[str, str]] = set()
    planted: set[str] = set()
    faulted: set[int] = set()
    unsure: dict[str, frozenset[str]] = {}
    told: dict[int, list[Told]] = {}
    for place, decision in enumerate(kept):
        key, sample = key_of(decision.subject), decision.sample
        if sample.stream == "gold":
            planted.add(decision.card)
            continue
        if decision.op == "add":
            continue  # a frame is answered once it is complete
        if sample.stream == "audit" and sample.snapshot == units.snapshot:
            audited.add((sample.design, key))
        if decision.op == "unsure":
            unsure[key] = unsure.get(key, frozenset()) | {decision.actor}
            continue
        settled.add(key)
        rows = rows_of.get(key, ())
        if decision.subject.kind == "track" and rows:
            told.setdefault(rows[0], []).append((place, decision))
        if decision.op != "accept":
            faulted.update(rows)
        whole = decision.subject.kind == "track" and not _at_a_glance(decision.card)
        for row in rows:
            left[row] = 0.0 if whole else min(left[row], 1 - seen_at_once)
    return Answers(
        left,
        frozenset(settled),
        frozenset(audited),
        frozenset(planted),
        frozenset(faulted),
        tuple(_repeatable(told, len(kept))),
        (*_late(late, rows_of), *_disputed(told, units)),
        unsure,
        frozenset(d.actor for d in kept),
        len(kept),
    )


def key_of(subject: Subject) -> str:
    """The subject's key, the same whichever thing of a pair is named first."""
    if subject.kind == "pair" and subject.id > subject.other:
        return Subject("pair", subject.session, subject.other, subject.id).key
    return subject.key


def _at_a_glance(card: str) -> bool:
    """Whether a card shows a picture or two of each track only."""
    return card.startswith(("gallery-", "object-"))


def _rows(units: Units) -> dict[str, tuple[int, ...]]:
    """Rows of the units that each track and object is about, by key."""
    out: dict[str, tuple[int, ...]] = {}
    for row, (session, track, thing) in enumerate(
        zip(units.session, units.track.tolist(), units.object.tolist(), strict=True)
    ):
        out[f"track/{session}/{track}"] = (row,)
        if thing >= 0:
            key = f"object//{thing}"
            out[key] = (*out.get(key, ()), row)
    return out


def _repeatable(told: Mapping[int, list[Told]], count: int) -> Iterable[Seen]:
    """Tracks asked once, on a card of their own, long enough ago."""
    for row, answered in sorted(told.items(), key=lambda item: item[1][0][0]):
        streams = {d.sample.stream for _, d in answered}
        asked = [place for place, d in answered if d.sample.stream in _ASKED]
        on_its_own = not any(_at_a_glance(d.card) for _, d in answered)
        once = on_its_own and "duplicate" not in streams
        if once and asked and count - asked[-1] > DUPLICATE_AFTER:
            yield Seen(row, frozenset(d.actor for _, d in answered))


def _disputed(told: Mapping[int, list[Told]], units: Units) -> Iterable[Seen]:
    """Tracks whose last answer says something else than the one before, and settles nothing.

    Whoever repeats or audits does not know of the answer before; who settles it has a repair card.
    """
    for row, answered in sorted(told.items()):
        by_card = groupby((d for _, d in answered), key=lambda d: (d.card or d.id, d.actor))
        cards = [list(decisions) for _, decisions in by_card]
        if len(cards) < 2 or cards[-1][0].sample.stream not in ("duplicate", "audit"):
            continue
        before, last = ({_verdict(d, units.phrase[row]) for d in card} for card in cards[-2:])
        if before != last:
            yield Seen(row, frozenset(d.actor for _, d in answered))


def _late(late: Iterable[Decision], rows_of: Mapping[str, tuple[int, ...]]) -> Iterable[Seen]:
    """Tracks of decisions that came too late."""
    for decision in late:
        rows = rows_of.get(key_of(decision.subject), ())
        if decision.subject.kind == "track" and rows and decision.sample.stream != "gold":
            yield Seen(rows[0], frozenset({decision.actor}))


def _verdict(decision: Decision, phrase: str) -> str:
    """What a decision comes to; accepting a name and giving it again are the same."""
    op, body = decision.op, decision.body
    if op in ("accept", "relabel"):
        return f"called {body.get('phrase', phrase)}"
    return op
