"""JSON is found in what models write, whole or cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.describe.salvage import find_json

ROOM = {
    "caption": "a room",
    "objects": [{"id": 1, "caption": "a mug"}, {"id": 2, "caption": 'a "big" table'}],
    "relations": [{"subject": 1, "predicate": "on", "object": 2}],
}


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "```json\n{}\n```",
        "Here it is [as asked]: {} I hope that helps!",
        '<think>a list [1, 2, 3] or {{"a": 1}}?</think>\n{}',
    ],
)
def test_json_is_found_in_fences_prose_and_after_thoughts(wrapped: str) -> None:
    text = wrapped.replace("{{", "{").replace("}}", "}")
    found = find_json(text.replace("{}", json.dumps(ROOM)))
    assert found.value == ROOM and found.whole


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('[{"a": 1}, {"a": 2}, {"a": 3', [{"a": 1}, {"a": 2}]),
        ("[1, 2, 33", [1, 2]),
        ("[[1, 2], [3, 4], [5", [[1, 2], [3, 4]]),
        ('{"a": "x", "b": "y', {"a": "x"}),
        ('{"a": "x", "b": [{"c": 1}, {"c"', {"a": "x", "b": [{"c": 1}]}),
        ('{"a": 1, "b": tru', {"a": 1}),
        ('{"a": 1, "b', {"a": 1}),
        ("[", []),
        ("[{", []),
        ("nothing", None),
        ("", None),
    ],
)
def test_what_was_finished_before_the_cut_is_kept(text: str, kept: Any) -> None:
    found = find_json(text)
    assert found.value == kept and not found.whole


def test_every_cut_of_an_answer_gives_a_prefix_of_it() -> None:
    text = json.dumps(ROOM)
    known = 0
    for stop in range(len(text)):
        value = find_json(text[:stop]).value or {}
        for key, inside in value.items():
            whole = ROOM[key]
            assert inside == whole[: len(inside)] if isinstance(whole, list) else inside == whole
        size = len(json.dumps(value))
        assert size >= known, "more text never gives less"
        known = size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["two\nlines\tand\x00zero"]', ["two\nlines\tand\x00zero"]),
        ('["a \\q b"]', ["a \\q b"]),
        ("[1, 2,]", [1, 2]),
        ('["\\ud83d"]', ["?"]),
        ("[-1.5e2, true, null]", [-150.0, True, None]),
        ("[007]", [7.0]),
    ],
)
def test_what_strict_json_refuses_is_read(text: str, value: Any) -> None:
    found = find_json(text)
    assert found.value == value and found.whole
    json.dumps(found.value).encode("utf-8")


@pytest.mark.parametrize("text", ["[" * 10_000, '{"a":' * 10_000, "[1e999]", f"[{'9' * 5000}]"])
def test_a_model_in_a_loop_does_no_harm(text: str) -> None:
    assert not find_json(text).whole


def test_spans_point_at_the_characters_of_values() -> None:
    text = "sure: " + json.dumps(ROOM)
    spans = find_json(text).spans
    assert text[slice(*spans["objects", 0, "caption"])] == "a mug"
    assert text[slice(*spans["objects", 1, "id"])] == "2"
    assert text[slice(*spans["relations", 0, "predicate"])] == "on"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@settings(max_examples=60)
@given(value=st.lists(values) | st.dictionaries(st.text(max_size=5), values), indent=st.booleans())
def test_any_json_is_read_as_the_standard_library_reads_it(value: Any, indent: bool) -> None:
    text = json.dumps(value, indent=2 if indent else None)
    found = find_json(text)
    assert found.whole and found.value == json.loads(text)


@given(text=st.text(alphabet='[]{}",:\\ 12ab\n', max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    find_json(text)
