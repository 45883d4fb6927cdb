"""Tools for language models: plain JSON, within a budget, wrong calls told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import ScenekeeperError
from scenekeeper.world.scene import Scene
from scenekeeper.world.tools import TOOLS, as_json, call, expand, neighbors, search
from tests.queried_rooms import SYNONYMS, VIEWER, kitchen

KITCHEN = kitchen()


def ids(tree: list[dict[str, Any]]) -> list[int]:
    return [i for one in tree for i in (one["object"], *ids(one.get("carries", [])))]


def test_search_puts_the_best_first_and_keeps_the_others() -> None:
    found = search(KITCHEN, "the blue mug", 5)["results"]
    assert found[0]["object"] == 25 and found[0]["p"] > 0.8
    assert search(KITCHEN, "mug", 1)["results"][0]["name"] == "mug"


def test_search_says_what_it_did_not_understand() -> None:
    assert search(KITCHEN, "the ceramic mug")["unresolved"] == ["ceramic"]


def test_expand_tells_everything_about_one_thing() -> None:
    bowl = expand(KITCHEN, 21)
    assert (bowl["name"], bowl["place"], bowl["carries"]) == ("bowl", "on the table", [22, 23])
    assert {"subject": 22, "predicate": "in", "object": 21, "score": 0.9, "source": "geometry"} in (
        bowl["relations"]
    )
    assert json.loads(json.dumps(bowl)) == bowl


def test_expand_of_an_unknown_id_says_so() -> None:
    with pytest.raises(ScenekeeperError, match="no object 999"):
        expand(KITCHEN, 999)


def test_neighbors_are_by_relation() -> None:
    held = neighbors(KITCHEN, 21, "holding")["neighbors"]
    assert {n["object"] for n in held} == {22, 23}
    said = {(n["predicate"], n["object"]) for n in neighbors(KITCHEN, 26)["neighbors"]}
    assert {("on", 11), ("next to", 31)} <= said


def test_neighbors_of_an_unknown_predicate_are_refused() -> None:
    with pytest.raises(ScenekeeperError, match="no relation"):
        neighbors(KITCHEN, 21, "loves")


def test_the_tree_holds_every_thing_once_on_what_carries_it() -> None:
    tree = as_json(KITCHEN, 100_000)
    assert sorted(ids(tree["things"])) == [t.object for t in KITCHEN]
    assert "left_out" not in tree
    floor = next(one for one in tree["things"] if one["name"] == "floor")
    table = next(one for one in floor["carries"] if one["object"] == 10)
    assert 20 in {one["object"] for one in table["carries"]}


@pytest.mark.parametrize("budget", [150, 400, 1000, 2000])
def test_the_tree_keeps_its_budget_and_says_what_is_left_out(budget: int) -> None:
    tree = as_json(KITCHEN, budget)
    kept = ids(tree["things"])
    assert len(json.dumps(tree)) <= 4 * budget
    assert len(kept) + tree.get("left_out", {"things": 0})["things"] == len(KITCHEN)
    assert kept or budget < 200


def test_the_most_believed_are_kept() -> None:
    kept = set(ids(as_json(KITCHEN, 1000)["things"]))
    lost = {t.object for t in KITCHEN if t.existence < 0.5}
    assert kept and not kept & lost


def test_every_tool_can_be_called_as_specified() -> None:
    arguments = {
        "query": {"text": "the mug"},
        "search": {"text": "mug", "k": 3},
        "expand": {"id": 20},
        "neighbors": {"id": 20, "predicate": "on"},
        "as_json": {"budget_tokens": 500},
    }
    assert {tool["function"]["name"] for tool in TOOLS} == set(arguments)
    for name, some in arguments.items():
        answer = call(KITCHEN, name, some, synonyms=SYNONYMS)
        assert "error" not in answer and json.loads(json.dumps(answer)) == answer


def test_a_call_knows_synonyms_and_who_looks() -> None:
    answer = call(
        KITCHEN, "query", {"text": "the left chair"}, synonyms=SYNONYMS, viewer=np.array(VIEWER)
    )
    assert [hit["object"] for hit in answer["hits"]] == [14]


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("fly", {}, "no tool"),
        ("expand", {}, "id is missing"),
        ("expand", {"id": "20"}, "id is no integer"),
        ("expand", {"id": 999}, "no object 999"),
        ("search", {"text": "mug", "limit": 3}, "limit is unknown"),
        ("neighbors", {"id": 20, "predicate": "loves"}, "predicate is none of"),
        ("as_json", {"budget_tokens": 1}, "less than 100"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    name: str, arguments: dict[str, Any], problem: str
) -> None:
    assert problem in call(KITCHEN, name, arguments)["error"]


def test_an_empty_world_is_a_tree_of_nothing() -> None:
    assert as_json(Scene(()))["things"] == []
