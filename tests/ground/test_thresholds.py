"""Thresholds fall for phrases that are hardly found, within limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.ground.thresholds import ThresholdConfig, reached, thresholds
from scenekeeper.schema import Labels

CONFIG = ThresholdConfig(start=0.35, floor=0.15, enough=3)


def seen(*things: tuple[str, float], frame: int = 0) -> Labels:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(things), 1))
    phrases, scores = zip(*things, strict=True) if things else ((), ())
    return Labels(frame, 0, (9, 9), boxes, phrase=phrases, score=np.array(scores, np.float32))


def clip(phrase: str, *scores: float) -> list[Labels]:
    return [seen((phrase, score), frame=k) for k, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ((0.9, 0.8, 0.4, 0.2), 0.35),  # found often enough: stays
        ((0.9, 0.3, 0.25, 0.2), 0.25),  # falls to the third best frame
        ((0.9, 0.3, 0.1), 0.15),  # but not below the floor
        ((0.9,), 0.15),
        ((), 0.15),
    ],
)
def test_a_phrase_found_rarely_has_a_lower_threshold(
    scores: tuple[float, ...], threshold: float
) -> None:
    assert thresholds(clip("mug", *scores), ["mug"], CONFIG) == {"mug": pytest.approx(threshold)}


def test_a_frame_counts_once_by_its_best() -> None:
    twice = [seen(("mug", 0.3), ("mug", 0.28), ("mug", 0.26)), seen(("mug", 0.2), frame=1)]
    assert thresholds(twice, ["mug"], CONFIG)["mug"] == 0.15


def test_phrases_do_not_touch_each_other() -> None:
    both = [
        Labels.concatenate([a, b])
        for a, b in zip(clip("mug", 0.9, 0.9, 0.9), clip("spoon", 0.2, 0.2, 0.2), strict=True)
    ]
    found = thresholds(both, ["mug", "spoon", "fork"], CONFIG)
    assert found == {"mug": 0.35, "spoon": pytest.approx(0.2), "fork": 0.15}
    assert list(found) == ["mug", "spoon", "fork"]


def test_a_name_outside_the_vocabulary_has_no_threshold_and_is_kept() -> None:
    labels = seen(("mug", 0.2), ("spoon", 0.01), ("mug", 0.3))
    assert thresholds([labels], ["mug"], CONFIG).keys() == {"mug"}
    kept = labels[reached(labels, {"mug": 0.25})]
    assert kept.phrase == ("spoon", "mug")


def test_a_score_that_equals_its_threshold_is_kept() -> None:
    frames = clip("mug", 0.31, 0.29, 0.23)
    limits = thresholds(frames, ["mug"], CONFIG)
    assert [int(reached(labels, limits).sum()) for labels in frames] == [1, 1, 1]


SCORES = st.lists(st.floats(0, 1, width=32), max_size=12)


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_frames_and_the_run_do_not_matter(scores: list[float], mix: object) -> None:
    shuffled = list(scores)
    mix.shuffle(shuffled)  # type: ignore[attr-defined]
    one = thresholds(clip("mug", *scores), ["mug"], CONFIG)
    assert one == thresholds(clip("mug", *shuffled), ["mug"], CONFIG)
    assert CONFIG.floor <= one["mug"] <= CONFIG.start


@given(SCORES, st.floats(0, 1, width=32))
def test_another_find_never_lowers_a_threshold(scores: list[float], more: float) -> None:
    before = thresholds(clip("mug", *scores), ["mug"], CONFIG)["mug"]
    assert thresholds(clip("mug", *scores, more), ["mug"], CONFIG)["mug"] >= before


@given(SCORES)
def test_the_threshold_is_the_highest_that_finds_it_often_enough(scores: list[float]) -> None:
    frames = clip("mug", *scores)
    limits = thresholds(frames, ["mug"], CONFIG)
    found = sum(int(reached(labels, limits).sum()) for labels in frames)
    high = {"mug": CONFIG.start}
    if sum(int(reached(labels, high).sum()) for labels in frames) >= CONFIG.enough:
        assert limits == high
    elif limits["mug"] > CONFIG.floor:
        assert found >= CONFIG.enough
        higher = {"mug": float(np.nextafter(np.float32(limits["mug"]), np.float32(1)))}
        assert sum(int(reached(labels, higher).sum()) for labels in frames) < CONFIG.enough


@pytest.mark.parametrize("bad", [{"floor": 0.4}, {"start": 1.1}, {"floor": -0.1}, {"enough": 0}])
def test_limits_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        ThresholdConfig(**bad)  # type: ignore[arg-type]


def test_a_phrase_with_a_threshold_of_its_own_keeps_to_it() -> None:
    config = ThresholdConfig(own={"mug": 0.5, "poster": float("inf"), "elsewhere": 0.2})
    frames = [seen(("mug", 0.4), ("poster", 0.99), ("pen", 0.4))]
    limits = thresholds(frames, ["mug", "poster", "pen"], config)
    assert set(limits) == {"mug", "poster", "pen"}
    assert reached(frames[0], limits).tolist() == [False, False, True]


def test_own_thresholds_make_another_run_and_none_the_same_as_ever() -> None:
    plain = ThresholdConfig().facts()
    assert plain == {"start": 0.35, "floor": 0.15, "enough": 3}
    poster = ThresholdConfig(own={"poster": float("inf")}).facts()
    assert poster != plain
    assert json.dumps(poster, allow_nan=False)
