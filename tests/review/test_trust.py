"""The trust model: right from the start, better with corrections, and never carried away."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.reviewed_rooms import Night, World, world

from scenekeeper.errors import ReviewError
from scenekeeper.review.trust import (
    OWN_BELIEF,
    OWN_NAME,
    Prior,
    Trust,
    fit,
    prior_trust,
    stand_for_all,
)
from scenekeeper.review.units import Units

NIGHT = Night(things=300, sessions=30, phrase_scale=0.9)


@pytest.fixture(scope="module")
def night() -> World:
    return world(7, NIGHT)


def right(night: World) -> np.ndarray[Any, Any]:
    return np.asarray(1 - night.wrong_labels / night.units.frames)


def some(night: World, n: int, seed: int = 0) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).choice(len(night.units), n, replace=False)
    return np.asarray(rows, np.int64)


def plain(n: int = 4, **columns: Any) -> Units:
    """Cups of 50 pixels a side of which nothing is known."""
    made = Units(
        "s",
        ("kitchen",) * n,
        np.arange(n),
        np.full(n, -1),
        ("cup",) * n,
        np.full(n, 10),
        np.zeros(n, np.int64),
        np.full(n, 9),
        np.full(n, 50.0),
        ({"cup": 1.0},) * n,
        ("disagreement", "jerk"),
        np.zeros((n, 2)),
        np.zeros(n),
    )
    return replace(made, **columns)


def brier(p: Any, share: Any) -> float:
    return float(np.mean((p - share) ** 2))


def test_before_any_correction_doubt_lowers_belief_and_sureness_raises_it() -> None:
    X = np.array([[0.0, 0], [2, 0], [0, 2], [0, 0]])
    p = prior_trust().p(plain(X=X, logit=np.array([0.0, 0, 0, 3])))
    assert p[0] > p[1]
    assert p[0] > p[2]
    assert p[3] > p[0] > 0.5


def test_the_prior_ranks_errors_better_than_raw_scores(night: World) -> None:
    units, wrong = night.units, night.wrong_labels > 0
    worst = {
        name: wrong[np.argsort(p)[: wrong.sum()]].mean()
        for name, p in (("raw", units.logit), ("prior", prior_trust().p(units)))
    }
    assert worst["prior"] > worst["raw"] + 0.1


def test_corrections_make_it_better_on_tracks_that_nobody_saw(night: World) -> None:
    share, rows = right(night), some(night, 200)
    rest = np.setdiff1d(np.arange(len(share)), rows)
    before = prior_trust().p(night.units)
    after = fit(night.units, rows, 1 - share[rows]).p(night.units)
    assert brier(after[rest], share[rest]) < 0.85 * brier(before[rest], share[rest])
    assert abs(after[rest].mean() - share[rest].mean()) < 0.03


def test_without_corrections_it_is_the_prior(night: World) -> None:
    none = fit(night.units, np.zeros(0, np.int64), np.zeros(0))
    np.testing.assert_allclose(none.p(night.units), prior_trust().p(night.units))
    assert none.reviewed == 0


def test_a_phrase_that_is_always_wrong_is_distrusted_and_its_neighbours_are_not() -> None:
    units = plain(40, phrase=("cup",) * 20 + ("mug",) * 20)
    rows = np.r_[0:10, 20:30]
    p = fit(units, rows, (rows >= 20).astype(float)).p(units)
    assert p[35] < 0.3 < 0.7 < p[15]


def test_a_phrase_that_nobody_reviewed_is_believed_as_any() -> None:
    units = plain(3, phrase=("cup", "mug", "spoon"))
    trust = fit(units, np.array([0]), np.array([0.0]))
    p = trust.p(units)
    assert p[1] == p[2] < p[0]


def test_nothing_but_right_tracks_does_not_make_it_certain(night: World) -> None:
    trust = fit(night.units, some(night, 300), np.zeros(300))
    p = trust.p(night.units)
    assert np.isfinite(trust.intercept)
    assert (p < 1).all()
    assert p.mean() > 0.9


def test_a_track_half_of_whose_labels_are_wrong_pulls_to_one_half() -> None:
    units = plain(200)
    p = fit(units, np.arange(200), np.full(200, 0.5)).p(units)
    np.testing.assert_allclose(p, 0.5, atol=0.02)


def test_a_weight_of_two_is_the_same_track_twice(night: World) -> None:
    rows = some(night, 50)
    wrong = 1 - right(night)[rows]
    twice = fit(night.units, np.r_[rows, rows], np.r_[wrong, wrong])
    heavy = fit(night.units, rows, wrong, np.full(50, 2.0))
    np.testing.assert_allclose(heavy.p(night.units), twice.p(night.units), atol=1e-6)


def test_the_order_of_signals_does_not_matter(night: World) -> None:
    units, rows = night.units, some(night, 50)
    other = replace(units, signals=units.signals[::-1], X=units.X[:, ::-1])
    trust = fit(units, rows, 1 - right(night)[rows])
    np.testing.assert_allclose(trust.p(other), trust.p(units))


def test_a_signal_without_a_prior_is_learned_too() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1, (300, 2))
    units = plain(300, signals=("new", "jerk"), X=X)
    trust = fit(units, np.arange(300), (X[:, 0] > 0).astype(float), prior=Prior(other=0.0))
    assert trust.doubt["new"] > 0.8
    assert abs(trust.doubt["jerk"] - Prior().doubt["jerk"]) < 0.4


def test_it_says_what_a_track_is_doubted_for() -> None:
    units = plain(X=np.array([[2.0, 0.1], [0, 0], [0, 0], [0, 0]]), logit=np.array([-1.0, 1, 1, 1]))
    told = prior_trust().why(units, 0)
    assert [name for name, _ in told] == ["disagreement", OWN_BELIEF, "jerk"]
    assert sum(share for _, share in told) == pytest.approx(1)
    assert prior_trust().why(units, 1) == []
    learned = fit(units, np.array([1, 2, 3]), np.ones(3))
    assert OWN_NAME in dict(learned.why(units, 1))


def test_it_is_kept_as_json(night: World) -> None:
    rows = some(night, 50)
    trust = fit(night.units, rows, 1 - right(night)[rows])
    again = Trust.from_json(trust.to_json())
    assert again == trust
    np.testing.assert_array_equal(again.p(night.units), trust.p(night.units))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"intercept": 1}', "null"])
def test_json_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ReviewError):
        Trust.from_json(text)


def test_a_model_of_another_release_is_refused() -> None:
    data = json.loads(prior_trust().to_json())
    with pytest.raises(ReviewError, match="another release"):
        Trust.from_json(json.dumps({**data, "size": [0.0]}))


@pytest.mark.parametrize(
    ("wrong", "weight"),
    [
        ([0.0], None),
        ([0.0, 2.0], None),
        ([0.0, np.nan], None),
        ([0, 0], [1.0]),
        ([0, 0], [1.0, -1.0]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(wrong: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match=r"rows|shares"):
        fit(plain(), np.array([0, 1]), np.array(wrong), weight)


# --- weights of the repair stream -----------------------------------------------------------------


def test_weighted_tracks_stand_for_all_though_the_doubtful_were_preferred(night: World) -> None:
    p = prior_trust().p(night.units)
    rng = np.random.default_rng(0)
    rows = np.r_[np.argsort(p)[:100], rng.choice(len(p), 60, replace=False)]
    weight = stand_for_all(p, rows)
    assert abs(np.average(p[rows], weights=weight) - p.mean()) < 0.03
    assert abs(p[rows].mean() - p.mean()) > 0.1
    assert weight.sum() == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert weight.sum() < len(rows)


def test_tracks_chosen_evenly_count_one_each() -> None:
    p = np.linspace(0, 1, 1000)
    np.testing.assert_allclose(stand_for_all(p, np.arange(0, 1000, 10)), 1)


@pytest.mark.parametrize("rows", [[0], [999], [0, 999], [500, 500]])
def test_a_few_tracks_stand_for_all(rows: list[int]) -> None:
    weight = stand_for_all(np.linspace(0, 1, 1000), np.array(rows))
    assert np.isfinite(weight).all()
    assert 0 < weight.sum() <= len(rows) + 1e-9


def test_no_track_stands_for_none() -> None:
    assert stand_for_all(np.linspace(0, 1, 10), np.zeros(0, np.int64)).shape == (0,)
