"""The world heeds what people decided in review, in every session and from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenekeeper.review.apply import refresh
from scenekeeper.review.events import Subject
from scenekeeper.schema import Relation
from scenekeeper.store import Dataset
from scenekeeper.world.memory import writing
from scenekeeper.world.people import People, people
from scenekeeper.world.recall import open_world
from scenekeeper.world.scene import Scene
from tests.review.reviewed_dataset import CHAIR, MUG, TABLE, Reviewer, add, made, thing, track
from tests.world.made_evidence import DAY, evidence, visit

SAID = (Relation(MUG, "on", TABLE, 0.5), Relation(TABLE, "next to", CHAIR, 0.5))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two visits that show a mug, a table and a chair."""
    dataset = made(tmp_path / "lab.sk")
    add(dataset, "hall")
    with writing(dataset.path) as memory:
        for day, session in enumerate(("kitchen", "hall")):
            visit(memory, session, day * DAY)
            for k, number in enumerate((MUG, TABLE, CHAIR)):
                memory.put_evidence(session, number, evidence(k, names={f"thing {k}": 0.8}))
            memory.put_relations(session, SAID)
    return dataset


@pytest.fixture
def decide(dataset: Dataset) -> Reviewer:
    return Reviewer(dataset)


def scene(dataset: Dataset) -> Scene:
    refresh(dataset)
    return open_world(dataset).scene()


def related(scene: Scene) -> list[tuple[int, str, int]]:
    return [(r.subject, r.predicate, r.object) for r in scene.relations]


def test_without_reviews_there_are_only_names(dataset: Dataset) -> None:
    dataset.name_object(MUG, "mug")
    assert people(dataset) == People({MUG: "mug"})
    assert people(dataset).relations("kitchen", SAID, {MUG}) is SAID


def test_a_relabelled_object_is_called_so(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", thing(MUG), phrase="mug")
    found = scene(dataset)[MUG]
    assert dict(found.names) == {"mug": 1.0} and found.verified


def test_a_name_given_to_its_track_is_the_objects(dataset: Dataset, decide: Reviewer) -> None:
    with_time = dataset.read_segment("objects", "i1", "hall")
    column = with_time.schema.get_field_index("last_t_ns")
    rows = with_time.set_column(column, "last_t_ns", [[1000] * len(with_time)])
    dataset.write_segment(rows, "objects", "i1", "hall")
    decide("relabel", track(0, "hall"), phrase="beaker")
    assert dict(scene(dataset)[MUG].names) == {"beaker": 1.0}


def test_what_is_none_is_not_in_the_world(dataset: Dataset, decide: Reviewer) -> None:
    decide("reject", thing(MUG))
    found = scene(dataset)
    assert [t.object for t in found] == [TABLE, CHAIR]
    assert related(found) == [(TABLE, "next to", CHAIR)]


def test_a_session_in_which_it_was_none_does_not_speak_for_it(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("reject", track(0, "hall"))
    assert scene(dataset)[MUG].sessions == ("kitchen",)


def test_what_is_one_thing_is_one_in_the_world(dataset: Dataset, decide: Reviewer) -> None:
    decide("same", Subject("pair", "", CHAIR, MUG))
    found = scene(dataset)
    assert [t.object for t in found] == [MUG, TABLE]
    assert found[MUG].sessions == ("kitchen", "hall")
    assert related(found) == [(MUG, "next to", TABLE), (MUG, "on", TABLE)]


def test_what_is_shown_under_another_number_is_not_absent(
    dataset: Dataset, decide: Reviewer
) -> None:
    with writing(dataset.path) as memory:
        memory.put_absence("hall", 99, "taken", 0.9)
        memory.put_evidence("kitchen", 99, evidence(9))
    decide("same", Subject("pair", "", MUG, 99))
    assert scene(dataset)[MUG].existence > 0.9


def test_relations_are_as_people_say(dataset: Dataset, decide: Reviewer) -> None:
    for session in ("kitchen", "hall"):
        decide("reject", Subject("relation", session, MUG, TABLE, "on"))
        decide("accept", Subject("relation", session, MUG, CHAIR, "in"))
    assert related(scene(dataset)) == [(MUG, "in", CHAIR), (TABLE, "next to", CHAIR)]
    assert scene(dataset).relations[0].source == "person"
