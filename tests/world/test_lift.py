"""Masks and depth become points: what a few lines of NumPy say, and what no picture should hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import label

from scenekeeper.world.lift import Lifted, lift

K = np.array([[50.0, 0, 15.5], [0, 50, 11.5], [0, 0, 1]])
H, W, CELL, FAR = 24, 32, 0.05, 4.0
ODD = [0.0, -1.0, np.nan, np.inf, -np.inf, 65.535]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]


def lifted(depth: Any, masks: list[Mask], places: list[Box], **other: Any) -> Lifted:
    given_ = {"cell": CELL, "max_depth": FAR, "stride": 1} | other
    return lift(depth, K, masks, np.array(places, np.int64).reshape(-1, 4), **given_)


def plain(
    depth: NDArray[np.float32], mask: Mask, place: Box, stride: int
) -> dict[tuple[int, ...], list[NDArray[np.float64]]]:
    """Points of each cell of one mask's largest piece, pixel by pixel."""
    cells: dict[tuple[int, ...], list[NDArray[np.float64]]] = {}
    x0, y0, x1, y1 = place
    for v in range(y0, y1, stride):
        for u in range(x0, x1, stride):
            if 0 <= v < H and 0 <= u < W and mask[v - y0, u - x0] and 0 < depth[v, u] <= FAR:
                z = float(depth[v, u])
                p = np.array([(u - K[0, 2]) * z / K[0, 0], (v - K[1, 2]) * z / K[1, 1], z])
                cells.setdefault(tuple(np.floor(p / CELL).astype(int).tolist()), []).append(p)
    if not cells:
        return {}
    coarse = {k: tuple(i // 2 for i in k) for k in cells}
    index = np.array(list(coarse.values()))
    index -= index.min(0)
    grid = np.zeros(index.max(0) + 1, np.bool_)
    grid[tuple(index.T)] = True
    pieces = label(grid, np.ones((3, 3, 3)))[0][tuple(index.T)]
    weight = np.bincount(pieces, [len(points) for points in cells.values()])
    best = set(np.flatnonzero(weight == weight.max()).tolist())
    kept = {k: p for (k, p), piece in zip(cells.items(), pieces, strict=True) if piece in best}
    return kept if len(best) == 1 else {}


@st.composite
def pictures(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[Mask], list[Box], int]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depth = rng.choice([0.8, 1.0, 1.1, 2.5, 3.9], (H // 4, W // 4)).repeat(4, 0).repeat(4, 1)
    depth = (depth + rng.normal(0, 0.01, depth.shape)).astype(np.float32)
    holes = rng.random(depth.shape) < draw(st.sampled_from([0.0, 0.1, 0.9]))
    depth[holes] = rng.choice(ODD, holes.sum())
    masks, places = [], []
    for _ in range(draw(st.integers(0, 4))):
        x0, y0 = draw(st.integers(-6, W + 3)), draw(st.integers(-6, H + 3))
        w, h = draw(st.integers(0, 20)), draw(st.integers(0, 20))
        masks.append(rng.random((h, w)) < draw(st.sampled_from([0.0, 0.5, 1.0])))
        places.append((x0, y0, x0 + w, y0 + h))
    return depth, masks, places, draw(st.sampled_from([1, 2, 3, 1000]))


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_points_are_those_of_plain_loops(
    picture: tuple[NDArray[np.float32], list[Mask], list[Box], int],
) -> None:
    depth, masks, places, stride = picture
    got = lifted(depth, masks, places, stride=stride)
    assert len(got) == len(masks) and got.start[-1] == len(got.point) == len(got.count)
    for m, (mask, place) in enumerate(zip(masks, places, strict=True)):
        expected = plain(depth, mask, place, stride)
        if not expected:  # nothing there, or two pieces as large: either will do
            continue
        points = np.array([np.mean(p, 0) for p in expected.values()])
        count = np.array([len(p) for p in expected.values()])
        mine, rows = got.of(m), slice(got.start[m], got.start[m + 1])
        assert len(mine) == len(points)
        order, mine_order = np.lexsort(points.round(4).T), np.lexsort(mine.round(4).T)
        assert mine[mine_order] == pytest.approx(points[order], abs=1e-5)
        assert sorted(got.count[rows].tolist()) == sorted(count.tolist())


def full(z: float = 1.0) -> NDArray[np.float32]:
    return np.full((H, W), z, np.float32)


def test_of_a_mask_over_two_surfaces_the_larger_is_kept() -> None:
    depth = full()
    depth[:, 20:] = 2.0
    got = lifted(depth, [np.ones((H, W), np.bool_)], [(0, 0, W, H)])
    assert got.point[:, 2] == pytest.approx(np.ones(len(got.point)))
    assert got.count.sum() == 20 * H


def test_no_masks_give_no_detections() -> None:
    got = lifted(full(), [], [])
    assert len(got) == 0 and got.start.tolist() == [0] and got.point.shape == (0, 3)


@pytest.mark.parametrize("z", [*ODD, FAR + 0.01])
def test_depth_that_says_nothing_gives_no_points(z: float) -> None:
    got = lifted(full(z), [np.ones((H, W), np.bool_)], [(0, 0, W, H)])
    assert len(got) == 1 and len(got.point) == 0


def test_what_lies_outside_the_picture_is_not_seen() -> None:
    mask = np.ones((10, 10), np.bool_)
    inside = lifted(full(), [mask[5:, 5:]], [(0, 0, 5, 5)])
    across = lifted(full(), [mask], [(-5, -5, 5, 5)])
    outside = lifted(full(), [mask, mask], [(W, H, W + 10, H + 10), (-10, -10, 0, 0)])
    assert np.array_equal(across.point, inside.point) and len(outside.point) == 0


def test_pictures_of_other_types_are_read_alike() -> None:
    mask = np.ones((H, W), np.bool_)
    expected = lifted(full(), [mask], [(0, 0, W, H)])
    for depth in (full().astype(np.float64), full().astype(np.uint16), np.asfortranarray(full())):
        got = lifted(depth, [mask.astype(np.uint8)], [(0, 0, W, H)])
        assert np.array_equal(got.point, expected.point)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"places": [(0, 0, W, H - 1)]}, "mask 0 is"),
        ({"places": []}, "1 masks have 0 places"),
        ({"depth": np.ones((H, W, 1), np.float32)}, "one picture"),
        ({"stride": 0}, "positive"),
        ({"cell": 0.0}, "positive"),
        ({"cell": np.nan}, "positive"),
        ({"max_depth": np.inf}, "finite"),
        ({"cell": 1e-6}, "larger cells"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {
        "depth": full(),
        "masks": [np.ones((H, W), np.bool_)],
        "places": [(0, 0, W, H)],
    }
    with pytest.raises(ValueError, match=message):
        lifted(**(whole | change))


def test_a_frame_of_500_masks_is_lifted_one_by_one() -> None:
    places = [(x, y, x + 6, y + 6) for y in range(18) for x in range(28)][:500]
    masks = [np.ones((6, 6), np.bool_)] * len(places)
    depth = (1 + np.arange(H * W).reshape(H, W) / (H * W)).astype(np.float32)
    got = lifted(depth, masks, places)
    assert len(got) == 500
    for m in (0, 99, 250, 499):
        assert np.array_equal(got.of(m), lifted(depth, masks[:1], [places[m]]).point)
