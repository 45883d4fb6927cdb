"""Places: noise averages out, shared errors do not, and stated intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.placed_things import Views, thing
from benchmarks.world_belief import place
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.world.position import (
    Placed,
    PositionConfig,
    Positions,
    box_estimate,
    combine,
    observe,
    session_estimate,
)

CONFIG = PositionConfig()
FOCAL = 525.0
COORDINATE = st.floats(-3, 3)
POINT = st.tuples(COORDINATE, COORDINATE, COORDINATE)


def seen(views: list[tuple[float, float, float]], distance: float = 1.5) -> Placed:
    state = Positions.new(1)
    for at in views:
        camera = np.add(at, (distance, 0, 0))
        state = observe(state, np.zeros(1, np.int64), np.array([at]), camera, FOCAL, CONFIG)
    return session_estimate(state, CONFIG)


def test_depth_is_the_least_certain_direction() -> None:
    state = observe(
        Positions.new(1),
        np.zeros(1, np.int64),
        np.zeros((1, 3)),
        np.array((3.0, 0, 0)),
        FOCAL,
        CONFIG,
    )
    noise = np.linalg.inv(state.information[0])
    assert np.sqrt(noise[0, 0]) == pytest.approx(0.003 * 9, rel=0.01)
    assert noise[0, 0] > 3 * noise[1, 1] and noise[1, 1] == pytest.approx(noise[2, 2])


def test_views_average_but_a_session_has_a_floor() -> None:
    one, ten, many = (seen([(0, 0, 0)] * n, distance=3.0).std[0, 0] for n in (1, 10, 10_000))
    floor = np.hypot(CONFIG.pose_shift, CONFIG.pose_turn * 3.0)
    assert one > ten > many > floor and many == pytest.approx(floor, rel=0.01)


@given(st.lists(POINT, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_views_is_of_no_importance(
    views: list[tuple[float, float, float]], rng: object
) -> None:
    shuffled = views.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    a, b = seen(views), seen(shuffled)
    assert a.center == pytest.approx(b.center) and a.covariance == pytest.approx(b.covariance)


@given(POINT, POINT)
def test_sessions_combine_in_either_order_and_lie_between(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    first, second = seen([a]), seen([b], distance=2.5)
    there, back = combine(first, second), combine(second, first)
    assert there.center == pytest.approx(back.center, abs=1e-9)
    assert (there.std < np.minimum(first.std, second.std) + 1e-12).all()


def test_what_was_never_seen_may_be_anywhere() -> None:
    nothing = session_estimate(Positions.new(2), CONFIG)
    assert (nothing.std > 10).all()
    known = Placed(np.ones((1, 3)), 1e-4 * np.eye(3)[None])
    assert combine(session_estimate(Positions.new(1), CONFIG), known).center == pytest.approx(1)


def test_only_the_observed_objects_change() -> None:
    before = Positions.new(3)
    after = observe(before, np.array([1]), np.ones((1, 3)), np.zeros(3), FOCAL, CONFIG)
    assert after.views.tolist() == [0, 1, 0] and before.views.sum() == 0


# --- boxes ----------------------------------------------------------------------------------------

THIN = np.array((0.05, 0.3, 0.4))
NOISE = 1e-4 * np.eye(3)


def test_a_thing_seen_from_the_front_alone_is_thought_to_go_on_behind() -> None:
    front = np.array([[1.0, 0, 0]])
    box = box_estimate(np.zeros(3), THIN, np.eye(3), front, NOISE, CONFIG)
    assert box.center[0] < -0.02 and box.extent[0] > 0.1
    assert box.center[1:] == pytest.approx(0) and box.extent[1] == pytest.approx(THIN[1])
    assert np.sqrt(box.covariance[0, 0]) > 2 * np.sqrt(box.covariance[1, 1])


FLAT = np.array((0.2, 0.06, 0.03))


def test_a_flat_thing_seen_from_above_ends_where_what_it_lies_on_shows() -> None:
    """From its long side alone, at 45 degrees: a strip as wide as it is high is hidden."""
    from_above = np.array([[0.0, 1.0, 1.0]])
    box = box_estimate(np.zeros(3), FLAT, np.eye(3), from_above, NOISE, CONFIG)
    assert box.extent[1] == pytest.approx(0.06 + 0.03 / 2)
    assert box.center[1] == pytest.approx(-0.03 / 4)
    level = box_estimate(np.zeros(3), FLAT, np.eye(3), from_above * [1, 1, 0.05], NOISE, CONFIG)
    assert level.extent[1] == pytest.approx(0.06 + (0.2 - 0.06) / 2)
    floating = box_estimate(np.zeros(3), FLAT, np.eye(3), from_above, NOISE, CONFIG, resting=False)
    assert floating.extent[1] == pytest.approx(level.extent[1])


def test_a_thing_that_all_pictures_end_at_may_go_on_by_as_much_as_was_seen() -> None:
    around = np.array([[1, 0, 0.2], [-1, 0, 0.2], [0, 1, 0.2], [0, -1, 0.2]])
    cut = np.zeros((3, 2), np.bool_)
    cut[0, 1] = True
    plain = box_estimate(np.zeros(3), THIN, np.eye(3), around, NOISE, CONFIG)
    box = box_estimate(np.zeros(3), THIN, np.eye(3), around, NOISE, CONFIG, cut=cut)
    assert box.extent[0] == pytest.approx(plain.extent[0] + THIN.max() / 2, rel=0.5)
    assert box.center[0] > plain.center[0] and box.extent_std[0] > 2 * plain.extent_std[0]
    assert box.extent[1:] == pytest.approx(plain.extent[1:])


def test_a_thing_seen_from_all_sides_is_as_it_was_measured() -> None:
    angle = np.linspace(0, 2 * np.pi, 12)
    towards = np.stack((np.cos(angle), np.sin(angle), np.full(12, 0.4)), 1)
    box = box_estimate(np.ones(3), THIN, np.eye(3), towards, NOISE, CONFIG)
    assert box.center == pytest.approx(1) and box.extent == pytest.approx(THIN)


@given(st.floats(0, 6.28))
def test_turning_thing_and_viewers_turns_the_box(angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    towards = np.array([[1.0, 0.3, 0.5]])
    plain = box_estimate(np.zeros(3), THIN, np.eye(3), towards, NOISE, CONFIG)
    turned = box_estimate(np.zeros(3), THIN, R, towards @ R.T, NOISE, CONFIG)
    assert turned.center == pytest.approx(R @ plain.center, abs=1e-9)
    assert turned.covariance == pytest.approx(R @ plain.covariance @ R.T, abs=1e-9)
    assert turned.extent == pytest.approx(plain.extent)


@pytest.mark.parametrize("views", [Views(), Views(arc=0.5), Views(sessions=2)])
def test_stated_intervals_of_95_percent_hold_in_90_to_98(views: Views) -> None:
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(60):
        one = thing(views, rng)
        box = place(one)
        inside.append(np.abs(box.center - one.center) < 1.96 * np.sqrt(np.diag(box.covariance)))
    # 180 axes, three of a thing not independent: two standard errors beyond the claim.
    assert 0.87 <= np.mean(inside) <= 0.995
