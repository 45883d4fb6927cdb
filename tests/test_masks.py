"""COCO run-lengths, byte for byte what pycocotools writes, whatever the mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco
from scipy import ndimage

from scenekeeper import masks

Mask = NDArray[np.bool_]

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
any_mask = shapes.flatmap(lambda shape: arrays(np.bool_, shape))


@st.composite
def blocks(draw: st.DrawFn) -> Mask:
    """A few rectangles: long runs, and columns that are full from top to bottom."""
    mask = np.zeros(draw(shapes), np.bool_)
    for _ in range(draw(st.integers(0, 4))):
        rows, columns = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in mask.shape)
        mask[rows[0] : rows[1], columns[0] : columns[1]] = True
    return mask


either = any_mask | blocks()
FULL, EMPTY = np.ones((3, 5), bool), np.zeros((3, 5), bool)


def reference(mask: NDArray[Any]) -> bytes:
    return bytes(coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"])


def wrapped(mask: Mask) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": reference(mask)}


@given(either)
@example(FULL)
@example(EMPTY)
@example(np.ones((1, 1), bool))
def test_encoding_gives_the_bytes_of_pycocotools(mask: Mask) -> None:
    assert masks.encode(mask) == reference(mask)


@given(either, st.data())
def test_any_box_that_holds_the_mask_gives_the_same_bytes(mask: Mask, data: st.DataObject) -> None:
    x0, y0, x1, y1 = masks.box(masks.encode(mask), mask.shape)
    height, width = mask.shape
    loose = (
        data.draw(st.integers(0, x0)),
        data.draw(st.integers(0, y0)),
        data.draw(st.integers(x1, width)),
        data.draw(st.integers(y1, height)),
    )
    assert masks.encode(mask, loose) == reference(mask)


@given(either)
def test_numbers_and_memory_order_do_not_matter(mask: Mask) -> None:
    assert masks.encode(np.asfortranarray(mask)) == reference(mask)
    assert masks.encode(mask.astype(np.uint8) * 255) == reference(mask)  # type: ignore[arg-type]


@given(either)
def test_decoding_gives_the_mask_back(mask: Mask) -> None:
    decoded = masks.decode(masks.encode(mask), mask.shape)
    assert decoded.dtype == np.bool_ and np.array_equal(decoded, mask)


@given(either)
def test_what_pycocotools_wrote_is_read(mask: Mask) -> None:
    assert np.array_equal(masks.decode(reference(mask), mask.shape), mask)


@given(either)
def test_area_and_box_are_those_of_the_pixels(mask: Mask) -> None:
    counts = masks.encode(mask)
    rows, columns = np.nonzero(mask)
    expected = (
        (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else (0,) * 4
    )
    assert masks.area(counts) == mask.sum()
    assert masks.box(counts, mask.shape) == expected


@given(shapes.flatmap(lambda s: st.lists(arrays(np.bool_, s), min_size=1, max_size=4)))
def test_iou_is_that_of_the_pixels(dense: list[Mask]) -> None:
    counts = [masks.encode(m) for m in dense]
    found = masks.iou(counts, counts, dense[0].shape)
    for i, a in enumerate(dense):
        for j, b in enumerate(dense):
            union = (a | b).sum()
            assert found[i, j] == pytest.approx((a & b).sum() / union if union else 0.0)


def test_iou_with_nothing_is_empty() -> None:
    counts = masks.encode(FULL)
    assert masks.iou([], [counts], FULL.shape).shape == (0, 1)
    assert masks.iou([counts], [], FULL.shape).shape == (1, 0)


@settings(max_examples=300)
@given(st.binary(max_size=40), shapes)
def test_garbage_is_refused_or_a_mask_of_the_right_size(
    garbage: bytes, shape: tuple[int, int]
) -> None:
    try:
        decoded = masks.decode(garbage, shape)
    except ValueError:
        return
    assert decoded.shape == shape


@given(any_mask)
def test_another_image_size_is_refused(mask: Mask) -> None:
    height, width = mask.shape
    with pytest.raises(ValueError, match="the image has"):
        masks.decode(masks.encode(mask), (height + 1, width))


@pytest.mark.parametrize("size", [(2160, 3840), (8000, 10000)])
def test_large_images_are_exact(size: tuple[int, int]) -> None:
    mask = np.zeros(size, np.bool_)
    mask[size[0] // 3 : size[0] // 2, 7:-9] = True
    assert masks.encode(mask) == reference(mask)


def test_masks_of_a_real_recording_are_exact(kitchen: Path) -> None:
    depth = np.array(Image.open(kitchen / "frame-000150.depth.png"))
    compared = 0
    for low in range(500, 3000, 250):
        label, _ = ndimage.label((depth > low) & (depth < low + 250))
        for k, place in enumerate(ndimage.find_objects(label)[:40]):
            mask = label == k + 1
            box = (place[1].start, place[0].start, place[1].stop, place[0].stop)
            assert masks.encode(mask, box) == reference(mask)
            compared += 1
    assert compared > 100


def test_areas_of_many_are_those_of_each() -> None:
    dense = [FULL, EMPTY, FULL[:2]] * 100
    counts = [masks.encode(mask) for mask in dense]
    sizes = np.array([mask.shape for mask in dense])
    assert masks.areas(counts, sizes).tolist() == [mask.sum() for mask in dense]
    assert masks.areas([], sizes[:0]).tolist() == []


def test_overlap_with_a_crowd_is_the_share_of_what_lies_in_it() -> None:
    small, large = np.zeros((2, 8, 6), np.bool_)
    small[2:4, 1:3], large[3:8] = True, True
    counts = [masks.encode(mask) for mask in (small, large)]
    assert masks.iou(counts[:1], counts[1:], small.shape, [True]) == 0.5
