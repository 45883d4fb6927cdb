"""One thing or two: what tones, colour words, sizes and names say."""

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
    tones_differ,
)
from scenekeeper.world.evidence import Evidence
from tests.world.made_visits import CARTON, evidence

BLUE, AZURE, RED = (30, 60, 160), (34, 76, 168), (170, 40, 40)


def tones(rgb: tuple[int, int, int], seed: int = 0, spread: float = 6.0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, spread, (64, 3))
    return np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8)


def seen(rgb: tuple[int, int, int], seed: int = 0, **more: object) -> Evidence:
    return replace(evidence(CARTON), tones=tones(rgb, seed), **more)  # type: ignore[arg-type]


def test_the_same_tones_speak_for_one_thing_and_others_against() -> None:
    assert same_looks(seen(BLUE), seen(BLUE, 1)) > 1
    assert same_looks(seen(BLUE), seen(RED, 1)) < same_looks(seen(BLUE), seen(AZURE, 1)) < 1


def test_tones_tell_shades_that_have_one_word() -> None:
    dark, light = seen((25, 50, 130)), seen((90, 140, 235), 1)
    assert dark.colors == light.colors
    assert same_looks(dark, light) < same_looks(dark, seen((25, 50, 130), 2)) - 1


def test_things_made_alike_bound_what_looks_say_for_one() -> None:
    exact = seen(BLUE)
    assert same_looks(exact, exact) < np.log(1 / 0.2) + 1e-9


def test_without_tones_words_alone_speak() -> None:
    one = evidence(CARTON)
    assert same_looks(one, one) > 1
    assert same_looks(one, replace(one, colors={"red": 1.0})) < -2


def test_a_few_pixels_of_the_background_do_not_make_it_another() -> None:
    stained = tones(BLUE, 1)
    stained[:8] = (150, 120, 80)
    assert same_looks(seen(BLUE), replace(seen(BLUE), tones=stained)) > 0


def test_the_distance_of_tones_is_that_of_moving_them() -> None:
    a, b = seen(BLUE), seen(BLUE)
    assert tones_differ(a, b, np.zeros(3)) == pytest.approx(0)
    shift = np.array([0.0, 3.0, 4.0])
    assert tones_differ(a, b, shift) == pytest.approx(5.0, abs=0.01)


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


def test_names_say_little_for_and_more_against() -> None:
    one = evidence(CARTON)
    other = replace(one, names={"kettle": 0.9})
    assert -0.3 < same_name(one, one) <= 0 and same_name(one, other) < -1
    assert same_thing(one, other) < same_thing(one, one)
