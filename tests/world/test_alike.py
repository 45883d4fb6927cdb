"""One thing or two: what palettes, colour words, sizes and names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.world.alike import (
    Light,
    same_looks,
    same_name,
    same_size,
    same_thing,
)
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.palette import counted, palette
from tests.world.made_visits import CARTON, evidence

BLUE, AZURE, RED = (30, 60, 160), (34, 76, 168), (170, 40, 40)


def pixels(rgb: tuple[int, int, int], seed: int = 0, spread: float = 6.0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, spread, (500, 3))
    return np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8)


def seen(rgb: tuple[int, int, int], seed: int = 0, **more: object) -> Evidence:
    colors = palette(counted(pixels(rgb, seed)))
    return replace(evidence(CARTON), palette=colors, **more)  # type: ignore[arg-type]


def test_the_same_colours_speak_for_one_thing_and_others_against() -> None:
    assert same_looks(seen(BLUE), seen(BLUE, 1)) > 1
    assert same_looks(seen(BLUE), seen(RED, 1)) < same_looks(seen(BLUE), seen(AZURE, 1)) < 2


def test_palettes_tell_shades_that_have_one_word() -> None:
    dark, light = seen((25, 50, 130)), seen((90, 140, 235), 1)
    assert dark.colors == light.colors
    assert same_looks(dark, light) < same_looks(dark, seen((25, 50, 130), 2)) - 1


def test_without_palettes_words_alone_speak() -> None:
    one = evidence(CARTON)
    assert 1 < same_looks(one, one) < np.log(1 / 0.2) + 1e-9  # things are made alike
    assert same_looks(one, replace(one, colors={"red": 1.0})) < -2


def test_a_few_pixels_of_the_background_do_not_make_it_another() -> None:
    stained = pixels(BLUE, 1)
    stained[:60] = (150, 120, 80)
    other = replace(seen(BLUE), palette=palette(counted(stained)))
    assert same_looks(seen(BLUE), other) > 0


@pytest.mark.parametrize("place", [-3.0, 1.0])
def test_the_colours_of_their_place_speak_as_loud_as_their_own(place: float) -> None:
    one, other = seen(BLUE), seen(BLUE, 1)
    assert same_looks(one, other, None, place) == pytest.approx(
        (same_looks(one, other) + place) / 2
    )


def test_another_light_is_measured_on_what_stays_and_taken_away() -> None:
    warm = np.array([1.15, 1.0, 0.75])
    colors = [(40 + 20 * k, 180 - 15 * k, 60 + 10 * k) for k in range(9)]
    pairs = []
    for k, rgb in enumerate(colors):
        lit = np.clip(warm * np.array(rgb), 0, 255).astype(int).tolist()
        pairs.append((seen(rgb, k), seen(tuple(lit), k + 20)))
    light = Light.between(pairs)
    plain, known = ([same_looks(a, b, x) for a, b in pairs] for x in (None, light))
    assert light.cast[2] > 5 or light.cast[2] < -5
    assert np.mean(known) > np.mean(plain)


def test_too_few_things_say_nothing_of_the_light() -> None:
    light = Light.between([(seen(BLUE), seen(RED))] * 3)
    assert light.spread == 1.0 and not light.cast.any()


@pytest.mark.parametrize(("grown", "for_one"), [(1.0, True), (1.15, True), (1.7, False)])
def test_sizes_speak_by_their_ratio(grown: float, for_one: bool) -> None:
    one = evidence(CARTON)
    assert (same_size(one, replace(one, extent=grown * one.extent)) > 0) is for_one


@pytest.mark.parametrize(("off", "for_one"), [(0.0, True), (0.004, True), (0.03, False)])
def test_heights_that_views_measure_tell_by_millimetres(off: float, for_one: bool) -> None:
    one = replace(evidence(CARTON), tall=0.11, wide=0.08)
    assert (same_size(one, replace(one, tall=0.11 + off)) > 0) is for_one


def test_a_thing_that_lies_now_is_not_ruled_out() -> None:
    stands = replace(evidence(CARTON), tall=0.25, wide=0.08)
    assert -3 < same_size(stands, replace(stands, tall=0.08, wide=0.25)) < -1


def test_measures_of_one_visit_alone_leave_it_to_the_boxes() -> None:
    one = evidence(CARTON)
    assert same_size(replace(one, tall=0.1, wide=0.1), one) == same_size(one, one)


def test_names_say_little_for_and_more_against() -> None:
    one = evidence(CARTON)
    other = replace(one, names={"kettle": 0.9})
    assert -0.3 < same_name(one, one) <= 0 and same_name(one, other) < -1
    assert same_thing(one, other) < same_thing(one, one)
