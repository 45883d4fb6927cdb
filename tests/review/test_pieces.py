"""Of every frame of a track it is known what was last decided."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.review.pieces import EVER, State, at, changed, spans, united, untouched, without

RANGES = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda r: (min(r), max(r)))
ALL = st.just(EVER)


@given(st.lists(st.tuples(RANGES | ALL, st.sampled_from("abc"))))
def test_each_frame_has_what_was_said_last_of_it(told: list[tuple[tuple[int, int], str]]) -> None:
    pieces, expected = untouched(1), dict.fromkeys(range(-2, 15))
    for (first, last), word in told:
        pieces = changed(pieces, (first, last), lambda s, word=word: replace(s, phrase=word))
        expected |= {f: word for f in expected if first <= f <= last}  # type: ignore[misc]
    assert {f: at(pieces, f).phrase for f in expected} == expected
    assert pieces[0][0] == EVER[0]
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(pieces))
    covered = list(spans(pieces, (-2, 14)))
    assert covered[0][0] == -2 and covered[-1][1] == 14
    assert all(b[0] == a[1] + 1 for a, b in pairwise(covered))


def test_a_range_that_ends_before_it_begins_changes_nothing() -> None:
    assert changed(untouched(1), (5, 4), lambda _: State(9)) == untouched(1)


@given(RANGES, st.lists(RANGES, max_size=3))
def test_what_is_left_of_a_range_is_what_nobody_took(
    span: tuple[int, int], taken: list[tuple[int, int]]
) -> None:
    left = {f for first, last in without(span, taken) for f in range(first, last + 1)}
    gone = {f for first, last in taken for f in range(first, last + 1)}
    assert left == set(range(span[0], span[1] + 1)) - gone


def test_what_is_one_with_the_same_is_one() -> None:
    groups, dropped = united({frozenset((1, 2)): (True, 1), frozenset((2, 3)): (True, 2)})
    assert groups[1] == {1, 2, 3} and dropped == []


def test_of_words_that_contradict_the_oldest_does_not_count() -> None:
    verdicts = {frozenset((1, 2)): (True, 1), frozenset((2, 3)): (True, 2)}
    groups, dropped = united(verdicts | {frozenset((1, 3)): (False, 3)})
    assert groups == {2: {2, 3}, 3: {2, 3}} and dropped == [(1, 3)]
