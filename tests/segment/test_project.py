"""Segments are seen in a frame where they are: by depth, and by the map where depth is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper import masks
from scenekeeper.schema import Camera, Frame
from scenekeeper.segment.project import Lookup, build_lookup, labels, see, with_proposals
from tests.made_surfaces import SIZE, box, rectangle

# A camera 1 m above a table looks straight down on a box that is 0.2 m high.
K = np.array([[200.0, 0, 159.5], [0, 200.0, 119.5], [0, 0, 1]])
CAMERA = Camera("above", 320, 240, K)
T_WORLD_CAMERA = np.array([[1.0, 0, 0, 0.5], [0, -1, 0, 0.5], [0, 0, -1, 1.0], [0, 0, 0, 1]])
TABLE = rectangle((-0.5, -0.5, 0), (2, 0, 0), (0, 2, 0))
CRATE = box((0.4, 0.4, SIZE), (0.2, 0.2, 0.2 - SIZE))
BOX_TRACK, TABLE_TRACK = 0, 1
PIXELS = (slice(95, 145), slice(135, 185))  # 0.2 m at 0.8 m and 200 px focal length


def depth_image() -> NDArray[np.float32]:
    depth = np.full((240, 320), 1.0, np.float32)
    depth[PIXELS] = 0.8
    return depth


def frame(depth: NDArray[np.float32] | None) -> Frame:
    rgb = np.zeros((240, 320, 3), np.uint8)
    return Frame(0, "made", CAMERA, 0, rgb, depth, T_WORLD_CAMERA)


@pytest.fixture(scope="module")
def lookup() -> Lookup:
    return build_lookup([CRATE.key, TABLE.key], [BOX_TRACK, TABLE_TRACK], [True, False], SIZE)


def mask_of(picture: Frame, lookup: Lookup, track: int = BOX_TRACK) -> NDArray[np.bool_]:
    seen = {t: counts for t, counts, _ in see(picture, lookup, 4.0, 0.0004)}
    if track not in seen:
        return np.zeros((240, 320), bool)
    return masks.decode(seen[track], (240, 320))


def iou_with_box(mask: NDArray[np.bool_]) -> float:
    expected = np.zeros_like(mask)
    expected[PIXELS] = True
    return float((mask & expected).sum() / (mask | expected).sum())


def test_a_thing_is_seen_where_its_depth_falls(lookup: Lookup) -> None:
    assert iou_with_box(mask_of(frame(depth_image()), lookup)) > 0.9


def test_the_box_is_the_masks_own(lookup: Lookup) -> None:
    for _, counts, box_xyxy in see(frame(depth_image()), lookup, 4.0, 0.0004):
        assert masks.box(counts, (240, 320)) == box_xyxy


def test_the_map_fills_in_where_the_sensor_saw_nothing(lookup: Lookup) -> None:
    depth = depth_image()
    depth[:, 160:] = 0
    assert iou_with_box(mask_of(frame(depth), lookup)) > 0.85


def test_without_any_depth_the_map_alone_speaks(lookup: Lookup) -> None:
    mask = mask_of(frame(np.zeros((240, 320), np.float32)), lookup)
    assert iou_with_box(mask) > 0.8


def test_what_stands_in_front_hides_what_is_behind(lookup: Lookup) -> None:
    depth = depth_image()
    depth[PIXELS] = 0.4  # a hand that is not in the map
    assert not mask_of(frame(depth), lookup).any()


def test_a_nearer_mapped_thing_covers_a_farther_one_without_depth() -> None:
    both = build_lookup([CRATE.key, TABLE.key], [1, 0], [True, False], SIZE)
    mask = mask_of(frame(np.zeros((240, 320), np.float32)), both, track=1)
    assert iou_with_box(mask) > 0.8


def test_a_voxel_that_two_claim_is_the_first_ones() -> None:
    sheet = rectangle((0.4, 0.4, 0), (0.2, 0, 0), (0, 0.2, 0))
    both = build_lookup([sheet.key, TABLE.key], [0, 1], [False, False], SIZE)
    depth = np.full((240, 320), 1.0, np.float32)
    depth[:, :160] = 0
    mask = mask_of(frame(depth), both, track=0)
    assert mask.sum() == pytest.approx(40 * 40, rel=0.2)


@pytest.mark.parametrize("missing", ["depth", "T_world_camera"])
def test_without_depth_or_pose_nothing_is_seen(lookup: Lookup, missing: str) -> None:
    assert see(replace(frame(depth_image()), **{missing: None}), lookup, 4.0, 0.0004) == []


def test_without_segments_nothing_is_seen() -> None:
    assert see(frame(depth_image()), build_lookup([], [], [], SIZE), 4.0, 0.0004) == []


def test_small_masks_and_far_pixels_are_left_out(lookup: Lookup) -> None:
    tracks = [track for track, _, _ in see(frame(depth_image()), lookup, 4.0, 0.1)]
    assert tracks == [TABLE_TRACK]
    near = [track for track, _, _ in see(frame(depth_image()), lookup, 0.9, 0.0004)]
    assert near == [BOX_TRACK]


def test_labels_carry_what_was_seen(lookup: Lookup) -> None:
    picture = frame(depth_image())
    seen = see(picture, lookup, 4.0, 0.0004)
    sights = with_proposals(picture, seen, [], frozenset({0}))
    made = labels(picture, sights, {0: "box", 1: "table"}, {0: 0.5, 1: 0.9})
    assert made.phrase == ("box", "table") and made.score.tolist() == pytest.approx([0.5, 0.9])
    assert np.asarray(made.track).tolist() == [0, 1]
    assert made.mask == tuple(counts for _, counts, _ in seen)
