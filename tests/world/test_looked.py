"""How the place of a thing looks to a visit that does not know it: empty, silent, out of view."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenekeeper.world.looked import Looked, LookedConfig, looked
from tests.world.made_visits import CARTON, EYES, KETTLE, PLATE, TABLE, Box, evidence, keyframes

PRIOR = LookedConfig().prior


def place_of(thing: Box, shown: tuple[Box, ...], eyes: int = 5) -> Looked:
    return looked([evidence(thing)], keyframes(shown, EYES[:eyes]))[0]


@pytest.mark.parametrize("eyes", [1, 2, 5])
def test_what_is_seen_through_is_absent_even_in_one_picture(eyes: int) -> None:
    place = place_of(CARTON, (TABLE,), eyes)
    assert place.absent > 0.8 and place.hit < 0.3 and place.is_free(0.35)


@pytest.mark.parametrize("eyes", [1, 5])
def test_what_is_hit_is_there_though_nobody_spoke_of_it(eyes: int) -> None:
    place = place_of(CARTON, (TABLE, CARTON), eyes)
    assert place.absent < PRIOR and place.hit > 0.95 and not place.is_free(0.2)


def test_samples_next_to_what_a_thing_lay_on_do_not_speak_for_it() -> None:
    low = Box("can", (0.3, 0.3, 0.74), (0.12, 0.12, 0.08))
    place = place_of(low, (TABLE,))
    assert place.hit < 0.2 and place.absent > 0.9


def test_of_a_plate_only_silence_speaks_and_one_look_is_too_little() -> None:
    once, often = (place_of(PLATE, (TABLE,), eyes) for eyes in (1, 5))
    assert once.firm == often.firm == 0
    assert PRIOR < once.absent < 0.5 < often.absent


def test_silence_over_what_is_too_small_to_be_labelled_says_nothing() -> None:
    pill = Box("pill", (0.3, 0.3, 0.705), (0.025, 0.025, 0.01))
    place = looked([evidence(pill)], keyframes((TABLE,)), LookedConfig(tested=1))[0]
    assert place.seen and place.absent == pytest.approx(PRIOR)


def test_silence_over_what_shows_too_little_to_be_labelled_says_nothing() -> None:
    coaster = Box("coaster", (0.3, 0.3, 0.705), (0.11, 0.11, 0.01))
    before_it = Box("screen", (0.385, 0.3, 0.77), (0.01, 0.5, 0.14))
    whole, half = (
        looked([evidence(coaster)], keyframes((TABLE, *more), EYES[:1]))[0]
        for more in ((), (before_it,))
    )
    assert whole.seen == half.seen == 1
    assert whole.absent > 0.4 and half.absent == pytest.approx(PRIOR)


def test_a_place_behind_something_else_is_not_seen() -> None:
    screen = Box("screen", (1.3, 1.0, 1.2), (0.05, 3.0, 2.4))
    place = looked([evidence(CARTON)], keyframes((TABLE, screen), EYES[:1]))[0]
    assert place == Looked(0, 0, 1.0, PRIOR, ())


def test_what_nobody_looked_at_is_as_likely_gone_as_before() -> None:
    away = keyframes((TABLE,), target=(5.0, 5.0, 1.0))
    assert looked([evidence(KETTLE)], away)[0].absent == PRIOR


def test_pictures_that_show_the_place_empty_are_named() -> None:
    assert place_of(CARTON, (TABLE,)).at[:2] == (0, 1)
    assert place_of(CARTON, (TABLE, CARTON)).at == ()


def test_more_surface_in_the_way_speaks_less_for_absence() -> None:
    top = replace(CARTON, middle=(0.3, 0.3, 0.9), sides=(0.2, 0.2, 0.4))
    whole, half, none = (
        place_of(top, shown).absent
        for shown in (
            (TABLE, top),
            (TABLE, replace(top, middle=(0.3, 0.3, 0.8), sides=(0.2, 0.2, 0.2))),
            (TABLE,),
        )
    )
    assert whole < half < none
