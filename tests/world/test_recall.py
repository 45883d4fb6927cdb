"""What is believed of the world: a fold over visits, by evidence, absence and age."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.schema import Relation
from scenekeeper.store import Dataset
from scenekeeper.world.memory import Memory, writing
from scenekeeper.world.recall import open_world
from scenekeeper.world.scene import Scene, Thing
from tests.world.made_evidence import DAY, HOUR, evidence, session, visit

NAMES = ("monday", "tuesday", "wednesday", "thursday")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "d.sk")


def visits(dataset: Dataset, *tell: Callable[[Memory, str], Any]) -> None:
    """One visit a day, each telling something."""
    with writing(dataset.path) as memory:
        for day, (name, told) in enumerate(zip(NAMES, tell, strict=False)):
            visit(memory, name, day * DAY)
            told(memory, name)


def shows(number: int = 1, **more: Any) -> Callable[[Memory, str], None]:
    return lambda memory, name: memory.put_evidence(name, number, evidence(number, **more))


def lacks(verdict: str, score: float = 0.9, number: int = 1) -> Callable[[Memory, str], None]:
    return lambda memory, name: memory.put_absence(name, number, verdict, score)


def relates(*relations: Relation, numbers: tuple[int, ...] = (1, 2)) -> Callable[..., None]:
    def tell(memory: Memory, name: str) -> None:
        for number in numbers:
            memory.put_evidence(name, number, evidence(number))
        memory.put_relations(name, relations)

    return tell


def scene(dataset: Dataset, **more: Any) -> Scene:
    return open_world(dataset).scene(**more)


def thing(dataset: Dataset, **more: Any) -> Thing:
    return scene(dataset, **more)[1]


def test_belief_falls_with_age_and_the_thing_stays(dataset: Dataset) -> None:
    visits(dataset, shows())
    ages = [thing(dataset, t_ns=HOUR + k * DAY) for k in (0, 1, 10, 10_000)]
    belief = [t.existence for t in ages]
    assert belief == sorted(belief, reverse=True) and belief[0] == pytest.approx(0.95)
    assert 0 < belief[-1] < 0.2
    assert [t.status for t in ages] == ["confirmed", "stale", "stale", "stale"]


def test_what_hardly_moves_fades_slower(dataset: Dataset) -> None:
    visits(dataset, lambda m, name: [shows()(m, name), shows(2, names={"wall": 0.9})(m, name)])
    mug, wall = scene(dataset, t_ns=30 * DAY)
    assert wall.existence > 0.85 > 0.5 > mug.existence


def test_where_mugs_stay_they_fade_slower_than_where_they_leave(tmp_path: Path) -> None:
    """Of eight mugs all were there again each morning, or only the first was."""

    def morning(left: bool) -> Callable[[Memory, str], None]:
        def tell(memory: Memory, name: str) -> None:
            for number in range(1, 9):
                if number > 1 and left and name != NAMES[0]:
                    lacks("taken", number=number)(memory, name)
                else:
                    shows(number)(memory, name)

        return tell

    left = {}
    for leave in (False, True):
        place = Dataset.create(tmp_path / f"{leave}.sk")
        visits(place, *[morning(leave)] * 3)
        then, later = (thing(place, t_ns=2 * DAY + k * DAY).existence for k in (0, 1))
        left[leave] = later / then
    assert left[False] > 1.2 * left[True]


def test_a_thing_that_moved_each_day_is_expected_to_move(dataset: Dataset) -> None:
    def moves(memory: Memory, name: str) -> None:
        shows()(memory, name)
        memory.log(name, "a", "moved", 1)

    visits(dataset, shows(), moves, moves)
    restless = thing(dataset, t_ns=3 * DAY).existence
    still = Dataset.create(dataset.path.parent / "still.sk")
    visits(still, shows(), shows(), shows())
    assert thing(still, t_ns=3 * DAY).existence > restless


def test_what_was_taken_is_missing_at_its_last_place(dataset: Dataset) -> None:
    visits(dataset, shows(center=np.array([4.0, 5.0, 6.0])), lacks("taken", 0.55))
    gone = thing(dataset)
    assert gone.status == "missing" and gone.existence < 0.2
    assert gone.center.tolist() == [4, 5, 6] and gone.last_t_ns == 2


def test_what_comes_back_is_there_again(dataset: Dataset) -> None:
    visits(dataset, shows(), lacks("taken"), shows(existence=0.9))
    assert thing(dataset).status == "confirmed"
    assert thing(dataset).existence == pytest.approx(0.9)
    assert thing(dataset).sessions == ("monday", "wednesday")


def test_not_looking_changes_nothing_but_the_age(dataset: Dataset) -> None:
    visits(dataset, shows())
    alone = thing(dataset, t_ns=DAY + HOUR)
    visits(dataset, lambda *_: None, lacks("unseen"))
    assert thing(dataset, t_ns=DAY + HOUR).existence == alone.existence


def test_each_time_it_is_missed_lowers_belief_a_little(dataset: Dataset) -> None:
    visits(dataset, shows(), lacks("missed"), lacks("missed"))
    belief = [thing(dataset, t_ns=k * DAY + HOUR).existence for k in range(3)]
    assert belief[0] > belief[1] > belief[2] > 0.85
    assert thing(dataset).status == "confirmed"


def test_seeing_it_again_makes_it_surer_and_a_weak_look_does_not_undo_that(
    dataset: Dataset,
) -> None:
    visits(dataset, shows(existence=0.8), shows(existence=0.8), shows(existence=0.4))
    once, twice, thrice = (thing(dataset, t_ns=k * DAY + HOUR).existence for k in range(3))
    assert twice > once and twice > thrice > 0.5


def test_a_moment_in_the_past_knows_nothing_of_later_visits(dataset: Dataset) -> None:
    visits(dataset, shows(), lacks("taken"))
    assert thing(dataset, t_ns=2 * HOUR).status == "confirmed"
    assert scene(dataset, t_ns=2 * HOUR).sessions == ("monday",)
    with pytest.raises(DatasetError, match=r"knew nothing.*first visit began at 0"):
        scene(dataset, t_ns=-1)


def test_names_of_visits_that_agree_grow_surer(dataset: Dataset) -> None:
    visits(dataset, shows(names={"mug": 0.7, "cup": 0.2}), shows(names={"mug": 0.8}))
    names = thing(dataset).names
    assert names["mug"] > 0.8 > 0.1 > names["cup"] and sum(names.values()) <= 1


def test_a_visit_that_heard_no_name_takes_none_away(dataset: Dataset) -> None:
    visits(dataset, shows(names={"mug": 0.7}), shows(names={}), shows(names={}))
    assert thing(dataset).names == {"mug": 0.7}


def test_visits_that_contradict_one_another_leave_it_open(dataset: Dataset) -> None:
    visits(dataset, shows(names={"mug": 0.9}), shows(names={"bowl": 0.9}))
    names = thing(dataset).names
    assert names["mug"] == pytest.approx(names["bowl"]) and names["mug"] < 0.6


def test_the_name_that_a_person_gave_outranks_all_visits(dataset: Dataset) -> None:
    visits(dataset, shows(), shows())
    dataset.name_object(1, "Anna's mug")
    assert thing(dataset).phrase == "Anna's mug" and thing(dataset).verified
    dataset.name_object(1, None)
    assert thing(dataset).phrase == "mug" and not thing(dataset).verified


def test_views_of_the_newest_visit_come_first_and_its_best_before_all(dataset: Dataset) -> None:
    visits(dataset, shows(views=(3, 1)), shows(views=(9, 2)))
    assert thing(dataset).views == (("tuesday", 9), ("tuesday", 2), ("monday", 3), ("monday", 1))


def test_only_what_the_last_visit_found_elsewhere_is_moved(dataset: Dataset) -> None:
    def moved(memory: Memory, name: str) -> None:
        shows()(memory, name)
        memory.log(name, "a", "moved", 1, score=0.9, frames=[])

    visits(dataset, shows(), moved)
    assert thing(dataset).status == "moved"
    visits(dataset, lambda *_: None, lambda *_: None, shows())
    assert thing(dataset).status == "confirmed"


def test_what_an_earlier_run_said_of_moving_does_not_count(dataset: Dataset) -> None:
    def moved(memory: Memory, name: str) -> None:
        shows()(memory, name)
        memory.log(name, "an earlier run", "moved", 1, score=0.9, frames=[])

    visits(dataset, shows(), moved)
    assert thing(dataset).status == "confirmed"


def test_a_session_labelled_again_replaces_its_evidence(dataset: Dataset) -> None:
    visits(dataset, shows(), shows(names={"bowl": 0.99}, frames=100))
    with writing(dataset.path) as memory:
        memory.forget("tuesday")
        visit(memory, "tuesday", DAY, run="b")
        memory.put_evidence("tuesday", 1, evidence(1, frames=7))
    assert thing(dataset).frames == 12 and thing(dataset).phrase == "mug"


ON = Relation(1, "on", 2, 0.9)


def test_a_relation_that_is_repeated_has_held_since_its_first_visit(dataset: Dataset) -> None:
    visits(dataset, relates(ON), relates(Relation(1, "on", 2, 0.7)))
    [r] = scene(dataset).relations
    assert (r.score, r.since_t_ns, r.until_t_ns) == (0.7, 0, None)


def test_a_relation_ends_when_both_are_seen_otherwise(dataset: Dataset) -> None:
    visits(dataset, relates(ON), relates(Relation(1, "next to", 2)))
    [r] = scene(dataset).relations
    assert (r.predicate, r.since_t_ns) == ("next to", DAY)


def test_a_relation_to_what_was_not_looked_at_goes_on(dataset: Dataset) -> None:
    visits(dataset, relates(ON), relates(numbers=(2,)))
    [r] = scene(dataset).relations
    assert (r.subject, r.since_t_ns, r.until_t_ns) == (1, 0, None)


def test_the_last_relation_of_what_is_gone_says_till_when_it_held(dataset: Dataset) -> None:
    visits(dataset, relates(ON), lacks("taken"), lacks("unseen"))
    [r] = scene(dataset).relations
    assert (r.predicate, r.since_t_ns, r.until_t_ns) == ("on", 0, DAY)


def test_a_relation_that_holds_again_begins_again(dataset: Dataset) -> None:
    visits(dataset, relates(ON), lacks("taken"), relates(ON))
    [r] = scene(dataset).relations
    assert (r.since_t_ns, r.until_t_ns) == (2 * DAY, None)


def test_what_moved_leaves_its_relations_behind(dataset: Dataset) -> None:
    def moved(memory: Memory, name: str) -> None:
        memory.put_evidence(name, 1, evidence(1))
        memory.log(name, "a", "moved", 1, score=0.9, frames=[])

    visits(dataset, relates(ON), moved)
    assert scene(dataset).relations == ()


def test_places_that_do_not_fit_together_are_scenes_of_their_own(dataset: Dataset) -> None:
    with writing(dataset.path) as memory:
        visit(memory, "home", 0)
        visit(memory, "office", DAY, number=1)
        memory.put_evidence("home", 1, evidence(1))
        memory.put_evidence("office", 2, evidence(2))
    assert [t.object for t in scene(dataset)] == [2]
    assert [t.object for t in scene(dataset, place=0)] == [1]
    with pytest.raises(DatasetError, match=r"has no place 5.*\[0, 1\]"):
        scene(dataset, place=5)


def test_a_dataset_without_a_world_says_how_to_get_one(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"no world yet.*scenekeeper world build"):
        open_world(dataset)
    assert not (dataset.path / "world").exists()


def test_three_thousand_things_over_two_visits_are_recalled_in_half_a_second(
    dataset: Dataset,
) -> None:
    def crowd(memory: Memory, name: str) -> None:
        for number in range(1, 3001):
            cells = np.arange(100 * number, 100 * number + 60)
            memory.put_evidence(name, number, evidence(number, cells=cells))
            memory.log(name, "a", "missed", number)
        memory.put_relations(name, [Relation(k, "on", k + 1) for k in range(1, 3000)])

    visits(dataset, crowd, crowd)
    world, took = open_world(dataset), []
    for _ in range(3):
        began = time.process_time()
        assert len(world.scene()) == 3000
        took.append(time.process_time() - began)
    assert min(took) < 0.5, took


def test_events_are_those_of_a_session_or_of_all(dataset: Dataset) -> None:
    visits(dataset, *[lambda m, name: m.born(name, "a")] * 2)
    world = open_world(dataset)
    assert [(e.session, e.kind, e.object) for e in world.events()] == [
        ("monday", "born", 1),
        ("tuesday", "born", 2),
    ]
    assert [e.object for e in world.events("tuesday")] == [2]


def test_the_sessions_keep_their_surface_and_keyframes(dataset: Dataset) -> None:
    visits(dataset, shows())
    with writing(dataset.path) as memory:
        e = session("monday")
        assert memory.surface("monday").tolist() == e.surface.tolist()
        [k] = memory.keyframes("monday")
        assert k.depth_mm.tolist() == e.keyframes[0].depth_mm.tolist()
