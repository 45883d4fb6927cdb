"""Decay: belief fades at the pace at which things move, and is never deleted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.world.decay import (
    ASSUMED,
    DAY,
    Circumstances,
    Looks,
    decayed,
    fade,
    learned,
    mobility_given,
    mobility_of,
    status,
)

P = st.floats(0.01, 1)
SECONDS = st.floats(0, 1e9)


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("wall", "fixed"),
        ("kitchen counter", "fixed"),
        ("Refrigerator", "fixed"),
        ("coffee table", "heavy"),
        ("bookshelf", "heavy"),
        ("office chairs", "light"),
        ("laundry basket", "light"),
        ("blue mug", "small"),
        ("table lamp", "light"),
        ("gizmo", "small"),
    ],
)
def test_the_last_known_noun_says_how_movable_a_thing_is(phrase: str, kind: str) -> None:
    assert mobility_of(phrase) == kind


def test_what_moves_more_easily_fades_sooner() -> None:
    day = [fade(0.95, DAY, {name: 1.0}) for name in ("wall", "sofa", "chair", "mug")]
    assert day == sorted(day, reverse=True) and day[0] > 0.949 and day[3] < 0.5


def test_a_name_in_doubt_fades_between_its_meanings() -> None:
    sofa, mug = (fade(0.9, DAY, {name: 1.0}) for name in ("sofa", "mug"))
    assert mug < fade(0.9, DAY, {"sofa": 0.5, "mug": 0.5}) < sofa
    assert sum(mobility_given({"sofa": 0.4}).values()) == pytest.approx(1)


@given(P, SECONDS, SECONDS, st.floats(1e-9, 1), st.floats(0, 1))
def test_belief_only_falls_with_time_and_never_to_nothing(
    p: float, a: float, b: float, rate: float, rest: float
) -> None:
    soon, late = (decayed(np.array([p]), np.array([t]), rate, rest)[0] for t in sorted((a, b)))
    assert p >= soon - 1e-12 and soon >= late - 1e-12 and late >= rest * p - 1e-12


@given(P, st.floats(0, 1e5), st.floats(0, 1e5), st.floats(1e-7, 1e-4))
def test_waiting_twice_is_waiting_once_for_both(p: float, a: float, b: float, rate: float) -> None:
    twice = decayed(decayed(np.array([p]), np.array([a]), rate, 0), np.array([b]), rate, 0)
    assert twice == pytest.approx(decayed(np.array([p]), np.array([a + b]), rate, 0))


def test_a_clock_that_goes_back_changes_nothing() -> None:
    assert fade(0.7, -5.0, {"mug": 1.0}) == pytest.approx(0.7)


@pytest.mark.parametrize("every", [0.05, 0.5, 2.0])
def test_rates_are_learned_however_often_one_looks(every: float) -> None:
    rng = np.random.default_rng(3)
    true = 0.8  # moves per day; assumed are 0.25
    seconds = rng.uniform(0.5, 1.5, 20_000) * every * DAY
    moved = rng.random(20_000) < 1 - np.exp(-true * seconds / DAY)
    table = learned(Looks(np.full(20_000, "light"), seconds, moved))
    assert table["light"].rate * DAY == pytest.approx(true, rel=0.15)
    assert table["small"] == ASSUMED["small"]


def test_looks_after_long_absence_teach_whether_things_come_back() -> None:
    looks = Looks(np.full(50, "small"), np.full(50, 60 * DAY), np.arange(50) < 10)
    assert ASSUMED["small"].rest == pytest.approx(0.1)
    taught = learned(looks)["small"]
    assert taught.rest > 0.6 and taught.rate == ASSUMED["small"].rate


def test_one_look_moves_a_guess_only_a_little() -> None:
    one = Looks(np.array(["heavy"]), np.array([DAY]), np.array([False]))
    before, after = ASSUMED["heavy"].rate, learned(one)["heavy"].rate
    assert 0.9 * before < after < before


@pytest.mark.parametrize(
    ("last", "now", "about", "said"),
    [
        (0.95, 0.94, Circumstances(), "confirmed"),
        (0.6, 0.59, Circumstances(), "tentative"),
        (0.6, 0.59, Circumstances(verified=True), "confirmed"),
        (0.95, 0.3, Circumstances(), "stale"),
        (0.95, 0.01, Circumstances(), "stale"),  # nobody looked: that is not to be missing
        (0.05, 0.05, Circumstances(), "missing"),
        (0.95, 0.94, Circumstances(moved=True), "moved"),
        (0.95, 0.94, Circumstances(moved=True, conflicted=True), "conflicted"),
    ],
)
def test_a_status_says_what_is_to_be_thought(
    last: float, now: float, about: Circumstances, said: str
) -> None:
    assert status(last, now, about) == said
