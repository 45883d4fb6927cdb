"""The embedded networks: any picture in, boxes and masks in its own pixels out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.errors import ModelError
from scenekeeper.ground.look import look
from scenekeeper.ground.prepare import crops, namer_input, proposer_input
from scenekeeper.ground.propose import (
    Proposals,
    ProposeConfig,
    enlarged,
    mask_iou,
    propose,
    shrink,
)
from scenekeeper.ground.refine import refine
from scenekeeper.ground.stages import see
from scenekeeper.ground.weights import FOLDER, load
from scenekeeper.naming import posterior


def picture(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A red block on a gray table before a wall."""
    rgb = np.full((height, width, 3), 170, np.uint8)
    rgb[height // 2 :] = (120, 110, 100)
    depth = np.full((height, width), 2.0, np.float32)
    y0, y1, x0, x1 = (int(f) for f in (height * 0.4, height * 0.7, width * 0.4, width * 0.6))
    rgb[y0:y1, x0:x1] = (190, 40, 30)
    depth[y0:y1, x0:x1] = 1.2
    return rgb, depth


@pytest.mark.parametrize(
    "size", [(320, 240), (320, 256), (317, 181), (96, 64), (640, 480)], ids=str
)
@pytest.mark.parametrize("with_depth", [True, False], ids=["rgbd", "rgb"])
def test_proposals_lie_in_the_picture_whatever_its_size(size, with_depth: bool) -> None:
    rgb, depth = picture(*size)
    small, small_depth = shrink(rgb, depth if with_depth else None)
    found = propose(load("proposer"), small, small_depth, ProposeConfig(min_score=0.02))
    found = enlarged(found, rgb.shape[:2], small.shape[:2])
    assert len(found) > 0
    assert (found.box_xyxy >= 0).all()
    assert (found.box_xyxy[:, 2] <= size[0]).all() and (found.box_xyxy[:, 3] <= size[1]).all()
    assert (np.diff(found.score) <= 0).all() and ((found.score > 0) & (found.score < 1)).all()
    dense = found.dense(rgb.shape[:2])
    assert dense.shape == (len(found), size[1], size[0]) and dense.any((1, 2)).all()


def test_a_block_on_a_table_is_found() -> None:
    rgb, depth = picture(320, 240)
    found = propose(load("proposer"), rgb, depth, ProposeConfig(min_score=0.3))
    truth = depth == np.float32(1.2)
    iou = [(m & truth).sum() / (m | truth).sum() for m in found.dense((240, 320))]
    assert max(iou) > 0.7


def test_an_empty_picture_gives_no_confident_thing() -> None:
    rgb = np.full((240, 320, 3), 128, np.uint8)
    found, seen = see(rgb, None, 300.0)
    assert (found.score > 0.5).sum() <= 3 and len(seen.embedding) == len(found)


def test_a_second_look_draws_a_better_mask_and_keeps_one_of_two_alike() -> None:
    rgb, depth = picture(320, 240)
    truth = depth == np.float32(1.2)
    coarse = truth.copy()
    coarse[96:168:3] = False  # a mask with gaps, of the same box
    masks = np.stack((coarse, coarse))[:, 96:168, 128:192]
    place = np.array([[128, 96, 192, 168]] * 2)
    rough = Proposals(
        place.astype(np.float32), np.array([0.6, 0.5], np.float32), tuple(masks), place
    )
    seen, measures = crops(rgb, depth, rough.box_xyxy, rough.dense((240, 320)), 300.0)
    found, views, kept = refine(load("refiner"), rough, seen, measures, (240, 320))
    [mask] = found.dense((240, 320))
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert len(views) == len(kept) == 1 and found.box_xyxy == pytest.approx(place[:1], abs=4)


def test_a_second_look_at_nothing_is_no_trouble() -> None:
    rgb, depth = picture(320, 240)
    none = propose(load("proposer"), rgb, depth, ProposeConfig(min_score=1.0))
    seen, measures = crops(rgb, depth, none.box_xyxy, none.dense((240, 320)), 300.0)
    assert len(refine(load("refiner"), none, seen, measures, (240, 320))[0]) == 0


def test_masks_overlap_where_both_lie() -> None:
    a, b = np.ones((4, 6), np.bool_), np.ones((4, 4), np.bool_)
    assert mask_iou(a, (0, 0, 6, 4), b, (3, 0, 7, 4)) == pytest.approx(12 / 28)
    assert mask_iou(a, (0, 0, 6, 4), b, (6, 0, 10, 4)) == 0


def test_the_same_picture_gives_the_same_bytes() -> None:
    rgb, depth = picture(320, 240)
    a, b = (propose(load("proposer"), rgb, depth) for _ in range(2))
    assert a.run_lengths((240, 320)) == b.run_lengths((240, 320))


def test_looks_do_not_depend_on_what_else_is_looked_at() -> None:
    rgb, depth = picture(320, 240)
    boxes = np.array([[128, 96, 192, 168], [10, 10, 60, 60], [200, 150, 300, 230]], np.float32)
    masks = np.zeros((3, 240, 320), np.bool_)
    for k, (x0, y0, x1, y1) in enumerate(boxes.astype(int)):
        masks[k, y0:y1, x0:x1] = True
    together = look(load("namer"), *crops(rgb, depth, boxes, masks, 300.0))
    alone = look(load("namer"), *crops(rgb, depth, boxes[1:2], masks[1:2], 300.0))
    assert together.embedding[1] == pytest.approx(alone.embedding[0], abs=1e-5)
    assert np.linalg.norm(together.embedding, axis=1) == pytest.approx(1, abs=1e-5)
    assert posterior(together.logits).sum(1) == pytest.approx(1)


def test_inputs_are_centred_and_unknown_depth_is_zero() -> None:
    rgb, depth = picture(320, 240)
    depth[:50] = 0
    x = proposer_input(rgb, depth, 256)
    assert x.shape == (4, 256, 320) and x.dtype == np.float32
    assert (x[3, :50] == 0).all() and (x[:, 240:] == 0).all()
    assert np.abs(x[:3, :240].mean()) < 1
    assert (proposer_input(rgb, None, 256)[3] == 0).all()


def test_crops_measure_things_in_metres() -> None:
    rgb, depth = picture(320, 240)
    box = np.array([[128, 96, 192, 168]], np.float32)
    mask = (depth == np.float32(1.2))[None]
    view, measures = crops(rgb, depth, box, mask, 300.0)
    assert view.shape == (1, 64, 64, 5)
    assert np.exp(measures[0, :2]) - 0.01 == pytest.approx([64 * 1.2 / 300, 72 * 1.2 / 300])
    assert measures[0, 2:].tolist() == [0, 1]
    blind = crops(rgb, None, box, mask, 300.0)[1]
    assert blind[0, 3] == 0 and (namer_input(view, blind)[1][0, :2] == 0).all()


@pytest.mark.parametrize("name", ["proposer", "refiner", "namer"])
def test_a_damaged_network_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="is missing"):
        load(name, tmp_path)
    data = (FOLDER / f"{name}.onnx").read_bytes()
    (tmp_path / f"{name}.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="is damaged"):
        load(name, tmp_path)


def test_a_network_of_another_kind_or_version_says_so(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "namer.onnx", tmp_path / "proposer.onnx")
    with pytest.raises(ModelError, match="this program runs proposer"):
        load("proposer", tmp_path)


def test_the_networks_are_small() -> None:
    assert sum(f.stat().st_size for f in FOLDER.glob("*.onnx")) < 12e6


def test_the_namer_knows_people_hands_and_grippers() -> None:
    classes = load("namer").facts["classes"]
    assert {"person", "hand", "gripper", "mug", "chair"} <= set(classes) and len(classes) >= 60
