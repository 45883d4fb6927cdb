"""Heights and widths of things, as views measure them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.world.measures import Measures, measured

UP = np.array([0.0, 0.0, 1.0])


def can(tall: float, wide: float, x: float = 0.0) -> np.ndarray:
    """The wall of a can, all around."""
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 200), np.linspace(0, tall, 20))
    ring = np.stack((np.cos(angle), np.sin(angle)), -1) * wide / 2
    return np.concatenate((ring + np.array([x, 0]), height[..., None]), -1).reshape(-1, 3)


@given(st.floats(0.05, 0.5), st.floats(0.05, 0.3), st.floats(0, 6.28))
def test_a_can_is_as_tall_and_wide_from_every_side(tall: float, wide: float, angle: float) -> None:
    eye = np.array([2 * np.cos(angle), 2 * np.sin(angle), 1.5])
    found = measured(can(tall, wide), eye, UP)
    assert found is not None
    assert found[0] == pytest.approx(tall) and found[1] == pytest.approx(wide, rel=0.02)


def test_where_up_is_another_axis_it_is_the_same() -> None:
    turned = can(0.2, 0.1)[:, [0, 2, 1]] * [1, -1, 1]
    found = measured(turned, np.array([2.0, -1, 0.3]), np.array([0.0, -1, 0]))
    assert found == pytest.approx(measured(can(0.2, 0.1), np.array([2.0, 0.3, 1]), UP), rel=0.01)


def test_a_speck_and_what_is_seen_from_straight_above_have_no_measures() -> None:
    assert measured(can(0.2, 0.1)[:5], np.array([1.0, 0, 1]), UP) is None
    middle = can(0.2, 0.1)
    assert measured(middle, middle.mean(0) + UP, UP) is None


def test_views_that_show_a_part_do_not_count_against_the_whole() -> None:
    m = Measures()
    for k in range(20):
        m.add((0.2, 0.1) if k % 2 else (0.1, 0.04))
    assert m.usual() == pytest.approx((0.2, 0.1))
    assert np.isnan(Measures().usual()).all()


def test_of_a_long_visit_only_some_views_are_kept() -> None:
    m = Measures()
    for k in range(100_000):
        m.add((k / 100_000, 1.0))
    assert len(m.views) <= 256
    assert m.usual()[0] == pytest.approx(0.7, abs=0.02)


def test_what_turns_out_to_be_one_has_the_views_of_both() -> None:
    a, b = Measures(), Measures()
    a.add((0.1, 0.1))
    b.add((0.3, 0.3))
    a.join(b)
    assert a.views == [(0.1, 0.1), (0.3, 0.3)]
