"""What audits found: every decision is read for what it says of the labels as they were drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenekeeper.review import outcomes, sampling
from scenekeeper.review.events import Decision, Event, Sample, Subject
from scenekeeper.review.outcomes import KINDS, Gold, finding
from tests.review.made_audits import audited, event, night

MUG = Subject("track", "kitchen", 5)


def found(op: str, anchor: tuple[int, ...] = (), **body: Any) -> dict[str, float]:
    """Share of a track with frames 100 to 199 that one decision calls wrong, by kind."""
    views = tuple(("kitchen", frame, 0.0, 0.0, 9.0, 9.0) for frame in anchor)
    decision = Decision("decision-1", op, MUG, body, anchor=views)  # type: ignore[arg-type]
    of = finding([decision], 100, 199, "mug")
    return {kind: of.share([kind]) for kind in KINDS if of.share([kind])}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (found("accept"), {}),
        (found("relabel", phrase="cup"), {"class": 1.0}),
        (found("relabel", phrase="mug"), {}),
        (found("reject"), {"hallucination": 1.0}),
        (found("unsure"), {"unsure": 1.0}),
        (found("trim", first=110, last=189), {"hallucination": 0.2}),
        (found("trim", first=0, last=500), {}),
        (found("split", frame=170), {"identity": 0.3}),
        (found("mask", frame=150), {"mask": 1.0}),
        (found("mask", (120, 150, 160), frame=150), {"mask": 0.39}),
        (found("box", (100, 150), frame=150), {"box": 0.99}),
        (found("box", (150, 199), frame=150), {"box": 0.99}),
    ],
)
def test_a_decision_says_which_labels_are_wrong(
    said: dict[str, float], wrong: dict[str, float]
) -> None:
    assert said == pytest.approx(wrong)


def test_labels_that_are_wrong_twice_count_once() -> None:
    bodies = [("trim", {"first": 120, "last": 199}), ("split", {"frame": 110})]
    decisions = [Decision(f"decision-{op}", op, MUG, body) for op, body in bodies]  # type: ignore[arg-type]
    both = finding(decisions, 100, 199)
    assert both.share(["hallucination"]) == pytest.approx(0.2)
    assert both.share(["identity"]) == pytest.approx(0.9)
    assert both.share() == pytest.approx(1.0)
    assert both.share([]) == 0


def shares(draw: sampling.Draw, events: list[Event], units: Any) -> list[float]:
    return [f.share() for f in outcomes.of_tracks(draw, events, units)]


def test_a_gap_ends_the_sample() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    events = [audited(draw, units, rank) for rank in (0, 1, 3, 4)]
    events[1] = audited(draw, units, 1, "reject")
    assert shares(draw, events, units) == [0, 1]
    events.append(audited(draw, units, 2, "unsure"))
    assert shares(draw, events, units) == [0, 1, 1, 0, 0]


def test_what_was_taken_back_does_not_count_and_may_return() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    wrong = audited(draw, units, 0, "reject")
    subject = wrong.decision.subject
    undo = event("undo", subject, {"of": wrong.decision.id}, id="undo-the-first")
    assert shares(draw, [wrong, undo], units) == []
    assert shares(draw, [wrong, undo, audited(draw, units, 0)], units) == [0]
    redo = event("undo", subject, {"of": "undo-the-first"}, id="undo-the-undo")
    assert shares(draw, [wrong, undo, redo], units) == [1]


def test_audits_of_another_draw_are_no_part_of_this_one() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    for other in (replace(draw, seed=8), replace(draw, snapshot="labels-2")):
        assert shares(draw, [audited(other, units, 0)], units) == []


def test_a_correction_before_the_audit_is_what_the_audit_would_have_found() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    audit, row = audited(draw, units, 0), int(draw.rows[0])
    repair = Sample("repair", snapshot=draw.snapshot)
    object_ = Subject("object", "", int(units.object[row]))
    renamed = event("relabel", object_, {"phrase": "cup"}, repair)
    assert shares(draw, [renamed], units) == []
    assert shares(draw, [renamed, audit], units) == [1]
    planted = event("reject", audit.decision.subject, {}, Sample("gold", snapshot=draw.snapshot))
    older = event("reject", audit.decision.subject, {}, Sample("repair", snapshot="labels-0"))
    assert shares(draw, [planted, older, audit], units) == [0]


def test_frames_count_once_they_are_complete() -> None:
    frames = [("kitchen", k) for k in range(9)]
    draw = sampling.simple("frames", 9, seed=2, size=5, snapshot="labels-1")

    def on(rank: int, op: str, number: int = 0, **body: Any) -> Event:
        subject = Subject("frame", *frames[int(draw.rows[rank])])
        return event(op, subject, body, draw.sample(rank), id=f"frame-{rank}-{op}-{number}")

    cup = {"phrase": "cup", "box_xyxy": [0, 0, 9, 9]}
    events = [
        *(on(0, "add", k, **cup) for k in range(2)),
        on(0, "complete", missed=1),
        on(1, "complete", missed=3),
        on(2, "add", **cup),
        on(3, "complete", missed=0),
    ]
    assert outcomes.of_frames(draw, events, frames).tolist() == [2, 3]
    events.append(on(2, "complete", missed=0))
    assert outcomes.of_frames(draw, events, frames).tolist() == [2, 3, 1, 0]


def test_a_statement_that_is_not_accepted_is_wrong() -> None:
    said = [Subject("relation", "kitchen", k, k + 1, "on") for k in range(6)]
    draw = sampling.simple("relations", 6, seed=2, size=6, snapshot="labels-1")
    ops = ("accept", "reject", "unsure")
    events = [event(op, said[int(draw.rows[k])], {}, draw.sample(k)) for k, op in enumerate(ops)]
    assert outcomes.of_statements(draw, events, said).tolist() == [0, 1, 1]


def test_only_who_accepts_a_planted_error_has_missed_it() -> None:
    def gold(card: str, op: str, actor: str = "Ada") -> Event:
        name = f"gold-{card}-{op}-{actor}"
        sample = Sample("gold", planted="phrase")
        return event(op, MUG, {}, sample, card=card, actor=actor, id=name)

    events = [gold("one", "accept"), gold("two", "relabel"), gold("three", "unsure")]
    assert outcomes.of_gold(events) == Gold(3, 1)
    events += [gold("one", "reject"), gold("one", "accept", "Bob"), event("accept", MUG)]
    assert outcomes.of_gold(events) == Gold(4, 1)
    assert outcomes.of_gold([]) == Gold(0, 0)


def test_findings_become_one_array_per_kind() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    ops = ("accept", "reject", "unsure")
    events = [audited(draw, units, k, op) for k, op in enumerate(ops)]
    told = outcomes.shares(outcomes.of_tracks(draw, events, units))
    assert list(told) == ["any", *KINDS]
    assert told["any"].tolist() == [0, 1, 1] and told["unsure"].tolist() == [0, 0, 1]
    assert told["class"].tolist() == [0, 0, 0] and len(outcomes.shares([])["any"]) == 0


def test_nothing_was_drawn_from_nothing() -> None:
    draw = sampling.simple("relations", 0, 0, 0, "labels-1")
    assert outcomes.of_statements(draw, [], []).tolist() == []
    assert len(draw.pi) == 0 and np.all(draw.index == np.zeros(0))
