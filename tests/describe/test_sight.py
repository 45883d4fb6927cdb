"""Pictures are resized so that nobody else does it, and places come back to where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.describe.marks import draw_marks
from scenekeeper.describe.sight import Sight, sight_of

BOTH = [sight_of("Qwen/Qwen2.5-VL-7B-Instruct"), sight_of("Qwen/Qwen3-VL-8B-Instruct")]
sides = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("name", "factor", "relative"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 28, False),
        ("qwen2_5_vl", 28, False),
        ("nvidia/Cosmos-Reason1-7B", 28, False),
        ("Qwen/Qwen2-VL-7B-Instruct", 28, True),
        ("Qwen/Qwen3-VL-8B-Instruct", 32, True),
        ("nvidia/Cosmos-Reason2-8B", 32, True),
        ("someone/unheard-of", 32, True),
    ],
)
def test_how_a_model_writes_places_follows_from_its_name(
    name: str, factor: int, relative: bool
) -> None:
    sight = sight_of(name)
    assert (sight.factor, sight.relative) == (factor, relative)


@given(width=sides, height=sides, sight=st.sampled_from(BOTH))
def test_sizes_are_multiples_within_limits(width: int, height: int, sight: Sight) -> None:
    w, h = sight.size(width, height)
    assert w % sight.factor == 0 and h % sight.factor == 0
    assert sight.min_pixels <= w * h <= sight.max_pixels
    assert max(w, h) < 200 * min(w, h)
    assert sight.size(w, h) == (w, h)


@given(
    width=st.integers(40, 2000),
    height=st.integers(40, 2000),
    box=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    sight=st.sampled_from(BOTH),
)
def test_boxes_survive_the_way_there_and_back(
    width: int, height: int, box: list[float], sight: Sight
) -> None:
    original = np.sort(np.array(box, np.float32).reshape(2, 2), 0) * (width, height)
    written = sight.written(original.reshape(1, 4).astype(np.float32), (width, height))
    back = sight.boxes(written.tolist(), (width, height))
    # Half of what is one number apart in the model's way of writing, along either side.
    unit = 1000 if sight.relative else np.array(sight.size(width, height) * 2)
    step = np.array([width, height] * 2) / unit
    assert (np.abs(back[0] - original.reshape(4)) <= 0.5 * step + 1e-3).all()


def test_each_side_is_scaled_by_itself() -> None:
    sight = sight_of("qwen2.5-vl")
    w, h = sight.size(1920, 1080)
    assert w / 1920 != pytest.approx(h / 1080, rel=1e-3)
    np.testing.assert_allclose(sight.boxes([[0, 0, w, h]], (1920, 1080)), [[0, 0, 1920, 1080]])


def test_corners_are_ordered_and_clipped() -> None:
    boxes = Sight().boxes([[900, 900, -50, 100], [1200, 0, 1500, 10]], (200, 100))
    np.testing.assert_allclose(boxes, [[0, 10, 180, 90], [200, 0, 200, 1]])


def test_a_picture_that_fits_is_left_alone() -> None:
    rgb = np.zeros((448, 448, 3), np.uint8)
    sight = sight_of("qwen2.5-vl")
    assert sight.see(rgb) is rgb
    assert sight.see(np.zeros((241, 319, 3), np.uint8)).shape == (252, 308, 3)


def test_marks_leave_what_is_far_from_boxes_alone() -> None:
    rgb = np.full((200, 300, 3), 90, np.uint8)
    boxes = np.array([[20, 20, 120, 150], [20, 20, 60, 60]], np.float32)
    marked = draw_marks(rgb, boxes, [1, 2])
    assert (rgb == 90).all(), "the picture itself is not touched"
    assert (marked[:, 140:] == 90).all()
    assert (marked[20:150, 20:22] != 90).any(2).all()
    assert not np.array_equal(marked, draw_marks(rgb, boxes, [1, 3]))
    assert np.array_equal(marked, draw_marks(rgb, boxes, [1, 2]))


def test_marks_at_the_edges_stay_inside() -> None:
    rgb = np.zeros((40, 40, 3), np.uint8)
    boxes = np.array([[30, 30, 40, 40], [0, 0, 1, 1]], np.float32)
    assert draw_marks(rgb, boxes, [12, 34]).shape == rgb.shape
