"""Blurred, dark, bright and hardly seen frames are flagged, others are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper.quality import Quality, measure
from scenekeeper.schema import QUALITY, Camera, Clip, Frame

CAMERA = Camera("front", 96, 64)
SHARP = np.random.default_rng(0).integers(40, 215, (64, 96, 3)).astype(np.uint8)


def frame(k: int, rgb: NDArray[np.uint8], depth: NDArray[np.float32] | None = None) -> Frame:
    return Frame(k, "s", CAMERA, k, rgb, depth)


def flags(*frames: Frame) -> list[list[str]]:
    """Flags of some frames in a clip of five sharp ones besides."""
    clip = [*(frame(k, SHARP) for k in range(5)), *frames]
    job = Quality().open(Clip("s", 0, 0, len(clip)), None)
    for one in clip:
        job.collect(job.encode(one))
    table = job.finish()["quality"]
    assert table.schema.equals(QUALITY)
    found: list[list[str]] = table["flags"].to_pylist()
    assert found[:5] == [[]] * 5
    return found[5:]


def test_a_blurred_frame_is_told_from_the_sharp_ones_of_its_clip() -> None:
    blurred = ndimage.uniform_filter1d(SHARP, 15, axis=1)
    assert flags(frame(5, blurred)) == [["blurred"]]


@pytest.mark.parametrize(("level", "flag"), [(5, "dark"), (252, "bright")])
def test_a_frame_near_either_end_is_flagged(level: int, flag: str) -> None:
    flat = SHARP.copy()
    flat[:, :70] = level
    assert flag in flags(frame(5, flat))[0]


def test_sparse_depth_is_flagged_and_missing_depth_is_not() -> None:
    depth = np.zeros((64, 96), np.float32)
    depth[:10] = 1.0
    full = np.ones((64, 96), np.float32)
    assert flags(frame(5, SHARP, depth), frame(6, SHARP, full), frame(7, SHARP)) == [
        ["sparse_depth"],
        [],
        [],
    ]


def test_numbers_are_those_of_the_picture() -> None:
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:32] = 255
    depth = np.zeros((64, 96), np.float32)
    depth[:, :24] = 2
    found = measure(frame(0, rgb, depth))
    assert found["dark"] == found["bright"] == 0.5 and found["depth_known"] == 0.25
    assert found["brightness"] == pytest.approx(127, abs=1)
    assert measure(frame(0, np.full_like(rgb, 90)))["sharpness"] == 0


def test_an_empty_clip_gives_an_empty_table() -> None:
    assert len(Quality().open(Clip("s", 0, 0, 0), None).finish()["quality"]) == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_tiny_pictures_are_measured_too(size: tuple[int, int]) -> None:
    camera = Camera("tiny", size[1], size[0])
    found = measure(Frame(0, "s", camera, 0, np.full((*size, 3), 100, np.uint8)))
    assert found["sharpness"] == 0
