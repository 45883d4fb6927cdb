"""Colours of things' places in two visits: what is flat shows by them, and light alone does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scenekeeper.world.shades import cast, others, shades
from tests.world.made_visits import EYES, KETTLE, PLATE, ROOM, TABLE, Box, evidence, keyframes

PHONE = Box("phone", (0.45, 0.1, 0.707), (0.16, 0.08, 0.014), "blue")
BOOK = Box("book", (-0.4, 0.4, 0.72), (0.2, 0.3, 0.04), "red")
FLAT = (*ROOM, PHONE, BOOK)


def said(before: Sequence[Box], now: Sequence[Box], light: float = 1.0) -> list[float]:
    """Of each thing of the first visit, whether something else is there now."""
    pictures = keyframes(before, light=1.0), keyframes(now, light=light)
    found = shades([evidence(b) for b in before], *pictures)
    return list(others(found, cast(found)))


def test_what_stayed_has_the_colours_that_it_had() -> None:
    assert max(said(FLAT, FLAT)) < -1


@pytest.mark.parametrize("gone", [PLATE, PHONE, BOOK])
def test_what_lay_flat_on_a_table_is_missed_by_its_colours(gone: Box) -> None:
    now = [b for b in FLAT if b is not gone]
    by_thing = dict(zip(FLAT, said(FLAT, now), strict=True))
    assert by_thing.pop(gone) > 2
    assert max(by_thing.values()) < 0


@pytest.mark.parametrize("light", [0.6, 0.85, 1.1])
def test_another_light_changes_nothing(light: float) -> None:
    assert max(said(FLAT, FLAT, light)) < 1


def test_a_thing_of_the_colour_of_what_it_lay_on_may_be_there_or_not() -> None:
    mat = Box("mat", (0.45, 0.1, 0.707), (0.16, 0.08, 0.014), "brown")
    before = (*ROOM, mat)
    assert -2 < said(before, ROOM)[-1] < 0


def test_where_one_visit_did_not_look_nothing_is_said() -> None:
    away = keyframes(ROOM, EYES[:1], (5, 5, 1), light=1.0)
    found = shades([evidence(b) for b in ROOM], keyframes(ROOM, light=1.0), away)
    assert not any(map(len, found.later)) and (others(found, cast(found)) == 0).all()


def test_pictures_without_colours_say_nothing() -> None:
    found = shades([evidence(b) for b in ROOM], keyframes(ROOM), keyframes(ROOM, light=1.0))
    assert (others(found, cast(found)) == 0).all() and (cast(found) == 1).all()


def test_of_nothing_nothing_is_said() -> None:
    found = shades([], keyframes(ROOM, light=1.0), keyframes(ROOM, light=1.0))
    assert others(found, cast(found)).shape == (0,) and (cast(found) == 1).all()


def test_either_visit_may_be_the_first() -> None:
    now = (TABLE, KETTLE, PHONE)
    pictures = keyframes(FLAT, light=1.0), keyframes(now, light=0.9)
    things = [evidence(b) for b in FLAT]
    there, back = shades(things, *pictures), shades(things, *pictures[::-1])
    assert others(there, cast(there)) == pytest.approx(others(back, cast(back)))
    assert cast(there) == pytest.approx(1 / cast(back))
