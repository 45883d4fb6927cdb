"""Palettes: how many pixels of a thing have which colour, and how far two of them differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenekeeper.world.colors import lab
from scenekeeper.world.palette import BINS, counted, differ, mean, nothing, palette

COLORS = arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(3)))


@given(COLORS, COLORS)
def test_every_pixel_is_counted_once_whatever_came_before(a: np.ndarray, b: np.ndarray) -> None:
    together = counted(np.concatenate((a, b)))
    assert together.shape == (BINS,) and together.sum() == len(a) + len(b)
    assert np.array_equal(together, nothing() + counted(a) + counted(b))


@given(COLORS)
def test_a_palette_does_not_differ_from_itself_nor_from_many_of_it(colors: np.ndarray) -> None:
    one, many = palette(counted(colors)), palette(1000 * counted(colors))
    assert differ(one, one) == pytest.approx(0, abs=1e-9)
    assert differ(one, many) == pytest.approx(0, abs=1e-3)


@given(COLORS, COLORS)
def test_how_far_two_differ_is_the_same_both_ways(a: np.ndarray, b: np.ndarray) -> None:
    one, other = palette(counted(a)), palette(counted(b))
    there = differ(one, other)
    assert 0 <= there <= -np.log(1e-2) + 1e-9
    assert there == pytest.approx(differ(other, one))


def test_the_farther_a_colour_the_more_it_differs() -> None:
    grays = [palette(counted(np.full((50, 3), v, np.uint8))) for v in (40, 80, 130, 220)]
    far = [differ(grays[0], g) for g in grays]
    assert far == sorted(far) and far[0] < 0.01 < far[1] and far[3] > 2


def test_a_cast_of_light_is_taken_away() -> None:
    rng = np.random.default_rng(0)
    plain = rng.integers(60, 150, (2000, 3)).astype(np.uint8)
    warm = np.clip(plain * np.array([1.2, 1.0, 0.7]), 0, 255).astype(np.uint8)
    a, b = palette(counted(plain)), palette(counted(warm))
    cast = mean(b) - mean(a)
    assert cast[2] > 5
    assert differ(a, b, cast) < 0.5 * differ(a, b)


def test_the_mean_is_near_that_of_the_pixels() -> None:
    colors = np.random.default_rng(1).integers(0, 256, (3000, 3)).astype(np.uint8)
    off = mean(palette(counted(colors))) - lab(colors).clip(-60, 60).mean(0) * [1, 1, 1]
    assert np.abs(off[1:]).max() < 3


def test_counts_of_nothing_are_an_empty_palette_and_huge_ones_fit() -> None:
    assert not len(palette(nothing()))
    assert palette(counted(np.zeros((1, 3), np.uint8)) * 10**9).max() == 65535
