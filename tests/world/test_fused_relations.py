"""What is believed of relations when several say so, or contradict each other."""

from __future__ import annotations

from scenekeeper.schema import Relation
from scenekeeper.world.fused_relations import fuse_relations


def rel(a: int, how: str, b: int, score: float = 0.8, frame: str = "") -> Relation:
    return Relation(a, how, b, score, frame=frame)


def facts(relations: list[Relation]) -> list[tuple[int, str, int]]:
    return [(r.subject, r.predicate, r.object) for r in relations]


def test_what_two_say_is_believed_more_than_what_one_says() -> None:
    (alone,) = fuse_relations([rel(1, "on", 2)], [])
    (both,) = fuse_relations([rel(1, "on", 2)], [rel(1, "on", 2)])
    assert alone.source == "geometry" and both.source == "geometry+vlm"
    assert 0.5 < alone.score < both.score < 1


def test_geometry_is_believed_more_in_directions_than_a_language_model() -> None:
    (g,) = fuse_relations([rel(1, "behind", 2, frame="view s/1")], [])
    (v,) = fuse_relations([], [rel(1, "behind", 2, frame="view s/1")])
    assert g.score > v.score


def test_the_same_told_from_the_other_side_counts_as_the_same() -> None:
    found = fuse_relations(
        [rel(1, "under", 2), rel(3, "next to", 4)], [rel(2, "above", 1), rel(4, "next to", 3)]
    )
    assert facts(found) == [(1, "under", 2), (3, "next to", 4)]
    assert {r.source for r in found} == {"geometry+vlm"}


def test_of_two_that_contradict_each_other_the_likelier_stays() -> None:
    assert facts(fuse_relations([rel(1, "on", 2, 0.9)], [rel(2, "on", 1, 0.7)])) == [(1, "on", 2)]
    assert facts(fuse_relations([rel(1, "on", 2, 0.6)], [rel(1, "in", 2, 0.99)])) == [(1, "in", 2)]
    assert facts(fuse_relations([rel(1, "on", 2, 0.9), rel(1, "on", 3, 0.7)], [])) == [(1, "on", 2)]


def test_left_and_right_contradict_each_other_in_one_view_alone() -> None:
    left, right = rel(1, "left of", 2, 0.9, "view s/1"), rel(1, "right of", 2, 0.8, "view s/2")
    assert facts(fuse_relations([left, right], [])) == [(1, "left of", 2), (1, "right of", 2)]
    same = rel(1, "right of", 2, 0.8, "view s/1")
    assert facts(fuse_relations([left, same], [])) == [(1, "left of", 2)]


def test_a_person_outranks_everybody() -> None:
    sure = [rel(1, "on", 2, 0.99)]
    (kept,) = fuse_relations(sure, sure, [rel(1, "in", 2, 1.0)])
    assert (kept.predicate, kept.source) == ("in", "person") and kept.score > 0.99
    assert fuse_relations(sure, sure, [rel(1, "on", 2, 0.0)]) == [], "a person denies it"


def test_what_is_less_likely_than_not_is_not_said() -> None:
    assert fuse_relations([rel(1, "on", 2, 0.3)], [rel(1, "on", 2, 0.4)]) == []
