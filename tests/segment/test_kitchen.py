"""On a real kitchen the things a person would point at are found, one object each, all along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenekeeper import geometry, label, open_dataset
from scenekeeper.labeling import LabelReport
from scenekeeper.schema import Labels
from scenekeeper.store import Dataset
from tests.segment.kitchen_truth import BOXES

pytestmark = pytest.mark.slow

Sightings = dict[str, list[tuple[float, int]]]

CHAIRS = ("left chair", "far chair", "right chair", "near chair")
ON_TABLE = ("white mug", "patterned mug", "papers", "magazines", "lunch box")
PERSISTENT = (*CHAIRS, *ON_TABLE, "game controller", "purple book", "pink book", "blue book")


@pytest.fixture(scope="module")
def labelled(
    kitchen: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LabelReport, Dataset]:
    folder = tmp_path_factory.mktemp("kitchen") / "kitchen.sk"
    report = label([kitchen], folder)[0]
    return report, open_dataset(folder)


@pytest.fixture(scope="module")
def found(labelled: tuple[LabelReport, Dataset]) -> Sightings:
    """Per thing drawn by hand and frame: the best IoU of a labelled box, and its object."""
    _, dataset = labelled
    things = {
        row["object"]
        for row in dataset.table("objects").to_pylist()
        if row["kind"] in ("thing", "flat")
    }
    per_thing: Sightings = {}
    for frame in dataset.labels("kitchen"):
        drawn = BOXES.get(frame.frame_id, {})
        rows = frame[[k for k, o in enumerate(_objects(frame)) if o in things]] if drawn else frame
        for name, box in drawn.items():
            iou = geometry.box_iou(np.array([box]), rows.box_xyxy)[0]
            best = int(iou.argmax())
            per_thing.setdefault(name, []).append((float(iou[best]), _objects(rows)[best]))
    return per_thing


def _objects(frame: Labels) -> list[int]:
    return list(np.asarray(frame.object).tolist())


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
