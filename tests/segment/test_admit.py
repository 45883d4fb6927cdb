"""A detection starts a track where no followed mask covers it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from scenekeeper.schema import Labels
from scenekeeper.segment.admit import AdmitConfig, admit, agreement

CUP, SOFA, FAR = [10, 10, 30, 30], [0, 0, 100, 50], [200, 200, 240, 240]


def detections(boxes: Sequence[Sequence[float]], phrases: Sequence[str], scores: Sequence[float]):
    return Labels(
        0, 0, (300, 300), np.array(boxes), phrase=tuple(phrases), score=np.array(scores, np.float32)
    )


def admitted(
    found: Labels,
    masks: Sequence[Sequence[float]] = (),
    phrases: Sequence[str] = (),
    fill: float = 0.0,
    config: AdmitConfig | None = None,
    followed: int | None = None,
) -> list[int]:
    boxes = np.array(masks, np.float32).reshape(-1, 4)
    many = len(boxes) if followed is None else followed
    rows = admit(found, boxes, phrases, lambda k, box: fill, many, config or AdmitConfig())
    return rows.tolist()


def test_where_nothing_is_followed_all_sure_detections_are_new_best_first() -> None:
    found = detections([CUP, FAR, [50, 50, 90, 90]], ["cup", "cup", "sofa"], [0.3, 0.9, 0.1])
    assert admitted(found) == [1, 0, 2]
    assert admitted(found, config=AdmitConfig(min_score=0.3)) == [1, 0]


@pytest.mark.parametrize("phrase", ["cup", "mug"])
def test_a_mask_whose_box_is_alike_covers_a_detection_of_any_name(phrase: str) -> None:
    assert admitted(detections([CUP], [phrase], [0.9]), [[11, 10, 31, 30]], ["cup"]) == []


@pytest.mark.parametrize(
    ("phrase", "fill", "new"), [("sofa", 0.6, []), ("sofa", 0.4, [0]), ("cup", 0.9, [0])]
)
def test_a_part_is_covered_by_a_mask_of_its_name_that_fills_it(
    phrase: str, fill: float, new: list[int]
) -> None:
    assert admitted(detections([CUP], [phrase], [0.9]), [SOFA], ["sofa"], fill) == new


def test_of_two_new_detections_of_one_thing_the_better_counts() -> None:
    found = detections([CUP, [11, 11, 31, 31]], ["cup", "mug"], [0.5, 0.8])
    assert admitted(found) == [1]


def test_no_more_are_followed_than_may_be() -> None:
    found = detections([CUP, FAR], ["cup", "cup"], [0.5, 0.8])
    assert admitted(found, config=AdmitConfig(most=3), followed=2) == [1]
    assert admitted(found, config=AdmitConfig(most=3), followed=3) == []


def test_a_mask_and_a_detection_are_each_others_only_once() -> None:
    found = detections([CUP, FAR], ["cup", "bowl"], [0.5, 0.8])
    masks = np.array([[10, 10, 30, 29], [10, 10, 29, 30], FAR, [60, 60, 70, 70]], np.float32)
    masks[1, 2] = 24
    best, own = agreement(found, masks, 0.5)
    assert own.tolist() == [0, -1, 1, -1]
    assert best.tolist() == pytest.approx([0.95, 0.7, 1, 0], abs=1e-6)


def test_without_detections_or_masks_nothing_agrees() -> None:
    none = detections(np.zeros((0, 4)), [], [])
    best, own = agreement(none, np.array([CUP], np.float32), 0.5)
    assert best.tolist() == [0] and own.tolist() == [-1]
    assert len(agreement(detections([CUP], ["cup"], [1]), np.zeros((0, 4)), 0.5)[0]) == 0
