"""Frames are asked about when they show what was not told, and no more often than allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from scenekeeper.describe.keyframes import (
    KeyframeConfig,
    Look,
    Told,
    keyframes,
    look_at,
    topics_of,
)
from scenekeeper.schema import Labels
from tests.checkpoints.pictures import frame

SECOND = 1_000_000_000
EMPTY = np.zeros((24, 32), np.float32)


def look(seconds: float, tracks: Iterable[int] = (), **more: object) -> Look:
    topics = {(t,): 1.0 for t in tracks}
    return Look(int(seconds * SECOND), **{"thumbnail": EMPTY, "topics": topics, **more})  # type: ignore[arg-type]


def labels(tracks: list[int], boxes: list[tuple[float, ...]], **columns: object) -> Labels:
    box = np.array(boxes, np.float32).reshape(-1, 4)
    return Labels(0, 0, (240, 320), box, track=np.array(tracks, np.int64), **columns)  # type: ignore[arg-type]


def test_a_view_that_stays_is_asked_about_once() -> None:
    looks = [look(k, (1, 2)) for k in range(60)]
    chosen, told = keyframes(looks)
    assert len(chosen) == 1
    assert keyframes([look(60 + k, (1, 2)) for k in range(60)], told)[0] == []


def test_an_empty_view_has_a_caption_too() -> None:
    assert len(keyframes([look(0), look(1)])[0]) == 1
    assert keyframes([])[0] == []


def test_the_frame_that_shows_most_is_asked_about() -> None:
    looks = [look(0, (1,)), look(1, (1, 2)), look(2, (1, 2, 3)), look(3, (3,))]
    assert keyframes(looks)[0] == [2]


def test_new_things_are_asked_about_as_they_come() -> None:
    looks = [look(k, range(k // 10 * 4, k // 10 * 4 + 4)) for k in range(60)]
    chosen, _ = keyframes(looks)
    assert {k // 10 for k in chosen} == set(range(6))


def test_one_new_thing_can_wait_but_not_for_ever() -> None:
    _, told = keyframes([look(0, (1,))])
    assert keyframes([look(k, (1, 2)) for k in range(1, 20)], told)[0] == []
    assert len(keyframes([look(k, (1, 2)) for k in range(20, 30)], told)[0]) == 1


@pytest.mark.parametrize("clip", [7, 20, 100])
def test_on_average_no_more_is_asked_than_allowed(clip: int) -> None:
    looks = [look(k / 2, range(9 * k, 9 * k + 9)) for k in range(100)]
    told, chosen = Told(), []
    for start in range(0, len(looks), clip):
        rows, told = keyframes(looks[start : start + clip], told, KeyframeConfig(every_s=5))
        chosen += [start + row for row in rows]
        assert len(chosen) <= 1 + looks[min(start + clip, 100) - 1].t_ns / SECOND / 5
    assert len(chosen) == told.asked == 10 and chosen == sorted(set(chosen))


def test_another_scene_place_or_direction_is_another_view() -> None:
    turned, moved = np.eye(4), np.eye(4)
    turned[:2, :2] = [[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]]
    moved[0, 3] = 2.0
    here = look(0, T_world_camera=np.eye(4))
    _, told = keyframes([here])
    for other in (
        look(30, T_world_camera=turned),
        look(30, T_world_camera=moved),
        look(30, thumbnail=EMPTY + 80),
    ):
        assert keyframes([other], told)[0] == [0]
    near = np.eye(4)
    near[0, 3] = 0.3
    assert keyframes([look(30, T_world_camera=near, thumbnail=EMPTY + 5)], told)[0] == []


def test_things_in_doubt_come_first() -> None:
    config = KeyframeConfig(every_s=100)
    sure, doubtful = look(0, (1,)), look(1, (2,), doubts={2: 0.9})
    assert keyframes([sure, doubtful], config=config)[0] == [1]
    # Track 4 comes and goes.
    looks = [look(0, (3,)), look(1, (4,)), look(2, (3,)), look(3, (3,)), look(4, (4,))]
    steady = [look(k, (3,)) for k in range(1)]
    assert 4 in next(iter(looks[keyframes(looks, config=config)[0][0]].topics))
    assert keyframes(steady, config=config)[0] == [0]


def test_topics_are_things_and_pairs_that_are_close() -> None:
    near = [(10, 10, 60, 60), (70, 10, 110, 60), (250, 150, 300, 220)]
    topics = topics_of(labels([5, 3, 9], near), KeyframeConfig())
    assert set(topics) == {(5,), (3,), (9,), (3, 5)}
    assert all(0 < well <= 1 for well in topics.values())


def test_what_is_larger_is_seen_better_and_what_is_untracked_not_told() -> None:
    found = labels([1, 2, -1], [(0, 0, 80, 80), (200, 200, 203, 203), (280, 0, 300, 20)])
    topics = topics_of(found, KeyframeConfig())
    assert set(topics) == {(1,), (2,)} and topics[1,] > topics[2,]
    most = topics_of(found, KeyframeConfig(objects=1))
    assert set(most) == {(1,)}
    assert topics_of(labels([], []), KeyframeConfig()) == {}


def test_a_look_at_a_frame_is_small() -> None:
    found = labels([1], [(0, 0, 80, 80)], signals={"entropy": np.array([0.3], np.float32)})
    seen = look_at(frame(), found)
    assert seen.thumbnail.shape == (24, 32) and seen.t_ns == 0
    assert 0 < seen.doubts[1] < 1
    moved = look_at(frame(step=40), found)
    assert np.abs(seen.thumbnail - moved.thumbnail).max() > 1
