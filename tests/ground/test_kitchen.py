"""On a real kitchen the embedded labeler finds what a person would point at, and names warily."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenekeeper import label, open_dataset
from scenekeeper.labelers import EmbeddedLabeler
from scenekeeper.schema import UNNAMED
from tests.segment.kitchen_truth import BOXES, MORE_BOXES, NAMES, verdicts

pytestmark = pytest.mark.slow

Verdicts = list[tuple[str, float, str]]


@pytest.fixture(scope="module")
def judged(kitchen: Path, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    folder = tmp_path_factory.mktemp("kitchen") / "kitchen.sk"
    [report] = label([kitchen], folder, labeler=EmbeddedLabeler())
    assert report.failures == ()
    return verdicts(open_dataset(folder))


def test_the_truth_is_twenty_things_on_ten_frames(judged: Verdicts) -> None:
    assert len(BOXES.keys() | MORE_BOXES.keys()) >= 10
    assert len({name for name, _, _ in judged}) >= 20 and len(judged) == 85


def test_most_of_what_a_person_would_point_at_is_found(judged: Verdicts) -> None:
    assert sum(iou >= 0.5 for _, iou, _ in judged) >= 0.8 * len(judged)


def test_a_wrong_name_is_rare(judged: Verdicts) -> None:
    hits = [(name, phrase) for name, iou, phrase in judged if iou >= 0.5]
    wrong = [(n, p) for n, p in hits if p not in {UNNAMED, *NAMES[n]}]
    assert len(wrong) <= 0.05 * len(judged), wrong


def test_some_things_are_named(judged: Verdicts) -> None:
    right = {name for name, iou, phrase in judged if iou >= 0.5 and phrase in NAMES[name]}
    assert {"white mug", "patterned mug"} <= right
