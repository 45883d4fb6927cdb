"""What is missing and what is new, joined: all at once, and only where something was looked at."""

from __future__ import annotations

from dataclasses import replace

from scenekeeper.world.alike import Light
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.moves import moves
from tests.world.made_visits import CARTON, KETTLE, Box, evidence

UNKNOWN = 0.25


def joined(
    gone: dict[int, tuple[Box, float]],
    new: dict[int, tuple[Box, float]],
    never: dict[int, int] | None = None,
) -> dict[int, int]:
    sides: list[dict[int, tuple[Evidence, float]]] = [
        {k: (evidence(b), p) for k, (b, p) in side.items()} for side in (gone, new)
    ]
    found = moves(*sides, never or {}, Light(), UNKNOWN)
    assert all(0.5 < p <= 1 for _, p in found.values())
    return {n: i for n, (i, _) in found.items()}


def test_what_is_gone_here_and_new_there_has_moved() -> None:
    assert joined({10: (CARTON, 0.9)}, {0: (CARTON.at(2, 2), 0.9)}) == {0: 10}


def test_one_place_that_was_looked_at_is_enough_for_a_good_match() -> None:
    assert joined({10: (CARTON, UNKNOWN)}, {0: (CARTON.at(2, 2), 0.9)}) == {0: 10}
    assert joined({10: (CARTON, 0.9)}, {0: (CARTON.at(2, 2), UNKNOWN)}) == {0: 10}


def test_where_neither_place_was_looked_at_nothing_has_moved() -> None:
    assert not joined({10: (CARTON, UNKNOWN)}, {0: (CARTON.at(2, 2), UNKNOWN)})


def test_what_was_surely_there_all_along_is_not_what_has_gone_elsewhere() -> None:
    assert not joined({10: (CARTON, 0.9)}, {0: (CARTON.at(2, 2), 0.01)})


def test_another_colour_size_and_name_is_another_thing() -> None:
    other = Box("kettle", (2, 2, 0.8), (0.4, 0.4, 0.1), "red")
    assert not joined({10: (CARTON, 0.95)}, {0: (other, 0.95)})


def test_a_doubtful_match_needs_both_places_to_be_looked_at() -> None:
    """One of its name and colour, and of another size, may well be another."""
    other = replace(CARTON.at(2, 2), sides=(0.26, 0.26, 0.2))
    assert joined({10: (CARTON, 0.9)}, {0: (other, 0.9)}) == {0: 10}
    taller = replace(CARTON.at(2, 2), sides=(0.36, 0.36, 0.2))
    assert not joined({10: (CARTON, 0.9)}, {0: (taller, UNKNOWN)})


def test_of_equals_each_is_the_nearest() -> None:
    far = CARTON.at(5, 5)
    found = joined(
        {10: (CARTON, 0.9), 11: (far, 0.9)},
        {0: (far.at(5, 4), 0.9), 1: (CARTON.at(0, 1), 0.9)},
    )
    assert found == {0: 11, 1: 10}


def test_one_thing_is_found_again_once() -> None:
    found = joined({10: (CARTON, 0.9)}, {0: (CARTON.at(2, 2), 0.9), 1: (CARTON.at(0, 1), 0.9)})
    assert list(found.values()) == [10]


def test_a_thing_is_never_what_it_has_taken_the_place_of() -> None:
    assert not joined({10: (CARTON, 0.9)}, {0: (CARTON, 0.9)}, {0: 10})


def test_the_better_match_is_taken_though_the_other_is_nearer() -> None:
    smaller = replace(CARTON, sides=(0.15, 0.15, 0.15))
    found = joined(
        {10: (CARTON, 0.9), 11: (KETTLE, 0.9)},
        {0: (CARTON.at(3, 3), 0.9), 1: (smaller.at(0, 1), 0.9)},
    )
    assert found[0] == 10


def test_nothing_gone_or_nothing_new_is_no_move() -> None:
    assert not joined({}, {0: (CARTON, 0.9)})
    assert not joined({10: (CARTON, 0.9)}, {})
