"""In a rendered room, where the truth is known to the pixel, every thing gets its own mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import label, masks, open_dataset
from scenekeeper.labelers import MapLabeler
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset

pytestmark = pytest.mark.slow

FRAMES = 90
UNDERFOOT = ("floor", "rug", "table")

Truth = dict[int, NDArray[np.uint16]]
Matches = dict[int, list[tuple[float, int]]]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tabletop(tmp_path_factory.mktemp("room") / "room", FRAMES)


@pytest.fixture(scope="module")
def dataset(room: Path) -> Dataset:
    label([room], room.with_suffix(".sk"), labeler=MapLabeler())
    return open_dataset(room.with_suffix(".sk"))


@pytest.fixture(scope="module")
def truth(room: Path) -> Truth:
    files = sorted((room / "truth").glob("*.instances.png"))
    return {k: np.array(Image.open(file)) for k, file in enumerate(files)}


@pytest.fixture(scope="module")
def things(room: Path) -> dict[int, dict[str, Any]]:
    """What stands on the floor or the table; what is inside a shelf is not told apart from it."""
    rows = {r["id"]: r for r in json.loads((room / "truth" / "objects.json").read_text())}
    carriers = {k for k, r in rows.items() if r["name"] in UNDERFOOT}
    return {
        k: r
        for k, r in rows.items()
        if r["supported_by"] in carriers and r["name"] not in (*UNDERFOOT, "shelf")
    }


@pytest.fixture(scope="module")
def matches(dataset: Dataset, truth: Truth, things: dict[int, dict[str, Any]]) -> Matches:
    """Per true thing and frame that shows it well: the best IoU of a mask, and its object."""
    found: Matches = {}
    for frame in dataset.labels("room"):
        ids = truth[frame.frame_id]
        shown = [thing for thing in things if (ids == thing).sum() > 300]
        for thing in shown:
            mask = ids == thing
            best = (0.0, -1)
            for counts, number in zip(frame.mask, np.asarray(frame.object).tolist(), strict=True):
                assert counts is not None
                other = masks.decode(counts, frame.size)
                shared = (mask & other).sum()
                if shared:
                    best = max(best, (float(shared / (mask | other).sum()), number))
            found.setdefault(thing, []).append(best)
    return found


def test_nearly_every_thing_is_found_in_nearly_every_frame(matches: Matches) -> None:
    hits = [iou >= 0.5 for sightings in matches.values() for iou, _ in sightings]
    assert len(matches) >= 10 and np.mean(hits) > 0.9


def test_masks_sit_on_the_things(matches: Matches) -> None:
    hits = [iou for m in matches.values() for iou, _ in m if iou >= 0.5]
    assert np.mean(hits) > 0.75


def test_a_thing_keeps_one_identity(matches: Matches) -> None:
    for sightings in matches.values():
        assert len({number for iou, number in sightings if iou >= 0.5}) <= 1


def test_boxes_in_the_world_are_where_the_things_are(
    dataset: Dataset, things: dict[int, dict[str, Any]], matches: Matches
) -> None:
    made = {r["object"]: r for r in dataset.table("objects").to_pylist()}
    pairs = {
        (thing, o) for thing, sightings in matches.items() for iou, o in sightings if iou > 0.5
    }
    off = [np.subtract(made[o]["center"], things[thing]["center"]) for thing, o in pairs]
    assert len(off) >= 10 and np.median(np.linalg.norm(off, axis=1)) < 0.05
