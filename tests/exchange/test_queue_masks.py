"""Every tool's spelling of a mask comes back as the same mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scenekeeper import masks
from scenekeeper.exchange import queue_masks as spelled
from scenekeeper.exchange.outline import outline
from scenekeeper.exchange.queue_match import mask_changed

sizes = st.tuples(st.integers(1, 19), st.integers(1, 23))
pictures = sizes.flatmap(lambda size: arrays.arrays(np.bool_, size))


@given(pictures)
def test_cvat(mask: np.ndarray) -> None:
    counts, size = masks.encode(mask), mask.shape
    assert spelled.from_cvat(*spelled.to_cvat(counts, size), size) == counts
    assert spelled.from_cvat_points(spelled.to_cvat_points(counts, size), size) == counts


def test_cvat_counts_rows_inside_the_box_from_the_background() -> None:
    mask = np.zeros((4, 6), bool)
    mask[1, 2:4] = mask[2, 3] = True
    counts = masks.encode(mask)
    assert spelled.to_cvat(counts, (4, 6)) == ([0, 2, 1, 1], (2, 1, 2, 2))
    assert spelled.to_cvat_points(counts, (4, 6)) == [0, 2, 1, 1, 2, 1, 3, 2]


@given(pictures)
def test_label_studio(mask: np.ndarray) -> None:
    counts, size = masks.encode(mask), mask.shape
    assert spelled.from_brush(spelled.to_brush(counts, size), size) == counts


def test_label_studio_takes_runs_of_more_than_65536_values() -> None:
    mask = np.zeros((300, 400), bool)
    mask[40:, 5:] = True
    counts = masks.encode(mask)
    assert spelled.from_brush(spelled.to_brush(counts, mask.shape), mask.shape) == counts


def test_label_studio_reads_values_that_are_not_repeated() -> None:
    # Two pixels, each channel spelled out: 0 0 0 255, 0 0 0 0.
    values = [0, 0, 0, 255, 0, 0, 0, 0]
    bits = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + f"000{7:03b}"
    bits += "".join(f"{v:08b}" for v in values)
    bits += "0" * (-len(bits) % 8)
    rle = list(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    assert spelled.from_brush(rle, (1, 2)) == masks.encode(np.array([[True, False]]))


@given(sizes.flatmap(lambda size: arrays.arrays(np.int64, size, elements=st.integers(0, 1 << 20))))
def test_layers_of_v7_and_labelbox(numbers: np.ndarray) -> None:
    assert (spelled.from_dense(spelled.to_dense(numbers), numbers.shape) == numbers).all()
    assert (spelled.from_png(spelled.to_png(numbers), numbers.shape) == numbers).all()
    shown = spelled.parts(numbers)
    assert set(shown) == set(np.unique(numbers)) - {0}
    assert (spelled.layer(shown, numbers.shape) == numbers).all()


def test_a_small_mask_lies_on_top_of_a_large_one() -> None:
    large, small = np.zeros((2, 8, 8), bool)
    large[1:7, 1:7] = small[3:5, 3:5] = True
    numbers = spelled.layer({1: masks.encode(small), 2: masks.encode(large)}, (8, 8))
    assert (numbers == 1).sum() == 4 and (numbers == 2).sum() == 32


@given(pictures)
def test_coco_runs(mask: np.ndarray) -> None:
    counts = masks.encode(mask)
    runs = masks.counts_to_runs(counts).tolist()
    assert spelled.from_coco_runs(runs, mask.shape) == counts


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_rounding_an_outline_changes_no_mask_but_moving_it_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0:60, 0:80]
    a, b = rng.uniform(8, 20, 2)
    mask = ((u - 40) / a) ** 2 + ((v - 30) / b) ** 2 < 1
    counts, size = masks.encode(mask), mask.shape
    polygon = outline(counts, size)
    assert polygon is not None
    before = spelled.from_polygons([polygon.ravel().tolist()], size)
    jittered = polygon + rng.uniform(-0.5, 0.5, polygon.shape)
    assert not mask_changed(before, spelled.from_polygons([jittered.ravel().tolist()], size), size)
    moved = spelled.from_polygons([(polygon + 3).ravel().tolist()], size)
    assert mask_changed(before, moved, size)


def test_an_emptied_mask_is_changed() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    assert mask_changed(masks.encode(mask), masks.encode(np.zeros((9, 9), bool)), (9, 9))


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: spelled.from_cvat([1], (7, 0, 2, 1), (4, 8)), "outside the picture"),
        (lambda: spelled.from_cvat([1, 2], (0, 0, 2, 2), (4, 8)), "do not cover 4 pixels"),
        (lambda: spelled.from_cvat([-1, 5], (0, 0, 2, 2), (4, 8)), "do not cover 4 pixels"),
        (lambda: spelled.from_cvat_points([1, 2.5, 0, 0, 1, 1], (4, 8)), "whole numbers"),
        (lambda: spelled.from_brush([1, 2, 3], (4, 8)), "invalid literal|too early|pixels"),
        (
            lambda: spelled.from_brush(spelled.to_brush(_square(), (4, 8))[:-3], (4, 8)),
            "invalid literal|longer|too early",
        ),
        (lambda: spelled.from_brush(spelled.to_brush(_square(), (4, 8)), (8, 8)), "not of 8 x 8"),
        (lambda: spelled.from_dense([1, 3], (4, 8)), "do not cover"),
        (lambda: spelled.from_dense([1], (4, 8)), "do not cover"),
        (lambda: spelled.from_png("not base 64!", (4, 8)), "base64"),
        (lambda: spelled.from_png("AAAA", (4, 8)), "no PNG"),
        (lambda: spelled.from_png(spelled.to_png(np.zeros((4, 8), int)), (8, 8)), "is of"),
        (lambda: spelled.from_polygons([[0, 0, 1, 1]], (4, 8)), "three corners"),
        (lambda: spelled.from_polygons([[0, 0, 1, 1, np.nan, 0]], (4, 8)), "numbers"),
        (lambda: spelled.from_polygons([[0, 0, 1, 1, 1e300, 0]], (4, 8)), "near its picture"),
    ],
)
def test_what_is_no_mask_is_a_value_error(read: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read()  # type: ignore[operator]


def _square() -> bytes:
    mask = np.zeros((4, 8), bool)
    mask[1:3, 2:5] = True
    return masks.encode(mask)
