"""On a real kitchen, by the map alone, what a person would point at is one object, all along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenekeeper import label, open_dataset
from scenekeeper.labelers import MapLabeler
from scenekeeper.labeling import LabelReport
from scenekeeper.store import Dataset
from tests.segment.kitchen_truth import BOXES, Sightings, sightings

pytestmark = pytest.mark.slow

CHAIRS = ("left chair", "far chair", "right chair", "near chair")
ON_TABLE = ("white mug", "patterned mug", "papers", "magazines", "lunch box")
PERSISTENT = (*CHAIRS, *ON_TABLE, "game controller", "purple book", "pink book", "blue book")


@pytest.fixture(scope="module")
def labelled(
    kitchen: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LabelReport, Dataset]:
    folder = tmp_path_factory.mktemp("kitchen") / "kitchen.sk"
    report = label([kitchen], folder, labeler=MapLabeler())[0]
    return report, open_dataset(folder)


@pytest.fixture(scope="module")
def found(labelled: tuple[LabelReport, Dataset]) -> Sightings:
    return sightings(labelled[1])


def test_nothing_failed_and_the_depth_was_registered(
    labelled: tuple[LabelReport, Dataset],
) -> None:
    report, _ = labelled
    assert report.frames == 300 and report.failures == ()
    assert any("not registered to colour" in note for note in report.notes)


def test_nine_of_ten_boxes_drawn_by_hand_are_found(
    found: Sightings,
) -> None:
    best = [iou for sightings in found.values() for iou, _ in sightings]
    assert len(best) == sum(map(len, BOXES.values()))
    assert np.mean(np.array(best) >= 0.5) >= 0.9


@pytest.mark.parametrize("name", PERSISTENT)
def test_a_thing_is_one_object_in_every_frame(found: Sightings, name: str) -> None:
    assert min(iou for iou, _ in found[name]) >= 0.5
    assert len({number for _, number in found[name]}) == 1


def test_two_things_are_never_one_object(found: Sightings) -> None:
    hits = {name: {o for iou, o in s if iou >= 0.5} for name, s in found.items()}
    numbers = [number for objects in hits.values() for number in objects]
    assert len(numbers) == len(set(numbers))


def test_dozens_of_things_persist(labelled: tuple[LabelReport, Dataset]) -> None:
    _, dataset = labelled
    lasting = dataset.sql(
        "SELECT count(*) AS n FROM objects WHERE frames >= 20 AND kind IN ('thing', 'flat')"
    )
    assert lasting["n"][0].as_py() >= 24


def test_a_thing_seen_as_two_in_a_frame_is_seen_in_that_frame_once(
    labelled: tuple[LabelReport, Dataset],
) -> None:
    report, dataset = labelled
    rows = dataset.table("objects").to_pylist()
    assert max(row["frames"] for row in rows) <= report.frames
    assert all(len(set(row["best_frame_ids"])) == len(row["best_frame_ids"]) for row in rows)


def test_the_table_carries_the_mugs(
    labelled: tuple[LabelReport, Dataset], found: Sightings
) -> None:
    _, dataset = labelled
    carried = {
        row["subject"]
        for row in dataset.sql(
            "SELECT r.subject FROM relations r JOIN objects o ON o.object = r.object"
            " WHERE r.predicate = 'on' AND o.phrase = 'table'"
        ).to_pylist()
    }
    for name in ON_TABLE:
        assert found[name][0][1] in carried
