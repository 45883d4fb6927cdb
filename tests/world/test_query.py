"""Answers: one thing, one of several, none, lost; questions back; beliefs and ages."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from scenekeeper.errors import ScenekeeperError
from scenekeeper.schema import Relation
from scenekeeper.world.query import Answer, query
from scenekeeper.world.request import Described, Link, Request
from scenekeeper.world.scene import Scene, Thing
from tests.queried_rooms import LOST, MUG, NOW, SYNONYMS, VIEWER, Room, kitchen

KITCHEN = kitchen()


def ask(text: str, scene: Scene = KITCHEN, viewer: np.ndarray | None = None) -> Answer:  # type: ignore[type-arg]
    return query(scene, text, viewer=viewer, synonyms=SYNONYMS)


def ids(answer: Answer) -> list[int]:
    return [hit.object for hit in answer.hits]


def table_with(*mugs: tuple[str, float]) -> Room:
    """A table with mugs 20, 21... of these colours at these places along it."""
    room = Room()
    room.shell(1)
    room.put(10, "table", (0, 0), (1.6, 0.8, 0.75), "brown", on=1)
    for k, (color, x) in enumerate(mugs):
        room.put(20 + k, "mug", (x, 0), MUG, color, on=10)
    return room


def test_an_answer_carries_place_belief_and_age() -> None:
    (hit,) = ask("the white mug on the table").hits
    mug = KITCHEN[20]
    assert hit.object == 20 and np.array_equal(hit.center, mug.center)
    assert (hit.existence, hit.age_s, hit.views) == (0.95, 5.0, (("monday", 20),))
    assert 0.8 < hit.p <= 1


def test_age_counts_to_the_moment_of_asking() -> None:
    answer = query(KITCHEN, "the kettle", now_ns=NOW + 55 * 10**9)
    assert answer.hits[0].age_s == 60 and "60 seconds ago" in answer.sentence


def test_a_question_back_says_what_tells_things_apart() -> None:
    answer = ask("the mug")
    assert answer.status == "ambiguous" and answer.question == (
        "Two mugs match: the white one on the table and the blue one on the sink counter. Which?"
    )


def test_things_that_look_alike_are_told_apart_by_side() -> None:
    room = table_with(("white", -0.3), ("white", 0.3))
    answer = ask("the mug", room.scene(), VIEWER)
    assert answer.question == "Two mugs match: the one on the left and the one on the right. Which?"


def test_things_that_look_alike_are_told_apart_by_what_is_beside_them() -> None:
    room = table_with(("white", -0.5), ("white", 0.5))
    room.put(30, "lamp", (-0.4, 0), (0.1, 0.1, 0.3), on=10)
    room.put(31, "bowl", (0.4, 0), (0.1, 0.1, 0.1), on=10)
    question = ask("the mug", room.scene()).question
    assert question is not None and "next to the lamp and the one next to the bowl" in question


def test_left_needs_someone_who_looks() -> None:
    scene = table_with(("white", -0.3), ("white", 0.3)).scene()
    asked_back = ask("the left mug", scene)
    assert asked_back.status == "ambiguous" and set(ids(asked_back)) == {20, 21}
    assert asked_back.question == "Left as seen from where?"
    assert ids(ask("the left mug", scene, VIEWER)) == [20]
    across = np.diag([-1.0, -1, 1, 1]) @ VIEWER
    assert ids(ask("the left mug", scene, across)) == [21]


def test_left_of_a_thing_needs_someone_who_looks_even_for_one_candidate() -> None:
    scene = table_with(("white", -0.3)).scene()
    assert ask("the mug left of the table", scene).status == "ambiguous"


def test_the_hammer_on_the_left_bench_is_not_assumed_to_be_on_it() -> None:
    room = Room()
    room.shell(1)
    for number, x in ((10, -2.0), (11, 2.0)):
        room.put(number, "workbench", (x, 0), (1.6, 0.7, 0.9), on=1)
    room.put(12, "hammer", (2.0, 0), (0.3, 0.1, 0.04), on=11)
    assert ask("the hammer on the left workbench", room.scene()).status == "ambiguous"
    assert ask("the hammer on the left workbench", room.scene(), VIEWER).status == "none"
    assert ids(ask("the hammer on the right workbench", room.scene(), VIEWER)) == [12]


def test_sides_stored_for_one_view_are_used_and_said() -> None:
    room = table_with(("white", -0.3), ("white", 0.3))
    room.put(30, "lamp", (0, 0), (0.1, 0.1, 0.3), on=10)
    room.relations.append(Relation(20, "left of", 30, 0.9, frame="view monday/3"))
    answer = ask("the mug left of the lamp", room.scene())
    assert (answer.status, ids(answer)) == ("unique", [20])
    assert "view monday/3" in answer.sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the second mug from the left", [21]),
        ("the second mug from the right", [22]),
        ("the rightmost mug", [23]),
        ("the mug closest to the lamp", [23]),
        ("the mug farthest from the lamp", [20]),
    ],
)
def test_places_in_a_row_are_counted(text: str, expected: list[int]) -> None:
    room = table_with(*(("white", x) for x in (-0.6, -0.3, 0.1, 0.4)))
    room.put(30, "lamp", (0.7, 0), (0.1, 0.1, 0.3), on=10)
    assert ids(ask(text, room.scene(), VIEWER)) == expected


def test_a_place_beyond_the_row_is_no_thing() -> None:
    answer = ask(
        "the third mug from the left", table_with(("red", 0), ("red", 0.5)).scene(), VIEWER
    )
    assert answer.status == "none" and "only 2" in answer.sentence


def test_equal_sizes_have_no_largest() -> None:
    assert (
        ask("the largest mug", table_with(("red", 0), ("blue", 0.5)).scene()).status == "ambiguous"
    )


def test_a_name_that_is_not_known_is_no_thing_and_is_said() -> None:
    answer = ask("the mugg on the table")
    assert (answer.status, answer.hits, answer.unresolved) == ("none", (), ("mugg",))
    assert answer.sentence == 'Nothing here is known to be called "mugg". Is "mug" meant?'


def test_where_a_look_does_not_fit_what_is_there_is_said() -> None:
    answer = ask("the red kettle")
    assert answer.status == "none" and "black kettle on the sink counter" in answer.sentence


def test_an_unknown_adjective_is_said_and_lowers_the_probability() -> None:
    plain, strange = ask("the kettle"), ask("the ceramic kettle")
    assert strange.status == "unique" and strange.unresolved == ("ceramic",)
    assert strange.hits[0].p < plain.hits[0].p and '"ceramic"' in strange.sentence


def test_a_doubtful_name_is_asked_back() -> None:
    answer = ask("the fork")
    assert (answer.status, ids(answer)) == ("ambiguous", [35])
    assert answer.question is not None and "probability 0.45" in answer.question


def test_what_is_missing_is_answered_with_its_last_place() -> None:
    answer = ask("the red bottle")
    assert (answer.status, ids(answer)) == ("stale", [32])
    assert "last on the table" in answer.sentence and "2 hours ago" in answer.sentence


def test_what_is_there_comes_before_what_is_missing() -> None:
    assert (ask("the bottle").status, ids(ask("the bottle"))) == ("unique", [31])


def test_what_does_not_fit_is_no_substitute_for_what_is_missing() -> None:
    room = table_with(("blue", 0.3))
    room.put(30, "mug", (0, 0), MUG, "red", on=10, **LOST)  # type: ignore[arg-type]
    assert (ask("the red mug", room.scene()).status) == "stale"


def test_what_is_on_something_missing_is_found_all_the_same() -> None:
    room = table_with()
    room.put(30, "tray", (0, 0), (0.4, 0.3, 0.02), on=10, **LOST)  # type: ignore[arg-type]
    room.put(31, "mug", (0, 0), MUG, on=30)
    assert ids(ask("the mug on the tray", room.scene())) == [31]


@pytest.mark.parametrize(
    ("text", "status", "expected", "opening"),
    [
        ("how many mugs are there?", "unique", {20, 25}, "2:"),
        ("how many teapots are there?", "none", set(), "0:"),
        ("how many spatulas are there?", "stale", {39}, "0 surely"),
        ("is there a kettle?", "unique", {26}, "Yes"),
        ("is the kettle on the table?", "none", set(), "No"),
        ("is there a spatula?", "stale", {39}, "Not surely"),
        ("what is in the bowl?", "unique", {22, 23}, "Two things"),
        ("mugs that are not on the table", "unique", {25}, "The blue mug"),
    ],
)
def test_counts_and_yes_and_no_are_said(
    text: str, status: str, expected: set[int], opening: str
) -> None:
    answer = ask(text)
    assert answer.status == status and set(ids(answer)) == expected
    assert answer.sentence.startswith(opening)


def test_any_is_the_nearest() -> None:
    scene = table_with(("white", -0.6), ("white", 0.1)).scene()
    assert ids(ask("any mug", scene, VIEWER))[0] == 21


def test_what_stands_on_a_tray_on_a_table_is_on_the_table() -> None:
    assert ids(ask("the knife on the counter")) == [29]


def test_nothing_is_found_on_the_floor_by_way_of_a_table() -> None:
    assert ask("the mug on the floor").status == "none"


def test_a_relation_that_may_be_said_of_two_is_read_both_ways() -> None:
    room = table_with(("white", -0.5), ("white", 0.6))
    room.put(30, "lamp", (-0.35, 0), (0.1, 0.1, 0.3), on=10)
    assert ids(ask("the mug on the table next to the lamp", room.scene())) == [20]


def test_relations_are_measured_where_none_are_stored() -> None:
    room = table_with(("white", -0.5), ("white", 0.6))
    room.put(30, "lamp", (-0.35, 0), (0.1, 0.1, 0.3), on=10)
    room.put(31, "crate", (0, 0), (0.4, 0.3, 0.3), on=1)
    bare = replace(room.scene(), relations=())
    assert ids(ask("the mug next to the lamp", bare)) == [20]
    assert ids(ask("the crate under the table", bare)) == [31]
    assert set(ids(ask("what is on the table", bare))) == {20, 21, 30}


def test_a_turned_table_carries_what_lies_in_its_outline_only() -> None:
    c = np.sqrt(0.5)
    turned = np.array([[c, -c, 0], [c, c, 0], [0, 0, 1]])
    room = table_with(("white", 0.0))
    room.things[10] = replace(room.things[10], R_world_box=turned)
    room.things[20] = replace(room.things[20], center=np.array([0.5, 0.5, 0.8]))
    bare = replace(room.scene(), relations=())
    assert ids(ask("the mug on the table", bare)) == [20]
    room.things[20] = replace(room.things[20], center=np.array([0.5, -0.5, 0.8]))
    off = replace(room.scene(), relations=())
    assert ask("the mug on the table", off).status == "none"


def test_up_need_not_be_z() -> None:
    room = table_with(("white", 0.0), ("white", 0.5))
    room.put(30, "lamp", (0.55, 0.1), (0.05, 0.05, 0.3), on=10)
    scene = replace(room.scene(), relations=())
    R = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    things = tuple(
        replace(t, center=R @ t.center, R_world_box=R @ t.R_world_box) for t in scene.things
    )
    turned = replace(scene, things=things, up=R @ scene.up)
    T = np.eye(4)
    T[:3, :3] = R
    assert ids(ask("the mug next to the lamp", turned)) == [21]
    assert ids(ask("the left mug on the table", turned, T @ VIEWER)) == [20]


def test_a_request_of_another_parser_is_answered_alike() -> None:
    request = Request(Described("mug", relations=(Link("on", Described("table")),)))
    assert ids(query(KITCHEN, request)) == [20]


def test_an_attribute_of_another_parser_that_is_not_known_is_unresolved() -> None:
    answer = query(KITCHEN, Request(Described("kettle", attributes=("ceramic",))))
    assert answer.unresolved == ("ceramic",)


def test_a_viewer_that_is_no_pose_is_refused() -> None:
    with pytest.raises(ScenekeeperError, match="T_world_viewer"):
        query(KITCHEN, "the mug", viewer=np.eye(3))


def test_an_empty_scene_knows_nothing() -> None:
    assert ask("the mug on the table", Scene(())).status == "none"
    assert ask("", Scene(())).status == "none"


def test_an_answer_is_plain_json() -> None:
    assert json.loads(json.dumps(ask("the mug").as_dict()))["status"] == "ambiguous"


def test_three_thousand_things_are_asked_in_well_under_a_second() -> None:
    rng = np.random.default_rng(0)
    names = [f"kind {k}" for k in range(40)] + ["mug", "table", "lamp"]

    def thing(k: int) -> Thing:
        return Thing(
            k,
            {names[k % 43]: 0.9},
            "thing",
            0.95,
            np.r_[rng.uniform(-20, 20, 2), 0.5],
            rng.uniform(0.05, 1, 3),
            np.eye(3),
            np.full(3, 0.02),
            np.zeros(0, np.int64),
            rng.integers(0, 255, 3).astype(np.uint8),
        )

    relations = [Relation(k, "on", int(rng.integers(k)), 0.9) for k in range(1, 3000)]
    scene = Scene(tuple(thing(k) for k in range(3000)), tuple(relations))
    start = time.process_time()
    for text in ("the red mug on the table", "the mug next to the lamp", "what is on the table"):
        query(scene, text)
    assert time.process_time() - start < 3 * 0.5
