"""Existence: silence counts where it should, ghosts lose, real things win."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper.world.existence import (
    EMPTY,
    MISSED,
    NOTHING,
    SEEN,
    SEEN_EMPTY,
    SIDES,
    Existence,
    ExistenceConfig,
    detectable,
    existence,
    independent,
    judge,
    log_odds,
    observe,
    proposed,
    said_by,
    side_of,
)

CONFIG = ExistenceConfig()
ANGLES = st.floats(0, 6.28)
FRAMES = st.lists(
    st.tuples(st.sampled_from((SEEN, MISSED, EMPTY, SEEN_EMPTY)), ANGLES), max_size=30
)


def after(
    frames: list[tuple[int, float]],
    side_px: float = 100.0,
    visible: float = 1.0,
    score: float = CONFIG.p_score,
) -> float:
    """Log-odds of one object after frames of (verdict, azimuth)."""
    state = Existence.new(proposed(1, CONFIG))
    for verdict, azimuth in frames:
        state = add(state, verdict, azimuth, side_px, visible, score)
    return float(log_odds(state, CONFIG)[0])


def add(
    state: Existence,
    verdict: int,
    azimuth: float,
    side_px: float = 100.0,
    visible: float = 1.0,
    score: float = CONFIG.p_score,
) -> Existence:
    n = len(state)
    return observe(
        state,
        np.arange(n),
        np.full(n, verdict, np.int8),
        np.tile((np.cos(azimuth), np.sin(azimuth), 0.2), (n, 1)),
        np.full(n, side_px),
        np.full(n, visible),
        np.full(n, score if verdict in (SEEN, SEEN_EMPTY) else np.nan),
        CONFIG,
    )


def around(verdicts: NDArray[np.bool_]) -> list[tuple[int, float]]:
    """Frames that walk once around the object, detected or not."""
    azimuth = np.linspace(0, 2 * np.pi, len(verdicts), endpoint=False)
    return [(SEEN if v else MISSED, float(a)) for v, a in zip(verdicts, azimuth, strict=True)]


def test_what_was_proposed_once_with_a_usual_score_is_as_probable_as_the_prior() -> None:
    p = 1 / (1 + np.exp(-after([(SEEN, 0.0)])))
    # A little more, as something solid was there.
    assert CONFIG.prior <= p < CONFIG.prior + 0.06


@pytest.mark.parametrize("seed", range(5))
def test_a_ghost_in_a_quarter_of_the_views_loses_and_a_thing_in_three_quarters_wins(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    state = Existence.new(proposed(80, CONFIG))
    for azimuth in np.linspace(0, 2 * np.pi, 40):
        seen = rng.random(80) < np.where(np.arange(80) < 40, 0.75, 0.25)
        verdict = np.where(seen, SEEN, MISSED).astype(np.int8)
        towards = np.tile((np.cos(azimuth), np.sin(azimuth), 0.2), (80, 1))
        score = np.where(seen, CONFIG.p_score, np.nan)
        full = np.ones(80)
        state = observe(state, np.arange(80), verdict, towards, 100 * full, full, score, CONFIG)
    believed = log_odds(state, CONFIG) > 0
    assert believed[:40].mean() > 0.95 and believed[40:].mean() < 0.1


@given(FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_frames_is_of_no_importance(
    frames: list[tuple[int, float]], rng: object
) -> None:
    shuffled = frames.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert after(shuffled) == pytest.approx(after(frames), abs=1e-3)


@given(FRAMES.map(lambda frames: [f for f in frames if f[0] in (SEEN, MISSED)]), ANGLES)
def test_one_more_detection_never_lowers_belief(
    frames: list[tuple[int, float]], azimuth: float
) -> None:
    assert after([*frames, (SEEN, azimuth)]) >= after(frames) - 1e-3


@given(FRAMES, ANGLES)
def test_one_more_silence_never_raises_belief(
    frames: list[tuple[int, float]], azimuth: float
) -> None:
    assert after([*frames, (MISSED, azimuth)]) <= after(frames) + 1e-3
    assert after([*frames, (EMPTY, azimuth)]) <= after([*frames, (MISSED, azimuth)]) + 1e-3


@given(FRAMES, ANGLES)
def test_a_frame_that_says_nothing_changes_nothing(
    frames: list[tuple[int, float]], azimuth: float
) -> None:
    assert after([*frames, (NOTHING, azimuth)]) == after(frames)


def test_an_observation_does_not_change_the_state_it_is_given() -> None:
    before = Existence.new(proposed(2, CONFIG))
    add(before, SEEN, 0.0)
    assert before.seen.sum() == 0


def test_thirty_frames_a_second_of_one_side_count_as_a_few() -> None:
    second, minute = after([(SEEN, 0.3)] * 30), after([(SEEN, 0.3)] * 1800)
    elsewhere = after([(SEEN, a) for a in np.linspace(0, 6.28, 30)])
    assert minute - second < 0.5 and elsewhere > second + 0.5


def test_silence_says_less_of_small_and_of_hidden_things() -> None:
    seen = [(SEEN, 0.0), (MISSED, 1.0), (MISSED, 3.0)]
    large, small, hidden = after(seen), after(seen, side_px=18), after(seen, visible=0.45)
    assert large < hidden < after(seen[:1]) and large < small < after(seen[:1])


def test_scores_that_nobody_has_calibrated_say_nothing() -> None:
    config = ExistenceConfig(calibrated=False)
    scores = np.array([0.05, 0.5, 0.95])
    assert not said_by(scores, config).any() and np.ptp(said_by(scores, CONFIG)) > 1


def test_a_better_score_says_more_but_not_with_every_frame_anew() -> None:
    good, usual = after([(SEEN, 0.0)], score=0.95), after([(SEEN, 0.0)])
    assert good > usual + 1
    many = [(SEEN, 0.0)] * 100
    assert after(many, score=0.95) - after(many) < 4 * (good - usual)


def test_an_empty_place_outweighs_many_detections() -> None:
    often = [(SEEN, a) for a in np.linspace(0, 6.28, 40)]
    gone = [(EMPTY, a) for a in np.linspace(0, 3.14, 12)]
    assert after(often) > 3 and after(often + gone) < -2


def test_a_glass_is_believed_though_depth_often_sees_through_it() -> None:
    azimuth = np.linspace(0, 6.28, 24)
    kinds = (SEEN_EMPTY, SEEN, SEEN_EMPTY, SEEN, SEEN_EMPTY, EMPTY)
    glass = [(kinds[k % 6], float(a)) for k, a in enumerate(azimuth)]
    solid = [(EMPTY if k % 6 == 5 else SEEN, float(a)) for k, a in enumerate(azimuth)]
    assert after(glass) > 0 > after(solid)  # what is solid and seems empty has gone


def test_a_new_session_begins_with_what_was_believed() -> None:
    state = Existence.new(proposed(2, CONFIG))
    for azimuth in (0.0, 1.5, 3.0):
        state = add(state, SEEN, azimuth)
    p = existence(state, CONFIG)
    again = state.restarted(p, CONFIG)
    assert existence(again, CONFIG) == pytest.approx(p) and again.seen.sum() == 0
    assert existence(add(again, EMPTY, 0.0), CONFIG)[0] < p[0]


def test_new_objects_come_behind_the_old() -> None:
    state = add(Existence.new(proposed(2, CONFIG)), SEEN, 0.0).extended(1, CONFIG)
    assert len(state) == 3 and state.seen.sum(1).tolist() == [1, 1, 0]


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matched", "hit", "through", "side_px", "verdict"),
    [
        (True, 0, 0, 5.0, SEEN),
        (True, 40, 0, 80.0, SEEN),
        (True, 2, 40, 80.0, SEEN_EMPTY),
        (False, 40, 0, 80.0, MISSED),
        (False, 2, 40, 80.0, EMPTY),
        (False, 40, 0, 8.0, NOTHING),  # too small
        (False, 15, 0, 80.0, NOTHING),  # mostly hidden or cut off
        (False, 3, 0, 80.0, NOTHING),
        (False, 0, 4, 80.0, NOTHING),  # too few samples to call it empty
        (False, 0, 0, 0.0, NOTHING),  # out of view
    ],
)
def test_a_verdict_follows_from_match_samples_and_size(
    matched: bool, hit: int, through: int, side_px: float, verdict: int
) -> None:
    given_ = (np.array([x]) for x in (matched, hit, through, 48, side_px))
    assert judge(*given_, CONFIG).tolist() == [verdict]


@given(st.floats(1, 1000), st.floats(1, 1000), st.floats(0, 1), st.floats(0, 1))
def test_larger_and_less_hidden_things_are_detected_more_often(
    a: float, b: float, v: float, w: float
) -> None:
    size, shown = np.sort((a, b)), np.sort((v, w))
    p = detectable(size, shown, CONFIG)
    assert 0 < p[0] <= p[1] + 1e-12 <= CONFIG.p_detect + 1e-9


def test_n_alike_views_are_worth_at_most_the_inverse_of_their_correlation() -> None:
    assert independent(np.array([0.0, 1.0]), 0.5).tolist() == [0, 1]
    assert independent(np.array([1e9]), 0.5) == pytest.approx(2)
    assert independent(np.array([7.0]), 0.0) == pytest.approx(7)


def test_all_sides_of_an_object_are_told_apart() -> None:
    points = np.random.default_rng(0).standard_normal((4000, 3))
    side = side_of(points)
    assert set(side.tolist()) == set(range(SIDES))
    assert side_of(points * 3.7).tolist() == side.tolist()
