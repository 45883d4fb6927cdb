"""Jitter, lag and fit of tracks whose shaking and lateness are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.evaluate.jitter import Boxes, jitter

Float = NDArray[np.float64]


def path(n: int, seed: int = 0) -> Float:
    """Middles ``[n, 2]`` that move smoothly and unevenly."""
    t = np.arange(n)
    a, b = np.random.default_rng(seed).uniform(5, 9, 2)
    return np.stack((300 + 60 * np.sin(t / a), 200 + 40 * np.sin(t / b)), 1)


def frames(middles: Float, track: int = 1, side: float = 80.0) -> list[Boxes]:
    half = side / 2
    return [Boxes.of([track], [[x - half, y - half, x + half, y + half]]) for x, y in middles]


def test_boxes_that_follow_their_things_neither_shake_nor_lag() -> None:
    g = path(60)
    score = jitter(frames(g), frames(g + np.array([3, -2]), track=9))
    assert score.rms == pytest.approx(0, abs=1e-9) and score.pairs == 59 and score.matches == 60
    assert score.lag == pytest.approx(0, abs=0.02)
    assert score.iou < 1


def test_jitter_is_that_of_the_noise_that_was_added() -> None:
    g, rng = path(2000), np.random.default_rng(1)
    score = jitter(frames(g), frames(g + rng.normal(0, 2, g.shape)))
    # Differences of independent noise: twice the variance, in each of two directions.
    assert score.rms == pytest.approx(2 * 2, rel=0.05)


@pytest.mark.parametrize("late", [1.0, 2.5, 0.4, -1.0])
def test_the_lag_that_was_made_is_the_one_that_is_measured(late: float) -> None:
    def moving(t: Float) -> list[Boxes]:
        return frames(np.stack((300 + 60 * np.sin(t / 6), 200 + 40 * np.sin(t / 8)), 1))

    t = np.arange(300.0)
    score = jitter(moving(t), moving(t - late), threshold=0.2)
    assert score.lag == pytest.approx(late, abs=0.1)


def test_a_smoother_buys_low_jitter_with_lag() -> None:
    g, rng = path(600), np.random.default_rng(2)
    raw = g + rng.normal(0, 3, g.shape)
    smooth = raw.copy()
    for k in range(1, len(raw)):
        smooth[k] = 0.4 * raw[k] + 0.6 * smooth[k - 1]
    before, after = (jitter(frames(g), frames(c), threshold=0.2) for c in (raw, smooth))
    assert after.rms < before.rms and after.lag > before.lag + 0.5


def test_pairs_do_not_reach_over_a_break_or_a_switch() -> None:
    g = np.array([[100.0, 100], [101, 100], [300, 300], [301, 300]])
    follows = [False, True, False, True]
    assert jitter(frames(g), frames(g), follows).pairs == 2
    found = frames(g[:2], track=1) + frames(g[2:], track=2)
    assert jitter(frames(g), found).pairs == 2


def test_motion_that_is_steady_or_short_has_no_lag() -> None:
    line = np.stack((100 + 3.0 * np.arange(50), np.full(50, 90.0)), 1)
    assert np.isnan(jitter(frames(line), frames(line)).lag)
    assert np.isnan(jitter(frames(path(4)), frames(path(4))).lag)
    assert np.isnan(jitter([], []).rms)


def test_many_tracks_are_pooled_whatever_their_order_and_numbers() -> None:
    paths = [path(50, seed) + np.array([600 * seed, 0]) for seed in range(3)]
    truth, found = [], []
    for k in range(50):
        boxes = [frames(p[k : k + 1])[0].box_xyxy[0] for p in paths]
        truth.append(Boxes.of([7, 5, 10**9], boxes))
        found.append(Boxes.of([3, 1, 2], boxes[::-1]))
    score = jitter(truth, found)
    assert score.pairs == 3 * 49 and score.rms == 0 and score.lag == pytest.approx(0, abs=0.02)


def test_frames_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        jitter(frames(path(3)), [])
    with pytest.raises(ValueError, match="twice"):
        Boxes.of([1, 1], np.zeros((2, 4)))
    with pytest.raises(ValueError, match="2 tracks need boxes"):
        Boxes.of([1, 2], np.zeros((3, 4)))
