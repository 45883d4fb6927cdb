"""A decision is checked where it comes in, and what is stored is what was said."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.errors import ReviewError
from scenekeeper.review.events import OPS, Decision, Sample, Subject, checked_body

TRACK = {"kind": "track", "session": "monday", "id": 17}


def sent(op: str = "accept", **changes: Any) -> dict[str, Any]:
    return {"id": "0190f3a2-1", "op": op, "subject": TRACK, **changes}


words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(
    str.strip
)
numbers = st.floats(-1e5, 1e5)
boxes = st.tuples(numbers, numbers, st.floats(1, 1e4), st.floats(1, 1e4)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
frames = st.integers(0, 2**40)
bodies = st.one_of(
    st.just(("accept", {})),
    st.just(("reject", {})),
    st.tuples(st.just("relabel"), st.fixed_dictionaries({"phrase": words})),
    st.tuples(st.just("split"), st.fixed_dictionaries({"frame": frames})),
    st.tuples(st.just("box"), st.fixed_dictionaries({"frame": frames, "box_xyxy": boxes})),
)
samples = st.builds(
    Sample,
    st.sampled_from(["repair", "audit", "gold", "duplicate"]),
    pi=st.one_of(st.just(math.nan), st.floats(1e-6, 1)),
    rank=st.integers(-1, 10**6),
    seed=st.integers(0, 2**31),
)


@given(bodies, samples, st.lists(st.tuples(st.just("monday"), frames, *[numbers] * 4), max_size=3))
def test_a_decision_survives_being_stored(
    said: tuple[str, dict[str, Any]], sample: Sample, anchor: list[Any]
) -> None:
    op, body = said
    told = Decision.of(sent(op, body=body))
    whole = Decision(
        told.id,
        told.op,
        told.subject,
        told.body,
        actor="ann",
        sample=sample,
        runs={"monday": "ab12"},
        anchor=tuple(anchor),
    )
    again = Decision.from_json(whole.to_json())
    assert again.to_json() == whole.to_json()
    assert again.subject == whole.subject and again.anchor == whole.anchor


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": "short"}, "id"),
        ({"id": "../../etc/passwd"}, "id"),
        ({"op": "delete"}, "op"),
        ({"op": "same"}, "op"),
        ({"op": "relabel"}, "body"),
        ({"op": "relabel", "body": {"phrase": "  "}}, "body.phrase"),
        ({"op": "relabel", "body": {"phrase": "a\x00b"}}, "body.phrase"),
        ({"op": "relabel", "body": {"phrase": "x" * 101}}, "body.phrase"),
        ({"op": "box", "body": {"frame": 1, "box_xyxy": [5, 5, 5, 9]}}, "body.box_xyxy"),
        ({"op": "box", "body": {"frame": 1, "box_xyxy": [0, 0, math.inf, 9]}}, "body.box_xyxy"),
        ({"op": "mask", "body": {"frame": 1, "counts": "\x7f"}}, "body.counts"),
        ({"op": "trim", "body": {"first": 9, "last": 3}}, "body.first"),
        ({"op": "split", "body": {"frame": 1.5}}, "body.frame"),
        ({"first": 9, "last": 3}, "first"),
        ({"base": "3"}, "base"),
        ({"base": True}, "base"),
        ({"t_ns": 2**70}, "t_ns"),
        ({"subject": {"kind": "track", "id": 3}}, None),
        ({"subject": {"kind": "pair", "session": "monday", "id": 3}}, None),
        ({"subject": "track 3"}, "subject"),
    ],
    ids=str,
)
def test_what_is_no_decision_is_refused_and_the_place_named(
    change: dict[str, Any], place: str | None
) -> None:
    with pytest.raises(ReviewError) as told:
        Decision.of({**sent(), **change})
    assert told.value.place == place


@pytest.mark.parametrize("data", [None, [], "accept", 3])
def test_a_decision_is_an_object(data: object) -> None:
    with pytest.raises(ReviewError, match="JSON object"):
        Decision.of(data)


def test_a_huge_decision_is_refused() -> None:
    huge = sent("mask", body={"frame": 1, "counts": "0" * 10_000_000})
    with pytest.raises(ReviewError, match="characters"):
        Decision.of(huge)


def test_a_client_cannot_say_how_it_was_drawn_or_who_it_is() -> None:
    forged = sent(actor="boss", sample={"stream": "audit", "pi": 1.0}, seq=1, hash="0" * 64)
    told = Decision.of(forged)
    assert told.actor == "" and told.sample.stream == "free" and not told.runs


def test_a_body_holds_nothing_but_what_its_operation_needs() -> None:
    assert checked_body("relabel", {"phrase": " white  mug ", "evil": 1}) == {"phrase": "white mug"}
    for op in OPS:
        assert "evil" not in checked_body(op, {**EVERYTHING, "evil": 1})


EVERYTHING = {
    "phrase": "mug",
    "first": 1,
    "last": 2,
    "frame": 3,
    "box_xyxy": [0, 0, 1, 1],
    "counts": "01",
    "text": "A mug.",
    "missed": 0,
    "of": "0190f3a2-1",
}


def test_subjects_that_differ_have_keys_that_differ() -> None:
    subjects = [
        Subject("track", "monday", 3),
        Subject("object", "monday", 3),
        Subject("object", "", 3),
        Subject("pair", "monday", 3, 4),
        Subject("pair", "monday", 34),
        Subject("relation", "monday", 3, 4, "on"),
        Subject("relation", "monday", 3, 4, "in"),
    ]
    assert len({s.key for s in subjects}) == len(subjects)


def test_what_is_stored_is_one_line_of_plain_json() -> None:
    text = Decision.of(sent("relabel", body={"phrase": "Tür"})).to_json()
    assert "\n" not in text and "Tür" in text and json.loads(text)["sample"]["pi"] is None
