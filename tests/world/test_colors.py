"""Colour words of patches, in good light and bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.world.colors import WORDS, color_shares

PATCHES = [
    ("black", (20, 20, 22)), ("black", (45, 42, 40)),
    ("white", (250, 250, 250)), ("white", (235, 230, 215)),
    ("gray", (128, 128, 128)), ("gray", (90, 92, 95)), ("gray", (180, 182, 185)),
    ("red", (200, 30, 30)), ("red", (120, 20, 25)), ("red", (255, 0, 0)),
    ("orange", (245, 140, 20)), ("orange", (230, 110, 40)), ("orange", (255, 165, 0)),
    ("yellow", (250, 220, 40)), ("yellow", (200, 170, 30)), ("yellow", (255, 255, 0)),
    ("green", (40, 140, 60)), ("green", (20, 70, 30)), ("green", (150, 220, 120)),
    ("blue", (30, 60, 190)), ("blue", (20, 30, 80)), ("blue", (120, 170, 230)),
    ("purple", (120, 40, 150)), ("purple", (180, 140, 220)), ("purple", (70, 30, 90)),
    ("pink", (250, 150, 190)), ("pink", (230, 60, 150)), ("pink", (255, 192, 203)),
    ("brown", (115, 72, 40)), ("brown", (160, 110, 70)), ("brown", (70, 40, 20)),
]  # fmt: skip


def word(rgb: tuple[int, ...]) -> str:
    return next(iter(color_shares(np.array([rgb], np.uint8))))


@pytest.mark.parametrize(("expected", "rgb"), PATCHES)
def test_a_patch_is_called_as_people_call_it(expected: str, rgb: tuple[int, int, int]) -> None:
    assert word(rgb) == expected


@pytest.mark.parametrize(
    ("expected", "rgb"),
    [(w, c) for w, c in PATCHES if w in ("red", "green", "blue", "yellow", "white")],
)
@pytest.mark.parametrize("light", [(0.9, 0.9, 0.9), (1.0, 0.96, 0.9), (0.94, 0.97, 1.0)])
def test_dim_warm_and_cold_light_change_no_word(
    expected: str, rgb: tuple[int, int, int], light: tuple[float, float, float]
) -> None:
    lit = np.clip(np.array(rgb) * light, 0, 255).astype(int)
    assert word(tuple(lit)) == expected


def test_a_surface_of_two_colours_has_both_by_their_shares() -> None:
    red, white = np.full((30, 3), (200, 30, 30)), np.full((70, 3), (245, 245, 245))
    shares = color_shares(np.concatenate((red, white)).astype(np.uint8))
    assert list(shares)[:2] == ["white", "red"]
    assert shares["white"] == pytest.approx(0.7, abs=0.05)
    assert shares["red"] == pytest.approx(0.3, abs=0.05)


def test_noise_of_a_camera_changes_little() -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(np.array((30, 60, 190)) + rng.normal(0, 15, (500, 3)), 0, 255)
    assert color_shares(noisy.astype(np.uint8))["blue"] > 0.8


def test_no_surface_has_no_colour() -> None:
    assert color_shares(np.zeros((0, 3), np.uint8)) == {}


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20))
def test_shares_fall_and_add_up_to_one(rgb: list[tuple[int, int, int]]) -> None:
    shares = color_shares(np.array(rgb, np.uint8))
    values = list(shares.values())
    assert set(shares) <= set(WORDS) and sum(values) == pytest.approx(1, abs=1e-3)
    assert values == sorted(values, reverse=True)
