"""Truth and labels that are damaged or do not belong together: what is said, and where."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate import evaluate
from scenekeeper.evaluate.coco import read_coco
from scenekeeper.evaluate.evaluation import judge
from scenekeeper.evaluate.frames import on_common_frames
from scenekeeper.evaluate.labelled import Labelled
from tests.evaluate.made import labelled, mask_of

GOOD: dict[str, Any] = {
    "images": [{"id": k, "file_name": f"{k}.jpg", "height": 100, "width": 200} for k in range(3)],
    "categories": [{"id": 1, "name": "mug"}, {"id": 2, "name": "pot"}],
    "annotations": [
        {"id": 10 + k, "image_id": k, "category_id": 1, "bbox": [10, 10, 40, 40]} for k in range(3)
    ],
}


def written(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def changed(*keys: Any, value: Any = None, drop: bool = False) -> dict[str, Any]:
    data: Any = copy.deepcopy(GOOD)
    at = data
    for key in keys[:-1]:
        at = at[key]
    if drop:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    return dict(data)


FIRST = ("annotations", 1)


@pytest.mark.parametrize(
    ("data", "place", "problem"),
    [
        (changed("images", drop=True), "", "no list of images"),
        (changed("images", 2, "height", drop=True), "image 2", "height and width"),
        (changed("images", 2, "width", value=0), "image 2", "height and width"),
        (changed("images", 2, "id", value=0), "image 2", "id of its own"),
        (changed("images", 2, "file_name", value="0.jpg"), "image 2", "image 0 is of the same"),
        (changed("categories", 1, "id", value=1), "category 1", "id of its own"),
        (changed("categories", 1, "name", value=7), "category 1", "a name"),
        (changed(*FIRST, "image_id", value=9), "annotation 1 (id 11)", "none of the images"),
        (changed(*FIRST, "image_id", drop=True), "annotation 1 (id 11)", "has no image_id"),
        (changed(*FIRST, "category_id", value=3), "annotation 1 (id 11)", "none of the categories"),
        (changed(*FIRST, "bbox", value=[1, 2, 3]), "annotation 1 (id 11)", "not enough values"),
        (changed(*FIRST, "bbox", value=[1, 2, -3, 4]), "annotation 1 (id 11)", "width, height"),
        (changed(*FIRST, "bbox", value=[1, 2, float("nan"), 4]), "annotation 1 (id 11)", "bbox"),
        (changed(*FIRST, "bbox", drop=True), "annotation 1 (id 11)", "bbox"),
        (changed(*FIRST, "score", value=float("inf")), "annotation 1 (id 11)", "score is inf"),
        (
            changed(*FIRST, "segmentation", value={"size": [5, 5], "counts": "0"}),
            "annotation 1 (id 11)",
            "its mask is [5, 5], its image [100, 200]",
        ),
        (
            changed(*FIRST, "segmentation", value={"size": [100, 200], "counts": [5]}),
            "annotation 1 (id 11)",
            "5 pixels",
        ),
        (changed("annotations", 1, value=None), "annotation 1", "is damaged"),
    ],
)
def test_damage_in_a_coco_file_is_named_with_file_place_and_remedy(
    tmp_path: Path, data: Any, place: str, problem: str
) -> None:
    path = written(tmp_path / "bad.json", data)
    with pytest.raises(DatasetError) as caught:
        read_coco(path)
    error = caught.value
    assert str(path) in str(error) and (error.place or "") == place
    assert problem in error.problem and error.remedy


def test_a_file_that_is_cut_off_or_a_list_of_results_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(GOOD, indent=1)[:300])
    with pytest.raises(DatasetError, match=r"cut\.json: line \d+, column \d+: .*no JSON.*cut off"):
        evaluate(path, path)
    with pytest.raises(DatasetError, match=r"list, such as COCO's results are.*copy of the truth"):
        read_coco(written(tmp_path / "results.json", GOOD["annotations"]))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_coco(tmp_path / "bytes.json")


def test_a_box_that_is_absent_is_that_of_the_mask_and_crowds_do_not_count(tmp_path: Path) -> None:
    data = copy.deepcopy(GOOD)
    mask = {"size": [100, 200], "counts": mask_of((20, 30, 60, 80)).decode("ascii")}
    data["annotations"][0] |= {"segmentation": mask}
    del data["annotations"][0]["bbox"]
    data["annotations"][1]["iscrowd"] = 1
    side = read_coco(written(tmp_path / "good.json", data))
    assert side.box_xyxy[0].tolist() == [20, 30, 60, 80]
    assert side.crowd.tolist() == [False, True, False] and not side.structure.any()


def test_ids_may_differ_where_files_and_names_agree(tmp_path: Path) -> None:
    other = copy.deepcopy(GOOD)
    for image in other["images"]:
        image["id"] += 100
    for category in other["categories"]:
        category["id"] = 7 - category["id"]
    for one in other["annotations"]:
        one |= {"image_id": one["image_id"] + 100, "category_id": 6, "id": one["id"] * 5}
    other["images"].reverse()
    scores = evaluate(written(tmp_path / "a.json", other), written(tmp_path / "b.json", GOOD))
    assert scores.value("right") == 1 and not scores.notes


def test_truth_without_labels_or_of_other_frames_is_refused(tmp_path: Path) -> None:
    good = written(tmp_path / "good.json", GOOD)
    empty = written(tmp_path / "empty.json", {**GOOD, "annotations": []})
    with pytest.raises(DatasetError, match=r"empty\.json: holds no true instance"):
        evaluate(good, empty)
    other = copy.deepcopy(GOOD)
    for image in other["images"]:
        image["file_name"] = "b/" + image["file_name"]
    with pytest.raises(DatasetError, match=r"no frame in common.*0\.jpg.*against b/0\.jpg"):
        evaluate(good, written(tmp_path / "other.json", other))


def test_labels_that_say_nothing_have_missed_everything(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.json", {**GOOD, "annotations": []})
    scores = evaluate(empty, written(tmp_path / "good.json", GOOD))
    assert scores.value("recall at IoU .5") == 0 and scores.value("precision at IoU .5") is None
    assert scores.value("AP50 (box, any name)") == 0
    json.dumps(scores.to_dict(), allow_nan=False)


def test_frames_that_only_one_side_has_are_counted_in_a_note(tmp_path: Path) -> None:
    fewer = {**GOOD, "images": GOOD["images"][:2], "annotations": GOOD["annotations"][:2]}
    few, all_of = written(tmp_path / "few.json", fewer), written(tmp_path / "all.json", GOOD)
    scores = evaluate(few, all_of)
    assert scores.frames == 2 and scores.value("right") == 1
    assert scores.notes == ("few.json has 2 of the 3 frames of all.json",)
    assert evaluate(all_of, few).notes == ("1 of 3 frames of all.json are not in few.json",)


def test_names_that_only_the_labels_know_are_told(tmp_path: Path) -> None:
    strange = changed("categories", 1, "name", value="kettle")
    strange["annotations"][0]["category_id"] = 2
    scores = evaluate(
        written(tmp_path / "found.json", strange), written(tmp_path / "true.json", GOOD)
    )
    assert "1 of the 2 names in found.json are no class of true.json" in scores.notes[0]
    assert "kettle" in scores.notes[0]


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    half = copy.deepcopy(GOOD)
    half["images"][1] |= {"height": 50, "width": 100}
    with pytest.raises(DatasetError, match=r"1\.jpg: is of pictures of 100 x 50, .* 200 x 100"):
        evaluate(written(tmp_path / "half.json", half), written(tmp_path / "true.json", GOOD))


def test_two_cameras_at_one_time_are_two_frames() -> None:
    things = [{"box": (10, 10, 50, 50), "image": 0}, {"box": (60, 10, 99, 50), "image": 1}]
    side = labelled(*things, frames=2)
    both = {**vars(side), "frames": (("s", 5), ("s", 5)), "camera": ("left", "right")}
    truth = type(side)(**both)
    found = type(side)(**both)
    paired = on_common_frames(found, truth)
    assert all(len(p.frames) == 2 and p.image.tolist() == [0, 1] for p in paired)
    assert judge(found, truth).value("right") == 1


def test_sessions_of_a_labelled_folder_are_those_that_their_names_end_in() -> None:
    things = [{"box": (10, 10, 50, 50), "image": 0}, {"box": (60, 10, 99, 50), "image": 1}]
    side = labelled(*things, frames=2)

    def named(*names: str) -> Labelled:
        return replace(side, frames=tuple((name, 5) for name in names))

    truth = named("home-1", "home-2")
    paired = on_common_frames(named("my-test-home-2", "my-test-home-1"), truth)
    assert [p.image.tolist() for p in paired] == [[1, 0], [0, 1]]
    for unclear in (named("a-home-1", "b-home-1"), named("home-3", "home-4")):
        with pytest.raises(DatasetError, match="no frame in common"):
            on_common_frames(unclear, truth)


def test_tracks_shake_only_within_a_camera_and_between_neighbours() -> None:
    """Two cameras in turns, and a hole in time: 2 x (5 - 1) steps, less one at the hole."""
    rows, frames, cameras = [], [], []
    for k in range(10):
        x = 10 + 2.0 * (k // 2) + 50 * (k % 2)
        rows.append({"box": (x, 10, x + 40, 50), "image": k, "track": 1})
        frames.append(("s", 100 * (k // 2) + k % 2 + (1000 if k == 9 else 0)))
        cameras.append("lr"[k % 2])
    side = labelled(*rows, frames=10, per_clip=5)
    truth = type(side)(**{**vars(side), "frames": tuple(frames), "camera": tuple(cameras)})
    shaken = truth.box_xyxy + np.array([3.0, 0, 3, 0]) * (np.arange(10) // 2 % 2)[:, None]
    found = type(side)(**{**vars(truth), "box_xyxy": shaken})
    row = next(r for r in judge(found, truth).rows if r.name == "jitter, px")
    assert row.n == 7 and row.value == pytest.approx(3)
