"""COCO export, read back with pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from scenekeeper import masks
from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import coco, export, pictures
from scenekeeper.recording import Images, Recording, View
from scenekeeper.recording.files import FileSource
from scenekeeper.schema import Camera
from scenekeeper.store import Dataset

AWKWARD = 'mug "white"\\ ü'


def _load(path: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_every_mask_comes_back_byte_for_byte(dataset: Dataset, tmp_path: Path) -> None:
    done = export(dataset, "coco", tmp_path / "all.json", ["kitchen"])
    loaded = _load(done.path)
    assert (done.frames, done.instances) == (12, 36)
    for labels in dataset.labels("kitchen"):
        found = loaded.loadAnns(loaded.getAnnIds(imgIds=[labels.frame_id + 1]))
        assert len(found) == len(labels)
        for annotation, counts in zip(found, labels.mask, strict=True):
            if counts is None:
                assert annotation["segmentation"] == []
                continue
            assert annotation["segmentation"]["counts"].encode() == counts
            assert np.array_equal(loaded.annToMask(annotation), masks.decode(counts, labels.size))


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_labels_scored_against_themselves_are_perfect(
    dataset: Dataset, tmp_path: Path, kind: str
) -> None:
    masked = dataset.only("mask IS NOT NULL")
    done = export(masked, "coco", tmp_path / "all.json")
    truth = _load(done.path)
    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(truth.loadAnns(truth.getAnnIds()))
        scored = COCOeval(truth, found, kind)
        for step in (scored.evaluate, scored.accumulate, scored.summarize):
            step()
    assert done.instances == 32 and scored.stats[:3].tolist() == pytest.approx([1, 1, 1])


def test_a_backslash_in_the_run_lengths_survives(dataset: Dataset, tmp_path: Path) -> None:
    coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"])
    stored = [m for labels in dataset.labels("kitchen") for m in labels.mask if m]
    assert any(b"\\" in m for m in stored)  # else this test shows nothing
    found = json.loads((tmp_path / "all.json").read_text())["annotations"]
    written = [a["segmentation"]["counts"].encode() for a in found if a["segmentation"]]
    assert written == stored


def test_boxes_scores_and_identities_are_those_of_the_dataset(
    dataset: Dataset, tmp_path: Path
) -> None:
    coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"])
    loaded = _load(tmp_path / "all.json")
    mug, table, chair = loaded.loadAnns(loaded.getAnnIds(imgIds=[1]))
    assert mug["bbox"] == [5, 12, 10, 10] and mug["area"] == 96 and mug["iscrowd"] == 0
    assert (mug["track_id"], mug["object_id"], mug["status"]) == (1, 7, "propagated")
    assert np.float32(mug["score"]) == np.float32(0.1)
    assert "p" not in mug and "p" not in table
    assert chair["bbox"] == [40.25, 4.5, 20.5, 15.5] and chair["area"] == 20.5 * 15.5
    assert (chair["p"], chair["status"]) == (0.75, "certified")
    assert "track_id" not in chair and "object_id" not in chair


def test_categories_are_the_phrases_in_order_whatever_characters_they_hold(
    dataset: Dataset, tmp_path: Path
) -> None:
    coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"])
    loaded = _load(tmp_path / "all.json")
    names = {c["id"]: c["name"] for c in loaded.dataset["categories"]}
    assert names == {1: "chair", 2: AWKWARD, 3: "table"}
    assert [a["category_id"] for a in loaded.imgToAnns[1]] == [2, 3, 1]


def test_images_say_where_and_when_they_were_taken(dataset: Dataset, tmp_path: Path) -> None:
    coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"])
    first, second = _load(tmp_path / "all.json").loadImgs([1, 2])
    assert (first["width"], first["height"]) == (64, 48)
    assert first["caption"] == 'clip 0: a "mug" on a table' and "caption" not in second
    assert (second["camera"], second["t_ns"]) == ("/wrist/rgb", 1_700_000_000_500_000_000)
    assert second["file_name"] == "kitchen/000001.jpg"


def test_ids_stay_unique_across_sessions(dataset: Dataset, tmp_path: Path) -> None:
    done = coco.export(dataset, tmp_path / "all.json", sessions=["kitchen", "hall"])
    data = json.loads(done.path.read_text())
    assert [image["id"] for image in data["images"]] == list(range(1, 17))
    assert [a["id"] for a in data["annotations"]] == list(range(1, 49))
    assert data["annotations"][-1]["image_id"] == 16
    assert data["images"][12]["session"] == "hall"


@pytest.mark.usefixtures("recorded")
def test_pictures_are_copied_untouched_or_encoded_when_there_is_no_file(
    dataset: Dataset, tmp_path: Path, picture_of: Callable[[int], NDArray[np.uint8]]
) -> None:
    done = coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"], images=True)
    images = json.loads(done.path.read_text())["images"]
    folder = tmp_path / "all_images"
    assert len(list(folder.rglob("*.jpg"))) == 12
    buffer = io.BytesIO()
    Image.fromarray(picture_of(0)).save(buffer, "JPEG", quality=90)
    assert (folder / images[0]["file_name"]).read_bytes() == buffer.getvalue()
    from_video = np.asarray(Image.open(folder / images[5]["file_name"]), np.int64)
    assert np.abs(from_video - picture_of(5)).mean() < 3


def test_an_image_keeps_the_name_of_the_file_it_was_recorded_as(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(tmp_path / f"rec/color/{k}.png" for k in range(6))
    t_ns = np.arange(6)
    view = View(Camera("head", 64, 48), Images(t_ns, FileSource(files, (64, 48))))
    wrist = View(Camera("/wrist/rgb", 64, 48), Images(t_ns, FileSource(files, (64, 48))))
    opened = Recording("kitchen", tmp_path / "rec", "made", (view, wrist))
    monkeypatch.setattr(pictures, "reopen", lambda *_: opened)
    done = coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"])
    images = json.loads(done.path.read_text())["images"]
    assert [image["file_name"] for image in images[:3]] == [
        "color/0.png",
        "color/0.png",
        "color/1.png",
    ]


def test_an_absent_recording_leaves_nothing_half_written(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no longer here"):
        coco.export(dataset, tmp_path / "out" / "all.json", sessions=["kitchen"], images=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_in_the_way_is_not_touched(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "all_images").mkdir()
    with pytest.raises(ExportError, match="in the way"):
        coco.export(dataset, tmp_path / "all.json", sessions=["kitchen"], images=True)
    assert not (tmp_path / "all.json").exists()


def test_another_suffix_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ends in \.json"):
        coco.export(dataset, tmp_path / "all.txt", sessions=["kitchen"])


def test_a_full_disk_leaves_nothing_and_says_so(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(coco, "_write_array", full)
    with pytest.raises(ExportError, match=r"labels\.json: cannot be written.*No space left"):
        export(dataset, "coco", tmp_path / "labels.json")
    assert not (tmp_path / "labels.json").exists()


def test_a_session_named_twice_is_exported_once(dataset: Dataset, tmp_path: Path) -> None:
    once = export(dataset, "coco", tmp_path / "once.json", ["hall"])
    twice = export(dataset, "coco", tmp_path / "twice.json", ["hall", "hall"])
    assert (twice.frames, twice.instances) == (once.frames, once.instances)
