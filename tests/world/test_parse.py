"""What a text asks for: nouns whole, looks, order, relations; unknown words are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.errors import ScenekeeperError
from scenekeeper.world.parse import parse
from scenekeeper.world.request import (
    ATTRIBUTES,
    ORDERS,
    PREDICATES,
    THING,
    Described,
    Link,
    Order,
    Request,
    schema,
)

NAMES = ("mug", "table", "knife", "box", "vise", "wrench", "workbench", "game controller", "lamp")
SYNONYMS = {
    "sofa": ("couch",),
    "trash can": ("bin", "garbage can"),
    "can": ("tin can",),
    "potted plant": ("plant",),
    "orange": ("tangerine",),
    "bowl": (),
}


def read(text: str) -> Request:
    return parse(text, NAMES, SYNONYMS)


def target(text: str) -> Described:
    return read(text).target


def test_a_noun_has_its_colour_and_what_it_is_on() -> None:
    mug = target("the white mug on the table")
    assert (mug.noun, mug.attributes) == ("mug", ("white",))
    assert [(r.predicate, r.anchor.noun, r.negated) for r in mug.relations] == [
        ("on", "table", False)
    ]


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("game controller", "game controller"),
        ("the garbage can", "trash can"),
        ("a tin can", "can"),
        ("trash can", "trash can"),
        ("Couch", "sofa"),
        ("the plant", "potted plant"),
    ],
)
def test_the_longest_name_or_synonym_is_the_noun(text: str, noun: str) -> None:
    assert target(text).noun == noun and not read(text).unresolved


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("mugs", "mug"),
        ("boxes", "box"),
        ("all knives", "knife"),
        ("game controllers", "game controller"),
    ],
)
def test_a_plural_asks_for_all(text: str, noun: str) -> None:
    assert read(text).ask == "all" and target(text).noun == noun


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("how many mugs are on the table?", "count"),
        ("is there a mug", "exists"),
        ("Are there any mugs?", "exists"),
        ("is the mug on the table?", "exists"),
        ("a mug", "any"),
        ("any mug on the table", "any"),
        ("the mug", "one"),
        ("Could you please bring me the mug?", "one"),
        ("what is on the table", "all"),
    ],
)
def test_a_question_says_how_many_are_wanted(text: str, ask: str) -> None:
    assert read(text).ask == ask and not read(text).unresolved


@pytest.mark.parametrize(
    ("phrase", "predicate"),
    [
        ("on", "on"), ("on top of", "on"), ("inside", "in"), ("below", "under"),
        ("beneath", "under"), ("over", "above"), ("beside", "next to"), ("by", "next to"),
        ("near", "near"), ("in front of", "in front of"), ("behind", "behind"),
        ("to the left of", "left of"), ("right of", "right of"), ("attached to", "attached to"),
    ],
)  # fmt: skip
def test_prepositions_become_predicates(phrase: str, predicate: str) -> None:
    mug = target(f"the mug {phrase} the lamp")
    assert [(r.predicate, r.anchor.noun) for r in mug.relations] == [(predicate, "lamp")]


def test_between_has_two_anchors() -> None:
    (link,) = target("the mug between the lamp and the red box").relations
    assert link.predicate == "between" and link.anchor.noun == "lamp"
    assert link.other == Described("box", "box", ("red",))


def test_chained_relations_hang_on_the_anchor_and_say_that_they_may_not() -> None:
    wrench = target("the blue wrench on the left workbench next to the vise")
    (on,) = wrench.relations
    assert on.anchor.noun == "workbench" and on.anchor.order == Order("left")
    (beside,) = on.anchor.relations
    assert beside.loose and (beside.predicate, beside.anchor.noun) == ("next to", "vise")


def test_relations_joined_by_and_are_said_of_the_target() -> None:
    mug = target("the mug on the table and next to the lamp")
    assert [(r.predicate, r.loose) for r in mug.relations] == [("on", False), ("next to", False)]


@pytest.mark.parametrize(
    "text", ["the mug that is not on the table", "mug that isn't on the table"]
)
def test_a_relation_can_be_denied(text: str) -> None:
    (link,) = target(text).relations
    assert link.negated and link.anchor.noun == "table"


@pytest.mark.parametrize(
    "text", ["the mug that is not red", "the mug other than the red one", "the mug that isn't red"]
)
def test_a_look_can_be_denied(text: str) -> None:
    assert target(text).without == ("red",) and target(text).attributes == ()


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("the leftmost mug", Order("left")),
        ("the left mug", Order("left")),
        ("the mug on the left", Order("left")),
        ("the second mug from the right", Order("right", 2)),
        ("the third largest mug", Order("large", 3)),
        ("the nearest mug", Order("near")),
        ("the mug closest to the lamp", Order("near", 1, Described("lamp", "lamp"))),
        ("the closest mug to the lamp", Order("near", 1, Described("lamp", "lamp"))),
        ("the other mug", Order("other")),
        ("the mug on top", Order("high")),
    ],
)
def test_a_place_in_a_row_is_an_order(text: str, order: Order) -> None:
    assert target(text).order == order and target(text).noun == "mug"


def test_what_is_on_the_left_workbench_is_not_on_the_left() -> None:
    mug = target("the mug on the left workbench")
    assert mug.order is None and mug.relations[0].anchor.order == Order("left")


def test_orange_is_a_fruit_alone_and_a_colour_before_a_noun() -> None:
    assert target("the orange").noun == "orange"
    assert target("the orange mug") == Described("mug", "mug", ("orange",))


def test_an_unknown_noun_is_kept_and_not_guessed() -> None:
    request = read("the red flurb on the table")
    assert request.target.noun == "" and request.unresolved == ("flurb",)


def test_an_unknown_adjective_is_kept() -> None:
    request = read("the ceramic mug")
    assert request.target.noun == "mug" and request.unresolved == ("ceramic",)


def test_a_mug_rack_is_no_mug() -> None:
    assert target("the mug rack").noun == ""


def test_a_bowl_of_something_is_a_bowl() -> None:
    request = read("the bowl of soup")
    assert request.target.noun == "bowl" and request.unresolved == ("soup",)


def test_one_without_a_noun_is_anything() -> None:
    assert target("the red one") == Described(THING, "one", ("red",))


def test_a_thing_with_another_on_it_holds_it() -> None:
    table = target("the table with a mug on it")
    assert [(r.predicate, r.anchor.noun) for r in table.relations] == [("holding", "mug")]
    assert not read("the table with a mug on it").unresolved


# --- JSON -----------------------------------------------------------------------------------------

words = st.sampled_from(["mug", "table", THING, ""])
looks = st.lists(st.sampled_from(["red", "blue", *ATTRIBUTES]), max_size=2).map(tuple)
leaf = st.builds(Described, words, words, looks, looks)


def links(anchors: st.SearchStrategy[Described]) -> st.SearchStrategy[Link]:
    plain = [p for p in PREDICATES if p != "between"]
    flag = st.booleans()
    single = st.builds(Link, st.sampled_from(plain), anchors, st.none(), flag, flag)
    return single | st.builds(Link, st.just("between"), anchors, anchors, flag, flag)


described = st.recursive(
    leaf,
    lambda inner: st.builds(
        Described,
        words,
        words,
        looks,
        looks,
        st.none() | st.builds(Order, st.sampled_from(ORDERS), st.integers(1, 5), st.none() | inner),
        st.lists(links(inner), max_size=2).map(tuple),
    ),
    max_leaves=6,
)


@given(described, st.sampled_from(["one", "any", "all", "count", "exists"]))
def test_a_request_survives_as_json(target: Described, ask: str) -> None:
    request = Request(target, ask, ("flurb",))  # type: ignore[arg-type]
    assert Request.from_json(request.to_json()) == request


@given(described)
def test_the_schema_allows_what_is_written(target: Described) -> None:
    form = schema()
    assert _allowed(Request(target).to_json(), form, form)


def test_the_schema_allows_no_other_noun() -> None:
    form = schema(["mug"])
    assert _allowed(Request(Described("mug")).to_json(), form, form)
    assert not _allowed(Request(Described("cat")).to_json(), form, form)


def _allowed(value: Any, form: Any, root: Any) -> bool:
    """The little of JSON Schema that the form of a request uses."""
    if "$ref" in form:
        form = root["$defs"][form["$ref"].rpartition("/")[2]]
    if "enum" in form and value not in form["enum"]:
        return False
    if form.get("type") == "object":
        keys = form["properties"]
        known = all(k in keys and _allowed(v, keys[k], root) for k, v in value.items())
        return known and all(k in value for k in form["required"])
    if form.get("type") == "array":
        return all(_allowed(v, form["items"], root) for v in value)
    return True


@given(st.text(max_size=60))
def test_any_text_is_some_request(text: str) -> None:
    request = read(text)
    assert Request.from_json(request.to_json()) == request


SMALL = (
    "the", "a", "mug", "table", "of", "on", "left", "not", "and", "between", "second", "from",
    "near", "to", "with", "it", "is", "that", "red", "or", "other", "than", "in", "front", "all",
    "closest", "how", "many", "except", "one",
)  # fmt: skip


@given(st.lists(st.sampled_from(SMALL), max_size=12))
def test_any_order_of_words_is_some_request(tokens: list[str]) -> None:
    assert isinstance(read(" ".join(tokens)), Request)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({}, "request.target"),
        ({"target": {"noun": "mug"}, "ask": "why"}, "request.ask"),
        ({"target": {"noun": 3}}, "request.target"),
        ({"target": {"noun": "mug", "color": "red"}}, "request.target"),
        ({"target": {"noun": "mug", "order": {"by": "age"}}}, "request.target.order.by"),
        ({"target": {"noun": "mug", "order": {"by": "left", "n": 0}}}, "request.target.order.n"),
        (
            {"target": {"noun": "mug", "relations": [{"predicate": "at", "anchor": {"noun": ""}}]}},
            "request.target.relations[0].predicate",
        ),
    ],
)
def test_json_that_is_no_request_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(ScenekeeperError) as error:
        Request.from_json(value)  # type: ignore[arg-type]
    assert error.value.place == place
