"""A filmstrip shows where a track may go wrong, and windows hold what they are cut around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.review.film import SMALLEST, chosen, doubtful, window


def walk(n: int = 200, speed: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A box that moves evenly and is believed throughout: frames, boxes, belief."""
    x = 100 + speed * np.arange(n)
    boxes = np.stack((x, np.full(n, 50.0), x + 40, np.full(n, 90.0)), 1).astype(np.float32)
    return np.arange(n), boxes, np.full(n, 0.9, np.float32)


def test_an_even_motion_is_no_surprise() -> None:
    assert np.ptp(doubtful(*walk())) < 1e-6


@pytest.mark.parametrize("at", [3, 60, 190])
def test_a_leap_a_growth_a_gap_and_a_doubt_are_shown(at: int) -> None:
    frames, boxes, belief = walk()
    leapt, grown, unsure = boxes.copy(), boxes.copy(), belief.copy()
    leapt[at:, [0, 2]] += 60
    grown[at : at + 6, 2:] += 50
    unsure[at : at + 6] = 0.2
    later = frames + 40 * (frames >= at)
    for cut in (
        (frames, leapt, belief),
        (frames, grown, belief),
        (later, boxes, belief),
        (frames, boxes, unsure),
    ):
        assert abs(int(doubtful(*cut).argmax()) - at) <= 5
        risky = [k for k, risk in chosen(*cut) if risk]
        assert min(abs(k - at) for k in [*risky, 0, 199]) <= 5


def test_views_are_few_apart_and_in_order() -> None:
    rng = np.random.default_rng(0)
    frames, boxes, _ = walk(400)
    picks = chosen(frames, boxes, rng.random(400).astype(np.float32))
    places = [k for k, _ in picks]
    assert len(picks) == 12 and places == sorted(set(places))
    assert [k for k, risk in picks if not risk] == np.linspace(0, 399, 8).round().tolist()
    risky = [k for k, risk in picks if risk]
    assert np.diff(risky).min() > 10


@given(n=st.integers(1, 12))
def test_a_short_track_is_shown_whole(n: int) -> None:
    frames, boxes, belief = walk(n)
    assert chosen(frames, boxes, belief) == [(k, False) for k in range(n)]


def test_unknown_belief_is_no_more_than_unsure() -> None:
    frames, boxes, belief = walk()
    belief[:] = np.nan
    assert np.isfinite(doubtful(frames, boxes, belief)).all()


@given(
    x=st.floats(0, 600),
    y=st.floats(0, 440),
    w=st.floats(1, 640),
    h=st.floats(1, 480),
    size=st.sampled_from([(480, 640), (30, 30), (1080, 1920)]),
)
def test_a_window_holds_its_box_and_lies_in_the_picture(
    x: float, y: float, w: float, h: float, size: tuple[int, int]
) -> None:
    height, width = size
    x0, y0 = min(x, width - 1.0), min(y, height - 1.0)
    box = (x0, y0, min(x0 + w, width), min(y0 + h, height))
    left, top, right, bottom = window(box, size)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert left <= box[0] + 1 and top <= box[1] + 1
    assert right >= box[2] - 1 and bottom >= box[3] - 1
    least = min(SMALLEST, width, height)
    assert right - left >= least and bottom - top >= least
