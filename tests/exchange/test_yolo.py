"""YOLO export, read back by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from scenekeeper import masks
from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import export, yolo
from scenekeeper.exchange.outline import largest_part, outline
from scenekeeper.store import Dataset

bitmaps = arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def _stems(folder: Path) -> set[int]:
    return {int(file.stem.rpartition("-")[2]) for file in folder.iterdir()}


@pytest.mark.usefixtures("recorded")
def test_boxes_are_centre_and_size_in_units_of_the_picture(
    dataset: Dataset, tmp_path: Path
) -> None:
    done = export(dataset, "yolo", tmp_path / "y", ["kitchen"])
    lines = (done.path / "labels/train/kitchen-000000.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "0"]
    numbers = np.array([line.split()[1:] for line in lines], float) * [64, 48, 64, 48]
    assert np.allclose(numbers[0], [10, 17, 10, 10], atol=1e-3)
    assert np.allclose(numbers[2], [50.5, 12.25, 20.5, 15.5], atol=1e-3)


@pytest.mark.usefixtures("recorded")
def test_the_names_file_holds_any_phrase(dataset: Dataset, tmp_path: Path) -> None:
    yolo.export(dataset, tmp_path / "y", sessions=["kitchen"])
    text = (tmp_path / "y/data.yaml").read_text(encoding="utf-8").splitlines()
    assert text[:3] == ["train: images/train", "val: images/val", "names:"]
    names = [json.loads(line.partition(": ")[2]) for line in text[3:]]
    assert names == ["chair", 'mug "white"\\ ü', "table"]


@pytest.mark.usefixtures("recorded")
def test_every_picture_has_its_labels_and_the_other_way_round(
    dataset: Dataset, tmp_path: Path
) -> None:
    done = yolo.export(dataset, tmp_path / "y", sessions=["kitchen", "hall"])
    for split in ("train", "val"):
        pictures = {p.stem for p in (done.path / "images" / split).iterdir()}
        labels = {p.stem for p in (done.path / "labels" / split).iterdir()}
        assert pictures == labels and pictures


@pytest.mark.usefixtures("recorded")
def test_no_training_frame_is_within_a_second_of_a_validation_frame(
    dataset: Dataset, tmp_path: Path
) -> None:
    done = yolo.export(dataset, tmp_path / "y", sessions=["kitchen"])
    train, val = _stems(done.path / "images/train"), _stems(done.path / "images/val")
    assert val == {8, 9, 10, 11}  # a whole clip
    assert train == set(range(7))  # frame 7 is half a second before the clip
    assert done.frames == 11
    assert any(n.startswith("1 frames within 1 s of a validation clip") for n in done.notes)


@pytest.mark.usefixtures("recorded")
def test_one_clip_alone_is_not_split_and_that_is_said(dataset: Dataset, tmp_path: Path) -> None:
    done = yolo.export(dataset, tmp_path / "y", sessions=["hall"])
    assert _stems(done.path / "images/train") == {0, 1, 2, 3}
    assert "val: images/train" in (done.path / "data.yaml").read_text()
    assert any("validates on the training pictures" in note for note in done.notes)


@pytest.mark.parametrize(("n", "val", "chosen"), [(1, 0.2, []), (2, 0.2, [1]), (10, 0.2, [4, 9])])
def test_validation_clips_are_spread_evenly(n: int, val: float, chosen: list[int]) -> None:
    assert np.flatnonzero(yolo._validation_clips(n, val)).tolist() == chosen


@pytest.mark.usefixtures("recorded")
def test_polygons_cover_what_the_masks_cover(dataset: Dataset, tmp_path: Path) -> None:
    done = yolo.export(dataset, tmp_path / "y", sessions=["kitchen"], kind="polygon")
    lines = (done.path / "labels/train/kitchen-000000.txt").read_text().splitlines()
    mug, table, chair = (np.array(line.split()[1:], float).reshape(-1, 2) for line in lines)
    assert np.allclose(mug * (64, 48), [[5, 12], [15, 12], [15, 22], [5, 22]], atol=1e-3)
    assert np.allclose(table * (64, 48), [[0, 30], [64, 30], [64, 48], [0, 48]], atol=1e-3)
    assert len(chair) == 4
    assert "11 instances without a mask are outlined by their box." in done.notes


def test_a_wrong_option_is_refused_with_those_there_are(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="box, polygon"):
        export(dataset, "yolo", tmp_path / "y", ["hall"], kind="mask")
    with pytest.raises(ExportError, match="share"):
        yolo.export(dataset, tmp_path / "y", sessions=["hall"], val=1.5)


def test_an_absent_recording_leaves_no_folder(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no longer here"):
        yolo.export(dataset, tmp_path / "out" / "y", sessions=["hall"])
    assert list((tmp_path / "out").iterdir()) == []


@given(bitmaps)
@settings(deadline=None, derandomize=True)
def test_the_exact_outline_encloses_exactly_the_pixels_of_the_largest_part(
    mask: np.ndarray,
) -> None:
    polygon = outline(masks.encode(mask), mask.shape, tolerance=0)
    if polygon is None:
        assert not mask.any()
        return
    drawn = Image.new("1", mask.shape[::-1])
    # Pillow paints the pixels on a polygon's edge too; a tenfold picture read at pixel centres
    # keeps the edges away from what is looked at.
    drawn = drawn.resize((mask.shape[1] * 10, mask.shape[0] * 10))
    ImageDraw.Draw(drawn).polygon([tuple(p) for p in (polygon * 10).tolist()], fill=1)
    assert np.array_equal(np.asarray(drawn)[5::10, 5::10], largest_part(mask))


@given(bitmaps)
@settings(deadline=None, derandomize=True)
def test_the_simplified_outline_keeps_within_a_pixel_of_the_exact_one(mask: np.ndarray) -> None:
    exact = outline(masks.encode(mask), mask.shape, tolerance=0)
    simple = outline(masks.encode(mask), mask.shape, tolerance=1)
    if exact is None or simple is None:
        assert exact is simple is None
        return
    assert 3 <= len(simple) <= len(exact)
    ends = np.roll(simple, -1, 0)
    for corner in exact:
        along = ends - simple
        t = np.clip(((corner - simple) * along).sum(1) / (along**2).sum(1), 0, 1)
        gaps = np.hypot(*(corner - simple - t[:, None] * along).T)
        assert gaps.min() <= 1 + 1e-9
