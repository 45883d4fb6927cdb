"""Keyframes say all that a person needs to see, and a tool fills in the rest."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.exchange.queue_keyframes import as_drawn, filled, keyframes, stretches


@st.composite
def tracks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    at = np.array(sorted(draw(st.sets(st.integers(0, 40), min_size=1))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = rng.normal(0, draw(st.floats(0, 3)), (len(at), 4))
    return at, np.array([10, 20, 40, 60]) + steps.cumsum(axis=0)


@given(tracks())
def test_what_is_left_out_lies_on_the_line_to_a_pixel(track: tuple[np.ndarray, np.ndarray]) -> None:
    at, boxes = track
    assert np.abs(as_drawn(at, boxes) - boxes).max() <= 1 + 1e-9


@given(tracks())
def test_a_tool_that_fills_in_shows_every_place_and_no_other(
    track: tuple[np.ndarray, np.ndarray],
) -> None:
    at, boxes = track
    kept = keyframes(at, boxes)
    ends = np.array([part.stop - 1 for part in stretches(at)])
    places, drawn = filled(at[kept], boxes[kept], ~np.isin(np.flatnonzero(kept), ends), 41)
    assert places.tolist() == at.tolist()
    assert np.allclose(drawn, as_drawn(at, boxes))


@given(tracks())
def test_drawing_again_changes_nothing(track: tuple[np.ndarray, np.ndarray]) -> None:
    at, boxes = track
    once = as_drawn(at, boxes)
    assert np.allclose(as_drawn(at, once), once, atol=1)


def test_a_straight_walk_takes_two_keyframes() -> None:
    at = np.arange(50)
    boxes = np.array([1.0, 2, 30, 40]) + at[:, None]
    assert np.flatnonzero(keyframes(at, boxes)).tolist() == [0, 49]


def test_every_stretch_keeps_its_ends() -> None:
    at = np.array([0, 1, 2, 7, 8, 9, 12])
    assert np.flatnonzero(keyframes(at, np.ones((7, 4)))).tolist() == [0, 2, 3, 5, 6]


def test_a_keyframe_far_beyond_the_end_costs_nothing() -> None:
    at = np.array([-(10**15), 3, 10**15])
    places, drawn = filled(at, np.ones((3, 4)), np.array([True, True, True]), 6)
    assert places.tolist() == [0, 1, 2, 3, 4, 5] and np.allclose(drawn, 1)
