"""Draws: seeded, in proportion to labels, and their probabilities are what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review import sampling
from tests.review.made_audits import night, units_of


def test_a_seed_gives_an_order_and_another_another() -> None:
    units, p, _ = night(0)
    first, again = (sampling.tracks(units, p, seed=7, size=50) for _ in range(2))
    assert np.array_equal(first.rows, again.rows)
    assert not np.array_equal(first.rows, sampling.tracks(units, p, 8, 50).rows)
    assert sorted(first.rows.tolist()) == list(range(len(units)))
    assert np.all(np.diff(first.arrival) >= 0)


def test_what_follows_the_sample_is_ready_when_more_is_wanted() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    more = draw.to(80)
    assert len(draw.index) == len(draw.pi) == len(draw.rank) == 50
    assert np.array_equal(more.index[:50], draw.index) and len(more.index) == 80
    assert len(draw.to(10**6).index) == len(units)


def test_who_was_decided_on_is_not_drawn() -> None:
    units, p, _ = night(0)
    decided = np.arange(len(units)) % 2 == 0
    draw = sampling.tracks(units, p, 7, 50, decided)
    assert np.all(draw.rows % 2 == 1) and len(draw) == len(units) // 2


def test_tracks_come_up_as_often_as_their_labels_are_drawn() -> None:
    """Three tracks: each order has the probability of drawing labels one by one."""
    frames = np.array([1, 3, 6])
    units, p = units_of(frames), np.full(3, 0.9)
    orders = [tuple(sampling.tracks(units, p, s, 3).rows.tolist()) for s in range(4000)]
    for a, b, c in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1)):
        expected = frames[a] / 10 * frames[b] / (10 - frames[a])
        share = orders.count((a, b, c)) / len(orders)
        assert abs(share - expected) < 4 * np.sqrt(expected / len(orders))


@pytest.mark.parametrize("design", ["tracks", "frames"])
def test_dividing_by_the_probability_to_be_there_is_without_bias(design: str) -> None:
    """Totals over the first k, each divided by its inclusion, are right on average."""
    units, p, wrong = night(1, n=60)
    totals, k = [], 12
    value = wrong * units.frames
    for seed in range(3000):
        if design == "tracks":
            draw = sampling.tracks(units, p, seed, k)
        else:
            draw = sampling.simple("frames", len(units), seed, k, "labels-1")
        totals.append((value[draw.index] / draw.inclusion(k)).sum())
    error = np.std(totals) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - value.sum()) < 4 * error
    assert np.array_equal(draw.inclusion(60), np.ones(60))


def test_a_card_is_told_how_it_was_drawn() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 7, 50)
    sample = draw.sample(3)
    assert (sample.stream, sample.design, sample.rank) == ("audit", "tracks", 3)
    assert (sample.seed, sample.snapshot) == (7, "labels-1")
    assert 0 < sample.pi < 1


def test_a_draw_survives_as_json() -> None:
    units, p, _ = night(0)
    for draw in (sampling.tracks(units, p, 7, 50), sampling.simple("frames", 90, 3, 20, "x")):
        back = sampling.Draw.from_json(draw.to_json())
        assert (back.design, back.seed, back.snapshot) == (draw.design, draw.seed, draw.snapshot)
        assert np.array_equal(back.index, draw.index)
        assert np.array_equal(back.arrival, draw.arrival)
        assert np.array_equal(back.doubt, draw.doubt, equal_nan=True)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"design": "tracks", "seed": 1})])
def test_what_is_no_draw_is_refused(text: str) -> None:
    with pytest.raises(ReviewError, match="no stored draw"):
        sampling.Draw.from_json(text)


@pytest.mark.parametrize("p", [np.full(3, 0.5), np.full(400, np.nan), np.full(400, 1.5)])
def test_probabilities_are_checked(p: np.ndarray) -> None:
    units, _, _ = night(0)
    with pytest.raises(ReviewError, match="one probability per track"):
        sampling.tracks(units, p, 0, 10)
